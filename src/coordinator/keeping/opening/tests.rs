use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use super::*;
use crate::coordinator::keeping::Progress;
use crate::group::{ConnId, Effect, Input, Origin};
use crate::journal::{Directory, Found, read};
use crate::limits::Overflow;
use crate::protocol::Request;

const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn at(steady: u64) -> Now {
    Now { steady: Millis::new(steady), unix: UnixMillis(1_700_000_000_000 + steady) }
}

fn open(path: &Path, boot: u8, sync: Sync, now: u64) -> Opened<Directory> {
    let rules = Rules {
        ttl_ms: 60_000,
        members_max: 10,
        backlog_bytes_max: 1 << 20,
        overflow: Overflow::Reject,
        foreign_ip_allowed: false,
        is_journaled: true,
        listening: SocketAddr::new(HOME, 5000),
    };
    let mut store = Store::open(Directory::create(path).unwrap()).unwrap();
    let recovery = Recovery::read(&mut store, rules);
    let terms = Terms { sync, segment_bytes_max: 1 << 20, boot: BootId([boot; 16]) };
    let draw = Draw { epoch: Epoch::new(now), salt: Salt(now) };
    recovery.open(store, terms, draw, at(now)).unwrap()
}

/// Asks, and carries out whatever the group wants; the end of the turn is written.
fn ask(opened: &mut Opened<Directory>, now: u64, lines: &[&str]) -> Vec<String> {
    let Opened { group, keeper, scribe } = opened;
    let mut replies = Vec::new();
    let origin = Origin { conn: ConnId(0), peer: HOME, local: HOME };
    for line in lines {
        let line = format!("{line}#{HOME}");
        let request = Request::parse(line.as_bytes()).unwrap();
        group.handle(Input::Request { origin, request }, at(now));
        while let Some(effect) = group.poll_effect() {
            match effect {
                Effect::Connect { link, .. } => group.handle(Input::Connected { link }, at(now)),
                Effect::Record(fact) => keeper.record(&fact, group, at(now)),
                Effect::Reply { reply, .. } => replies.push(reply.to_string()),
                Effect::List { .. } | Effect::Close { .. } | Effect::Note(_) => (),
            }
        }
    }
    keeper.commit(group, at(now), || Some(Salt(now)));
    let written = scribe.write(std::iter::from_fn(|| keeper.poll_job()).collect());
    keeper.take(written, at(now).steady, &mut Progress::default());
    replies
}

/// The numbers of the messages in the newest segment.
fn newest(path: &Path) -> Vec<u64> {
    let names = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    let segments = names.filter(|name| name.extension().is_some_and(|it| it == "journal"));
    let bytes = std::fs::read(segments.max().unwrap()).unwrap();
    let (_, records) = read(&bytes).unwrap();
    let numbers = records.filter_map(|found| match found {
        Found::Record { record: Record::Accepted { line }, .. } => delivery(line),
        Found::Record { .. } | Found::Damage { .. } | Found::Torn { .. } => None,
    });
    numbers.map(|delivery| delivery.seq.as_u64()).collect()
}

/// Messages 1 and 2 in one life of the program, 3 in the next, all of one start of the machine.
fn two_lives(path: &Path, sync: Sync) {
    let mut opened = open(path, 1, sync, 0);
    ask(&mut opened, 10, &["bob#register 9001", "alice#register 9000", "bob#disconnect"]);
    ask(&mut opened, 20, &["alice#msend one", "alice#msend two"]);
    drop(opened);
    let mut opened = open(path, 1, sync, 1_000);
    assert_eq!(opened.group.last(), Seq::new(2));
    ask(&mut opened, 1_010, &["alice#reconnect 9000", "alice#msend three"]);
}

/// The system tells of a sync that failed once, and then never again.
#[test]
fn what_the_last_segment_was_given_is_written_anew_at_a_start_and_once_only() {
    for sync in [Sync::Always, Sync::Every(1_000)] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        two_lives(path, sync);
        assert_eq!(newest(path), [1, 2, 3], "{sync:?}: written anew, and one more");
        drop(open(path, 1, sync, 2_000));
        assert_eq!(newest(path), [3], "{sync:?}: the others stood in a beginning");
        let opened = open(path, 1, sync, 3_000);
        assert_eq!(newest(path), [0; 0], "{sync:?}: it did too");
        assert_eq!(opened.group.lines(Seq::ZERO).count(), 3, "{sync:?}");
        assert_eq!(opened.group.last(), Seq::new(3), "{sync:?}");
    }
}

#[test]
fn what_a_machine_finds_that_was_started_anew_is_on_its_disk() {
    let directory = tempfile::tempdir().unwrap();
    two_lives(directory.path(), Sync::Always);
    drop(open(directory.path(), 2, Sync::Always, 2_000));
    assert_eq!(newest(directory.path()), [0; 0]);
}

#[test]
fn nothing_that_was_never_synced_is_trusted_once_it_has_to_be_safe() {
    let directory = tempfile::tempdir().unwrap();
    two_lives(directory.path(), Sync::Never);
    assert_eq!(newest(directory.path()), [3]);
    drop(open(directory.path(), 1, Sync::Every(1_000), 2_000));
    assert_eq!(newest(directory.path()), [1, 2, 3]);
}

#[test]
fn own_messages_are_known_when_the_segments_that_had_them_are_gone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let mut opened = open(path, 1, Sync::Always, 0);
    ask(&mut opened, 10, &["bob#register 9001", "alice#register 9000 acks=1"]);
    let sent = ["bob#msend 1", "alice#msend 2", "alice#msend 3", "bob#msend 4", "alice#msend 5"];
    ask(&mut opened, 20, &sent);
    drop(opened);
    let mut opened = open(path, 2, Sync::Always, 1_000);
    ask(&mut opened, 70_000, &[]);
    drop(opened);
    let mut opened = open(path, 3, Sync::Always, 71_000);
    let segments = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name());
    let segments = segments.filter(|name| name.to_string_lossy().ends_with("journal"));
    assert_eq!(segments.count(), 2, "that of the first life is gone");
    let replies = ask(&mut opened, 71_010, &["alice#reconnect 9000 acks=1"]);
    let [reply] = &replies[..] else { panic!("{replies:?}") };
    assert!(reply.ends_with("next=6 ttl=60 missed=0 expired=2"), "{reply}");
}

#[test]
fn a_segment_that_a_start_began_is_missed_when_it_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    two_lives(path, Sync::Always);
    let names = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    let segments = names.filter(|name| name.extension().is_some_and(|it| it == "journal"));
    std::fs::remove_file(segments.max().unwrap()).unwrap();
    let opened = open(path, 1, Sync::Always, 2_000);
    assert_eq!(opened.group.last(), Seq::new(2));
    assert_eq!(opened.group.epoch(), Epoch::new(2_000), "numbers above 2 may have been given out");
}
