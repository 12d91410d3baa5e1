//! The store: a directory of segments, ordered by serial.
//!
//! ```text
//!   lock                                   locked by the one coordinator that may write here
//!   0000000000000003.journal               a segment
//!   0000000000000004.journal               the newest segment, which is being written
//!   0000000000000005.journal.new           a segment that is being created: ignored at a start
//!   0000000000000002.journal.damaged-1     quarantined: for the operator, never read again
//! ```
//!
//! A segment gets its final name after its header and its snapshot are synced: a part of a snapshot
//! would be mistaken for a whole one. So a file with a final name and without a header is damaged.
//! The serial is taken from the header: a file with the name of another segment is read at its
//! right position.

mod opening;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

use super::file_name::{self, FileRole, SERIAL_MAX};
use super::files::Disk;
use super::issues::{JournalError, Rejected};
use super::segment::SegmentHeader;
use crate::protocol::{Epoch, Seq};

const LOCK: &str = "lock";

/// The segments of a journal.
#[derive(Debug)]
pub struct Store<D: Disk> {
    disk: D,
    /// Lock of the directory; `None` if the store only inspects it.
    lock: Option<D::File>,
    segments: BTreeMap<u64, Segment>,
    /// Names of quarantined files.
    quarantined_names: BTreeSet<String>,
    /// Segments whose creation was interrupted.
    unfinished: Vec<(u64, String)>,
    /// Highest serial in any file name.
    serial_highest: u64,
    /// Highest serial in the name of an unreadable or quarantined file.
    unreadable_highest: Option<u64>,
    rejected: Vec<Rejected>,
}

#[derive(Debug)]
struct Segment {
    name: String,
    /// First record, for a segment that was found at the start.
    start: Option<FirstRecord>,
    is_damaged: bool,
}

/// Content of the first record of a segment: its [`Record::Epoch`](super::Record::Epoch).
#[derive(Clone, Copy, Debug)]
pub(super) struct FirstRecord {
    pub(super) epoch: Epoch,
    pub(super) last: Seq,
    /// True if the segment repeats messages: see [`SegmentHeader::repeats`].
    pub(super) repeats: bool,
    /// True if none of the repeated messages is damaged or missing.
    pub(super) is_whole: bool,
}

/// Open file of a segment, to which records are appended.
///
/// After a failed write or sync the content of the file is unknown. Then the file takes no more
/// records.
#[derive(Debug)]
pub struct SegmentFile<F> {
    serial: u64,
    handle: F,
    has_failed: bool,
}

impl<F> SegmentFile<F> {
    /// Returns the serial of the segment.
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
    /// Returns the time on the clock of [`Disk::elapsed`].
    pub fn elapsed(&self) -> Duration {
        self.disk.elapsed()
    }

    /// Renames a damaged file to an unused name. A power loss may undo the rename.
    fn rename_damaged(&mut self, name: &str) -> io::Result<String> {
        let free = |quarantined: &String| !self.quarantined_names.contains(quarantined);
        let mut names = (1..=u64::MAX).map(|number| file_name::of_quarantined(name, number));
        let quarantined = names.find(free).ok_or(io::ErrorKind::AlreadyExists)?;
        self.disk.rename(name, &quarantined)?;
        self.quarantined_names.insert(quarantined.clone());
        Ok(quarantined)
    }

    /// Returns the serials of all segments, in order.
    pub fn serials(&self) -> Vec<u64> {
        self.segments.keys().copied().collect()
    }

    /// Returns the lowest serial for a new segment.
    pub const fn next_serial(&self) -> u64 {
        self.serial_highest.saturating_add(1)
    }

    /// Checks that the directory, the lock and the segments are where they were. Returns the
    /// serials of segments whose files were moved, deleted or replaced, and forgets these segments.
    ///
    /// If an empty directory has replaced this one, the store moves there, and all segments are
    /// missing.
    ///
    /// # Errors
    ///
    /// Error of the operating system, or the reason why the directory cannot be used. Nothing may
    /// be written then.
    pub fn missing(&mut self, file: Option<&SegmentFile<D::File>>) -> io::Result<Vec<u64>> {
        match self.disk.successor()? {
            Some(successor) => self.move_into(successor)?,
            None => self.check_lock()?,
        }
        let mut missing = Vec::new();
        for (serial, segment) in &self.segments {
            let written = file.filter(|file| file.serial == *serial);
            let expected = written.map(|it| self.disk.id_of_file(&it.handle)).transpose()?;
            match self.disk.id_of_name(&segment.name) {
                Ok(found) if expected.is_none_or(|expected| expected == found) => (),
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(_) | Err(_) => missing.push(*serial),
            }
        }
        self.segments.retain(|serial, _| !missing.contains(serial));
        Ok(missing)
    }

    /// Takes the lock again if the lock file was deleted: such a lock excludes no other
    /// coordinator.
    fn check_lock(&mut self) -> io::Result<()> {
        let Some(lock) = &self.lock else { return Ok(()) };
        let locked = self.disk.id_of_file(lock)?;
        match self.disk.id_of_name(LOCK) {
            Ok(found) if found == locked => return Ok(()),
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

    /// Creates a segment that starts with `records`, and syncs it.
    ///
    /// # Errors
    ///
    /// Error of the operating system. Then the segment does not exist, and its serial is not used
    /// again.
    pub fn create(
        &mut self,
        header: &SegmentHeader,
        records: &[u8],
    ) -> io::Result<SegmentFile<D::File>> {
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
        let mut file =
            SegmentFile { serial, handle: self.disk.create(&name_new)?, has_failed: false };
        let mut bytes = Vec::new();
        header.encode(&mut bytes);
        bytes.extend_from_slice(records);
        let created = self.append(&mut file, &bytes).and_then(|()| self.sync(&mut file));
        if let Err(error) = created.and_then(|()| self.disk.rename(&name_new, &name)) {
            let _ = self.disk.remove(&name_new); // A leftover file is ignored.
            self.close(file);
            return Err(error);
        }
        if let Err(error) = self.disk.sync_directory() {
            let _ = self.disk.remove(&name); // A leftover segment has right content.
            self.close(file);
            return Err(error);
        }
        self.segments.insert(serial, Segment { name, start: None, is_damaged: false });
        Ok(file)
    }

    /// Closes a segment.
    pub fn close(&mut self, file: SegmentFile<D::File>) {
        self.disk.close(file.handle);
    }

    /// Opens an existing segment, to append its last record.
    ///
    /// # Errors
    ///
    /// Error of the operating system.
    pub fn reopen(&mut self, serial: u64) -> io::Result<SegmentFile<D::File>> {
        let segment = self.segments.get(&serial).ok_or(io::ErrorKind::NotFound)?;
        Ok(SegmentFile { serial, handle: self.disk.open(&segment.name)?, has_failed: false })
    }

    /// Appends all of `bytes`.
    ///
    /// # Errors
    ///
    /// Error of the operating system. Then the segment takes no more records.
    pub fn append(&mut self, file: &mut SegmentFile<D::File>, mut bytes: &[u8]) -> io::Result<()> {
        file.check()?;
        while !bytes.is_empty() {
            let written = match self.disk.write(&mut file.handle, bytes) {
                Ok(0) => Err(io::ErrorKind::WriteZero.into()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                written @ (Ok(_) | Err(_)) => written,
            };
            file.has_failed = written.is_err();
            let written = written?;
            bytes = bytes.get(written..).unwrap_or_default();
        }
        Ok(())
    }

    /// Syncs all appended bytes: they survive a power loss.
    ///
    /// # Errors
    ///
    /// Error of the operating system. Then the segment takes no more records.
    pub fn sync(&mut self, file: &mut SegmentFile<D::File>) -> io::Result<()> {
        file.check()?;
        let synced = self.disk.sync(&mut file.handle);
        file.has_failed = synced.is_err();
        synced
    }

    /// Removes a segment that is no longer needed. A damaged segment is quarantined instead.
    ///
    /// # Errors
    ///
    /// Error of the operating system. The segment may exist again at the next start.
    pub fn remove(&mut self, serial: u64) -> io::Result<()> {
        let Some(segment) = self.segments.get(&serial) else { return Ok(()) };
        if segment.is_damaged {
            return self.quarantine(serial).map(drop);
        }
        self.disk.remove(&segment.name)?;
        self.segments.remove(&serial);
        self.disk.sync_directory()
    }

    /// Quarantines a segment: renames it as damaged, so that it is never read again.
    ///
    /// # Errors
    ///
    /// Error of the operating system. The segment may exist again at the next start.
    pub fn quarantine(&mut self, serial: u64) -> io::Result<String> {
        let segment = self.segments.get(&serial).ok_or(io::ErrorKind::NotFound)?;
        let name = segment.name.clone();
        let quarantined = self.rename_damaged(&name)?;
        self.segments.remove(&serial);
        self.disk.sync_directory()?;
        Ok(quarantined)
    }

    /// Reads a whole segment into `bytes`.
    pub(super) fn read(&mut self, serial: u64, bytes: &mut Vec<u8>) -> Result<(), JournalError> {
        let found = self.segments.get(&serial).map(|segment| segment.name.clone());
        let name = found.unwrap_or_else(|| file_name::of_segment(serial));
        let read = self.disk.read(&name, u64::MAX, bytes);
        read.map_err(|error| JournalError::Unreadable { name, error })
    }

    /// Returns all segments found at the start. Each has the lowest seq to which a later segment
    /// went back.
    ///
    /// After a failed write or sync the program continues in a new segment, from the last durable
    /// seq. The old segment may have holes above that seq, and these messages were never confirmed
    /// from there.
    pub(super) fn resume_points(&self) -> Vec<(u64, Option<FirstRecord>)> {
        let mut resumed: Option<FirstRecord> = None;
        let mut all = Vec::new();
        for (serial, segment) in self.segments.iter().rev() {
            all.push((*serial, resumed));
            if let Some(FirstRecord { epoch, last, repeats, is_whole }) = segment.start {
                let later = resumed.filter(|it| it.repeats || it.epoch == epoch);
                let last = later.map_or(last, |it| it.last.min(last));
                let repeats = repeats || later.is_some_and(|it| it.repeats);
                let is_whole = is_whole && later.is_none_or(|it| it.is_whole);
                resumed = Some(FirstRecord { epoch, last, repeats, is_whole });
            }
        }
        all.reverse();
        all
    }

    /// Truncates a segment.
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

    pub(super) fn is_damaged(&self, serial: u64) -> bool {
        self.segments.get(&serial).is_some_and(|segment| segment.is_damaged)
    }

    pub(super) const fn is_writable(&self) -> bool {
        self.lock.is_some()
    }

    /// Returns the highest serial in the name of an unreadable or quarantined file.
    pub(super) const fn unreadable_highest(&self) -> Option<u64> {
        self.unreadable_highest
    }
}
