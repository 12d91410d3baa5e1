//! A disk in memory that loses unsynced bytes at a power loss, and fails on request.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use crate::journal::{Disk, FileId};

/// The lock is not one of the files.
const LOCK: &str = "lock";
const LOCK_FILE: usize = usize::MAX;

#[derive(Clone, Debug, Default)]
pub(super) struct MemoryDisk {
    state: Rc<RefCell<State>>,
}

#[derive(Clone, Debug, Default)]
struct State {
    /// Content of each file, and the content that survives a power loss.
    files: Vec<(Vec<u8>, Vec<u8>)>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    calls: u64,
    fault: Option<Fault>,
    fired: Vec<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// Number of the call that fails.
    pub(super) at: u64,
    pub(super) for_ever: bool,
    pub(super) kind: io::ErrorKind,
    /// True if a failing write does half of its work.
    pub(super) torn: bool,
}

impl MemoryDisk {
    /// Returns an independent copy.
    pub(super) fn copy(&self) -> Self {
        Self { state: Rc::new(RefCell::new(self.state.borrow().clone())) }
    }

    /// Returns the disk after a power loss.
    pub(super) fn without_power(&self) -> Self {
        let copy = self.copy();
        {
            let mut state = copy.state.borrow_mut();
            state.names = state.durable_names.clone();
            for (bytes, durable) in &mut state.files {
                bytes.clone_from(durable);
            }
        }
        copy
    }

    pub(super) fn fail(&self, fault: Option<Fault>) {
        let mut state = self.state.borrow_mut();
        (state.fault, state.calls) = (fault, 0);
        state.fired.clear();
    }

    /// Returns the calls that failed on request.
    pub(super) fn fired(&self) -> Vec<&'static str> {
        self.state.borrow().fired.clone()
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.state.borrow().names.keys().cloned().collect()
    }

    pub(super) fn get(&self, name: &str) -> Vec<u8> {
        let state = self.state.borrow();
        state.files[state.names[name]].0.clone()
    }

    pub(super) fn put(&self, name: &str, bytes: Vec<u8>) {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        let file = *state.names.entry(name.to_owned()).or_insert(state.files.len());
        if file == state.files.len() {
            state.files.push(Default::default());
        }
        state.files[file] = (bytes.clone(), bytes);
        state.durable_names = state.names.clone();
    }

    pub(super) fn take(&self, name: &str) -> Vec<u8> {
        let bytes = self.get(name);
        self.state.borrow_mut().names.remove(name);
        bytes
    }

    fn call(&self, what: &'static str) -> io::Result<()> {
        let mut state = self.state.borrow_mut();
        let call = state.calls;
        state.calls += 1;
        match state.fault {
            Some(fault) if call == fault.at || fault.for_ever && call > fault.at => {
                state.fired.push(what);
                Err(fault.kind.into())
            }
            Some(_) | None => Ok(()),
        }
    }

    fn find(&self, name: &str) -> io::Result<usize> {
        Ok(*self.state.borrow().names.get(name).ok_or(io::ErrorKind::NotFound)?)
    }
}

impl Disk for MemoryDisk {
    type File = usize;

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }

    fn lock(&mut self, _: &str) -> io::Result<Option<usize>> {
        self.call("lock")?;
        Ok(Some(LOCK_FILE))
    }

    fn successor(&mut self) -> io::Result<Option<Self>> {
        self.call("successor")?;
        Ok(None)
    }

    fn id_of_name(&mut self, name: &str) -> io::Result<FileId> {
        self.call("id_of_name")?;
        let inode = if name == LOCK { LOCK_FILE } else { self.find(name)? };
        Ok(FileId { device: 0, inode: inode as u64 })
    }

    fn id_of_file(&mut self, file: &usize) -> io::Result<FileId> {
        self.call("id_of_file")?;
        Ok(FileId { device: 0, inode: *file as u64 })
    }

    fn list(&mut self) -> io::Result<Vec<String>> {
        self.call("list")?;
        Ok(self.names().into_iter().rev().collect())
    }

    fn read(&mut self, name: &str, bytes_max: u64, bytes: &mut Vec<u8>) -> io::Result<()> {
        bytes.clear();
        self.call("read")?;
        let file = self.find(name)?;
        let state = self.state.borrow();
        let locked = &state.files[file].0;
        bytes.extend_from_slice(&locked[..locked.len().min(bytes_max.try_into().unwrap())]);
        Ok(())
    }

    fn create(&mut self, name: &str) -> io::Result<usize> {
        self.call("create")?;
        let mut state = self.state.borrow_mut();
        if state.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = state.files.len();
        state.files.push(Default::default());
        state.names.insert(name.to_owned(), file);
        Ok(file)
    }

    fn open(&mut self, name: &str) -> io::Result<usize> {
        self.call("open")?;
        self.find(name)
    }

    fn write(&mut self, file: &mut usize, bytes: &[u8]) -> io::Result<usize> {
        let called = self.call("write");
        let mut state = self.state.borrow_mut();
        let is_torn = state.fault.is_some_and(|fault| fault.torn);
        // Every write writes only a part, if it can.
        let written = if called.is_err() && !is_torn { 0 } else { bytes.len().div_ceil(2) };
        state.files[*file].0.extend_from_slice(&bytes[..written]);
        called.map(|()| written)
    }

    fn set_length(&mut self, file: &mut usize, bytes: u64) -> io::Result<()> {
        self.call("set_length")?;
        self.state.borrow_mut().files[*file].0.truncate(bytes.try_into().unwrap());
        Ok(())
    }

    fn sync(&mut self, file: &mut usize) -> io::Result<()> {
        self.call("sync")?;
        let (bytes, durable) = &mut self.state.borrow_mut().files[*file];
        durable.clone_from(bytes);
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.call("rename")?;
        let file = self.find(from)?;
        let mut state = self.state.borrow_mut();
        assert!(!state.names.contains_key(to), "{to} is overwritten");
        state.names.remove(from);
        state.names.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.call("remove")?;
        self.find(name)?;
        assert!(!name.contains("damaged"), "{name} is deleted");
        self.state.borrow_mut().names.remove(name);
        Ok(())
    }

    fn sync_directory(&mut self) -> io::Result<()> {
        self.call("sync_directory")?;
        let mut state = self.state.borrow_mut();
        state.durable_names = state.names.clone();
        Ok(())
    }
}
