//! Handmade journals with valid checksums and with numbers at the ends of their ranges.

use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::journal::disk::JournalOptions;
use crate::journal::disk::testing::{GroupOnDisk, decide, options};
use crate::journal::{BootId, Directory, EncodedRanges};
use crate::limits::{GROUP_TIME_MS_MAX, LOST_NUMBERS_MAX, RECORD_TIME_MS_MAX, SEQ_MAX};

/// Content of a record.
#[derive(Clone, Copy, Debug)]
enum Fact {
    Epoch(u64),
    Member(u64, u64),
    Own(u64, u64),
    Message(u64),
    Acked(u64),
    Durable(u64),
    Expired(u64),
    Clock(u64),
}

fn put(fact: Fact, at: u64, salt: Salt, out: &mut Vec<u8>) {
    let (id, address) = ("alice", SocketAddr::from(([127, 0, 0, 1], 9000)));
    let owner = PeerName::Address(address.ip());
    let (mut line, mut bytes) = (Vec::new(), Vec::new());
    let record = match fact {
        Fact::Epoch(last) => Record::Epoch { epoch: Epoch::new(7), last: Seq::new(last) },
        Fact::Member(registered_at, acked) => {
            let (registered_at, acked) = (Seq::new(registered_at), Seq::new(acked));
            Record::Member(MemberState {
                id,
                owner,
                address,
                registered_at,
                start: registered_at,
                acked,
                published: 0,
            })
        }
        Fact::Own(first, last) => {
            let ranges = EncodedRanges::encode(&[(Seq::new(first), Seq::new(last))], &mut bytes);
            Record::Own { id, ranges }
        }
        Fact::Message(seq) => {
            line.extend_from_slice(format!("{seq}#bob#0#text {seq}\n").as_bytes());
            Record::Accepted { number: None, line: &line }
        }
        Fact::Acked(acked) => Record::Acked { id, acked: Seq::new(acked) },
        Fact::Durable(last) => Record::Durable { last: Seq::new(last) },
        Fact::Expired(before) => Record::Expired { before: Seq::new(before) },
        Fact::Clock(unix) => Record::Clock { unix: UnixMillis(unix) },
    };
    encode(&record, Millis::new(at), salt, out);
}

/// Writes each list of facts as one segment.
fn write(path: &Path, segments: &[Vec<(Fact, u64)>]) {
    let mut store = Store::open(Directory::create(path).unwrap()).unwrap();
    for (serial, facts) in (1..).zip(segments) {
        let salt = Salt(serial);
        let header = SegmentHeader {
            serial,
            salt,
            boot: BootId([1; 16]),
            sync: SyncMode::Always,
            repeats: false,
        };
        let mut records = Vec::new();
        facts.iter().for_each(|(fact, at)| put(*fact, *at, salt, &mut records));
        store.create(&header, &records).unwrap();
    }
}

/// A group that was started from a journal, at the group time of the journal.
struct StartedGroup {
    opened: GroupOnDisk,
    now: u64,
    issues: Vec<String>,
}

impl StartedGroup {
    fn of(path: &Path) -> Self {
        let options: JournalOptions = options(1, SyncPolicy::Always, 1 << 20);
        let mut store = Store::open(Directory::create(path).unwrap()).unwrap();
        let contents =
            JournalContents::read(&mut store, Group::recovering(testing::rules()), || false)
                .unwrap();
        let now = contents.age(UnixMillis(1_700_000_000_000)).as_u64();
        let issues = contents.recovered().issues.iter().map(ToString::to_string).collect();
        let random = RandomValues { epoch: Epoch::new(99), salt: Salt(now) };
        let opened = contents.open(store, options, random, testing::at(now)).unwrap();
        Self { opened, now, issues }
    }

    fn ask(&mut self, line: &str) -> String {
        let replies = decide(&mut self.opened, self.now, &[line]);
        let jobs = testing::jobs(&mut self.opened);
        testing::run_jobs(&mut self.opened, self.now, jobs);
        replies.into_iter().next().unwrap()
    }

    fn last(&self) -> u64 {
        self.opened.state.last().as_u64()
    }

    #[track_caller]
    fn has_issue(&self, what: &str) {
        assert!(self.issues.iter().any(|it| it.contains(what)), "{what}: {:?}", self.issues);
    }

    fn kept(&self) -> Vec<u64> {
        self.opened.state.lines(Seq::ZERO).map(|(seq, ..)| seq.as_u64()).collect()
    }
}

/// Makes a segment that starts after `last` with alice, who needs all later messages.
fn segment(last: u64, messages: &[u64]) -> Vec<(Fact, u64)> {
    let start = [Fact::Epoch(last), Fact::Member(0, 0), Fact::Clock(1_700_000_000_000)];
    let messages = messages.iter().map(|seq| Fact::Message(*seq));
    start.into_iter().chain(messages).map(|fact| (fact, 0)).collect()
}

fn of(segments: &[Vec<(Fact, u64)>]) -> (tempfile::TempDir, StartedGroup) {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), segments);
    let start = StartedGroup::of(directory.path());
    (directory, start)
}

#[test]
fn a_seq_far_above_the_one_before_it_is_damage_and_not_a_loss_of_all_between() {
    let (_directory, mut start) = of(&[segment(0, &[1, 2, 1 << 62, (1 << 62) + 1])]);
    start.has_issue("message 4611686018427387904 is more than 4194304 above the previous one: 2 ");
    assert_eq!((start.last(), start.kept()), (2, vec![1, 2]));
    assert_eq!(start.opened.state.epoch(), Epoch::new(99), "seqs above 2 may be given out");
    assert!(start.ask("bob#register 9001").contains(" next=3 "));
    assert_eq!(start.ask("bob#msend three"), "OK msend seq=3");
}

#[test]
fn an_impossible_seq_is_damage() {
    for seq in [SEQ_MAX + 1, u64::MAX] {
        let (_directory, mut start) = of(&[segment(0, &[1, 2, seq])]);
        start.has_issue("1 of these is a whole record with impossible values");
        assert_eq!(start.kept(), [1, 2]);
        start.ask("bob#register 9001");
        assert_eq!(start.ask("bob#msend four"), "OK msend seq=4", "one message was damaged");
    }
}

#[test]
fn at_the_highest_seq_nothing_more_is_accepted_and_nothing_is_lost() {
    let (directory, mut start) = of(&[segment(SEQ_MAX - 2, &[SEQ_MAX - 1])]);
    start.ask("bob#register 9001");
    assert_eq!(start.ask("bob#msend the last"), format!("OK msend seq={SEQ_MAX}"));
    let refused = format!(
        "ERR 507 no number left: {SEQ_MAX} was the last one: start the coordinator \
         with a new data_dir"
    );
    for _ in 0..2 {
        assert_eq!(start.ask("bob#msend one more"), refused);
    }
    drop(start);
    let mut start = StartedGroup::of(directory.path());
    assert_eq!((start.last(), start.kept()), (SEQ_MAX, vec![SEQ_MAX - 1, SEQ_MAX]));
    let reply = start.ask("alice#reconnect 9000 acks=1");
    let expired = SEQ_MAX - 2;
    assert!(
        reply.ends_with(&format!(" missed=2 expired={expired} max_line=4096 published=0")),
        "{reply}"
    );
    start.ask("bob#reconnect 9001");
    assert_eq!(start.ask("bob#msend one more"), refused);
}

/// The newest segment is trusted, because the segments between may have been deleted.
#[test]
fn if_too_many_seqs_are_missing_before_a_segment_all_earlier_messages_are_dropped() {
    for last in [LOST_NUMBERS_MAX + 3, 1 << 62, SEQ_MAX - 10] {
        let (_directory, mut start) = of(&[segment(0, &[1, 2]), segment(last, &[last + 1])]);
        start.has_issue(&format!("more than {LOST_NUMBERS_MAX} numbers are missing before "));
        assert_eq!((start.last(), start.kept()), (last + 1, vec![last + 1]));
        let reply = start.ask("alice#reconnect 9000 acks=1");
        assert!(
            reply.ends_with(&format!(" missed=1 expired={last} max_line=4096 published=0")),
            "{reply}"
        );
    }
}

/// Each hole is small enough, but all holes together are not.
#[test]
fn all_holes_of_a_journal_together_have_a_memory_limit() {
    let hole = LOST_NUMBERS_MAX / 8;
    let messages: Vec<u64> = (0..100).map(|number| 1 + number * hole).collect();
    let (_directory, start) = of(&[segment(0, &messages)]);
    let kept = start.kept();
    assert_eq!(start.last(), 1 + 99 * hole);
    assert!(kept.len() <= 9 && kept.last() == messages.last(), "{kept:?}");
}

#[test]
fn a_member_that_goes_back_from_the_highest_seq_costs_no_walk_over_all_seqs() {
    let mut facts = segment(1 << 62, &[]);
    facts.extend([(Fact::Member(1 << 62, 1 << 62), 0), (Fact::Member(0, 0), 0)]);
    let (_directory, mut start) = of(&[facts]);
    let reply = start.ask("alice#reconnect 9000 acks=1");
    assert!(
        reply.ends_with(" missed=0 expired=4611686018427387904 max_line=4096 published=0"),
        "{reply}"
    );
}

/// Numbers from both ends of the range, some of them impossible.
fn any_number() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0..6_u64,
        1 => Just(3_000),
        1 => (0..3_u64).prop_map(|more| LOST_NUMBERS_MAX * 1_000 + more),
        1 => (0..3_u64).prop_map(|more| (1 << 62) + more),
        1 => (0..3_u64).prop_map(|less| SEQ_MAX - less),
        1 => (1..3_u64).prop_map(|more| SEQ_MAX + more),
        1 => (0..3_u64).prop_map(|less| u64::MAX - less),
    ]
}

fn any_fact() -> impl Strategy<Value = (Fact, u64)> {
    let fact = prop_oneof![
        1 => any_number().prop_map(Fact::Epoch),
        2 => (any_number(), any_number()).prop_map(|(at, acked)| Fact::Member(at, acked)),
        2 => (any_number(), any_number()).prop_map(|(first, last)| Fact::Own(first, last)),
        4 => any_number().prop_map(Fact::Message),
        2 => any_number().prop_map(Fact::Acked),
        1 => any_number().prop_map(Fact::Durable),
        1 => any_number().prop_map(Fact::Expired),
        1 => any_number().prop_map(Fact::Clock),
    ];
    let at = prop_oneof![
        4 => 0..10_u64,
        1 => 0..100_000_u64,
        1 => GROUP_TIME_MS_MAX - 3..=GROUP_TIME_MS_MAX + 3,
        1 => RECORD_TIME_MS_MAX - 3..=RECORD_TIME_MS_MAX + 3,
        1 => Just(u64::MAX),
    ];
    (fact, at)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_group_starts_from_a_journal_with_any_numbers(
        segments in vec((any_number(), vec(any_fact(), 0..12)), 1..4),
    ) {
        let begun = |(last, facts): (u64, Vec<(Fact, u64)>)| {
            segment(last, &[]).into_iter().chain(facts).collect()
        };
        let segments: Vec<Vec<(Fact, u64)>> = segments.into_iter().map(begun).collect();
        let (directory, mut start) = of(&segments);
        let last = start.last();
        assert!(last <= SEQ_MAX);
        assert!(start.ask("zed#register 9002 acks=1").starts_with("OK register "));
        let accepted = start.ask("zed#msend text");
        match last < SEQ_MAX {
            true => assert_eq!(accepted, format!("OK msend seq={}", last + 1)),
            false => assert!(accepted.starts_with("ERR 507 no number left"), "{accepted}"),
        }
        let back = start.ask("alice#reconnect 9000 acks=1 since=0000000000000063:0");
        assert!(back.starts_with("OK ") || back.starts_with("ERR 404 "), "{back}");
        let (last, members) = (start.last(), start.opened.state.member_states().count());
        drop(start);
        let again = StartedGroup::of(directory.path());
        assert_eq!((again.last(), again.opened.state.member_states().count()), (last, members));
    }
}
