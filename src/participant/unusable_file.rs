//! Reasons why a file of the participant cannot be used.

use std::fmt;
use std::io;

use crate::limits::OUTBOX_FILE_BYTES_MAX;
use crate::text;

/// Use of a file that begins with a header for this use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileUse {
    /// The message log.
    MessageLog,
    /// The outbox file.
    Outbox,
}

/// Reason why a file cannot be used as the message log or as the outbox file. The file is
/// unchanged.
#[derive(Debug)]
pub enum UnusableFile {
    /// The file cannot be opened, locked, read, written, truncated or replaced.
    System(io::Error),
    /// The file is not a regular file, but a device or a pipe.
    NoFile,
    /// Another program has locked the file.
    InUse,
    /// The file does not start with the header for this use.
    Foreign(FileUse),
    /// The file is that of this other participant.
    OfAnother(FileUse, String),
    /// The outbox file has this number of bytes.
    TooLong(u64),
    /// This line of the outbox file is damaged. Only `--check` takes that for an error.
    Damaged(u64),
}

impl From<io::Error> for UnusableFile {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

impl UnusableFile {
    /// Returns the next step of the user for a file that a start refuses; `None` if the reason
    /// alone tells it.
    pub(super) fn advice(&self) -> Option<&'static str> {
        match self {
            Self::System(error) if error.kind() == io::ErrorKind::NotFound => {
                Some("its directory is not there: create it")
            }
            Self::NoFile | Self::Foreign(_) | Self::OfAnother(..) => Some("use another file"),
            Self::InUse => Some("end that program, or use another file"),
            Self::System(_) | Self::TooLong(_) | Self::Damaged(_) => None,
        }
    }
}

impl fmt::Display for UnusableFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(error) => error.fmt(f),
            Self::NoFile => f.write_str("not a regular file"),
            Self::InUse => f.write_str("in use by another program"),
            Self::Foreign(file_use) => {
                let header = match file_use {
                    FileUse::MessageLog => "a message log",
                    FileUse::Outbox => "an outbox file",
                };
                write!(f, "not empty, and does not start with the header of {header}")
            }
            Self::OfAnother(file_use, id) => {
                let found = match file_use {
                    FileUse::MessageLog => "message log",
                    FileUse::Outbox => "outbox file",
                };
                write!(f, "it is the {found} of {}", text::for_terminal(id))
            }
            Self::Damaged(line) => write!(
                f,
                "line {line} is damaged: a text may be missing, or may be sent twice. The next \
                 start keeps the file as FILE.damaged and sends the texts that can be read"
            ),
            Self::TooLong(bytes) => {
                write!(f, "file of {bytes} bytes exceeds {OUTBOX_FILE_BYTES_MAX}")
            }
        }
    }
}
