//! A segment: a file with a header and records.
//!
//! ```text
//!   ┌─────────────────────┬────────────────────────────────────────┬────────┬────────┬──
//!   │ magic, version, CRC │ serial, salt, boot id, sync mode, CRC  │ record │ record │ …
//!   └─────────────────────┴────────────────────────────────────────┴────────┴────────┴──
//!            16                              37
//! ```
//!
//! The version has its own CRC, before all fields that a later version may change. So a file of a
//! later version is not mistaken for a damaged one. A segment that repeats messages of earlier
//! segments has version 2, all others have version 1: see [`SegmentHeader::repeats`].
//!
//! A killed writer leaves an incomplete record at the end of the file. All other bytes that are no
//! record are damage. Reading continues at the next intact record header.

use std::fmt;
use std::ops::Range;

use super::record::{self, Checksums, ReadRecord, Record, RecordKind, Salt, take, take_u64};
use crate::protocol::Delivery;
use crate::time::Millis;

/// Bytes of a segment header.
pub const HEADER_BYTES: usize = 53;

/// Bytes of a segment header and the epoch record after it.
pub(super) const START_BYTES: usize =
    HEADER_BYTES + record::HEADER_BYTES + size_of::<u64>() + size_of::<u64>();

const MAGIC: [u8; 8] = *b"\x89gcjrnl\n";
const VERSION: u32 = 1;

/// Version of a segment that repeats messages of earlier segments.
const VERSION_REPEATS: u32 = 2;

/// Boot id: random bits that the system draws at each boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootId(pub [u8; 16]);

impl BootId {
    /// The system has no boot id.
    pub const UNKNOWN: Self = Self([0; 16]);

    /// Returns true if both ids are known and are of the same boot.
    #[must_use]
    pub fn is_same(self, other: Self) -> bool {
        self == other && self != Self::UNKNOWN
    }

    /// Returns true if both ids are known and are of different boots.
    #[must_use]
    pub fn is_other(self, other: Self) -> bool {
        self != other && self != Self::UNKNOWN && other != Self::UNKNOWN
    }
}

/// Sync mode of a segment: the time at which written records are synced to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum SyncMode {
    /// Before each confirmation.
    Always = 1,
    /// At regular intervals.
    Interval = 2,
    /// Whenever the operating system does so by itself.
    Never = 3,
}

/// Header of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// Position in the order of all segments of a journal.
    pub serial: u64,
    /// Random bits that no other segment has.
    pub salt: Salt,
    /// Boot of the machine in which the segment was created.
    pub boot: BootId,
    /// Sync mode in which the segment was created.
    pub sync: SyncMode,
    /// True if the segment starts with all messages above the seq of its first record, so that a
    /// recovery reads earlier segments only up to that seq. They may have holes above it.
    pub repeats: bool,
}

impl SegmentHeader {
    /// Appends the encoded header.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut start = MAGIC.to_vec();
        let version = if self.repeats { VERSION_REPEATS } else { VERSION };
        start.extend_from_slice(&version.to_le_bytes());
        let mut rest = self.serial.to_le_bytes().to_vec();
        rest.extend_from_slice(&self.salt.0.to_le_bytes());
        rest.extend_from_slice(&self.boot.0);
        rest.push(self.sync as u8);
        for part in [start, rest] {
            out.extend_from_slice(&part);
            out.extend_from_slice(&crc32fast::hash(&part).to_le_bytes());
        }
    }

    /// Reads the header at the start of `bytes`.
    ///
    /// # Errors
    ///
    /// [`BadHeader`] if there is no valid header.
    pub fn read(mut bytes: &[u8]) -> Result<Self, BadHeader> {
        let bytes = &mut bytes;
        if !bytes.starts_with(&MAGIC) {
            return Err(BadHeader::Foreign);
        }
        let start = checked::<12>(bytes).ok_or(BadHeader::Damaged)?;
        let version = start.last_chunk().ok_or(BadHeader::Damaged)?;
        let version = u32::from_le_bytes(*version);
        let repeats = match version {
            VERSION => false,
            VERSION_REPEATS => true,
            version => return Err(BadHeader::Version(version)),
        };
        Self::read_rest(bytes, repeats).ok_or(BadHeader::Damaged)
    }

    fn read_rest(bytes: &mut &[u8], repeats: bool) -> Option<Self> {
        let rest = checked::<33>(bytes)?;
        let rest = &mut rest.as_slice();
        let (serial, salt) = (take_u64(rest)?, Salt(take_u64(rest)?));
        let boot = BootId(take(rest)?);
        let sync = match take(rest)? {
            [1] => SyncMode::Always,
            [2] => SyncMode::Interval,
            [3] => SyncMode::Never,
            _ => return None,
        };
        Some(Self { serial, salt, boot, sync, repeats })
    }
}

/// Takes the next `N` bytes if the CRC after them is right.
fn checked<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let part = take::<N>(bytes)?;
    let crc = u32::from_le_bytes(take(bytes)?);
    (crc32fast::hash(&part) == crc).then_some(part)
}

/// Reason why a file is not a readable segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadHeader {
    /// The file does not start with the magic bytes.
    Foreign,
    /// The file starts with the magic bytes, and its header is damaged.
    Damaged,
    /// The version of the file is unknown to this program.
    Version(u32),
}

impl fmt::Display for BadHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str("not a segment of a journal"),
            Self::Damaged => f.write_str("its header is damaged"),
            Self::Version(version) => write!(
                f,
                "version {version} is not supported: this program reads versions {VERSION} and \
                 {VERSION_REPEATS}"
            ),
        }
    }
}

/// A part of a segment. The parts are in order and have no holes between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SegmentItem<'a> {
    /// An intact record.
    Record {
        /// Group time of the record.
        at: Millis,
        /// Content of the record.
        record: Record<'a>,
        /// Parsed line of a [`Record::Accepted`].
        delivery: Option<Delivery<'a>>,
    },
    /// Bytes that are no intact record.
    Damage {
        /// Range of the bytes.
        bytes: Range<u64>,
        /// Kind of the record, if the bytes are the damaged body of exactly one record.
        kind: Option<RecordKind>,
        /// True if the checksum is right and the values of the record are impossible.
        is_whole: bool,
    },
    /// An incomplete record at the end of the segment.
    Torn {
        /// Range of the record. Everything before it is intact.
        bytes: Range<u64>,
    },
}

/// Reads the header of a segment, and returns its parts.
///
/// # Errors
///
/// [`BadHeader`] if nothing in the segment can be read.
pub fn read(bytes: &[u8]) -> Result<(SegmentHeader, Records<'_>), BadHeader> {
    let header = SegmentHeader::read(bytes)?;
    Ok((header, Records { bytes, position: HEADER_BYTES, checksums: Checksums::new(header.salt) }))
}

/// Iterator over the parts of a segment.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    bytes: &'a [u8],
    position: usize,
    checksums: Checksums,
}

impl<'a> Iterator for Records<'a> {
    type Item = SegmentItem<'a>;

    fn next(&mut self) -> Option<SegmentItem<'a>> {
        let start = self.position;
        let rest = self.bytes.get(start..).filter(|rest| !rest.is_empty())?;
        let found = match record::read(rest, &self.checksums) {
            ReadRecord::Whole { at, record, delivery, bytes } => {
                self.position = start.saturating_add(bytes);
                return Some(SegmentItem::Record { at, record, delivery });
            }
            ReadRecord::BadBody { kind, bytes, is_whole } => {
                let end = start.saturating_add(bytes);
                // If bytes are missing, the body includes the start of the next records.
                let next =
                    record::find_header(self.bytes, start.saturating_add(1), &self.checksums);
                if next.is_none_or(|next| next >= end) && self.can_follow(end) {
                    self.position = end;
                    SegmentItem::Damage { bytes: range(start, end), kind: Some(kind), is_whole }
                } else {
                    self.skip_from(start)
                }
            }
            ReadRecord::Cut => {
                let damage = self.skip_from(start);
                // A killed writer leaves nothing after an incomplete record.
                let is_last = self.position == self.bytes.len();
                if is_last {
                    SegmentItem::Torn { bytes: range(start, self.position) }
                } else {
                    damage
                }
            }
            ReadRecord::Nothing => self.skip_from(start),
        };
        Some(found)
    }
}

impl Records<'_> {
    /// Returns true at the end of the segment, and at the start of a possible record.
    fn can_follow(&self, position: usize) -> bool {
        let rest = self.bytes.get(position..).unwrap_or_default();
        rest.is_empty() || !matches!(record::read(rest, &self.checksums), ReadRecord::Nothing)
    }

    fn skip_from<'b>(&mut self, start: usize) -> SegmentItem<'b> {
        let next = record::find_header(self.bytes, start.saturating_add(1), &self.checksums);
        self.position = next.unwrap_or(self.bytes.len());
        SegmentItem::Damage { bytes: range(start, self.position), kind: None, is_whole: false }
    }
}

fn range(start: usize, end: usize) -> Range<u64> {
    start as u64..end as u64
}

#[cfg(test)]
mod tests;
