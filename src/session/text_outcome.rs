//! Outcome of a text, for the shell.

/// Outcome of a text of the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextOutcome {
    /// The coordinator has accepted the text.
    Confirmed,
    /// The coordinator has refused the text for good.
    Refused,
    /// The session ends, and the outbox file keeps the text for the next run.
    Kept,
}
