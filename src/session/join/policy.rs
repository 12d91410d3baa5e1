//! Consequence of a failed attempt to join: the end of a command, or a further attempt.

/// Rule for a failed attempt of a join, by who asked for the join.
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
