//! A record: one fact and its group time.
//!
//! ```text
//!   ┌──────┬──────┬────────────┬──────────┬────────────┬────────────┬────────┐
//!   │ 0xFF │ kind │ body bytes │ body CRC │ group time │ header CRC │ body … │
//!   └──────┴──────┴────────────┴──────────┴────────────┴────────────┴────────┘
//!      1      1        4            4           8            4
//! ```
//!
//! Numbers are little-endian. No text can look like a record: the first byte never occurs in UTF-8,
//! and the header CRC includes the salt of the segment, which no client knows. A damaged body costs
//! only its record, because the header gives the start of the next one.
//!
//! A body has the fields of its [`Record`] in order, and the id, if there is one, at the end. The
//! list of [`Record::Own`] is a 16-bit count and the first and last seq of each range. The owner of
//! a [`Record::Member`] starts with its kind: 4 or 6 for an IP address of that version. In
//! [`RecordKind::Member`], which is no longer written, the owner is the IP of the address. The
//! number of a `send` comes first, in [`RecordKind::PublishingMember`] and [`RecordKind::Sent`]. In
//! [`RecordKind::StartedMember`] and [`RecordKind::KeyedMember`] that number, or 0, and the start
//! come first. In [`RecordKind::KeyedMember`] the owner is the 32 bytes of the name of its key. An
//! announced state is 0 (absent), 1 (online) or 2 (offline).

mod fields;
mod kind;
mod ranges;

use std::io::Write as _;
use std::num::NonZeroU64;

use crate::facts::{Announced, MemberState};
use crate::journal::fields::{announced_byte, take_announced, take_id, take_number, take_seq};
use crate::limits::{
    DELIVERY_EXTRA_BYTES, GROUP_TIME_MS_MAX, LINE_BYTES_HIGHEST, RECORD_TIME_MS_MAX,
};
use crate::protocol::{Delivery, Epoch, Seq};
use crate::time::{Millis, UnixMillis};

use fields::{put_member, take_member};

pub(super) use crate::journal::fields::{take, take_u64};
pub use kind::RecordKind;
pub use ranges::EncodedRanges;

/// Bytes of a record header.
pub(super) const HEADER_BYTES: usize = FIELDS_BYTES + size_of::<u32>();
/// Longest body: a number and the longest delivery line.
pub const BODY_BYTES_MAX: usize =
    size_of::<NonZeroU64>() + LINE_BYTES_HIGHEST + DELIVERY_EXTRA_BYTES;

/// Bytes of a record header that the header CRC protects.
const FIELDS_BYTES: usize = 1 + 1 + size_of::<u32>() + size_of::<u32>() + size_of::<u64>();
const MARK: u8 = 0xFF;

/// A fact in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// First record of every segment: the epoch. One [`Record::Member`] for each member follows.
    Epoch {
        /// Epoch of the following messages.
        epoch: Epoch,
        /// Seq before the first message that this segment may contain. Usually the last one given
        /// out. If messages are written again, the seq before the first of them.
        last: Seq,
    },
    /// State of a member. Replaces all earlier states of the id.
    Member(MemberState<'a>),
    /// Ranges of a member's own messages, after its [`Record::Member`]. A member with many ranges
    /// has several of these records. They name the own messages even after the segments of these
    /// messages are gone.
    Own {
        /// Id of the member.
        id: &'a str,
        /// Ranges of this record.
        ranges: EncodedRanges<'a>,
    },
    /// State of an id that was announced last, with `presence=yes`: in a snapshot, and before the
    /// [`Record::Member`] of a new member.
    Announced {
        /// Id of a member, or of a former one.
        id: &'a str,
        /// State as the last announcement tells it.
        announced: Announced,
    },
    /// The id ceased to be a member.
    Deregistered {
        /// Id of the former member.
        id: &'a str,
    },
    /// An accepted message.
    Accepted {
        /// Number that the sender gave to the text of a `send`. A message that is written again has
        /// none: the [`Record::Member`] of its sender counts. If that one is damaged, the number of
        /// the first record of the message counts.
        number: Option<NonZeroU64>,
        /// Delivery line with its LF, as on the wire.
        line: &'a [u8],
    },
    /// Cursor of a member.
    Acked {
        /// Id of the member.
        id: &'a str,
        /// Last seq that counts as delivered.
        acked: Seq,
    },
    /// Wall clock at the group time of this record.
    Clock {
        /// Reading of the wall clock.
        unix: UnixMillis,
    },
    /// All messages up to this seq are synced. Later ones may be lost in a power failure: see
    /// [`Recovered::durable`](super::Recovered::durable). In a segment that repeats messages, the
    /// first such record is the end of the snapshot.
    Durable {
        /// Last synced seq.
        last: Seq,
    },
    /// A new epoch begins. The last seq stays.
    NewEpoch {
        /// The new epoch.
        epoch: Epoch,
    },
    /// All messages before this seq have expired, although the time to live may have become longer:
    /// in a snapshot, and when it became longer.
    Expired {
        /// First seq that has not expired.
        before: Seq,
    },
    /// Another segment follows, which already has its [`Record::Epoch`]. If no segment follows, the
    /// newest one is missing.
    Continued,
    /// End of a clean shutdown.
    Closed,
}

/// Random bits of a segment. The CRC of each record header includes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Salt(pub u64);

/// Appends the encoded record.
pub fn encode(record: &Record<'_>, at: Millis, salt: Salt, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER_BYTES]);
    record.put_body(out);
    let Some(written) = out.get_mut(start..) else { return };
    let Some((header, body)) = written.split_first_chunk_mut::<HEADER_BYTES>() else { return };
    debug_assert!(body.len() <= BODY_BYTES_MAX, "a line is bounded where it comes in");
    let mut fields = [0; FIELDS_BYTES];
    put(
        &mut fields,
        &[
            &[MARK, record.kind() as u8],
            &u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes(),
            &crc32fast::hash(body).to_le_bytes(),
            &at.as_u64().to_le_bytes(),
        ],
    );
    put(header, &[&fields, &header_crc(&fields, salt).to_le_bytes()]);
}

/// Fills `out` with the parts.
fn put(mut out: &mut [u8], parts: &[&[u8]]) {
    for part in parts {
        // The parts are as long as `out`.
        let _ = out.write_all(part);
    }
}

fn header_crc(fields: &[u8; FIELDS_BYTES], salt: Salt) -> u32 {
    Checksums::new(salt).of_header(fields)
}

/// CRC states at the start of a header and of a body. Reading copies them for each record, because
/// the choice of an algorithm and the salt are the same in the whole segment.
#[derive(Clone, Debug)]
pub(super) struct Checksums {
    header: crc32fast::Hasher,
    body: crc32fast::Hasher,
}

impl Checksums {
    pub(super) fn new(Salt(salt): Salt) -> Self {
        let body = crc32fast::Hasher::new();
        let mut header = body.clone();
        header.update(&salt.to_le_bytes());
        Self { header, body }
    }

    fn of_header(&self, fields: &[u8; FIELDS_BYTES]) -> u32 {
        let mut crc = self.header.clone();
        crc.update(fields);
        crc.finalize()
    }

    fn of_body(&self, body: &[u8]) -> u32 {
        let mut crc = self.body.clone();
        crc.update(body);
        crc.finalize()
    }
}

/// Result of reading a record.
#[derive(Debug)]
pub(super) enum ReadRecord<'a> {
    /// An intact record of `bytes` bytes.
    Whole { at: Millis, record: Record<'a>, delivery: Option<Delivery<'a>>, bytes: usize },
    /// An intact header and a bad body, together `bytes` long. With `is_whole` the checksum of the
    /// body is right, and the values of the record are impossible.
    BadBody { kind: RecordKind, bytes: usize, is_whole: bool },
    /// The first bytes of a record: the other ones are after the end.
    Cut,
    /// No record starts here.
    Nothing,
}

/// Reads the record at the start of `bytes`, which are not empty.
pub(super) fn read<'a>(bytes: &'a [u8], checksums: &Checksums) -> ReadRecord<'a> {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        let is_prefix = match bytes {
            [MARK, kind, ..] => RecordKind::of(*kind).is_some(),
            [MARK] => true,
            _ => false,
        };
        return if is_prefix { ReadRecord::Cut } else { ReadRecord::Nothing };
    };
    let Some(RecordHeader { kind, body_bytes, body_crc, at }) =
        RecordHeader::read(header, checksums)
    else {
        return ReadRecord::Nothing;
    };
    let Some(body) = rest.get(..body_bytes) else { return ReadRecord::Cut };
    let bytes = HEADER_BYTES.saturating_add(body_bytes);
    let is_whole = checksums.of_body(body) == body_crc;
    let is_possible = is_whole && at.as_u64() <= RECORD_TIME_MS_MAX;
    let at = at.min(Millis::new(GROUP_TIME_MS_MAX));
    let read = if is_possible { Record::of(kind, body) } else { None };
    match read {
        Some((record, delivery)) => ReadRecord::Whole { at, record, delivery, bytes },
        None => ReadRecord::BadBody { kind, bytes, is_whole },
    }
}

/// Returns the first offset from `from` on at which an intact record header starts.
pub(super) fn find_header(bytes: &[u8], from: usize, checksums: &Checksums) -> Option<usize> {
    let candidates = bytes.get(from..)?;
    memchr::memchr_iter(MARK, candidates).map(|at| from.saturating_add(at)).find(|at| {
        let header = bytes.get(*at..).and_then(<[u8]>::first_chunk);
        header.is_some_and(|header| RecordHeader::read(header, checksums).is_some())
    })
}

struct RecordHeader {
    kind: RecordKind,
    body_bytes: usize,
    body_crc: u32,
    at: Millis,
}

impl RecordHeader {
    fn read(bytes: &[u8; HEADER_BYTES], checksums: &Checksums) -> Option<Self> {
        let fields = bytes.first_chunk()?;
        let bytes: &mut &[u8] = &mut bytes.as_slice();
        let [mark, kind] = take(bytes)?;
        let kind = RecordKind::of(kind).filter(|_| mark == MARK)?;
        let body_bytes = usize::try_from(u32::from_le_bytes(take(bytes)?)).ok()?;
        if body_bytes > BODY_BYTES_MAX {
            return None; // Checked before the CRC, because a search tries many offsets.
        }
        let body_crc = u32::from_le_bytes(take(bytes)?);
        let at = Millis::new(u64::from_le_bytes(take(bytes)?));
        let is_whole = checksums.of_header(fields) == u32::from_le_bytes(take(bytes)?);
        is_whole.then_some(Self { kind, body_bytes, body_crc, at })
    }
}

impl<'a> Record<'a> {
    fn put_body(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Epoch { epoch, last } => {
                out.extend_from_slice(&epoch.as_u64().to_le_bytes());
                out.extend_from_slice(&last.as_u64().to_le_bytes());
            }
            Self::Member(state) => put_member(&state, self.kind(), out),
            Self::Own { id, ranges } => {
                ranges.put(out);
                out.extend_from_slice(id.as_bytes());
            }
            Self::Announced { id, announced } => {
                out.push(announced_byte(announced));
                out.extend_from_slice(id.as_bytes());
            }
            Self::Deregistered { id } => out.extend_from_slice(id.as_bytes()),
            Self::Accepted { number, line } => {
                if let Some(number) = number {
                    out.extend_from_slice(&number.get().to_le_bytes());
                }
                out.extend_from_slice(line);
            }
            Self::Acked { id, acked } => {
                out.extend_from_slice(&acked.as_u64().to_le_bytes());
                out.extend_from_slice(id.as_bytes());
            }
            Self::Clock { unix: UnixMillis(unix) } => out.extend_from_slice(&unix.to_le_bytes()),
            Self::Durable { last } => out.extend_from_slice(&last.as_u64().to_le_bytes()),
            Self::NewEpoch { epoch } => out.extend_from_slice(&epoch.as_u64().to_le_bytes()),
            Self::Expired { before } => out.extend_from_slice(&before.as_u64().to_le_bytes()),
            Self::Continued | Self::Closed => (),
        }
    }

    /// Reads a body. Returns the parsed line of a message with it.
    fn of(kind: RecordKind, mut body: &'a [u8]) -> Option<(Self, Option<Delivery<'a>>)> {
        let body = &mut body;
        let mut parsed = None;
        let record = match kind {
            RecordKind::Epoch => {
                Self::Epoch { epoch: Epoch::new(take_u64(body)?), last: take_seq(body)? }
            }
            RecordKind::Member
            | RecordKind::OwnedMember
            | RecordKind::PublishingMember
            | RecordKind::StartedMember
            | RecordKind::KeyedMember => Self::Member(take_member(kind, body)?),
            RecordKind::Own => Self::Own { ranges: EncodedRanges::take(body)?, id: take_id(body)? },
            RecordKind::Announced => {
                Self::Announced { announced: take_announced(body)?, id: take_id(body)? }
            }
            RecordKind::Deregistered => Self::Deregistered { id: take_id(body)? },
            RecordKind::Accepted | RecordKind::Sent => {
                let is_sent = kind == RecordKind::Sent;
                let number = if is_sent { Some(take_number(body)?) } else { None };
                let line = std::mem::take(body);
                parsed = Some(delivery(line)?);
                Self::Accepted { number, line }
            }
            RecordKind::Acked => Self::Acked { acked: take_seq(body)?, id: take_id(body)? },
            RecordKind::Clock => Self::Clock { unix: UnixMillis(take_u64(body)?) },
            RecordKind::Durable => Self::Durable { last: take_seq(body)? },
            RecordKind::NewEpoch => Self::NewEpoch { epoch: Epoch::new(take_u64(body)?) },
            RecordKind::Expired => Self::Expired { before: take_seq(body)? },
            RecordKind::Continued => Self::Continued,
            RecordKind::Closed => Self::Closed,
        };
        body.is_empty().then_some((record, parsed))
    }
}

/// Parses the line of a [`Record::Accepted`]. This succeeds for every line read from a journal.
#[must_use]
pub fn delivery(line: &[u8]) -> Option<Delivery<'_>> {
    let line = std::str::from_utf8(line.strip_suffix(b"\n")?).ok()?;
    Delivery::parse(line).filter(|delivery| delivery.seq <= Seq::LAST)
}

#[cfg(test)]
pub(super) mod tests;
