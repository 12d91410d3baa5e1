//! Changes of a journal that its operator must know.

use std::fmt;

/// Change of a journal for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JournalNotice {
    /// The journal cannot be written, for this reason.
    CannotWrite(String),
    /// The journal can be written again.
    CanWriteAgain,
    /// A segment that is not needed cannot be removed. It does no harm.
    CannotRemove {
        /// Serial number of the segment.
        serial: u64,
        /// Error text of the operating system.
        reason: String,
    },
}

impl fmt::Display for JournalNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CannotWrite(reason) => write!(
                f,
                "the journal cannot be written: {reason}; registrations and messages are refused \
                 until a retry succeeds"
            ),
            Self::CanWriteAgain => f.write_str("the journal can be written again"),
            Self::CannotRemove { serial, reason } => write!(
                f,
                "segment {serial:016x} cannot be removed, the next start tries again: {reason}"
            ),
        }
    }
}
