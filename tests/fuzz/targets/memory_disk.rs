//! A directory in memory for a journal.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use groupcast::journal::{Disk, FileId};

/// Files by name. A clone is the same directory.
#[derive(Clone, Debug, Default)]
pub(super) struct MemoryDisk {
    /// Number of each file.
    names: Rc<RefCell<BTreeMap<String, usize>>>,
    contents: Rc<RefCell<Vec<Vec<u8>>>>,
}

impl MemoryDisk {
    pub(super) fn of(files: BTreeMap<String, Vec<u8>>) -> Self {
        let (names, contents): (Vec<_>, Vec<_>) = files.into_iter().unzip();
        let names = names.into_iter().enumerate().map(|(number, name)| (name, number)).collect();
        Self { names: Rc::new(RefCell::new(names)), contents: Rc::new(RefCell::new(contents)) }
    }

    /// Returns a copy of all files.
    pub(super) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let contents = self.contents.borrow();
        let names = self.names.borrow();
        names.iter().map(|(name, number)| (name.clone(), contents[*number].clone())).collect()
    }

    fn number(&self, name: &str) -> io::Result<usize> {
        self.names.borrow().get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Disk for MemoryDisk {
    type File = usize;

    fn lock(&mut self, _: &str) -> io::Result<Option<usize>> {
        Ok(Some(usize::MAX))
    }

    fn successor(&mut self) -> io::Result<Option<Self>> {
        Ok(None)
    }

    fn id_of_name(&mut self, _: &str) -> io::Result<FileId> {
        Ok(FileId { device: 0, inode: 0 })
    }

    fn id_of_file(&mut self, _: &usize) -> io::Result<FileId> {
        Ok(FileId { device: 0, inode: 0 })
    }

    fn list(&mut self) -> io::Result<Vec<String>> {
        Ok(self.names.borrow().keys().cloned().collect())
    }

    fn read(&mut self, name: &str, bytes_max: u64, bytes: &mut Vec<u8>) -> io::Result<()> {
        let number = self.number(name)?;
        let contents = self.contents.borrow();
        let content = &contents[number];
        let length = content.len().min(usize::try_from(bytes_max).unwrap_or(usize::MAX));
        bytes.clear();
        bytes.extend_from_slice(&content[..length]);
        Ok(())
    }

    fn create(&mut self, name: &str) -> io::Result<usize> {
        if self.number(name).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let mut contents = self.contents.borrow_mut();
        contents.push(Vec::new());
        self.names.borrow_mut().insert(name.to_owned(), contents.len() - 1);
        Ok(contents.len() - 1)
    }

    fn open(&mut self, name: &str) -> io::Result<usize> {
        self.number(name)
    }

    fn write(&mut self, file: &mut usize, bytes: &[u8]) -> io::Result<usize> {
        self.contents.borrow_mut()[*file].extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn set_length(&mut self, file: &mut usize, bytes: u64) -> io::Result<()> {
        self.contents.borrow_mut()[*file].truncate(bytes.try_into().map_err(io::Error::other)?);
        Ok(())
    }

    fn sync(&mut self, _: &mut usize) -> io::Result<()> {
        Ok(())
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let number = self.number(from)?;
        let mut names = self.names.borrow_mut();
        names.remove(from);
        assert_eq!(names.insert(to.to_owned(), number), None, "{to} is overwritten");
        Ok(())
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.names.borrow_mut().remove(name).map(drop).ok_or(io::ErrorKind::NotFound.into())
    }

    fn sync_directory(&mut self) -> io::Result<()> {
        Ok(())
    }
}
