//! Batches, the judgement of batches, and snapshots.

mod backlog;
mod ends;
mod forgetting;
mod moves;
mod sites;
mod versions;

use std::net::SocketAddr;
use std::num::NonZeroU64;

use super::batch::{BatchHeader, ListBatch, NoBatch, founding};
use super::chain::Chain;
use super::entry::{EntryKind, ListEntry};
use super::homes::Home;
use super::io::ListReport;
use super::names::{Life, ListPosition, MemberVisit, SiteName};
use super::record::{ListRecord, SharedRules};
use super::site::{SiteJournal, SiteOptions, SitePhase};
use super::snapshot::{Collector, pieces, restore};
use super::state::{Judgement, ListState, SnapshotMark, VoidReason};
use crate::facts::{Fact, Ordered, Recorded as _, StateMachine as _};
use crate::group::{Group, Rules, Ticket};
use crate::limits::Overflow;
use crate::limits::list::{PIECE_BYTES_MAX, PIECE_OVERHEAD_BYTES};
use crate::protocol::{ANNOUNCER, Epoch, KeyName, PeerName, Seq, Text};
use crate::time::{Millis, Now, UnixMillis};

const RULES: SharedRules =
    SharedRules { ttl_ms: 60_000, members_max: 9, drops_oldest: true, announces: true };

/// Time at which the engine has stored an entry.
const STORED: UnixMillis = UnixMillis(1000);

fn name(name: &str) -> SiteName {
    SiteName::parse(name).unwrap()
}

fn address() -> SocketAddr {
    "[2001:db8::1]:9000".parse().unwrap()
}

fn visit() -> MemberVisit {
    MemberVisit { position: ListPosition(7), index: 3 }
}

fn records() -> Vec<ListRecord<'static>> {
    let (id, text) = ("ann", Text::from("grüße#1"));
    let (key, ip) = (PeerName::Key(KeyName([9; 32])), PeerName::Address(address().ip()));
    let (acked, number) = (Seq::new(11), NonZeroU64::new(5));
    vec![
        ListRecord::Found { epoch: Epoch::new(5), rules: RULES },
        ListRecord::Life,
        ListRecord::End,
        ListRecord::Epoch { epoch: Epoch::new(6) },
        ListRecord::Enter { owner: key, address: address(), start: acked, id },
        ListRecord::Return {
            before: ip,
            owner: key,
            visit: visit(),
            address: address(),
            acked,
            id,
        },
        ListRecord::Leave { before: ip, visit: visit(), is_forgotten: false, id },
        ListRecord::Leave { before: key, visit: visit(), is_forgotten: true, id },
        ListRecord::Say { visit: Some(visit()), number, id, text },
        ListRecord::Say { visit: None, number: None, id: ANNOUNCER, text },
        ListRecord::Imported { id: ANNOUNCER, text },
        ListRecord::Acked { visit: visit(), acked, id },
        ListRecord::Gone { visit: visit(), id },
    ]
}

fn header(site: &str, number: u64, list: &ListState) -> BatchHeader {
    BatchHeader {
        site: name(site),
        life: Life { began: ListPosition(1), random: 5 },
        number,
        seen: list.position(),
        chain: list.chain(),
        time: UnixMillis(1000),
    }
}

fn encode(header: &BatchHeader, records: &[ListRecord<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    records.iter().for_each(|record| record.encode(&mut bytes));
    header.encode(u32::try_from(records.len()).unwrap(), &bytes)
}

#[test]
fn a_batch_is_read_as_it_was_written() {
    let all = records();
    let header = header("oslo", 3, &ListState::default());
    let bytes = encode(&header, &all);
    let batch = ListBatch::read(&bytes).unwrap();
    assert_eq!((&batch.header, batch.count()), (&header, all.len()));
    assert_eq!(batch.records().collect::<Vec<_>>(), all);
    let empty = encode(&header, &[]);
    assert_eq!(ListBatch::read(&empty).unwrap().records().count(), 0);
}

#[test]
fn a_batch_with_any_change_is_damaged() {
    let bytes = encode(&header("oslo", 3, &ListState::default()), &records());
    for length in 0..bytes.len() {
        let cut = ListBatch::read(&bytes[..length]);
        assert_eq!(cut.unwrap_err(), NoBatch::Damaged, "{length} bytes");
    }
    for index in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[index] ^= 1;
        assert_eq!(ListBatch::read(&changed).unwrap_err(), NoBatch::Damaged, "byte {index}");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(ListBatch::read(&longer).unwrap_err(), NoBatch::Damaged);
}

/// A stranger can write a right checksum.
fn with_checksum(mut content: Vec<u8>) -> Vec<u8> {
    let checksum = xxhash_rust::xxh3::xxh3_64(&content);
    content.extend_from_slice(&checksum.to_le_bytes());
    content
}

#[test]
fn a_batch_of_a_newer_program_is_no_damage() {
    let bytes = encode(&header("oslo", 3, &ListState::default()), &[]);
    let mut content = bytes[..bytes.len() - 8].to_vec();
    content[2] = 2;
    assert_eq!(ListBatch::read(&with_checksum(content)).unwrap_err(), NoBatch::Newer(2));
}

#[test]
fn a_record_that_no_program_writes_makes_the_batch_void() {
    let header = header("oslo", 3, &ListState::default());
    let id = "ann";
    for text in ["", "a\nb", "\u{7}"] {
        let (visit, text) = (Some(visit()), Text::from(text));
        let bytes = encode(&header, &[ListRecord::Say { visit, number: None, id, text }]);
        assert_eq!(ListBatch::read(&bytes).unwrap_err(), NoBatch::Damaged, "{text:?}");
    }
    let gone = encode(&header, &[ListRecord::Gone { visit: visit(), id: "a#b" }]);
    assert_eq!(ListBatch::read(&gone).unwrap_err(), NoBatch::Damaged, "no id");
    let bytes = encode(&header, &records());
    for length in 0..bytes.len() - 8 {
        let cut = with_checksum(bytes[..length].to_vec());
        assert!(ListBatch::read(&cut).is_err(), "{length} bytes with a right checksum");
    }
}

/// A list that begins with the founding of the group.
fn founded() -> ListState {
    let mut list = ListState::default();
    let entry = founding(name("oslo"), RULES, Epoch::new(1), UnixMillis(1));
    counts(&mut list, &entry);
    list
}

/// Returns the next entry of a list.
fn next<'a>(list: &ListState, kind: EntryKind, bytes: &'a [u8]) -> ListEntry<'a> {
    ListEntry { position: list.position().next(), stored: STORED, kind, bytes }
}

#[track_caller]
fn counts(list: &mut ListState, entry: &[u8]) {
    let judgement = list.read(&next(list, EntryKind::Log, entry));
    assert!(matches!(judgement, Judgement::Counts(_)), "{judgement:?}");
}

#[track_caller]
fn is_void(list: &mut ListState, entry: &[u8], expected: VoidReason) {
    let before = (list.sites.clone(), list.time, list.rules);
    match list.read(&next(list, EntryKind::Log, entry)) {
        Judgement::Void(reason) => assert_eq!(reason, expected),
        other @ (Judgement::Counts(_) | Judgement::Newer(_)) => panic!("{other:?}"),
    }
    assert_eq!((list.sites.clone(), list.time, list.rules), before, "a void batch changes nothing");
}

#[test]
fn only_the_next_batch_of_the_latest_life_counts() {
    let mut list = founded();
    let first = encode(&header("oslo", 1, &list), &[]);
    is_void(&mut list, &first, VoidReason::OtherLife);
    let life = encode(&header("oslo", 1, &list), &[ListRecord::Life]);
    counts(&mut list, &life);
    is_void(&mut list, &life, VoidReason::OtherLife); // A late copy.
    let second = encode(&header("oslo", 2, &list), &[]);
    counts(&mut list, &second);
    is_void(&mut list, &second, VoidReason::OtherNumber { expected: 3 });
    let fourth = encode(&header("oslo", 4, &list), &[]);
    is_void(&mut list, &fourth, VoidReason::OtherNumber { expected: 3 });
    let stranger = encode(&header("cairo", 1, &list), &[]);
    is_void(&mut list, &stranger, VoidReason::OtherLife);
    let other = Life { began: list.position(), random: 6 };
    let next_life = BatchHeader { life: other, ..header("oslo", 1, &list) };
    let third = encode(&header("oslo", 3, &list), &[]);
    let next_life = encode(&next_life, &[ListRecord::Life]);
    counts(&mut list, &next_life);
    is_void(&mut list, &third, VoidReason::OtherLife);
}

#[test]
fn the_end_of_a_life_is_its_last_batch() {
    let mut list = founded();
    let life = encode(&header("oslo", 1, &list), &[ListRecord::Life]);
    counts(&mut list, &life);
    let end = encode(&header("oslo", 2, &list), &[ListRecord::End]);
    counts(&mut list, &end);
    let third = encode(&header("oslo", 3, &list), &[]);
    is_void(&mut list, &third, VoidReason::OtherLife);
    assert_eq!(list.lowest_live(), None);
}

#[test]
fn a_batch_of_a_site_that_was_shown_another_history_is_void() {
    let mut list = founded();
    let life = encode(&header("oslo", 1, &list), &[ListRecord::Life]);
    counts(&mut list, &life);
    let (position, chain) = (list.position(), Chain(17));
    let other = BatchHeader { chain, ..header("oslo", 2, &list) };
    let reason = VoidReason::OtherHistory { position, chain };
    is_void(&mut list, &encode(&other, &[]), reason);
    let ahead = BatchHeader { seen: ListPosition(99), ..header("oslo", 2, &list) };
    let (position, chain) = (ListPosition(99), ahead.chain);
    is_void(&mut list, &encode(&ahead, &[]), VoidReason::OtherHistory { position, chain });
    let old = encode(&header("oslo", 2, &list), &[]);
    for _ in 0..crate::limits::list::CHAIN_VALUES_MAX {
        is_void(&mut list, b"a stranger", VoidReason::Damaged);
    }
    is_void(&mut list, &old, VoidReason::TooOld);
}

#[test]
fn another_history_makes_the_epoch_doubtful_until_a_site_that_knows_begins_the_next_one() {
    let mut list = founded();
    let life = encode(&header("oslo", 1, &list), &[ListRecord::Life]);
    counts(&mut list, &life);
    let misled = BatchHeader { chain: Chain(17), ..header("oslo", 2, &list) };
    let reason = VoidReason::OtherHistory { position: list.position(), chain: Chain(17) };
    let other = header("oslo", 2, &list);
    is_void(&mut list, &encode(&misled, &[]), reason);
    assert!(list.epoch.is_doubtful);
    counts(&mut list, &encode(&other, &[]));
    assert!(list.begin_epoch(Epoch::new(2), list.position()));
    assert!(!list.epoch.is_doubtful);
    assert!(!list.begin_epoch(Epoch::new(3), other.seen), "it has not read of the new epoch");
    is_void(&mut list, &encode(&misled, &[]), reason);
    assert!(!list.epoch.is_doubtful, "all members were told since");
}

#[test]
fn a_group_is_founded_once() {
    let mut list = ListState::default();
    let life = encode(&header("oslo", 1, &list), &[ListRecord::Life]);
    is_void(&mut list, &life, VoidReason::Founding);
    let mut list = founded();
    let again = BatchHeader { number: 1, ..header("cairo", 1, &list) };
    let found = ListRecord::Found { epoch: Epoch::new(2), rules: RULES };
    is_void(&mut list, &encode(&again, &[found]), VoidReason::Founding);
}

fn group() -> Group {
    Group::recovering(rules())
}

fn rules() -> Rules {
    Rules {
        ttl_ms: 60_000,
        line_bytes_max: 4096,
        members_max: 9,
        members_per_address_max: 9,
        forget_after_ms: 0,
        presence_delay_ms: None,
        backlog_bytes_max: 1 << 20,
        overflow: Overflow::Reject,
        keep: 0,
        foreign_ip_allowed: false,
        listening: "10.0.0.1:5000".parse().unwrap(),
        access: None,
    }
}

#[test]
fn a_snapshot_restores_the_list_and_the_members() {
    let mut list = founded();
    let life = encode(&header("oslo", 1, &list), &[ListRecord::Life]);
    counts(&mut list, &life);
    let mut before = group();
    let mut put = |fact: Fact<'_>| {
        let ordered = Ordered { ticket: None, is_committed: true };
        before.apply(fact, ordered, Millis::ZERO);
    };
    put(Fact::Horizon { seq: Seq::ZERO });
    for (id, owner) in [("ann", PeerName::Key(KeyName([1; 32]))), ("bob", of_ip())] {
        put(Fact::Entered { id, owner, address: address(), start: Seq::ZERO });
    }
    for number in 1..=3 {
        let (number, text) = (NonZeroU64::new(number), Text::from("hi"));
        put(Fact::Accepted { sender: "ann", number, accepted: UnixMillis(5), text });
    }
    let random = 77;
    let pieces = pieces(&list, &before, &name("oslo"), random);
    let mut collector = Collector::default();
    let mut found = None;
    for piece in &pieces {
        assert!(found.is_none());
        found = collector.take(piece);
    }
    let (header, content) = found.expect("all pieces are there");
    assert_eq!(header.name.base, list.position());
    let mut after = group();
    let restored = restore(&content, &mut after, Millis::ZERO).unwrap();
    assert_eq!(restored, list);
    let members = |group: &Group| format!("{:?}", group.member_states().collect::<Vec<_>>());
    assert_eq!(members(&after), members(&before));
    assert_eq!((after.epoch(), after.last()), (before.epoch(), before.last()));
    for length in 0..content.len() {
        assert!(restore(&content[..length], &mut group(), Millis::ZERO).is_none(), "{length}");
    }
}

fn of_ip() -> PeerName {
    PeerName::Address(address().ip())
}

#[test]
fn entries_are_removed_before_an_older_snapshot_on_which_all_live_sites_agree() {
    let mut list = founded();
    for site in ["cairo", "oslo"] {
        let entry = encode(&header(site, 1, &list), &[ListRecord::Life]);
        counts(&mut list, &entry);
    }
    let mut bases = Vec::new();
    for _ in 0..2 {
        bases.push(list.position());
        let position = list.position().next();
        for piece in pieces(&list, &group(), &name("cairo"), position.0) {
            list.read_piece(&ListEntry { position, ..next(&list, EntryKind::Snapshot, &piece) });
        }
    }
    let needed = |list: &ListState| list.last_needed_snapshot(Seq::new(1)).map(|mark| mark.base);
    let entry = encode(&header("cairo", 2, &list), &[]);
    counts(&mut list, &entry);
    assert_eq!(needed(&list), None, "oslo has not confirmed the history of the snapshot");
    let entry = encode(&header("oslo", 2, &list), &[]);
    counts(&mut list, &entry);
    assert_eq!(needed(&list), Some(bases[0]));
    assert_eq!(list.last_needed_snapshot(Seq::ZERO), None, "all messages are needed");
}

#[test]
fn a_snapshot_of_another_history_does_not_count() {
    let mut list = founded();
    let mut other = founded();
    let entry = encode(&header("oslo", 1, &other), &[ListRecord::Life]);
    counts(&mut other, &entry);
    is_void(&mut list, b"a stranger", VoidReason::Damaged);
    let [piece] = &pieces(&other, &group(), &name("oslo"), 1)[..] else { panic!("one piece") };
    let entry = next(&list, EntryKind::Snapshot, piece);
    assert_eq!(list.read_piece(&entry), None);
    let [piece] = &pieces(&list, &group(), &name("oslo"), 1)[..] else { panic!("one piece") };
    let entry = next(&list, EntryKind::Snapshot, piece);
    assert!(list.read_piece(&entry).is_some());
}

#[test]
fn a_piece_of_a_snapshot_is_no_longer_than_the_engine_takes() {
    let mut group = group();
    for number in 0..9 {
        let ordered = Ordered { ticket: None, is_committed: true };
        let fact = |id| Fact::Entered { id, owner: of_ip(), address: address(), start: Seq::ZERO };
        group.apply(fact(&format!("member{number}")), ordered, Millis::ZERO);
    }
    let mut list = founded();
    for number in 0..8000 {
        let visit = MemberVisit { position: ListPosition(number), index: 0 };
        let home = Home { site: name("oslo"), visit, is_online: true, acked: Seq::ZERO };
        list.homes.set(&format!("a-long-name-of-a-member-{number}"), home);
    }
    let pieces = pieces(&list, &group, &name("oslo"), 1);
    assert!(pieces.len() > 1);
    for piece in pieces {
        assert!(piece.len() <= PIECE_BYTES_MAX + PIECE_OVERHEAD_BYTES, "{} bytes", piece.len());
    }
}
