//! Starts of a group from a journal, as a coordinator does it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use groupcast::facts::{Owner, Recorded};
use groupcast::group::{Group, Rules};
use groupcast::journal::{BootId, JournalContents, JournalOptions, RandomValues, Salt, Store};
use groupcast::limits::{
    BACKLOG_BYTES_DEFAULT, LINE_BYTES_DEFAULT, MEMBERS_DEFAULT, Overflow, SyncPolicy,
    TTL_SECONDS_MAX,
};
use groupcast::protocol::{Epoch, Seq};
use groupcast::time::{Millis, Now, UnixMillis};

use super::memory_disk::MemoryDisk;

/// A group after its start.
#[derive(Debug, PartialEq)]
struct Started {
    epoch: Epoch,
    last: Seq,
    members: Vec<StartedMember>,
    /// Messages that have not expired.
    lines: Vec<(Seq, Vec<u8>)>,
}

#[derive(Debug, PartialEq)]
struct StartedMember {
    id: String,
    owner: Owner,
    address: SocketAddr,
    /// The seq before the registration, and the cursor.
    seqs: (Seq, Seq),
    /// Ranges of own messages above the cursor.
    own: Vec<(Seq, Seq)>,
}

/// Returns the part of the ranges above a seq.
fn above(ranges: Vec<(Seq, Seq)>, seq: Seq) -> Vec<(Seq, Seq)> {
    let ranges = ranges.into_iter().map(|(first, last)| (first.max(seq.next()), last));
    ranges.filter(|(first, last)| first <= last).collect()
}

/// Checks that a group starts from the files, that its invariants hold, and that it starts again
/// from what the first start wrote, as it was.
pub(super) fn check(disk: &MemoryDisk) {
    let disk = MemoryDisk::of(disk.files());
    let first = start(&disk, 1);
    let second = start(&disk, 2);
    assert_eq!(first, second);
}

fn start(disk: &MemoryDisk, number: u64) -> Started {
    let mut store = Store::open(disk.clone()).expect("it was opened before");
    let empty = Group::recovering(rules());
    let contents = JournalContents::read(&mut store, empty, || false).expect("memory can be read");
    // No time passes between the starts.
    let unix = contents.recovered().clock.map_or(UnixMillis(0), |(_, unix)| unix);
    let now = Now { steady: contents.age(unix), unix };
    let random = RandomValues { epoch: Epoch::new(number), salt: Salt(number) };
    let opened = contents.open(store, options(), random, now).expect("memory can be written");
    let group = opened.state;
    group.check();
    let members = group.member_states().map(|(member, own)| StartedMember {
        id: member.id.to_owned(),
        owner: member.owner,
        address: member.address,
        seqs: (member.registered_at, member.acked),
        own: above(own, member.acked),
    });
    let is_young = |at: Millis| now.steady.since(at) < rules().ttl_ms;
    let young = group.lines(Seq::ZERO).filter(|(.., at)| is_young(*at));
    let lines = young.map(|(seq, line, _)| (seq, line.to_vec()));
    Started {
        epoch: Recorded::epoch(&group),
        last: group.position().last,
        members: members.collect(),
        lines: lines.collect(),
    }
}

fn options() -> JournalOptions {
    JournalOptions {
        sync: SyncPolicy::Always,
        segment_bytes_max: 1 << 20,
        waiting_bytes_max: 1 << 20,
        boot: BootId(*b"a boot of a test"),
    }
}

/// Returns rules with the longest time to live, so that few messages expire.
fn rules() -> Rules {
    Rules {
        ttl_ms: 1000 * TTL_SECONDS_MAX,
        line_bytes_max: LINE_BYTES_DEFAULT,
        members_max: MEMBERS_DEFAULT,
        members_per_address_max: MEMBERS_DEFAULT,
        forget_after_ms: 0,
        backlog_bytes_max: BACKLOG_BYTES_DEFAULT,
        overflow: Overflow::Reject,
        foreign_ip_allowed: false,
        listening: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 5000),
    }
}
