//! The texts of the outbox, as they are kept in a file.

use std::num::NonZeroU64;

/// An entry of the outbox file. The file has the entries in this order, and an entry counts only
/// with all entries before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutboxEntry {
    /// A text of the user.
    Text {
        /// Position of the text among all texts of this outbox.
        order: u64,
        /// Number of the text, if it is known already.
        number: Option<NonZeroU64>,
        /// The text, without control characters but TAB.
        text: Box<str>,
    },
    /// The number with which a text is sent. It replaces an earlier one.
    Number {
        /// Position of the text.
        order: u64,
        /// Number of the text.
        number: NonZeroU64,
    },
    /// The outcome of a text is known: it does not wait any more.
    Done {
        /// Position of the text.
        order: u64,
    },
}

/// A text that an earlier run of the participant left in the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredText {
    /// Position of the text among all texts of this outbox.
    pub order: u64,
    /// Number with which the text was sent, or was about to be sent.
    pub number: Option<NonZeroU64>,
    /// Text of the message, as the user wrote it.
    pub text: Box<str>,
    /// Milliseconds since the user sent the text.
    pub age_ms: u64,
}
