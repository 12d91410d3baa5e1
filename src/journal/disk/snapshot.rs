//! The snapshot at the start of a segment.

use crate::facts::{MemberState, Recorded};
use crate::journal::{EncodedRanges, HEADER_BYTES, Record, Salt, SegmentHeader, SyncMode, encode};
use crate::limits::{RECORD_RANGES_MAX, SyncPolicy};
use crate::protocol::{Epoch, Seq};
use crate::time::{Millis, Now};

/// Records at the start of a segment.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) records: Vec<u8>,
    /// Bytes of the records about members. Every segment starts with them.
    pub(super) members_bytes: u64,
}

/// Encodes the epoch, the members with their cursors, and the messages after `after`. If the
/// segment repeats messages, the last record tells that all of them are there.
pub(super) fn snapshot(
    state: &impl Recorded,
    epoch: Epoch,
    after: Seq,
    header: &SegmentHeader,
    now: Now,
) -> Snapshot {
    let (mut records, at, salt) = (Vec::new(), now.steady, header.salt);
    let epoch = Record::Epoch { epoch, last: after };
    encode(&epoch, at, salt, &mut records);
    for (it, own) in state.member_states() {
        put_member(&it, at, salt, &mut records);
        let below = own.iter().map(|(first, last)| (*first, (*last).min(after)));
        put_own(it.id, below, at, salt, &mut records);
    }
    for (id, announced) in state.announced_states() {
        encode(&Record::Announced { id, announced }, at, salt, &mut records);
    }
    let before = state.expired_before();
    if before > Seq::ZERO {
        encode(&Record::Expired { before }, at, salt, &mut records);
    }
    encode(&Record::Clock { unix: now.unix }, at, salt, &mut records);
    let members_bytes = records.len() as u64;
    for (_, line, accepted) in state.lines(after) {
        encode(&Record::Accepted { number: None, line }, accepted, salt, &mut records);
    }
    if after < state.position().last {
        // A cursor must not be above the last message, so higher cursors follow the messages. The
        // repeated messages have no numbers of a `send`: these members come twice, because one
        // record may be damaged.
        for (it, own) in state.member_states() {
            let (id, acked) = (it.id, it.acked);
            if it.registered_at > after || it.published > 0 {
                put_member(&it, at, salt, &mut records);
            } else if acked > after {
                encode(&Record::Acked { id, acked }, at, salt, &mut records);
            }
            let above = own.iter().map(|(first, last)| ((*first).max(after.next()), *last));
            put_own(id, above, at, salt, &mut records);
        }
    }
    if header.repeats {
        let last = state.position().last;
        encode(&Record::Durable { last }, at, salt, &mut records);
    }
    Snapshot { records, members_bytes }
}

/// Returns the bytes of a segment with these records.
pub(super) fn file_bytes(records: &[u8]) -> u64 {
    HEADER_BYTES.saturating_add(records.len()) as u64
}

pub(super) fn mode(sync: SyncPolicy) -> SyncMode {
    match sync {
        SyncPolicy::Always => SyncMode::Always,
        SyncPolicy::Every(_) => SyncMode::Interval,
        SyncPolicy::Never => SyncMode::Never,
    }
}

/// Encodes a member.
pub(super) fn put_member(
    member_state: &MemberState<'_>,
    at: Millis,
    salt: Salt,
    records: &mut Vec<u8>,
) {
    encode(&Record::Member(*member_state), at, salt, records);
}

/// Encodes the ranges of a member's own messages.
fn put_own(
    id: &str,
    ranges: impl Iterator<Item = (Seq, Seq)>,
    at: Millis,
    salt: Salt,
    records: &mut Vec<u8>,
) {
    let ranges: Vec<(Seq, Seq)> = ranges.filter(|(first, last)| first <= last).collect();
    let mut bytes = Vec::new();
    for ranges in ranges.chunks(RECORD_RANGES_MAX) {
        let ranges = EncodedRanges::encode(ranges, &mut bytes);
        encode(&Record::Own { id, ranges }, at, salt, records);
    }
}
