//! File operations of a journal, as a trait: tests can make each of them fail.

use std::io;
use std::time::Duration;

/// A directory and its files, by name. Each function is one call of the operating system, or nearly
/// so. Only functions that say so survive a power loss.
pub trait Disk {
    /// Handle of an open file.
    type File: std::fmt::Debug;

    /// Creates the file if necessary, and locks it until the handle is dropped. Returns `None` if
    /// another program has the lock.
    ///
    /// # Errors
    ///
    /// Error of the operating system, here and below.
    fn lock(&mut self, name: &str) -> io::Result<Option<Self::File>>;

    /// Returns the directory that the path leads to, if it is another one than this. Returns `None`
    /// if the path still leads here.
    ///
    /// # Errors
    ///
    /// See [`Disk::lock`]. Also if the path does not lead to a directory.
    fn successor(&mut self) -> io::Result<Option<Self>>
    where
        Self: Sized;

    /// Returns the id of the file with this name. A symbolic link has its own id.
    ///
    /// # Errors
    ///
    /// See [`Disk::lock`].
    fn id_of_name(&mut self, name: &str) -> io::Result<FileId>;

    /// Returns the id of an open file.
    ///
    /// # Errors
    ///
    /// See [`Disk::lock`].
    fn id_of_file(&mut self, file: &Self::File) -> io::Result<FileId>;

    /// Returns the names of all files.
    ///
    /// # Errors
    ///
    /// See [`Disk::lock`].
    fn list(&mut self) -> io::Result<Vec<String>>;

    /// Reads the first `bytes_max` bytes of a file, or the whole file if it is shorter, into
    /// `bytes`.
    ///
    /// # Errors
    ///
    /// See [`Disk::lock`]. Also if it is not a regular file.
    fn read(&mut self, name: &str, bytes_max: u64, bytes: &mut Vec<u8>) -> io::Result<()>;

    /// Creates a file with permissions for its owner only. The file must not exist.
    ///
    /// # Errors
    ///
    /// See [`Disk::lock`].
    fn create(&mut self, name: &str) -> io::Result<Self::File>;

    /// Opens a file for writing.
    ///
    /// # Errors
    ///
    /// See [`Disk::lock`].
    fn open(&mut self, name: &str) -> io::Result<Self::File>;

    /// Appends some of `bytes`. Returns the number of appended bytes.
    ///
    /// # Errors
    ///
    /// See [`Disk::lock`].
    fn write(&mut self, file: &mut Self::File, bytes: &[u8]) -> io::Result<usize>;

    /// Truncates a file to `bytes`.
    ///
    /// # Errors
    ///
    /// See [`Disk::lock`].
    fn set_length(&mut self, file: &mut Self::File, bytes: u64) -> io::Result<()>;

    /// Syncs the content of a file (fdatasync): it survives a power loss.
    ///
    /// # Errors
    ///
    /// See [`Disk::lock`].
    fn sync(&mut self, file: &mut Self::File) -> io::Result<()>;

    /// Returns the time since a fixed point, on a clock that is never set. Used to measure how long
    /// syncs take.
    fn elapsed(&self) -> Duration;

    /// Closes a file that was written.
    fn close(&mut self, file: Self::File) {
        drop(file);
    }

    /// Renames a file. An existing file with the new name is replaced.
    ///
    /// # Errors
    ///
    /// See [`Disk::lock`].
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    ///
    /// See [`Disk::lock`].
    fn remove(&mut self, name: &str) -> io::Result<()>;

    /// Syncs the directory (fsync): the names of its files survive a power loss.
    ///
    /// # Errors
    ///
    /// See [`Disk::lock`].
    fn sync_directory(&mut self) -> io::Result<()>;
}

/// Id of a file on this machine. All names of a file have the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileId {
    /// Id of the device.
    pub device: u64,
    /// Inode number on the device.
    pub inode: u64,
}
