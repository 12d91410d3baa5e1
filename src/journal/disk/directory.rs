//! A directory of the operating system that holds a journal.
//!
//! Files are reached by the path of the directory. While the path is in use, the directory can be
//! moved, deleted or mounted over, and a symbolic link can be changed. So the path is compared with
//! the open directory before every call that uses a name. A file of another directory is never
//! read, created, renamed or removed. A change between the two calls is not noticed.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::files::{Disk, FileId};
use super::spare::SpareDescriptor;

/// A directory of the operating system.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    handle: File,
    id: FileId,
    spare: SpareDescriptor,
    opened: Instant,
}

#[expect(clippy::disallowed_methods, reason = "only measures how long syncs take")]
fn monotonic_now() -> Instant {
    Instant::now()
}

impl Directory {
    /// Opens a directory. Creates the directory, for its owner only, if it does not exist.
    ///
    /// The parent directory is never created: a disk that is not mounted must not be mistaken for
    /// one without a journal.
    ///
    /// # Errors
    ///
    /// Error of the operating system, with an advice.
    pub fn create(path: &Path) -> io::Result<Self> {
        let is_missing = |error: &io::Error| error.kind() == ErrorKind::NotFound;
        if fs::symlink_metadata(path).is_err_and(|error| is_missing(&error)) {
            let above = path.parent().filter(|above| !above.as_os_str().is_empty());
            let above = above.unwrap_or(Path::new("."));
            DirBuilder::new().mode(0o700).create(path).map_err(|error| {
                let missing = missing_above(above).filter(|_| is_missing(&error));
                missing.unwrap_or_else(|| explained("cannot be created", &error))
            })?;
            // Without this a power loss can remove the directory with all its files.
            File::open(above)
                .and_then(|above| above.sync_all())
                .map_err(|error| explained("the directory above cannot be synced", &error))?;
        }
        Self::open(path)
    }

    /// Opens an existing directory.
    ///
    /// # Errors
    ///
    /// Error of the operating system, with an advice.
    pub fn open(path: &Path) -> io::Result<Self> {
        // Checked before the directory is opened: opening a FIFO would block.
        let found = fs::metadata(path).map_err(|error| unreachable_path(path, &error))?;
        if !found.is_dir() {
            return Err(io::Error::new(ErrorKind::NotADirectory, "not a directory"));
        }
        let open = || {
            let handle = File::open(path)?;
            let id = id(&handle.metadata()?);
            let (path, spare) = (path.to_owned(), SpareDescriptor::default());
            Ok(Self { path, handle, id, spare, opened: monotonic_now() })
        };
        open().map_err(|error| explained("cannot be opened", &error))
    }

    /// Returns the path of a file, if the path of the directory still leads to this directory.
    fn path_of(&self, name: &str) -> io::Result<PathBuf> {
        match self.id_of_path()? == self.id {
            true => Ok(self.path.join(name)),
            false => Err(io::Error::new(
                ErrorKind::NotFound,
                format!("{} was replaced by another directory", self.path.display()),
            )),
        }
    }

    fn id_of_path(&self) -> io::Result<FileId> {
        match fs::metadata(&self.path) {
            Ok(found) if found.is_dir() => Ok(id(&found)),
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            Ok(_) | Err(_) => Err(io::Error::new(
                ErrorKind::NotFound,
                format!(
                    "the directory {} was moved away or deleted: put it back, or create an empty \
                     one",
                    self.path.display()
                ),
            )),
        }
    }

    fn options() -> OpenOptions {
        let mut options = OpenOptions::new();
        options.mode(0o600);
        options
    }
}

fn id(metadata: &Metadata) -> FileId {
    FileId { device: metadata.dev(), inode: metadata.ino() }
}

fn explained(what: &str, error: &io::Error) -> io::Error {
    let advice = match error.kind() == ErrorKind::PermissionDenied {
        true => ": let the user that the coordinator runs as read and write it",
        false => "",
    };
    io::Error::new(error.kind(), format!("{what}: {error}{advice}"))
}

/// Names the first directory of a path that is missing, if one is.
fn missing_above(above: &Path) -> Option<io::Error> {
    // The last ancestor of a relative path is empty.
    let is_missing = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
    let missing = above.ancestors().take_while(is_missing).last()?.display();
    let words = format!("{missing} is not there: mount the disk that holds it, or create it");
    Some(io::Error::new(ErrorKind::NotFound, words))
}

/// Names the part of a path that cannot be followed.
fn unreachable_path(path: &Path, error: &io::Error) -> io::Error {
    if let Ok(target) = fs::read_link(path)
        && error.kind() == ErrorKind::NotFound
    {
        let target = target.display();
        let words = format!(
            "a symbolic link to {target}, which is not there: mount the disk that \
                             holds it, or create it"
        );
        return io::Error::new(ErrorKind::NotFound, words);
    }
    if error.kind() == ErrorKind::NotFound {
        let absent = || io::Error::new(ErrorKind::NotFound, "there is no such directory");
        return path.parent().and_then(missing_above).unwrap_or_else(absent);
    }
    if error.kind() == ErrorKind::NotADirectory {
        let is_other = |path: &&Path| path.exists() && !path.is_dir();
        let other = path.ancestors().find(is_other).unwrap_or(path);
        let words = format!("{} is not a directory", other.display());
        return io::Error::new(ErrorKind::NotADirectory, words);
    }
    explained("cannot be reached", error)
}

impl Disk for Directory {
    type File = File;

    fn lock(&mut self, name: &str) -> io::Result<Option<File>> {
        let path = self.path_of(name)?;
        // Opening a FIFO would block, and a link may lead to the lock of another directory.
        if fs::symlink_metadata(&path).is_ok_and(|found| !found.is_file()) {
            return Err(not_ordinary());
        }
        let file = Self::options().append(true).create(true).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn successor(&mut self) -> io::Result<Option<Self>> {
        if self.id_of_path()? == self.id {
            return Ok(None);
        }
        Self::open(&self.path).map(Some)
    }

    fn id_of_name(&mut self, name: &str) -> io::Result<FileId> {
        fs::symlink_metadata(self.path_of(name)?).map(|found| id(&found))
    }

    fn id_of_file(&mut self, file: &File) -> io::Result<FileId> {
        file.metadata().map(|found| id(&found))
    }

    fn elapsed(&self) -> Duration {
        self.opened.elapsed()
    }

    fn list(&mut self) -> io::Result<Vec<String>> {
        let entries = fs::read_dir(self.path_of("")?)?;
        let names = entries.map(|entry| Ok(entry?.file_name().into_string().ok()));
        // A name that is not UTF-8 is not a file of the journal.
        names.filter_map(io::Result::transpose).collect()
    }

    fn read(&mut self, name: &str, bytes_max: u64, bytes: &mut Vec<u8>) -> io::Result<()> {
        bytes.clear();
        let path = self.path_of(name)?;
        // Opening a FIFO would block until somebody writes to it.
        if !fs::symlink_metadata(&path)?.is_file() {
            return Err(not_ordinary());
        }
        let file = File::open(path)?;
        let length = usize::try_from(file.metadata()?.len().min(bytes_max)).unwrap_or_default();
        bytes.try_reserve(length)?;
        file.take(bytes_max).read_to_end(bytes).map(drop)
    }

    fn create(&mut self, name: &str) -> io::Result<File> {
        let path = self.path_of(name)?;
        let file = self.spare.open(|| Self::options().append(true).create_new(true).open(&path))?;
        self.spare.refill(&self.handle);
        Ok(file)
    }

    fn open(&mut self, name: &str) -> io::Result<File> {
        Self::options().append(true).open(self.path_of(name)?)
    }

    fn write(&mut self, file: &mut File, bytes: &[u8]) -> io::Result<usize> {
        // Writes to a deleted file succeed, but its content is lost when the file is closed.
        if file.metadata()?.nlink() == 0 {
            return Err(io::Error::new(ErrorKind::NotFound, "the file was deleted"));
        }
        file.write(bytes)
    }

    fn set_length(&mut self, file: &mut File, bytes: u64) -> io::Result<()> {
        file.set_len(bytes)
    }

    fn sync(&mut self, file: &mut File) -> io::Result<()> {
        self.spare.refill(&self.handle);
        file.sync_data()
    }

    fn close(&mut self, file: File) {
        self.spare.close(file, &self.handle);
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path_of(from)?, self.path_of(to)?)
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path_of(name)?)
    }

    fn sync_directory(&mut self) -> io::Result<()> {
        self.handle.sync_all()
    }
}

fn not_ordinary() -> io::Error {
    io::Error::other("not a regular file")
}
