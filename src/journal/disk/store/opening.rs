//! Opening of a store: finds the segments in a directory.
//!
//! Bytes that were read and make no sense are damage. A file that could not be read may be intact
//! (no permission, no file descriptor, no memory, a failing disk). Then the start is refused, and
//! nothing is renamed, removed or created. So everything is read before anything is changed.

use std::collections::{BTreeMap, BTreeSet};

use super::{FirstRecord, LOCK, Segment, Store};
use crate::journal::Disk;
use crate::journal::disk::file_name::{self, FileRole, SERIAL_MAX};
use crate::journal::disk::issues::{JournalError, Rejected};
use crate::journal::disk::record::Record;
use crate::journal::disk::segment::{self, BadHeader, START_BYTES, SegmentItem};

impl<D: Disk> Store<D> {
    /// Opens a directory for writing: locks it, and finds its segments.
    ///
    /// # Errors
    ///
    /// [`JournalError`] if the directory is in use, or if a file cannot be read. Damaged segments
    /// are no error.
    pub fn open(mut disk: D) -> Result<Self, JournalError> {
        let lock = disk.lock(LOCK).map_err(JournalError::system("cannot take the file lock"))?;
        let lock = lock.ok_or(JournalError::InUse)?;
        let mut store = Self::list(disk)?;
        store.lock = Some(lock);
        Ok(store)
    }

    /// Opens a directory for reading only, even while a coordinator writes there.
    ///
    /// # Errors
    ///
    /// [`JournalError`] if a file cannot be read.
    pub fn inspect(disk: D) -> Result<Self, JournalError> {
        Self::list(disk)
    }

    fn list(mut disk: D) -> Result<Self, JournalError> {
        let mut names = disk.list().map_err(JournalError::system("cannot list the directory"))?;
        names.sort();
        let mut store = Self {
            disk,
            lock: None,
            segments: BTreeMap::new(),
            quarantined_names: BTreeSet::new(),
            unfinished: Vec::new(),
            serial_highest: 0,
            unreadable_highest: None,
            rejected: Vec::new(),
        };
        let mut misnamed = Vec::new();
        for name in names {
            match file_name::parse(&name) {
                Some((named, FileRole::Segment)) => match store.read_start(&name)? {
                    Ok((serial, start)) if serial == named => {
                        store.add_segment(serial, start, name);
                    }
                    Ok((serial, start)) => misnamed.push((serial, start, named, name)),
                    Err(reason) => store.reject(named, name, reason),
                },
                Some((named, FileRole::New)) => store.unfinished.push((named, name)),
                Some((named, FileRole::Quarantined)) => {
                    store.record_unreadable(named);
                    store.quarantined_names.insert(name);
                }
                None => (),
            }
        }
        for (serial, start, named, name) in misnamed {
            store.serial_highest = store.serial_highest.max(named);
            if store.segments.contains_key(&serial) {
                store.reject(
                    named,
                    name,
                    format!("another file holds segment {serial:016x} already"),
                );
            } else {
                store.add_segment(serial, start, name);
            }
        }
        Ok(store)
    }

    /// Reads the start of a file. Returns the serial and the first record of a segment, or the
    /// reason why the file is not a segment.
    fn read_start(
        &mut self,
        name: &str,
    ) -> Result<Result<(u64, Option<FirstRecord>), String>, JournalError> {
        let mut bytes = Vec::new();
        self.read_file(name, START_BYTES as u64, &mut bytes)?;
        let (header, mut records) = match segment::read(&bytes) {
            Ok(read) => read,
            Err(BadHeader::Version(version)) => {
                return Err(JournalError::Version { name: name.to_owned(), version });
            }
            Err(bad @ (BadHeader::Foreign | BadHeader::Damaged)) => {
                return Ok(Err(bad.to_string()));
            }
        };
        let start = match records.next() {
            Some(SegmentItem::Record { record: Record::Epoch { epoch, last }, .. }) => {
                let repeats = header.repeats;
                let is_whole = !repeats || self.has_whole_snapshot(name)?;
                Some(FirstRecord { epoch, last, repeats, is_whole })
            }
            Some(
                SegmentItem::Record { .. } | SegmentItem::Damage { .. } | SegmentItem::Torn { .. },
            )
            | None => None,
        };
        if header.serial > SERIAL_MAX {
            return Ok(Err("its serial number is out of range".to_owned()));
        }
        Ok(Ok((header.serial, start)))
    }

    /// Returns true if the snapshot of a segment that repeats messages is whole.
    fn has_whole_snapshot(&mut self, name: &str) -> Result<bool, JournalError> {
        let mut bytes = Vec::new();
        self.read_file(name, u64::MAX, &mut bytes)?;
        let Ok((_, records)) = segment::read(&bytes) else { return Ok(false) };
        for item in records {
            match item {
                SegmentItem::Record { record, .. } if record.kind().ends_snapshot(true) => {
                    return Ok(true);
                }
                SegmentItem::Record { .. } => (),
                SegmentItem::Damage { .. } | SegmentItem::Torn { .. } => return Ok(false),
            }
        }
        Ok(false)
    }

    fn read_file(
        &mut self,
        name: &str,
        length: u64,
        bytes: &mut Vec<u8>,
    ) -> Result<(), JournalError> {
        let read = self.disk.read(name, length, bytes);
        read.map_err(|error| JournalError::Unreadable { name: name.to_owned(), error })
    }

    fn add_segment(&mut self, serial: u64, start: Option<FirstRecord>, name: String) {
        self.serial_highest = self.serial_highest.max(serial);
        self.segments.insert(serial, Segment { name, start, is_damaged: false });
    }

    fn record_unreadable(&mut self, named: u64) {
        self.serial_highest = self.serial_highest.max(named);
        self.unreadable_highest = self.unreadable_highest.max(Some(named));
    }

    fn reject(&mut self, named: u64, name: String, reason: String) {
        self.record_unreadable(named);
        self.rejected.push(Rejected { name, reason, quarantined: None });
    }

    /// Rejects a segment whose start is intact and which cannot be read as a whole.
    pub(in crate::journal::disk) fn reject_segment(&mut self, serial: u64, reason: String) {
        self.record_unreadable(serial);
        let Some(segment) = self.segments.remove(&serial) else { return };
        self.rejected.push(Rejected { name: segment.name, reason, quarantined: None });
    }

    /// Quarantines rejected files and removes unfinished segments, after everything was read.
    /// Returns the rejected files. Without the lock nothing is changed.
    pub(in crate::journal::disk) fn tidy(&mut self) -> Vec<Rejected> {
        let mut all = std::mem::take(&mut self.rejected);
        if !self.is_writable() {
            return all;
        }
        for rejected in &mut all {
            rejected.quarantined = Some(self.rename_damaged(&rejected.name));
        }
        for (named, name) in std::mem::take(&mut self.unfinished) {
            // A leftover file takes disk space and does no other harm: its serial is not used
            // again.
            self.serial_highest = self.serial_highest.max(named);
            let _ = self.disk.remove(&name);
        }
        all
    }

    /// Returns true if the directory has no segment, and no file with the name of one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty() && self.rejected.is_empty()
    }
}
