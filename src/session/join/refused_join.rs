//! The next step after a refused attempt.

/// The next step after a refused attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::session) enum RefusedJoin {
    /// The member or its key is unknown: the same attempt goes on as a `register`.
    Registers,
    /// The coordinator does not know `last=`: the same attempt goes on without it.
    RegistersWithoutPast,
    /// Another attempt follows after a pause.
    Retries,
    /// The join has failed.
    Fails,
}
