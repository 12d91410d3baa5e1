//! Kinds of attempts.

/// The two ways to become online.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// As a new member.
    Register,
    /// As a member that was offline, or takes over from itself.
    Reconnect,
}

impl Kind {
    /// The command's word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Reconnect => "reconnect",
        }
    }
}
