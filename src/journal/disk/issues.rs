//! Errors that stop a start, and issues that an operator must look at.

use std::fmt;
use std::io;
use std::ops::Range;

use rustix::io::Errno;

use super::segment::BadHeader;
use crate::limits::LOST_NUMBERS_MAX;
use crate::protocol::Seq;
use crate::text::Counted;

/// Reason why a directory cannot be used. Nothing in the directory was changed.
#[derive(Debug)]
pub enum JournalError {
    /// A call that every start needs failed.
    System {
        /// Description of the call that failed.
        what: &'static str,
        /// Error of the operating system.
        error: io::Error,
    },
    /// A segment that may be whole cannot be read.
    Unreadable {
        /// Name of the file.
        name: String,
        /// Error of the operating system.
        error: io::Error,
    },
    /// Another coordinator uses the directory.
    InUse,
    /// The caller stopped the recovery.
    Stopped,
    /// A later version of the program wrote a file.
    Version {
        /// Name of the file.
        name: String,
        /// Version of the file.
        version: u32,
    },
}

impl JournalError {
    /// Returns true if a file is missing.
    #[must_use]
    pub fn is_missing_file(&self) -> bool {
        let is_missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        matches!(self, Self::Unreadable { error, .. } if is_missing(error))
    }

    pub(super) fn system(what: &'static str) -> impl Fn(io::Error) -> Self {
        move |error| Self::System { what, error }
    }
}

/// Returns the advice to the operator.
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

/// A file with the name of a segment that is not a segment.
#[derive(Debug)]
pub struct Rejected {
    /// Name of the file.
    pub name: String,
    /// Description of the fault.
    pub reason: String,
    /// New name of the quarantined file, or the error of the rename. `None` while the journal is
    /// only inspected.
    pub quarantined: Option<io::Result<String>>,
}

/// A problem of the journal, for the operator.
#[derive(Debug)]
pub enum Issue {
    /// A file with the name of a segment that cannot be read as one.
    Rejected(Rejected),
    /// A segment is damaged. Its intact records are used.
    Damaged {
        /// Serial of the segment.
        serial: u64,
        /// Number of damaged ranges of bytes.
        ranges: u64,
        /// Number of damaged bytes.
        bytes: u64,
        /// First damaged range.
        first: Range<u64>,
        /// Number of damaged ranges that are whole records with impossible values.
        impossible: u64,
    },
    /// Messages with seqs so far above the previous ones that they are not used.
    TooFar {
        /// Serial of the segment.
        serial: u64,
        /// First such seq.
        first: Seq,
        /// Number of such messages.
        messages: u64,
    },
    /// So many seqs are missing that the messages before them are lost, too.
    GivenUp {
        /// First seq after the missing ones.
        before: Seq,
    },
    /// A segment ends with an incomplete record.
    Torn {
        /// Serial of the segment.
        serial: u64,
        /// Range of the incomplete record.
        bytes: Range<u64>,
        /// Result of cutting the record off. `None` while the journal is only inspected, and if
        /// the segment has other damage.
        cut: Option<io::Result<()>>,
    },
    /// A segment ends before the end of the snapshot at its start. A segment gets its name after
    /// its snapshot is synced, so something has cut the file.
    SnapshotCut {
        /// Serial of the segment.
        serial: u64,
    },
    /// A segment repeats seqs of older segments in another epoch. Its messages with these seqs are
    /// not used.
    NumbersTwice {
        /// Serial of the segment.
        serial: u64,
        /// Number of messages that are not used.
        messages: u64,
    },
    /// Accepted messages are missing.
    Lost {
        /// First missing seq.
        first: Seq,
        /// Last missing seq.
        last: Seq,
    },
    /// Further missing messages, above the limit of single reports.
    MoreLost {
        /// Number of messages.
        messages: u64,
    },
    /// The newest segments are missing, or the end of the newest one.
    NewestMissing,
    /// A member acknowledged a seq above the last one that was found.
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

fn torn(
    f: &mut fmt::Formatter<'_>,
    serial: u64,
    Range { start, end }: &Range<u64>,
    cut: Option<&io::Result<()>>,
) -> fmt::Result {
    write!(f, "segment {serial:016x} ends in a torn record from byte {start} to byte {end}")?;
    match cut {
        Some(Ok(())) => f.write_str(", which was cut off"),
        Some(Err(error)) => write!(f, ", which cannot be cut off: {error}"),
        None => Ok(()),
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
            Self::Torn { serial, bytes, cut } => torn(f, *serial, bytes, cut.as_ref()),
            Self::SnapshotCut { serial } => {
                write!(f, "segment {serial:016x} was cut: it ends before the end of its snapshot")
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
