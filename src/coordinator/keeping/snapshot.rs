//! What a segment begins with.

use crate::group::{Group, Standpoint};
use crate::journal::{Record, Salt, SyncMode, encode};
use crate::limits::Sync;
use crate::protocol::Seq;
use crate::time::Now;

/// Where the members stand, and the messages behind `after`.
pub(super) fn snapshot(group: &Group, after: Seq, salt: Salt, now: Now) -> Vec<u8> {
    let mut records = Vec::new();
    let mut put = |record: &Record<'_>, at| encode(record, at, salt, &mut records);
    put(&Record::Epoch { epoch: group.epoch(), last: after }, now.steady);
    for standpoint in group.standpoints() {
        put(&member_record(&standpoint), now.steady);
    }
    put(&Record::Clock { unix: now.unix }, now.steady);
    for (_, line, at) in group.lines(after) {
        put(&Record::Accepted { line }, at);
    }
    if after < group.last() {
        // Nobody can stand where no message is yet: once more, now that there are these.
        for standpoint in group.standpoints() {
            put(&member_record(&standpoint), now.steady);
        }
    }
    records
}

pub(super) fn mode(sync: Sync) -> SyncMode {
    match sync {
        Sync::Always => SyncMode::Always,
        Sync::Every(_) => SyncMode::Interval,
        Sync::Never => SyncMode::Never,
    }
}

pub(super) fn member_record(standpoint: &Standpoint) -> Record<'_> {
    let Standpoint { id, address, registered_at, place } = standpoint;
    Record::Member { id, address: *address, registered_at: *registered_at, place: *place }
}
