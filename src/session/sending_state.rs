//! State of the way to the coordinator, for texts that go into the outbox file.

/// State of sending: texts are sent, or wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SendingState {
    /// Texts are sent.
    Open,
    /// A command of the user brings this participant online. Texts wait for its outcome.
    Joining,
    /// Texts wait until this participant is online, or until a pause is over.
    Outage,
}
