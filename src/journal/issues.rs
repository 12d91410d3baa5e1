//! What somebody must look at, in words.

use std::fmt;
use std::io;
use std::ops::Range;

use rustix::io::Errno;

use super::segment::BadHeader;
use crate::limits::LOST_NUMBERS_MAX;
use crate::protocol::Seq;
use crate::text::Counted;

/// Reason why a directory cannot be used. Nothing in it was changed.
#[derive(Debug)]
pub enum JournalError {
    /// The operating system refuses a call without which there is no start.
    System {
        /// Description of the call that failed.
        what: &'static str,
        /// Error of the operating system.
        error: io::Error,
    },
    /// A segment that may be whole cannot be read.
    Unreadable {
        /// The file.
        name: String,
        /// Error of the operating system.
        error: io::Error,
    },
    /// Another coordinator is at work in it.
    InUse,
    /// Somebody did not want to wait for the end.
    Stopped,
    /// A later program has written here.
    Version {
        /// The file.
        name: String,
        /// Its version.
        version: u32,
    },
}

impl JournalError {
    /// Returns true if a file is not there any more.
    #[must_use]
    pub fn is_of_no_file(&self) -> bool {
        let is_missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        matches!(self, Self::Unreadable { error, .. } if is_missing(error))
    }

    pub(super) fn system(what: &'static str) -> impl Fn(io::Error) -> Self {
        move |error| Self::System { what, error }
    }
}

/// Returns what the operator must do about an error before the next try.
fn advice(error: &io::Error) -> &'static str {
    let is = |errno: Errno| error.raw_os_error() == Some(errno.raw_os_error());
    if error.kind() == io::ErrorKind::PermissionDenied {
        "let the user that the coordinator runs as read and write it"
    } else if error.kind() == io::ErrorKind::OutOfMemory {
        "free memory"
    } else if is(Errno::MFILE) || is(Errno::NFILE) {
        "raise the limit on open files"
    } else {
        "check the disk"
    }
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System { what, error } => {
                write!(f, "{what}: {error}; nothing was changed: ")?;
                write!(f, "{}, and try again", advice(error))
            }
            Self::Unreadable { name, error } => {
                write!(f, "{name} cannot be read: {error}; nothing was changed: ")?;
                write!(f, "{}, and try again; or move the file away, ", advice(error))?;
                f.write_str("and what it holds is lost")
            }
            Self::InUse => {
                f.write_str("in use by another coordinator: end that one, or use another directory")
            }
            Self::Stopped => f.write_str("stopped before the journal was read to its end"),
            Self::Version { name, version } => {
                write!(f, "{name}: {}", BadHeader::Version(*version))
            }
        }
    }
}

/// A file that is no segment of the journal, and what became of it.
#[derive(Debug)]
pub struct Rejected {
    /// Its name.
    pub name: String,
    /// Why it is none.
    pub reason: String,
    /// The name that it has now, or why it has kept the old one; `None`: nothing was to be changed.
    pub quarantined: Option<io::Result<String>>,
}

/// Something that is not as it should be.
#[derive(Debug)]
pub enum Issue {
    /// A file that bears the name of a segment and cannot be read as one.
    Rejected(Rejected),
    /// A segment is damaged; what is whole in it is used.
    Damaged {
        /// Which.
        serial: u64,
        /// Number of damaged ranges of bytes.
        ranges: u64,
        /// How many bytes.
        bytes: u64,
        /// The first place.
        first: Range<u64>,
        /// Number of these places that are whole records with impossible values.
        impossible: u64,
    },
    /// Messages in a segment have numbers so far above the others that they are not used.
    TooFar {
        /// Which.
        serial: u64,
        /// The first of them.
        first: Seq,
        /// How many messages.
        messages: u64,
    },
    /// More numbers are missing than can be: the messages before them are lost, too.
    GivenUp {
        /// The next number.
        before: Seq,
    },
    /// A segment ends in the beginning of a record.
    Torn {
        /// Which.
        serial: u64,
        /// Where.
        bytes: Range<u64>,
        /// Whether it was cut off; `None`: nothing was to be changed.
        cut: Option<io::Result<()>>,
    },
    /// A segment begins numbers anew that others go on with; what it says of them is not used.
    NumbersTwice {
        /// Which.
        serial: u64,
        /// How many messages.
        messages: u64,
    },
    /// Messages were accepted, and are no longer there.
    Lost {
        /// The first.
        first: Seq,
        /// The last.
        last: Seq,
    },
    /// More than can be told one by one.
    MoreLost {
        /// How many messages.
        messages: u64,
    },
    /// The newest segments, or the end of the newest, are not there.
    NewestMissing,
    /// A member has taken a number above the last one that is found.
    AckedAboveLast(Seq),
}

const IMPOSSIBLE: &str = "with impossible values: a number, a time or a name is out of range";

fn impossible_records(f: &mut fmt::Formatter<'_>, count: u64) -> fmt::Result {
    match count {
        0 => Ok(()),
        1 => write!(f, "; 1 of these is a whole record {IMPOSSIBLE}"),
        2.. => write!(f, "; {count} of these are whole records {IMPOSSIBLE}"),
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(Rejected { name, reason, quarantined }) => {
                write!(f, "{name} cannot be used: {reason}")?;
                match quarantined {
                    Some(Ok(quarantined)) => write!(f, "; it was renamed to {quarantined}"),
                    Some(Err(error)) => write!(f, "; it cannot be renamed: {error}"),
                    None => Ok(()),
                }
            }
            Self::Damaged { serial, ranges, bytes, first, impossible } => {
                let ranges = Counted(*ranges, "place", "places");
                let bytes = Counted(*bytes, "byte", "bytes");
                write!(f, "segment {serial:016x} is damaged in {ranges}, {bytes} in all, ")?;
                write!(f, "the first from byte {} to byte {}", first.start, first.end)?;
                impossible_records(f, *impossible)
            }
            Self::TooFar { serial, first, messages } => {
                let messages = Counted(*messages, "message is", "messages are");
                write!(f, "segment {serial:016x}: message {first} is more than ")?;
                write!(f, "{LOST_NUMBERS_MAX} above the previous one: {messages} not used")
            }
            Self::GivenUp { before } => {
                write!(f, "more than {LOST_NUMBERS_MAX} numbers are missing before {before}: ")?;
                f.write_str("the messages that were kept before them are lost")
            }
            Self::Torn { serial, bytes: Range { start, end }, cut } => {
                write!(
                    f,
                    "segment {serial:016x} ends in a torn record from byte {start} to byte {end}"
                )?;
                match cut {
                    Some(Ok(())) => f.write_str(", which was cut off"),
                    Some(Err(error)) => write!(f, ", which cannot be cut off: {error}"),
                    None => Ok(()),
                }
            }
            Self::NumbersTwice { serial, messages } => {
                let messages = Counted(*messages, "message is", "messages are");
                write!(
                    f,
                    "segment {serial:016x} repeats numbers of older segments in another epoch: "
                )?;
                write!(f, "{messages} not used")
            }
            Self::Lost { first, last } if first == last => write!(f, "message {first} is lost"),
            Self::Lost { first, last } => write!(f, "messages {first} to {last} are lost"),
            Self::MoreLost { messages } => {
                let messages = Counted(*messages, "further message is", "further messages are");
                write!(f, "{messages} lost")
            }
            Self::NewestMissing => f.write_str("the newest records are missing"),
            Self::AckedAboveLast(acked) => {
                write!(f, "a member has acked message {acked}, which is missing")
            }
        }
    }
}
