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

mod opening;

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::disk::Disk;
use super::file_name::{self, FileRole, SERIAL_MAX};
use super::issues::{JournalError, Rejected};
use super::segment::SegmentHeader;
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
    quarantined_names: BTreeSet<String>,
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
    start: Option<FirstRecord>,
    is_damaged: bool,
}

/// What the first record of a segment says.
#[derive(Clone, Copy, Debug)]
pub(super) struct FirstRecord {
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
            true => Err(io::Error::other(
                "the segment takes no more records after a failed write or sync",
            )),
            false => Ok(()),
        }
    }
}

fn in_use_error() -> io::Error {
    io::Error::other("another coordinator uses the directory: end one of the two")
}

impl<D: Disk> Store<D> {
    /// Renames a file to a name that none has. Power loss may give it its old name back.
    fn rename_damaged(&mut self, name: &str) -> io::Result<String> {
        let free = |quarantined: &String| !self.quarantined_names.contains(quarantined);
        let mut names = (1..=u64::MAX).map(|number| file_name::of_quarantined(name, number));
        let quarantined = names.find(free).ok_or(io::ErrorKind::AlreadyExists)?;
        self.disk.rename(name, &quarantined)?;
        self.quarantined_names.insert(quarantined.clone());
        Ok(quarantined)
    }

    /// The serial numbers of all segments, in order.
    pub fn serials(&self) -> Vec<u64> {
        self.segments.keys().copied().collect()
    }

    /// The lowest number that a new segment may have.
    pub const fn next_serial(&self) -> u64 {
        self.serial_highest.saturating_add(1)
    }

    /// Sees that the directory, the lock and the segments are where they were left; returns the
    /// segments that are not: files that were moved away, deleted or replaced. They count as gone.
    ///
    /// If another directory has replaced this one and is empty, the store moves there. All segments
    /// are gone then.
    ///
    /// # Errors
    ///
    /// The operating system's, or why the directory cannot be used: nothing may be written.
    pub fn missing(&mut self, writer: Option<&Writer<D::File>>) -> io::Result<Vec<u64>> {
        match self.disk.successor()? {
            Some(successor) => self.move_into(successor)?,
            None => self.check_lock()?,
        }
        let mut missing = Vec::new();
        for (serial, segment) in &self.segments {
            let written = writer.filter(|writer| writer.serial == *serial);
            let expected = written.map(|it| self.disk.id_of_file(&it.file)).transpose()?;
            match self.disk.id_of_name(&segment.name) {
                Ok(found) if expected.is_none_or(|expected| expected == found) => (),
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(_) | Err(_) => missing.push(*serial),
            }
        }
        self.segments.retain(|serial, _| !missing.contains(serial));
        Ok(missing)
    }

    /// A lock file that somebody deleted keeps no other coordinator out.
    fn check_lock(&mut self) -> io::Result<()> {
        let Some(lock) = &self.lock else { return Ok(()) };
        let held = self.disk.id_of_file(lock)?;
        match self.disk.id_of_name(LOCK) {
            Ok(found) if found == held => return Ok(()),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(_) | Err(_) => (),
        }
        self.lock = Some(self.disk.lock(LOCK)?.ok_or_else(in_use_error)?);
        Ok(())
    }

    fn move_into(&mut self, mut successor: D) -> io::Result<()> {
        let lock = successor.lock(LOCK)?.ok_or_else(in_use_error)?;
        let is_segment =
            |name: &String| matches!(file_name::parse(name), Some((_, FileRole::Segment)));
        if successor.list()?.iter().any(is_segment) {
            return Err(io::Error::other(
                "the directory now holds another journal: put the original directory back",
            ));
        }
        (self.disk, self.lock) = (successor, Some(lock));
        Ok(())
    }

    /// Creates a segment that begins with `records`, and makes it safe against power loss.
    ///
    /// # Errors
    ///
    /// The operating system's; then there is no such segment, and its number is not used again.
    pub fn create(
        &mut self,
        header: &SegmentHeader,
        records: &[u8],
    ) -> io::Result<Writer<D::File>> {
        let serial = header.serial;
        if serial > SERIAL_MAX {
            return Err(io::Error::other(
                "no segment number is left: move the segment with the highest number away",
            ));
        }
        if self.lock.is_none() || serial < self.next_serial() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.serial_highest = serial;
        let name = file_name::of_segment(serial);
        let name_new = file_name::of_new(&name);
        let mut writer = Writer { serial, file: self.disk.create(&name_new)?, has_failed: false };
        let mut bytes = Vec::new();
        header.encode(&mut bytes);
        bytes.extend_from_slice(records);
        let created = self.append(&mut writer, &bytes).and_then(|()| self.sync(&mut writer));
        if let Err(error) = created.and_then(|()| self.disk.rename(&name_new, &name)) {
            let _ = self.disk.remove(&name_new); // As good as not there.
            self.close(writer);
            return Err(error);
        }
        if let Err(error) = self.disk.sync_directory() {
            let _ = self.disk.remove(&name); // If it stays, it says what is so.
            self.close(writer);
            return Err(error);
        }
        self.segments.insert(serial, Segment { name, start: None, is_damaged: false });
        Ok(writer)
    }

    /// Closes a segment that nothing more is appended to.
    pub fn close(&mut self, writer: Writer<D::File>) {
        self.disk.close(writer.file);
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
            return self.quarantine(serial).map(drop);
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
    pub fn quarantine(&mut self, serial: u64) -> io::Result<String> {
        let segment = self.segments.get(&serial).ok_or(io::ErrorKind::NotFound)?;
        let name = segment.name.clone();
        let quarantined = self.rename_damaged(&name)?;
        self.segments.remove(&serial);
        self.disk.sync_directory()?;
        Ok(quarantined)
    }

    /// Replaces `bytes` with those of a whole segment.
    pub(super) fn read(&mut self, serial: u64, bytes: &mut Vec<u8>) -> Result<(), JournalError> {
        let found = self.segments.get(&serial).map(|segment| segment.name.clone());
        let name = found.unwrap_or_else(|| file_name::of_segment(serial));
        let read = self.disk.read(&name, u64::MAX, bytes);
        read.map_err(|error| JournalError::Unreadable { name, error })
    }

    /// All segments as they were found, each with the lowest number that a later one goes back to.
    ///
    /// A program that fails to write or to sync goes on in a new segment, from the last number that
    /// is safe. What stands above that in the old one may have holes, and was never confirmed from
    /// there.
    pub(super) fn resumptions(&self) -> Vec<(u64, Option<FirstRecord>)> {
        let mut later: Option<FirstRecord> = None;
        let mut all = Vec::new();
        for (serial, segment) in self.segments.iter().rev() {
            all.push((*serial, later));
            if let Some(FirstRecord { epoch, last }) = segment.start {
                let later_last = later.filter(|it| it.epoch == epoch).map_or(last, |it| it.last);
                later = Some(FirstRecord { epoch, last: last.min(later_last) });
            }
        }
        all.reverse();
        all
    }

    /// Cuts the end of a segment off.
    pub(super) fn cut(&mut self, serial: u64, length: u64) -> io::Result<()> {
        let segment = self.segments.get(&serial).ok_or(io::ErrorKind::NotFound)?;
        let mut file = self.disk.open(&segment.name)?;
        self.disk.set_length(&mut file, length)?;
        self.disk.sync(&mut file)
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
}
