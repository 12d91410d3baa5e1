//! Compares the open log file with what was written and with the file under its name.

use std::fmt;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// A comparison's result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileState {
    /// Every line stands in the file.
    Intact,
    /// Bytes follow that no finished write has left.
    Longer,
    /// Lines are missing: the file was truncated in place.
    Truncated,
    /// The file has no name any more.
    Deleted,
    /// The file has another name, and the log's name leads to another file or to none.
    Moved,
}

/// Names a file for as long as it is open: its device and its inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LogFileId(u64, u64);

impl LogFileId {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self(metadata.dev(), metadata.ino())
    }
}

impl FileState {
    /// Compares the file with its name too: with one system call if the name leads to the file.
    pub(super) fn of(file: &File, id: LogFileId, path: &Path, length: u64) -> io::Result<Self> {
        match fs::metadata(path) {
            Ok(named) if LogFileId::of(&named) == id => {
                return Ok(Self::of_metadata(&named, length));
            }
            Ok(_) => (),
            Err(error) if is_absence(&error) => (),
            Err(error) => return Err(error), // Nobody knows which file the name leads to.
        }
        Ok(if file.metadata()?.nlink() == 0 { Self::Deleted } else { Self::Moved })
    }

    /// Compares the file with what was written, whatever its name is.
    pub(super) fn of_open(file: &File, length: u64) -> io::Result<Self> {
        Ok(Self::of_metadata(&file.metadata()?, length))
    }

    fn of_metadata(open: &Metadata, length: u64) -> Self {
        match open.len() {
            _ if open.nlink() == 0 => Self::Deleted,
            found if found < length => Self::Truncated,
            found if found > length => Self::Longer,
            _ => Self::Intact,
        }
    }
}

/// Continues a sentence that begins with the file's name.
impl fmt::Display for FileState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Intact => "is intact",
            Self::Longer => "is longer than what was written",
            Self::Truncated => "was truncated",
            Self::Deleted => "was deleted",
            Self::Moved => "was moved away",
        })
    }
}

/// Tells if this path leads to the open file.
pub(super) fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(open), Ok(named)) = (file.metadata(), fs::metadata(path)) else { return false };
    LogFileId::of(&named) == LogFileId::of(&open)
}

/// Tells if there is no file of that name, its directory perhaps missing too.
fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
