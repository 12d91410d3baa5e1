//! The port of the listener.

/// The port of the listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::session) struct Port {
    pub(in crate::session) number: u16,
    /// True if the user wrote 0: if the port is taken later, another one is used.
    pub(super) is_any: bool,
}

impl Port {
    /// Returns the port that the user asked for: 0 is any free port.
    pub(in crate::session) const fn asked(number: u16) -> Self {
        Self { number, is_any: number == 0 }
    }
}
