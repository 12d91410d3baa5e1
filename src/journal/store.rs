//! The store: a directory of segments, in the order of their serial numbers.
//!
//! ```text
//!   lock                                   held by the one coordinator that may write here
//!   0000000000000003.journal               a segment
//!   0000000000000004.journal               the newest: the one that is written
//!   0000000000000005.journal.new           one that is being created: as good as not there
//!   0000000000000002.journal.damaged-1     set aside: for people, never read again
//! ```
//!
//! A segment gets its name when its header is on the disk, and with it the records that it begins
//! with: half of a snapshot would be taken for all of it. So whatever bears such a name and does
//! not begin with a header was damaged. Its number is the one that the header says: a file that
//! was given another's name is read where it belongs.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::disk::Disk;
use super::name::{self, Role, SERIAL_MAX};
use super::record::Record;
use super::segment::{self, BadHeader, Found, Header, START_BYTES};
use super::trouble::{Rejected, Unusable};
use crate::protocol::{Epoch, Seq};

const LOCK: &str = "lock";

/// The segments of a journal.
#[derive(Debug)]
pub struct Store<D: Disk> {
    disk: D,
    /// Held for as long as the store is; `None` if it is only looked at.
    lock: Option<D::File>,
    segments: BTreeMap<u64, Segment>,
    /// Names of files that were set aside.
    asides: BTreeSet<String>,
    /// Segments whose creation was interrupted.
    unfinished: Vec<(u64, String)>,
    /// The highest number that any file, whatever its state, says to have.
    serial_highest: u64,
    /// The highest number in the name of a file that cannot be read.
    unreadable_highest: Option<u64>,
    rejected: Vec<Rejected>,
}

#[derive(Debug)]
struct Segment {
    name: String,
    /// Of a segment that was found here.
    start: Option<Start>,
    is_damaged: bool,
}

/// What the first record of a segment says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    pub(super) epoch: Epoch,
    pub(super) last: Seq,
}

/// The segment that is being written.
///
/// After a failed write or sync nobody knows what the disk holds of it: it takes nothing more.
#[derive(Debug)]
pub struct Writer<F> {
    serial: u64,
    file: F,
    has_failed: bool,
}

impl<F> Writer<F> {
    /// The number of its segment.
    pub const fn serial(&self) -> u64 {
        self.serial
    }

    fn check(&self) -> io::Result<()> {
        match self.has_failed {
            true => Err(io::Error::other("the segment was given up after a failure")),
            false => Ok(()),
        }
    }
}

impl<D: Disk> Store<D> {
    /// Takes a directory into use: locks it, and sets aside what cannot be read as a segment.
    ///
    /// # Errors
    ///
    /// [`Unusable`]; whatever state the segments are in is no reason.
    pub fn open(mut disk: D) -> Result<Self, Unusable> {
        let lock = disk.lock(LOCK)?.ok_or(Unusable::InUse)?;
        let mut store = Self::list(disk)?;
        store.lock = Some(lock);
        store.tidy();
        Ok(store)
    }

    /// Looks into a directory without changing anything, also while a coordinator is at work in it.
    ///
    /// # Errors
    ///
    /// [`Unusable`].
    pub fn inspect(disk: D) -> Result<Self, Unusable> {
        Self::list(disk)
    }

    fn list(mut disk: D) -> Result<Self, Unusable> {
        let mut names = disk.list()?;
        names.sort();
        let mut store = Self {
            disk,
            lock: None,
            segments: BTreeMap::new(),
            asides: BTreeSet::new(),
            unfinished: Vec::new(),
            serial_highest: 0,
            unreadable_highest: None,
            rejected: Vec::new(),
        };
        let mut misnamed = Vec::new();
        for name in names {
            match name::parse(&name) {
                Some((named, Role::Segment)) => match store.look_into(&name)? {
                    Ok((serial, start)) if serial == named => store.admit(serial, start, name),
                    Ok((serial, start)) => misnamed.push((serial, start, named, name)),
                    Err(reason) => store.reject(named, name, reason),
                },
                Some((named, Role::New)) => store.unfinished.push((named, name)),
                Some((named, Role::Aside)) => {
                    store.note_unreadable(named);
                    store.asides.insert(name);
                }
                None => (),
            }
        }
        for (serial, start, named, name) in misnamed {
            store.serial_highest = store.serial_highest.max(named);
            if store.segments.contains_key(&serial) {
                store.reject(named, name, format!("segment {serial} a second time"));
            } else {
                store.admit(serial, start, name);
            }
        }
        Ok(store)
    }

    /// The serial number of a segment and what it begins with, or why the file is none.
    fn look_into(&mut self, name: &str) -> Result<Result<(u64, Option<Start>), String>, Unusable> {
        let mut bytes = Vec::new();
        if let Err(error) = self.disk.read(name, START_BYTES as u64, &mut bytes) {
            return Ok(Err(error.to_string()));
        }
        let (header, mut records) = match segment::read(&bytes) {
            Ok(read) => read,
            Err(BadHeader::Version(version)) => {
                return Err(Unusable::Version { name: name.to_owned(), version });
            }
            Err(bad @ (BadHeader::Foreign | BadHeader::Damaged)) => {
                return Ok(Err(bad.to_string()));
            }
        };
        let start = match records.next() {
            Some(Found::Record { record: Record::Epoch { epoch, last }, .. }) => {
                Some(Start { epoch, last })
            }
            Some(Found::Record { .. } | Found::Damage { .. } | Found::Torn { .. }) | None => None,
        };
        if header.serial > SERIAL_MAX {
            return Ok(Err("its serial number is none".to_owned()));
        }
        Ok(Ok((header.serial, start)))
    }

    fn admit(&mut self, serial: u64, start: Option<Start>, name: String) {
        self.serial_highest = self.serial_highest.max(serial);
        self.segments.insert(serial, Segment { name, start, is_damaged: false });
    }

    fn note_unreadable(&mut self, named: u64) {
        self.serial_highest = self.serial_highest.max(named);
        self.unreadable_highest = self.unreadable_highest.max(Some(named));
    }

    fn reject(&mut self, named: u64, name: String, reason: String) {
        self.note_unreadable(named);
        self.rejected.push(Rejected { name, reason, aside: None });
    }

    /// Sets aside what was rejected, and removes segments that were never finished.
    fn tidy(&mut self) {
        for mut rejected in std::mem::take(&mut self.rejected) {
            rejected.aside = Some(self.move_aside(&rejected.name));
            self.rejected.push(rejected);
        }
        for (named, name) in std::mem::take(&mut self.unfinished) {
            // One that stays takes room and does no other harm: its number is not used again.
            self.serial_highest = self.serial_highest.max(named);
            let _ = self.disk.remove(&name);
        }
    }

    /// Renames a file to a name that none has. Power loss may give it its old name back.
    fn move_aside(&mut self, name: &str) -> io::Result<String> {
        let free = |aside: &String| !self.asides.contains(aside);
        let mut names = (1..=u64::MAX).map(|number| name::of_aside(name, number));
        let aside = names.find(free).ok_or(io::ErrorKind::AlreadyExists)?;
        self.disk.rename(name, &aside)?;
        self.asides.insert(aside.clone());
        Ok(aside)
    }

    /// The serial numbers of all segments, in order.
    pub fn serials(&self) -> Vec<u64> {
        self.segments.keys().copied().collect()
    }

    /// The lowest number that a new segment may have.
    pub const fn next_serial(&self) -> u64 {
        self.serial_highest.saturating_add(1)
    }

    /// Creates a segment that begins with `records`, and makes it safe against power loss.
    ///
    /// # Errors
    ///
    /// The operating system's; then there is no such segment, and its number is not used again.
    pub fn create(&mut self, header: &Header, records: &[u8]) -> io::Result<Writer<D::File>> {
        let serial = header.serial;
        if self.lock.is_none() || serial < self.next_serial() || serial > SERIAL_MAX {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.serial_highest = serial;
        let name = name::of_segment(serial);
        let name_new = name::of_new(&name);
        let mut writer = Writer { serial, file: self.disk.create(&name_new)?, has_failed: false };
        let mut bytes = Vec::new();
        header.encode(&mut bytes);
        bytes.extend_from_slice(records);
        let created = self.append(&mut writer, &bytes).and_then(|()| self.sync(&mut writer));
        if let Err(error) = created.and_then(|()| self.disk.rename(&name_new, &name)) {
            let _ = self.disk.remove(&name_new); // As good as not there.
            return Err(error);
        }
        if let Err(error) = self.disk.sync_directory() {
            let _ = self.disk.remove(&name); // If it stays, it says what is so.
            return Err(error);
        }
        self.segments.insert(serial, Segment { name, start: None, is_damaged: false });
        Ok(writer)
    }

    /// Comes back to a segment that was written before, to say at its end what follows.
    ///
    /// # Errors
    ///
    /// The operating system's.
    pub fn reopen(&mut self, serial: u64) -> io::Result<Writer<D::File>> {
        let segment = self.segments.get(&serial).ok_or(io::ErrorKind::NotFound)?;
        Ok(Writer { serial, file: self.disk.open(&segment.name)?, has_failed: false })
    }

    /// Appends all of `bytes`.
    ///
    /// # Errors
    ///
    /// The operating system's; the segment is given up then.
    pub fn append(&mut self, writer: &mut Writer<D::File>, mut bytes: &[u8]) -> io::Result<()> {
        writer.check()?;
        while !bytes.is_empty() {
            let written = match self.disk.write(&mut writer.file, bytes) {
                Ok(0) => Err(io::ErrorKind::WriteZero.into()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                written @ (Ok(_) | Err(_)) => written,
            };
            writer.has_failed = written.is_err();
            let written = written?;
            bytes = bytes.get(written..).unwrap_or_default();
        }
        Ok(())
    }

    /// Makes all that was appended safe against power loss.
    ///
    /// # Errors
    ///
    /// The operating system's; the segment is given up then.
    pub fn sync(&mut self, writer: &mut Writer<D::File>) -> io::Result<()> {
        writer.check()?;
        let synced = self.disk.sync(&mut writer.file);
        writer.has_failed = synced.is_err();
        synced
    }

    /// Removes a segment that is no longer needed; one in which damage was found is set aside.
    ///
    /// # Errors
    ///
    /// The operating system's; the segment may be back at the next start.
    pub fn remove(&mut self, serial: u64) -> io::Result<()> {
        let Some(segment) = self.segments.get(&serial) else { return Ok(()) };
        if segment.is_damaged {
            return self.set_aside(serial).map(drop);
        }
        self.disk.remove(&segment.name)?;
        self.segments.remove(&serial);
        self.disk.sync_directory()
    }

    /// Gives a segment a name that says that it is damaged; it is never read again.
    ///
    /// # Errors
    ///
    /// The operating system's; the segment may be back at the next start.
    pub fn set_aside(&mut self, serial: u64) -> io::Result<String> {
        let segment = self.segments.get(&serial).ok_or(io::ErrorKind::NotFound)?;
        let name = segment.name.clone();
        let aside = self.move_aside(&name)?;
        self.segments.remove(&serial);
        self.disk.sync_directory()?;
        Ok(aside)
    }

    /// Replaces `bytes` with those of a whole segment.
    pub(super) fn read(&mut self, serial: u64, bytes: &mut Vec<u8>) -> io::Result<()> {
        let segment = self.segments.get(&serial).ok_or(io::ErrorKind::NotFound)?;
        self.disk.read(&segment.name, u64::MAX, bytes)?;
        Ok(())
    }

    /// All segments as they were found, with what they begin with if it can be read.
    pub(super) fn starts(&self) -> impl DoubleEndedIterator<Item = (u64, Option<Start>)> {
        self.segments.iter().map(|(serial, segment)| (*serial, segment.start))
    }

    /// Cuts the end of a segment off.
    pub(super) fn cut(&mut self, serial: u64, length: u64) -> io::Result<()> {
        let segment = self.segments.get(&serial).ok_or(io::ErrorKind::NotFound)?;
        let mut file = self.disk.open(&segment.name)?;
        self.disk.set_length(&mut file, length)?;
        self.disk.sync(&mut file)
    }

    /// A segment that could be opened turns out not to be readable.
    pub(super) fn reject_segment(&mut self, serial: u64, reason: String) {
        self.note_unreadable(serial);
        let Some(segment) = self.segments.remove(&serial) else { return };
        let aside = self.is_writable().then(|| self.move_aside(&segment.name));
        self.rejected.push(Rejected { name: segment.name, reason, aside });
    }

    pub(super) fn mark_damaged(&mut self, serial: u64) {
        if let Some(segment) = self.segments.get_mut(&serial) {
            segment.is_damaged = true;
        }
    }

    pub(super) const fn is_writable(&self) -> bool {
        self.lock.is_some()
    }

    /// The highest serial number in the name of a file that cannot be read, or was set aside.
    pub(super) const fn unreadable_highest(&self) -> Option<u64> {
        self.unreadable_highest
    }

    pub(super) fn take_rejected(&mut self) -> Vec<Rejected> {
        std::mem::take(&mut self.rejected)
    }
}
