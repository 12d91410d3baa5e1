//! The few calls on files that a journal makes, so that every one of them can be made to fail.

use std::io;

/// A directory and the files in it, by name. Each function is one call of the operating system, or
/// as good as one: what is not documented to be safe against power loss is not.
pub trait Disk {
    /// An open file.
    type File: std::fmt::Debug;

    /// Creates the file if it is not there and locks it until it is dropped; `None`: another
    /// program holds it.
    ///
    /// # Errors
    ///
    /// The operating system's, here and below.
    fn lock(&mut self, name: &str) -> io::Result<Option<Self::File>>;

    /// Returns the directory that the path leads to now, if that is another one than this;
    /// `None`: the path still leads here.
    ///
    /// # Errors
    ///
    /// See [`Disk::lock`]; also if the path leads to no directory at all.
    fn successor(&mut self) -> io::Result<Option<Self>>
    where
        Self: Sized;

    /// Returns the id of the file with this name. A symbolic link is a file of its own.
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

    /// The names of all files.
    ///
    /// # Errors
    ///
    /// See [`Disk::lock`].
    fn list(&mut self) -> io::Result<Vec<String>>;

    /// Replaces `bytes` with the first `bytes_max` bytes of a file, or with all if it has fewer.
    ///
    /// # Errors
    ///
    /// See [`Disk::lock`]; also if it is no ordinary file.
    fn read(&mut self, name: &str, bytes_max: u64, bytes: &mut Vec<u8>) -> io::Result<()>;

    /// Creates a file, which must not be there, for its owner only.
    ///
    /// # Errors
    ///
    /// See [`Disk::lock`].
    fn create(&mut self, name: &str) -> io::Result<Self::File>;

    /// Opens a file to change it.
    ///
    /// # Errors
    ///
    /// See [`Disk::lock`].
    fn open(&mut self, name: &str) -> io::Result<Self::File>;

    /// Appends some of `bytes`; answers how many.
    ///
    /// # Errors
    ///
    /// See [`Disk::lock`].
    fn write(&mut self, file: &mut Self::File, bytes: &[u8]) -> io::Result<usize>;

    /// Cuts a file to this length.
    ///
    /// # Errors
    ///
    /// See [`Disk::lock`].
    fn set_length(&mut self, file: &mut Self::File, bytes: u64) -> io::Result<()>;

    /// Makes what a file holds safe against power loss.
    ///
    /// # Errors
    ///
    /// See [`Disk::lock`].
    fn sync(&mut self, file: &mut Self::File) -> io::Result<()>;

    /// Closes a file that was written.
    fn close(&mut self, file: Self::File) {
        drop(file);
    }

    /// Gives a file another name; what had that name is gone.
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

    /// Makes the names of the files safe against power loss.
    ///
    /// # Errors
    ///
    /// See [`Disk::lock`].
    fn sync_directory(&mut self) -> io::Result<()>;
}

/// Names one file of the machine, whatever names it has in directories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileId {
    /// The device that the file is on.
    pub device: u64,
    /// The number of the file on its device.
    pub inode: u64,
}
