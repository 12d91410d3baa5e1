//! What a segment begins with.

use crate::group::{Group, MemberState};
use crate::journal::{EncodedRanges, Record, Salt, SyncMode, encode};
use crate::limits::{RECORD_RANGES_MAX, Sync};
use crate::protocol::{Epoch, Seq};
use crate::time::{Millis, Now};

/// What a segment begins with.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) records: Vec<u8>,
    /// Bytes of them that every segment begins with while the members are these.
    pub(super) members_bytes: u64,
}

/// The life of the numbers, where the members stand, and the messages behind `after`.
pub(super) fn snapshot(group: &Group, epoch: Epoch, after: Seq, salt: Salt, now: Now) -> Snapshot {
    let (mut records, at) = (Vec::new(), now.steady);
    let epoch = Record::Epoch { epoch, last: after };
    encode(&epoch, at, salt, &mut records);
    for it in group.member_states() {
        put_member(&it, at, salt, &mut records);
        let below = it.own.iter().map(|(first, last)| (*first, (*last).min(after)));
        put_own(&it.id, below, at, salt, &mut records);
    }
    encode(&Record::Clock { unix: now.unix }, at, salt, &mut records);
    let members_bytes = records.len() as u64;
    for (_, line, accepted) in group.lines(after) {
        encode(&Record::Accepted { line }, accepted, salt, &mut records);
    }
    if after < group.last() {
        // Nobody can stand where no message is yet: now there are these.
        for it in group.member_states() {
            let (id, acked) = (&*it.id, it.acked);
            if it.registered_at > after {
                put_member(&it, at, salt, &mut records);
            } else if acked > after {
                encode(&Record::Acked { id, acked }, at, salt, &mut records);
            }
            let above = it.own.iter().map(|(first, last)| ((*first).max(after.next()), *last));
            put_own(id, above, at, salt, &mut records);
        }
    }
    Snapshot { records, members_bytes }
}

pub(super) fn mode(sync: Sync) -> SyncMode {
    match sync {
        Sync::Always => SyncMode::Always,
        Sync::Every(_) => SyncMode::Interval,
        Sync::Never => SyncMode::Never,
    }
}

/// Writes down that an id is a member.
pub(super) fn put_member(
    member_state: &MemberState,
    at: Millis,
    salt: Salt,
    records: &mut Vec<u8>,
) {
    let MemberState { ref id, address, registered_at, acked, .. } = *member_state;
    encode(&Record::Member { id, address, registered_at, acked }, at, salt, records);
}

/// Writes down which numbers are a member's own.
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
