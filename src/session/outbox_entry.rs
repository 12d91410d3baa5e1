//! The texts of the outbox, as they are kept in a file.

use std::num::NonZeroU64;

use crate::protocol::Epoch;

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
    /// The numbering of the texts starts anew. The numbers in the entries before this one are over:
    /// the coordinator has certainly not accepted a waiting text with such a number. If no epoch
    /// was named before, the numbers stay, and are of this epoch.
    Epoch {
        /// Epoch of the numbers in the entries that follow; `None` if the membership has ended.
        epoch: Option<Epoch>,
    },
    /// A `register` is asked for, or was refused, or was not sent. After an asked one, the numbers
    /// in the entries before may be of an earlier registration, until an epoch is named or the
    /// `register` is refused.
    Register {
        /// True if the `register` was refused or not sent.
        is_refused: bool,
    },
}

/// Texts that an earlier run of the participant left in the outbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredOutbox {
    /// Epoch in which the numbers of the texts were given, if the file names one.
    pub epoch: Option<Epoch>,
    /// True if a `register` was asked for since: the numbers may be of an earlier registration.
    pub may_be_new: bool,
    /// The texts, in their order.
    pub texts: Vec<StoredText>,
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
