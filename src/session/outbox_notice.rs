//! Lines for the user about texts that wait, and about the outbox file.

use std::fmt;

use crate::text::{self, Counted};

/// A line about the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutboxNotice {
    /// A text waits, and is kept: in the outbox file if there is one.
    Queued {
        /// Number of texts that wait, with this one.
        waiting: usize,
    },
    /// Texts wait in the outbox file at the start or the end of the participant.
    Kept {
        /// Number of texts.
        texts: usize,
    },
    /// The outbox file cannot be written.
    Failed {
        /// Error of the operating system.
        reason: Box<str>,
    },
    /// The outbox file can be written again.
    Recovered,
}

impl fmt::Display for OutboxNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queued { waiting } => write!(f, "* queued, {waiting} waiting"),
            Self::Kept { texts } => {
                let texts = Counted(*texts, "message waits", "messages wait");
                write!(f, "* outbox: {texts}, to be sent when this participant is online")
            }
            Self::Failed { reason } => {
                let reason = text::for_terminal(reason);
                write!(f, "error: outbox: {reason}; until it can be written, no message is sent")
            }
            Self::Recovered => f.write_str("* outbox: it can be written again"),
        }
    }
}
