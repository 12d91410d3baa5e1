//! The reason of a join.

/// Reason of a join, and with it what a failed attempt means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JoinPolicy {
    /// `register` or `reconnect` of the user: a failure is the result of the command.
    Once,
    /// First attempt of a `join` of the user.
    UntilOnline,
    /// `join` of the user after its first failure: the next commands go on.
    KeepsTrying,
    /// A broken message socket: tried until it succeeds.
    Automatic,
}
