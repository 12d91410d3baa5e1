#![expect(clippy::arithmetic_side_effects, reason = "a test may panic")]

mod any_damage;
mod damage;
mod extremes;
mod golden;

use std::net::SocketAddr;
use std::path::Path;

use super::*;
use crate::facts::MemberState;
use crate::group::{Group, Rules};
use crate::journal::disk::testing::{self, GroupOnDisk, ask, segments};
use crate::journal::{Directory, EncodedRanges};
use crate::limits::RECORD_RANGES_MAX;
use crate::protocol::PeerName;

fn open(path: &Path, boot: u8, sync: SyncPolicy, now: u64) -> GroupOnDisk {
    testing::open(path, testing::options(boot, sync, 1 << 20), now)
}

/// Returns the seqs of the messages in the newest segment.
fn newest(path: &Path) -> Vec<u64> {
    segments(path).pop_last().unwrap().1
}

/// Messages 1 and 2 in one run of the program, 3 in the next run, all in one boot of the machine.
fn two_starts(path: &Path, sync: SyncPolicy) {
    let mut opened = open(path, 1, sync, 0);
    ask(&mut opened, 10, &["bob#register 9001", "alice#register 9000", "bob#disconnect"]);
    ask(&mut opened, 20, &["alice#msend one", "alice#msend two"]);
    drop(opened);
    let mut opened = open(path, 1, sync, 1_000);
    assert_eq!(opened.state.last(), Seq::new(2));
    ask(&mut opened, 1_010, &["alice#reconnect 9000", "alice#msend three"]);
}

/// A start needs little room besides the members, however much the last run has written.
#[test]
fn messages_that_are_known_to_be_durable_are_not_written_again() {
    for (sync, written_anew) in
        [(SyncPolicy::Always, vec![3]), (SyncPolicy::Every(1_000), vec![1, 2, 3])]
    {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let mut opened = open(path, 1, sync, 0);
        ask(&mut opened, 10, &["bob#register 9001", "alice#register 9000", "bob#disconnect"]);
        for text in ["one", "two", "three"] {
            ask(&mut opened, 20, &[&format!("alice#msend {text}")]);
        }
        drop(opened);
        let opened = open(path, 1, sync, 1_000);
        assert_eq!(newest(path), written_anew, "{sync:?}");
        assert_eq!(opened.state.lines(Seq::ZERO).count(), 3, "{sync:?}");
    }
}

/// The kernel reports a failed fsync only once.
#[test]
fn messages_of_the_last_segment_are_written_again_at_a_start_and_only_once() {
    for sync in [SyncPolicy::Always, SyncPolicy::Every(1_000)] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        two_starts(path, sync);
        assert_eq!(newest(path), [1, 2, 3], "{sync:?}: written again, and one more");
        drop(open(path, 1, sync, 2_000));
        assert_eq!(newest(path), [3], "{sync:?}: the others were in a snapshot");
        let opened = open(path, 1, sync, 3_000);
        assert_eq!(newest(path), [0; 0], "{sync:?}: message 3 was, too");
        assert_eq!(opened.state.lines(Seq::ZERO).count(), 3, "{sync:?}");
        assert_eq!(opened.state.last(), Seq::new(3), "{sync:?}");
    }
}

#[test]
fn after_a_reboot_the_recovered_messages_are_on_the_disk() {
    let directory = tempfile::tempdir().unwrap();
    two_starts(directory.path(), SyncPolicy::Always);
    drop(open(directory.path(), 2, SyncPolicy::Always, 2_000));
    assert_eq!(newest(directory.path()), [0; 0]);
}

/// Without a boot id, the machine may have restarted or not.
#[test]
fn without_a_boot_id_a_start_assumes_the_worse_case() {
    for (sync, is_kept) in [(SyncPolicy::Always, true), (SyncPolicy::Every(1_000), false)] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let mut opened = open(path, 0, sync, 0);
        ask(&mut opened, 10, &["bob#register 9001", "alice#register 9000", "bob#disconnect"]);
        ask(&mut opened, 20, &["alice#msend one", "alice#msend two"]);
        drop(opened);
        let opened = open(path, 0, sync, 1_000);
        assert_eq!(newest(path), [1, 2], "{sync:?}: a sync of them may have failed");
        assert_eq!(opened.state.epoch() == Epoch::new(0), is_kept, "{sync:?}");
    }
}

#[test]
fn messages_of_sync_never_are_written_again_when_sync_is_turned_on() {
    let directory = tempfile::tempdir().unwrap();
    two_starts(directory.path(), SyncPolicy::Never);
    assert_eq!(newest(directory.path()), [3]);
    drop(open(directory.path(), 1, SyncPolicy::Every(1_000), 2_000));
    assert_eq!(newest(directory.path()), [1, 2, 3]);
}

#[test]
fn own_messages_are_known_when_their_segments_are_removed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let mut opened = open(path, 1, SyncPolicy::Always, 0);
    ask(&mut opened, 10, &["bob#register 9001", "alice#register 9000 acks=1"]);
    let sent = ["bob#msend 1", "alice#msend 2", "alice#msend 3", "bob#msend 4", "alice#msend 5"];
    ask(&mut opened, 20, &sent);
    drop(opened);
    let mut opened = open(path, 2, SyncPolicy::Always, 1_000);
    ask(&mut opened, 70_000, &[]);
    drop(opened);
    let mut opened = open(path, 3, SyncPolicy::Always, 71_000);
    assert_eq!(segments(path).len(), 2, "the segment of the first run is removed");
    let replies = ask(&mut opened, 71_010, &["alice#reconnect 9000 acks=1"]);
    let [reply] = &replies[..] else { panic!("{replies:?}") };
    assert!(
        reply.ends_with("next=6 ttl=60 missed=0 expired=2 max_line=4096 published=0"),
        "{reply}"
    );
}

/// Makes a journal of two segments. Each records `count` ranges of alice's own messages.
#[cfg(target_os = "linux")]
fn journal_of_ranges(path: &Path, count: u64) {
    let mut store = Store::open(Directory::create(path).unwrap()).unwrap();
    let (epoch, last) = (Epoch::new(7), Seq::new(3 * count));
    let ranges: Vec<(Seq, Seq)> =
        (1..=count).map(|third| (Seq::new(3 * third), Seq::new(3 * third))).collect();
    for serial in 1..=2 {
        let (salt, boot) = (Salt(serial), BootId([1; 16]));
        let address: SocketAddr = "127.0.0.1:9000".parse().unwrap();
        let registered_at = Seq::ZERO;
        let mut records = Vec::new();
        let mut put = |record: &Record<'_>| encode(record, Millis::ZERO, salt, &mut records);
        put(&Record::Epoch { epoch, last });
        let (id, owner, acked) = ("alice", PeerName::Address(address.ip()), Seq::ZERO);
        put(&Record::Member(MemberState {
            id,
            owner,
            address,
            registered_at,
            start: registered_at,
            acked,
            published: 0,
        }));
        for ranges in ranges.chunks(RECORD_RANGES_MAX) {
            put(&Record::Own {
                id: "alice",
                ranges: EncodedRanges::encode(ranges, &mut Vec::new()),
            });
        }
        put(&Record::Clock { unix: UnixMillis(0) });
        let header = SegmentHeader { serial, salt, boot, sync: SyncMode::Always, repeats: false };
        store.create(&header, &records).unwrap();
    }
}

/// Two members that send in turn and acknowledge nothing have as many ranges as messages.
#[cfg(target_os = "linux")]
#[test]
fn the_cost_of_a_start_is_proportional_to_the_length_of_the_journal() {
    let used_ns = || {
        let used = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        used.split(' ').next().unwrap().parse::<u64>().unwrap()
    };
    let cost_ns = |count: u64| {
        let directory = tempfile::tempdir().unwrap();
        journal_of_ranges(directory.path(), count);
        let before = used_ns();
        let opened = open(directory.path(), 1, SyncPolicy::Always, 0);
        let cost = used_ns() - before;
        let (_, own) = opened.state.member_states().next().unwrap();
        assert_eq!((own.len() as u64, opened.state.last()), (count, Seq::new(3 * count)));
        cost
    };
    // If each range cost as much as all ranges, four times as many would cost 16 times as much.
    let ratios: Vec<u64> = (0..3).map(|_| cost_ns(80_000) / cost_ns(20_000)).collect();
    assert!(ratios.iter().any(|ratio| *ratio < 8), "{ratios:?}");
}

#[test]
fn a_start_notices_that_the_segment_of_an_earlier_start_is_missing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    two_starts(path, SyncPolicy::Always);
    let names = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    let segments = names.filter(|name| name.extension().is_some_and(|it| it == "journal"));
    std::fs::remove_file(segments.max().unwrap()).unwrap();
    let opened = open(path, 1, SyncPolicy::Always, 2_000);
    assert_eq!(opened.state.last(), Seq::new(2));
    assert_eq!(opened.state.epoch(), Epoch::new(2_000), "seqs above 2 may have been given out");
}

/// Segments of two epochs precede the segment that repeats their messages.
#[test]
fn a_repeated_message_replaces_one_that_is_damaged_in_a_segment_of_an_earlier_epoch() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    two_starts(path, SyncPolicy::Never); // Messages 1 and 2, then 3.
    let mut opened = open(path, 2, SyncPolicy::Never, 2_000);
    assert_eq!(opened.state.epoch(), Epoch::new(2_000), "a reboot without sync");
    ask(&mut opened, 2_010, &["alice#reconnect 9000", "alice#msend four"]);
    drop(opened);
    drop(open(path, 2, SyncPolicy::Always, 3_000));
    assert_eq!(newest(path), [1, 2, 3, 4]);
    // A power loss takes message 1, which is durable in the newest segment.
    let oldest = path.join(format!("{:016x}.journal", segments(path).pop_first().unwrap().0));
    let mut bytes = std::fs::read(&oldest).unwrap();
    let at = bytes.windows(3).position(|it| it == b"one").unwrap();
    bytes[at] = b'?';
    std::fs::write(&oldest, bytes).unwrap();
    let opened = open(path, 3, SyncPolicy::Always, 4_000);
    let seqs = Vec::from_iter(opened.state.lines(Seq::ZERO).map(|(seq, ..)| seq.as_u64()));
    assert_eq!(seqs, [1, 2, 3, 4]);
    assert_eq!(opened.state.epoch(), Epoch::new(2_000));
}

/// The messages that are written again were given out in the old epoch.
#[test]
fn a_new_epoch_before_messages_that_are_written_again_stays_at_the_next_start() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    two_starts(path, SyncPolicy::Always);
    let newest = segments(path).pop_last().unwrap().0;
    let file = path.join(format!("{newest:016x}.journal"));
    let bytes = [std::fs::read(&file).unwrap(), vec![0; 9]].concat();
    std::fs::write(&file, bytes).unwrap();
    for start in [2_000, 3_000, 4_000] {
        let opened = open(path, 1, SyncPolicy::Always, start);
        assert_eq!(opened.state.epoch(), Epoch::new(2_000), "the zeros are damage, and only once");
        assert_eq!(opened.state.last(), Seq::new(3));
        assert_eq!(opened.state.lines(Seq::ZERO).count(), 3);
    }
}
