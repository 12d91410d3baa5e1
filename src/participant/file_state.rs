//! Opens and locks a file of the participant. Checks an open one: its length, and that its name
//! still leads to it. Makes the name durable.

use std::fmt;
use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use super::unusable_file::UnusableFile;
use crate::limits::FILE_OPEN_TRIES;

/// State of an open file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileState {
    /// The file is as it was written.
    Intact,
    /// The file is longer than it was written, by a failed write or by another program.
    Longer,
    /// The file is shorter than it was written.
    Truncated,
    /// The file has no name any more.
    Deleted,
    /// The file has another name, and its name leads to another file or to none.
    Moved,
}

/// Identity of an open file: its device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OpenFileId(u64, u64);

impl OpenFileId {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self(metadata.dev(), metadata.ino())
    }
}

impl FileState {
    /// Checks the length and the name. Costs one system call if the name leads to the file.
    pub(super) fn of(file: &File, id: OpenFileId, path: &Path, length: u64) -> io::Result<Self> {
        match fs::metadata(path) {
            Ok(named) if OpenFileId::of(&named) == id => {
                return Ok(Self::of_metadata(&named, length));
            }
            Ok(_) => (),
            Err(error) if is_absence(&error) => (),
            Err(error) => return Err(error), // The file under the name is unknown.
        }
        Ok(if file.metadata()?.nlink() == 0 { Self::Deleted } else { Self::Moved })
    }

    /// Checks the length, and not the name.
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

/// The text follows the file's name in a sentence.
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

/// Opens and locks the file under this name, and creates it with this mode if it is missing.
/// Another program can replace the file between the two steps. Then the new file is opened.
pub(super) fn open_locked(path: &Path, mode: u32) -> Result<File, UnusableFile> {
    for _ in 0..FILE_OPEN_TRIES {
        let mut options = OpenOptions::new();
        let file = options.read(true).append(true).create(true).mode(mode).open(path)?;
        if !file.metadata()?.is_file() {
            return Err(UnusableFile::NoFile);
        }
        match file.try_lock() {
            Ok(()) if is_at(&file, path) => return Ok(file),
            Ok(()) => (),
            Err(TryLockError::WouldBlock) => return Err(UnusableFile::InUse),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
    }
    Err(UnusableFile::InUse)
}

/// Returns true if the path leads to the open file.
pub(super) fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(open), Ok(named)) = (file.metadata(), fs::metadata(path)) else { return false };
    OpenFileId::of(&named) == OpenFileId::of(&open)
}

/// Returns true if the file or its directory does not exist.
fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Makes the name of a file durable: fsync of its directory.
pub(super) fn sync_directory_entry(path: &Path) -> io::Result<()> {
    let above = path.parent().filter(|above| !above.as_os_str().is_empty());
    File::open(above.unwrap_or(Path::new(".")))?.sync_all()
}
