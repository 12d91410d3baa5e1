//! Starts of a group from a journal, as a coordinator does it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use groupcast::facts::Recorded;
use groupcast::group::{Group, Rules};
use groupcast::journal::{BootId, JournalContents, JournalOptions, RandomValues, Salt, Store};
use groupcast::limits::{
    BACKLOG_BYTES_DEFAULT, LINE_BYTES_DEFAULT, MEMBERS_DEFAULT, Overflow, SyncPolicy,
    TTL_SECONDS_MAX,
};
use groupcast::protocol::{Epoch, PeerName, Seq};
use groupcast::time::{Millis, Now, UnixMillis};

use super::memory_disk::MemoryDisk;

/// A group after its start.
#[derive(Debug)]
struct Started {
    epoch: Epoch,
    last: Seq,
    members: Vec<StartedMember>,
    /// Messages that have not expired.
    lines: Vec<(Seq, Vec<u8>)>,
}

#[derive(Debug)]
struct StartedMember {
    id: String,
    owner: PeerName,
    address: SocketAddr,
    registered_at: Seq,
    /// Ranges of seqs that are not due to the member: all up to its cursor, and its own ones above.
    not_due: Vec<(Seq, Seq)>,
}

impl StartedMember {
    fn is_due(&self, seq: Seq) -> bool {
        !self.not_due.iter().any(|(first, last)| (*first..=*last).contains(&seq))
    }
}

/// Checks that a group starts from the files, and that its invariants hold. It starts again from
/// what the first start wrote, as it was. The newest segment alone has all but the messages.
pub(super) fn check(disk: &MemoryDisk) {
    let disk = MemoryDisk::of(disk.files());
    let first = start(&disk, 1);
    let newest = disk.files().into_iter().rfind(|(name, _)| name.ends_with(".journal"));
    let newest = MemoryDisk::of(newest.into_iter().collect());
    let second = start(&disk, 2);
    check_successor(&first, &second);
    // Of records that no coordinator wrote, the second start may keep more than the first one.
    assert!(first.lines.iter().all(|line| second.lines.contains(line)), "{first:?} {second:?}");
    check_successor(&first, &start(&newest, 3));
}

/// Checks that the later start has the same epoch and members, and that the same messages are due.
/// A member whose records were damaged may learn later that a message is its own one.
fn check_successor(before: &Started, after: &Started) {
    assert_eq!((before.epoch, before.last), (after.epoch, after.last));
    assert_eq!(before.members.len(), after.members.len(), "{before:?} {after:?}");
    for (old, new) in before.members.iter().zip(&after.members) {
        let key = |it: &StartedMember| (it.id.clone(), it.owner, it.address, it.registered_at);
        assert_eq!(key(old), key(new));
        for (first, last) in &old.not_due {
            let is_around = |it: &(Seq, Seq)| it.0 <= *first && *last <= it.1;
            assert!(new.not_due.iter().any(is_around), "due again: {old:?} {new:?}");
        }
        for (seq, line) in &before.lines {
            let sender = line.split(|byte| *byte == b'#').nth(1);
            let is_own = sender == Some(old.id.as_bytes());
            assert!(is_own || old.is_due(*seq) == new.is_due(*seq), "lost: {old:?} {new:?}");
        }
    }
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
        registered_at: member.registered_at,
        not_due: [(Seq::ZERO, member.acked)].into_iter().chain(above(own, member.acked)).collect(),
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

/// Returns the part of the ranges above a seq.
fn above(ranges: Vec<(Seq, Seq)>, seq: Seq) -> Vec<(Seq, Seq)> {
    let ranges = ranges.into_iter().map(|(first, last)| (first.max(seq.next()), last));
    ranges.filter(|(first, last)| first <= last).collect()
}

fn options() -> JournalOptions {
    JournalOptions {
        sync: SyncPolicy::Always,
        segment_bytes_max: 1 << 20,
        waiting_bytes_max: 1 << 20,
        boot: BootId(*b"0123456789abcdef"),
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
        presence_delay_ms: None,
        backlog_bytes_max: BACKLOG_BYTES_DEFAULT,
        overflow: Overflow::Reject,
        keep: 0,
        foreign_ip_allowed: false,
        listening: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 5000),
        access: None,
    }
}
