//! One segment: the bytes of a file, read as a header and the records behind it.
//!
//! ```text
//!   ┌─────────────────────┬────────────────────────────────────────┬────────┬────────┬──
//!   │ magic, version, CRC │ serial, salt, boot id, sync mode, CRC  │ record │ record │ …
//!   └─────────────────────┴────────────────────────────────────────┴────────┴────────┴──
//!            16                              37
//! ```
//!
//! The version has a CRC of its own, in front of everything that a later version may lay out
//! differently: a file of a later version is told from a damaged one.
//!
//! What a killed writer leaves is the beginning of a record and nothing behind it. Everything else
//! that is not a record is damage, and reading goes on at the next header that is whole.

use std::fmt;
use std::ops::Range;

use super::record::{self, ReadRecord, Record, RecordKind, Salt, take, take_u64};
use crate::time::Millis;

/// Bytes of the header of a segment.
pub const HEADER_BYTES: usize = 53;

/// Bytes of a header and of the epoch record behind it.
pub(super) const START_BYTES: usize =
    HEADER_BYTES + record::HEADER_BYTES + size_of::<u64>() + size_of::<u64>();

const MAGIC: [u8; 8] = *b"\x89gcjrnl\n";
const VERSION: u32 = 1;

/// Which start of the machine: an id that the system draws anew each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootId(pub [u8; 16]);

impl BootId {
    /// The system does not say.
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

/// When what is written is made safe against power loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum SyncMode {
    /// Before anything is confirmed.
    Always = 1,
    /// From time to time.
    Interval = 2,
    /// When the system gets to it.
    Never = 3,
}

/// What a segment says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// Its place in the order of all segments of a journal.
    pub serial: u64,
    /// Random bits that no other segment has.
    pub salt: Salt,
    /// When the machine was up that wrote it.
    pub boot: BootId,
    /// How it was written.
    pub sync: SyncMode,
}

impl SegmentHeader {
    /// Appends the header.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut start = MAGIC.to_vec();
        start.extend_from_slice(&VERSION.to_le_bytes());
        let mut rest = self.serial.to_le_bytes().to_vec();
        rest.extend_from_slice(&self.salt.0.to_le_bytes());
        rest.extend_from_slice(&self.boot.0);
        rest.push(self.sync as u8);
        for part in [start, rest] {
            out.extend_from_slice(&part);
            out.extend_from_slice(&crc32fast::hash(&part).to_le_bytes());
        }
    }

    /// Reads the header that `bytes` begin with.
    ///
    /// # Errors
    ///
    /// [`BadHeader`] if they do not begin with one.
    pub fn read(mut bytes: &[u8]) -> Result<Self, BadHeader> {
        let bytes = &mut bytes;
        if !bytes.starts_with(&MAGIC) {
            return Err(BadHeader::Foreign);
        }
        let start = checked::<12>(bytes).ok_or(BadHeader::Damaged)?;
        let version = start.last_chunk().ok_or(BadHeader::Damaged)?;
        let version = u32::from_le_bytes(*version);
        if version != VERSION {
            return Err(BadHeader::Version(version));
        }
        Self::read_rest(bytes).ok_or(BadHeader::Damaged)
    }

    fn read_rest(bytes: &mut &[u8]) -> Option<Self> {
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
        Some(Self { serial, salt, boot, sync })
    }
}

/// The next `N` bytes, if the CRC behind them is theirs.
fn checked<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let part = take::<N>(bytes)?;
    let crc = u32::from_le_bytes(take(bytes)?);
    (crc32fast::hash(&part) == crc).then_some(part)
}

/// Why a file cannot be read as a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadHeader {
    /// It does not begin as a segment does.
    Foreign,
    /// It begins as one, and its header is not whole.
    Damaged,
    /// It is of this version, which is none that is known here.
    Version(u32),
}

impl fmt::Display for BadHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str("not a segment of a journal"),
            Self::Damaged => f.write_str("its header is damaged"),
            Self::Version(version) => write!(
                f,
                "version {version} is not supported: this program reads version {VERSION}"
            ),
        }
    }
}

/// What stands in a segment, in its order and without a hole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SegmentItem<'a> {
    /// A record that is as it was written.
    Record {
        /// Its group time.
        at: Millis,
        /// What it says.
        record: Record<'a>,
    },
    /// Bytes that are no record any more, or never were one.
    Damage {
        /// Where.
        bytes: Range<u64>,
        /// What it was, if it is the body of one record and nothing else.
        kind: Option<RecordKind>,
        /// The record is as it was written, and says what cannot be.
        is_whole: bool,
    },
    /// At the end: the beginning of a record whose rest was never written.
    Torn {
        /// Where: up to here the segment is as it should be.
        bytes: Range<u64>,
    },
}

/// Reads a segment: its header, and what stands behind it.
///
/// # Errors
///
/// [`BadHeader`]: nothing in it can be read.
pub fn read(bytes: &[u8]) -> Result<(SegmentHeader, Records<'_>), BadHeader> {
    let header = SegmentHeader::read(bytes)?;
    Ok((header, Records { bytes, position: HEADER_BYTES, salt: header.salt }))
}

/// The records of a segment, and what stands between them.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    bytes: &'a [u8],
    position: usize,
    salt: Salt,
}

impl<'a> Iterator for Records<'a> {
    type Item = SegmentItem<'a>;

    fn next(&mut self) -> Option<SegmentItem<'a>> {
        let start = self.position;
        let rest = self.bytes.get(start..).filter(|rest| !rest.is_empty())?;
        let found = match record::read(rest, self.salt) {
            ReadRecord::Whole { at, record, bytes } => {
                self.position = start.saturating_add(bytes);
                return Some(SegmentItem::Record { at, record });
            }
            ReadRecord::BadBody { kind, bytes, is_whole } => {
                let end = start.saturating_add(bytes);
                // Where bytes are missing, the body reaches into the records that follow.
                let next = record::find_header(self.bytes, start.saturating_add(1), self.salt);
                if next.is_none_or(|next| next >= end) && self.may_follow(end) {
                    self.position = end;
                    SegmentItem::Damage { bytes: range(start, end), kind: Some(kind), is_whole }
                } else {
                    self.skip_from(start)
                }
            }
            ReadRecord::Cut => {
                let damage = self.skip_from(start);
                // Nothing stands behind what a killed writer leaves.
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
    /// Whether the segment ends here, or something that looks like a record begins.
    fn may_follow(&self, position: usize) -> bool {
        let rest = self.bytes.get(position..).unwrap_or_default();
        rest.is_empty() || !matches!(record::read(rest, self.salt), ReadRecord::Nothing)
    }

    fn skip_from<'b>(&mut self, start: usize) -> SegmentItem<'b> {
        let next = record::find_header(self.bytes, start.saturating_add(1), self.salt);
        self.position = next.unwrap_or(self.bytes.len());
        SegmentItem::Damage { bytes: range(start, self.position), kind: None, is_whole: false }
    }
}

fn range(start: usize, end: usize) -> Range<u64> {
    start as u64..end as u64
}

#[cfg(test)]
mod tests;
