//! The coordinator's disk: slow, failing, and after a power loss with only the synced bytes.
//!
//! ```text
//!   names in use      ─── sync_directory ───►  durable names
//!   bytes written     ─── sync ─────────────►  durable bytes
//!        │                                          │
//!    kill -9: all of it                     power loss: all of it, and of the other bytes
//!                                           any part: a prefix, zeros, names in any order
//! ```
//!
//! A call has its effect at once and takes virtual time. At the end of the program, calls that had
//! not begun by then are undone, and a call under way is done in part.

mod contents;
mod crash;

use std::cell::{RefCell, RefMut};
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use groupcast::journal::{Disk, FileId};

use support::rng::Rng;

/// The lock is no file among the others.
const LOCK: &str = "lock";
const LOCK_FILE: usize = usize::MAX;

/// A directory; its clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct Storage(Rc<RefCell<State>>);

#[derive(Clone, Debug)]
struct State {
    rng: Rng,
    /// Time of the current call.
    clock: u64,
    is_calm: bool,
    files: Vec<File>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    /// Changes of names since the directory was synced.
    changes: Vec<ChangeKind>,
    /// Calls since the last one that was reported, each with the times of its beginning and end.
    done: Vec<(u64, u64, Done)>,
    fault: Fault,
    fails_until: u64,
    slow_until: u64,
    /// The last moment at which something failed or was slow.
    troubled_at: u64,
    /// A power loss has left something else than a beginning of what was written.
    is_scrambled: bool,
}

#[derive(Clone, Debug, Default)]
struct File {
    bytes: Vec<u8>,
    durable: usize,
    /// A failed sync has lost what is above `durable`, and no later one finds it.
    is_doomed: bool,
    /// Bytes that were cut off, and that a power loss may bring back.
    cut: Vec<u8>,
}

/// Kind of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// There is no room: what takes some fails, and a part of it may fit.
    Full,
    /// Every call fails until the disk is repaired.
    Broken,
    /// Some calls do, some do not.
    Flaky,
    /// Nothing but syncs.
    Unsyncable,
    /// The next call, and no other.
    Once,
}

#[derive(Clone, Debug)]
enum ChangeKind {
    Link(String, usize),
    Rename(String, String, usize),
    Unlink(String),
}

/// Data to undo a call.
#[derive(Clone, Debug)]
enum Done {
    Written { file: usize, length: usize },
    Synced { file: usize, durable: usize, cut: Vec<u8> },
    Cut { file: usize },
    Changed { names: BTreeMap<String, usize> },
    SyncedNames { names: BTreeMap<String, usize>, changes: Vec<ChangeKind> },
}

impl Storage {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Rc::new(RefCell::new(State {
            rng: Rng::new(seed),
            clock: 0,
            is_calm: false,
            files: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            changes: Vec::new(),
            done: Vec::new(),
            fault: Fault::Once,
            fails_until: 0,
            slow_until: 0,
            troubled_at: 0,
            is_scrambled: false,
        })))
    }

    /// Another directory with the same in it.
    pub(crate) fn twin(&self) -> Self {
        Self(Rc::new(RefCell::new(self.state().clone())))
    }

    /// Returns a copy of the directory at this moment, in the middle of any write.
    pub(crate) fn copy(&self, now: u64) -> Self {
        let copy = self.twin();
        copy.kill(now);
        copy
    }

    /// A directory with what this copy holds, all of it on the disk.
    pub(crate) fn put_back(&self, now: u64) -> Self {
        let storage = self.twin();
        storage.begin(now);
        let mut state = storage.state();
        for file in &mut state.files {
            *file = File {
                durable: file.bytes.len(),
                bytes: std::mem::take(&mut file.bytes),
                ..File::default()
            };
        }
        state.durable_names = state.names.clone();
        state.changes.clear();
        state.fails_until = 0;
        state.slow_until = 0;
        drop(state);
        storage
    }

    fn state(&self) -> RefMut<'_, State> {
        self.0.borrow_mut()
    }

    /// The calls that follow are made from `now` on, and those before were all made.
    pub(crate) fn begin(&self, now: u64) {
        let mut state = self.state();
        state.clock = now;
        state.done.clear();
    }

    /// Returns the time at which the last call ends.
    pub(crate) fn clock(&self) -> u64 {
        self.state().clock
    }

    pub(crate) fn fail(&self, fault: Fault, until: u64) {
        let mut state = self.state();
        state.fault = fault;
        state.fails_until = until;
    }

    pub(crate) fn slow_down(&self, until: u64) {
        self.state().slow_until = until;
    }

    /// From here on it does its work.
    pub(crate) fn heal(&self, now: u64) {
        let mut state = self.state();
        state.is_calm = true;
        state.fails_until = state.fails_until.min(now);
        state.slow_until = state.slow_until.min(now);
    }

    pub(crate) fn troubled_at(&self) -> u64 {
        self.state().troubled_at
    }

    /// Returns true if a power loss left more than a prefix of the written bytes, and resets that.
    pub(crate) fn take_scrambled(&self) -> bool {
        std::mem::take(&mut self.state().is_scrambled)
    }

    /// The program is gone: what it has not yet done it will not do.
    pub(crate) fn kill(&self, now: u64) {
        let mut state = self.state();
        while let Some((begun, ended, done)) = state.done.pop() {
            if ended > now {
                let is_under_way = begun <= now;
                state.take_back(done, is_under_way);
            }
        }
        state.fails_until = state.fails_until.min(now + 60_000); // Somebody looks after it.
    }

    /// The machine is gone: what was not synced is left to chance.
    pub(crate) fn cut_power(&self, now: u64) {
        self.kill(now);
        let mut state = self.state();
        state.lose_names();
        let State { rng, files, is_scrambled, .. } = &mut *state;
        for file in files {
            *is_scrambled |= file.lose(rng);
        }
    }
}

impl State {
    /// A call is made: when it begins and ends, and whether it fails.
    fn call(&mut self, is_sync: bool, takes_room: bool) -> (u64, io::Result<()>) {
        let begun = self.clock;
        let times: &[u64] = match (self.is_calm, begun < self.slow_until, is_sync) {
            (true, _, _) => &[0, 1],
            (false, true, true) => &[50, 400, 1_000, 4_000],
            (false, true, false) => &[0, 1, 50, 400],
            (false, false, true) => &[0, 1, 3, 20],
            (false, false, false) => &[0, 0, 0, 1],
        };
        self.clock += self.rng.pick(times);
        if begun < self.slow_until {
            self.troubled_at = self.clock;
        }
        if begun >= self.fails_until {
            return (begun, Ok(()));
        }
        self.troubled_at = self.clock;
        let fails = match self.fault {
            Fault::Full => takes_room,
            Fault::Broken => true,
            Fault::Flaky => self.rng.percent(40),
            Fault::Unsyncable => is_sync,
            Fault::Once => {
                self.fails_until = 0;
                true
            }
        };
        let full = self.fault == Fault::Full;
        let kind = if full { io::ErrorKind::StorageFull } else { io::ErrorKind::Other };
        (begun, if fails { Err(kind.into()) } else { Ok(()) })
    }

    fn change(&mut self, begun: u64, change: ChangeKind) {
        let names = self.names.clone();
        match &change {
            ChangeKind::Link(name, file) => drop(self.names.insert(name.clone(), *file)),
            ChangeKind::Rename(from, to, file) => {
                self.names.remove(from);
                let replaced = self.names.insert(to.clone(), *file);
                assert_eq!(replaced, None, "{to} is overwritten");
            }
            ChangeKind::Unlink(name) => {
                assert!(!name.contains("damaged"), "{name} is deleted");
                self.names.remove(name);
            }
        }
        self.changes.push(change);
        self.done.push((begun, self.clock, Done::Changed { names }));
    }

    fn find(&self, name: &str) -> io::Result<usize> {
        Ok(*self.names.get(name).ok_or(io::ErrorKind::NotFound)?)
    }
}

impl Disk for Storage {
    type File = usize;

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.clock())
    }

    fn lock(&mut self, _: &str) -> io::Result<Option<usize>> {
        self.state().call(false, true).1?;
        Ok(Some(LOCK_FILE))
    }

    /// Nobody moves the directory.
    fn successor(&mut self) -> io::Result<Option<Self>> {
        self.state().call(false, false).1?;
        Ok(None)
    }

    fn id_of_name(&mut self, name: &str) -> io::Result<FileId> {
        let mut state = self.state();
        state.call(false, false).1?;
        let inode = if name == LOCK { LOCK_FILE } else { state.find(name)? };
        Ok(FileId { device: 0, inode: inode as u64 })
    }

    fn id_of_file(&mut self, file: &usize) -> io::Result<FileId> {
        self.state().call(false, false).1?;
        Ok(FileId { device: 0, inode: *file as u64 })
    }

    fn list(&mut self) -> io::Result<Vec<String>> {
        let mut state = self.state();
        state.call(false, false).1?;
        Ok(state.names.keys().cloned().collect())
    }

    fn read(&mut self, name: &str, bytes_max: u64, bytes: &mut Vec<u8>) -> io::Result<()> {
        let mut state = self.state();
        state.call(false, false).1?;
        let stored = &state.files[state.find(name)?].bytes;
        let length = stored.len().min(bytes_max.try_into().unwrap_or(usize::MAX));
        bytes.clear();
        bytes.extend_from_slice(&stored[..length]);
        Ok(())
    }

    fn create(&mut self, name: &str) -> io::Result<usize> {
        let mut state = self.state();
        let (begun, called) = state.call(false, true);
        called?;
        if state.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = state.files.len();
        state.files.push(File::default());
        state.change(begun, ChangeKind::Link(name.to_owned(), file));
        Ok(file)
    }

    fn open(&mut self, name: &str) -> io::Result<usize> {
        let mut state = self.state();
        state.call(false, false).1?;
        state.find(name)
    }

    fn write(&mut self, file: &mut usize, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.state();
        let (begun, called) = state.call(false, true);
        let is_short = called.is_err() || state.rng.percent(15);
        let written = if is_short { state.rng.index(bytes.len() + 1) } else { bytes.len() };
        let length = state.files[*file].bytes.len();
        state.files[*file].bytes.extend_from_slice(&bytes[..written]);
        let ended = state.clock;
        state.done.push((begun, ended, Done::Written { file: *file, length }));
        match called {
            // Some fitted, and the next call says that no more does.
            Err(_) if written > 0 && state.rng.percent(50) => Ok(written),
            Err(error) => Err(error),
            Ok(()) => Ok(written.max(1).min(bytes.len())).inspect(|&more| {
                let stored = &mut state.files[*file].bytes;
                stored.truncate(length);
                stored.extend_from_slice(&bytes[..more]);
            }),
        }
    }

    fn set_length(&mut self, file: &mut usize, bytes: u64) -> io::Result<()> {
        let mut state = self.state();
        let (begun, called) = state.call(false, false);
        called?;
        let stored = &mut state.files[*file];
        stored.cut = stored.bytes.split_off(bytes.try_into().unwrap());
        stored.durable = stored.durable.min(stored.bytes.len());
        let ended = state.clock;
        state.done.push((begun, ended, Done::Cut { file: *file }));
        Ok(())
    }

    fn sync(&mut self, file: &mut usize) -> io::Result<()> {
        let mut state = self.state();
        let (begun, called) = state.call(true, false);
        let is_lost = called.is_err() && state.rng.percent(50);
        let stored = &mut state.files[*file];
        stored.is_doomed |= is_lost;
        called?;
        if stored.is_doomed {
            return Ok(());
        }
        let (durable, cut) = (stored.durable, std::mem::take(&mut stored.cut));
        stored.durable = stored.bytes.len();
        let ended = state.clock;
        state.done.push((begun, ended, Done::Synced { file: *file, durable, cut }));
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        let (begun, called) = state.call(false, false);
        called?;
        let file = state.find(from)?;
        state.change(begun, ChangeKind::Rename(from.to_owned(), to.to_owned(), file));
        Ok(())
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        let (begun, called) = state.call(false, false);
        called?;
        state.find(name)?;
        state.change(begun, ChangeKind::Unlink(name.to_owned()));
        Ok(())
    }

    fn sync_directory(&mut self) -> io::Result<()> {
        let mut state = self.state();
        let (begun, called) = state.call(true, false);
        called?;
        let changes = std::mem::take(&mut state.changes);
        let now = state.names.clone();
        let names = std::mem::replace(&mut state.durable_names, now);
        let ended = state.clock;
        state.done.push((begun, ended, Done::SyncedNames { names, changes }));
        Ok(())
    }
}
