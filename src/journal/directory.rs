//! A directory of the operating system, as a journal uses it.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::disk::Disk;

/// A directory of the operating system.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    handle: File,
}

impl Directory {
    /// Opens a directory; creates it, for its owner only, if it is not there.
    ///
    /// # Errors
    ///
    /// The operating system's.
    pub fn create(path: &Path) -> io::Result<Self> {
        let is_missing = |path: &&Path| !path.as_os_str().is_empty() && !path.is_dir();
        let missing: Vec<&Path> = path.ancestors().take_while(is_missing).collect();
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        for created in missing {
            // It must not be forgotten with all that is in it.
            let above = created.parent().filter(|above| !above.as_os_str().is_empty());
            File::open(above.unwrap_or(Path::new("."))).and_then(|above| above.sync_all())?;
        }
        Self::open(path)
    }

    /// Opens a directory that is there.
    ///
    /// # Errors
    ///
    /// The operating system's.
    pub fn open(path: &Path) -> io::Result<Self> {
        let handle = File::open(path)?;
        if !handle.metadata()?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Self { path: path.to_owned(), handle })
    }

    fn options() -> OpenOptions {
        let mut options = OpenOptions::new();
        options.mode(0o600);
        options
    }
}

impl Disk for Directory {
    type File = File;

    fn lock(&mut self, name: &str) -> io::Result<Option<File>> {
        let file = Self::options().append(true).create(true).open(self.path.join(name))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn list(&mut self) -> io::Result<Vec<String>> {
        let entries = fs::read_dir(&self.path)?;
        let names = entries.map(|entry| Ok(entry?.file_name().into_string().ok()));
        // A name that is not UTF-8 is none of ours.
        names.filter_map(io::Result::transpose).collect()
    }

    fn read(&mut self, name: &str, bytes_max: u64, bytes: &mut Vec<u8>) -> io::Result<()> {
        bytes.clear();
        let path = self.path.join(name);
        // To open a pipe would wait for somebody to write into it.
        if !fs::symlink_metadata(&path)?.is_file() {
            return Err(io::Error::other("not an ordinary file"));
        }
        let file = File::open(path)?;
        let length = usize::try_from(file.metadata()?.len().min(bytes_max)).unwrap_or_default();
        bytes.try_reserve(length)?;
        file.take(bytes_max).read_to_end(bytes).map(drop)
    }

    fn create(&mut self, name: &str) -> io::Result<File> {
        Self::options().append(true).create_new(true).open(self.path.join(name))
    }

    fn open(&mut self, name: &str) -> io::Result<File> {
        Self::options().append(true).open(self.path.join(name))
    }

    fn write(&mut self, file: &mut File, bytes: &[u8]) -> io::Result<usize> {
        // Into a file that somebody deleted anything can be written, and is gone with the program.
        if file.metadata()?.nlink() == 0 {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the file was deleted"));
        }
        file.write(bytes)
    }

    fn set_length(&mut self, file: &mut File, bytes: u64) -> io::Result<()> {
        file.set_len(bytes)
    }

    fn sync(&mut self, file: &mut File) -> io::Result<()> {
        file.sync_data()
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn sync_directory(&mut self) -> io::Result<()> {
        let (there, held) = (fs::metadata(&self.path)?, self.handle.metadata()?);
        if (there.dev(), there.ino()) != (held.dev(), held.ino()) {
            self.handle = File::open(&self.path)?; // Another has come into its place.
        }
        self.handle.sync_all()
    }
}
