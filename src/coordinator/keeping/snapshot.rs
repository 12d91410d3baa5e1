//! What a segment begins with.

use crate::group::{Group, Standpoint};
use crate::journal::{Record, Runs, Salt, SyncMode, encode};
use crate::limits::{RECORD_RUNS_MAX, Sync};
use crate::protocol::Seq;
use crate::time::{Millis, Now};

/// What a segment begins with.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) records: Vec<u8>,
    /// Bytes of them that every segment begins with while the members are these.
    pub(super) members_bytes: u64,
}

/// Where the members stand, and the messages behind `after`.
pub(super) fn snapshot(group: &Group, after: Seq, salt: Salt, now: Now) -> Snapshot {
    let (mut records, at) = (Vec::new(), now.steady);
    let epoch = Record::Epoch { epoch: group.epoch(), last: after };
    encode(&epoch, at, salt, &mut records);
    group.standpoints().for_each(|it| put_member(&it, at, salt, &mut records));
    encode(&Record::Clock { unix: now.unix }, at, salt, &mut records);
    let members_bytes = records.len() as u64;
    for (_, line, accepted) in group.lines(after) {
        encode(&Record::Accepted { line }, accepted, salt, &mut records);
    }
    if after < group.last() {
        // Nobody can stand where no message is yet: once more, now that there are these.
        group.standpoints().for_each(|it| put_member(&it, at, salt, &mut records));
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

/// Writes down all that is to be known of a member.
pub(super) fn put_member(standpoint: &Standpoint, at: Millis, salt: Salt, records: &mut Vec<u8>) {
    let Standpoint { ref id, address, registered_at, place, ref own } = *standpoint;
    encode(&Record::Member { id, address, registered_at, place }, at, salt, records);
    let mut bytes = Vec::new();
    for runs in own.chunks(RECORD_RUNS_MAX) {
        let runs = Runs::encode(runs, &mut bytes);
        encode(&Record::Own { id, runs }, at, salt, records);
    }
}
