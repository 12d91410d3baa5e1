#![expect(clippy::arithmetic_side_effects, reason = "a test may panic")]

use std::path::Path;

use super::*;
use crate::coordinator::journaling::OpenedJournal;
use crate::coordinator::journaling::testing::{self, ask, decide, jobs, run_jobs, segments};
use crate::journal::Directory;
use crate::limits::{CURSOR_FLUSH_MS, Sync};
use crate::protocol::Seq;

/// Alice sends, bob is there; nothing is near to expire.
struct RetentionFixture {
    directory: tempfile::TempDir,
    opened: OpenedJournal<Directory>,
    now: u64,
}

impl RetentionFixture {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let opened = open(directory.path(), 0);
        let mut fixture = Self { directory, opened, now: 0 };
        fixture.ask(&["alice#register 9000", "bob#register 9001 acks=1"]);
        fixture
    }

    fn ask(&mut self, lines: &[&str]) -> Vec<String> {
        self.now += 1;
        ask(&mut self.opened, self.now, lines)
    }

    /// Bob comes back, and says that he has taken everything up to here.
    fn bob_has(&mut self, seq: u64) -> String {
        let line = format!("bob#reconnect 9001 acks=1 since={}:{seq}", self.opened.group.epoch());
        self.ask(&[&line]).pop().unwrap()
    }

    fn serials(&self) -> Vec<u64> {
        segments(self.directory.path()).into_keys().collect()
    }

    /// The number of the last message in a segment.
    fn last(&self, serial: u64) -> u64 {
        *segments(self.directory.path())[&serial].last().unwrap()
    }

    fn newest(&self) -> u64 {
        self.opened.commits.segment.serial
    }

    /// Alice sends until a further segment is begun; what can go then goes.
    fn fill(&mut self) {
        let newest = self.newest();
        while self.newest() == newest {
            self.ask(&[&format!("alice#msend {}", "x".repeat(300))]);
        }
        (0..10).for_each(|_| drop(self.ask(&[])));
    }

    /// What the worker is asked while nothing comes of it.
    fn decide(&mut self, lines: &[&str]) -> Vec<WriterJob> {
        self.now += 1;
        decide(&mut self.opened, self.now, lines);
        let jobs = jobs(&mut self.opened);
        assert!(!jobs.iter().any(|job| matches!(job, WriterJob::Remove { .. })), "{jobs:?}");
        jobs
    }

    /// Alice sends until a further segment is to be begun.
    fn fill_and_wait(&mut self) -> Vec<WriterJob> {
        let mut waiting = Vec::new();
        while !waiting.iter().any(|job| matches!(job, WriterJob::NewSegment(_))) {
            waiting.extend(self.decide(&[&format!("alice#msend {}", "x".repeat(300))]));
        }
        waiting
    }

    /// Another life of the program.
    fn start_again(self) -> Self {
        let Self { directory, opened, now } = self;
        let (epoch, last) = (opened.group.epoch(), opened.group.last());
        drop(opened);
        let opened = open(directory.path(), now);
        assert_eq!((opened.group.epoch(), opened.group.last()), (epoch, last));
        Self { directory, opened, now }
    }
}

fn open(path: &Path, now: u64) -> OpenedJournal<Directory> {
    testing::open(path, testing::options(1, Sync::Always, 2_000), now)
}

#[test]
fn a_segment_goes_when_nobody_needs_a_message_of_it() {
    let mut fixture = RetentionFixture::new();
    (0..3).for_each(|_| fixture.fill());
    assert_eq!(fixture.serials(), [1, 2, 3, 4], "bob has nothing");
    let last = fixture.last(1);
    fixture.bob_has(last - 1);
    fixture.fill();
    assert_eq!(fixture.serials(), [1, 2, 3, 4, 5], "bob needs one");
    fixture.bob_has(last);
    (0..10).for_each(|_| drop(fixture.ask(&[])));
    assert_eq!(fixture.serials(), [1, 2, 3, 4, 5], "no segment began with where bob stands now");
    fixture.fill();
    assert_eq!(fixture.serials(), [2, 3, 4, 5, 6]);
    let all = fixture.opened.group.last();
    fixture.bob_has(all.as_u64());
    fixture.fill();
    assert_eq!(fixture.serials(), [6, 7], "the last but one stays");
    let stats = fixture.opened.commits.stats();
    assert!(stats.contains(&("journal_segments", "2".to_owned())), "{stats:?}");
    fixture.now += 60_001;
    (0..2).for_each(|_| drop(fixture.ask(&[])));
    assert_eq!(fixture.serials(), [7], "until it has expired");
}

#[test]
fn what_is_no_member_any_more_needs_nothing() {
    let mut fixture = RetentionFixture::new();
    (0..3).for_each(|_| fixture.fill());
    fixture.ask(&["bob#deregister"]);
    fixture.fill();
    assert_eq!(fixture.serials(), [4, 5]);
}

#[test]
fn a_segment_stays_until_the_one_that_says_where_all_stand_is_there() {
    let mut fixture = RetentionFixture::new();
    (0..3).for_each(|_| fixture.fill());
    fixture.bob_has(fixture.opened.group.last().as_u64());
    let waiting = fixture.fill_and_wait();
    for _ in 0..10 {
        assert!(fixture.decide(&[]).is_empty());
    }
    run_jobs(&mut fixture.opened, fixture.now, waiting);
    (0..10).for_each(|_| drop(fixture.ask(&[])));
    assert_eq!(fixture.serials(), [4, 5]);
}

#[test]
fn who_asks_for_older_messages_again_while_a_segment_is_begun_needs_them_until_the_next_is() {
    let mut fixture = RetentionFixture::new();
    (0..3).for_each(|_| fixture.fill());
    let all = fixture.opened.group.last();
    fixture.bob_has(all.as_u64());
    let mut waiting = fixture.fill_and_wait();
    for seq in [Seq::new(1), all] {
        let since = format!("since={}:{seq}", fixture.opened.group.epoch());
        waiting.extend(fixture.decide(&[&format!("bob#reconnect 9001 acks=1 {since}")]));
    }
    run_jobs(&mut fixture.opened, fixture.now, waiting);
    (0..10).for_each(|_| drop(fixture.ask(&[])));
    assert_eq!(fixture.serials(), [1, 2, 3, 4, 5], "all that it has may be forgotten");
    fixture.fill();
    assert_eq!(fixture.serials(), [4, 5, 6]);
}

#[test]
fn who_asks_for_older_messages_again_needs_them_after_the_next_start_too() {
    let mut fixture = RetentionFixture::new();
    (0..3).for_each(|_| fixture.fill());
    let all = fixture.opened.group.last().as_u64();
    fixture.bob_has(all);
    fixture.bob_has(1);
    fixture.fill();
    assert_eq!(fixture.serials(), [1, 2, 3, 4, 5]);
    let mut fixture = fixture.start_again();
    let reply = fixture.bob_has(1);
    let missed = fixture.opened.group.last().as_u64() - 1;
    assert!(reply.ends_with(&format!("missed={missed} expired=0 max_line=4096")), "{reply}");
    fixture.bob_has(all);
    (0..10).for_each(|_| drop(fixture.ask(&[])));
    assert_eq!(fixture.serials(), [1, 2, 3, 4, 5, 6], "power loss, and it has not");
    fixture.ask(&["alice#reconnect 9000"]);
    fixture.fill();
    assert_eq!(fixture.serials(), [4, 5, 6, 7]);
}

/// What is gone from the disk is gone: otherwise it would be lost to bob after the next start.
#[test]
fn what_went_is_offered_to_nobody_again_and_is_no_loss() {
    let mut fixture = RetentionFixture::new();
    (0..3).for_each(|_| fixture.fill());
    let (gone, all) = (fixture.last(3), fixture.opened.group.last().as_u64());
    fixture.bob_has(all);
    fixture.fill();
    let kept = fixture.opened.group.last().as_u64() - gone;
    for _ in 0..2 {
        let reply = fixture.bob_has(1);
        let expected = format!("next={} ttl=60 missed={kept} expired=0 max_line=4096", gone + 1);
        assert!(reply.ends_with(&expected), "{reply}, not {expected}");
        fixture = fixture.start_again();
    }
}

#[test]
fn segments_of_former_lives_go_too() {
    let mut fixture = RetentionFixture::new();
    for life in 1..=6 {
        fixture.bob_has(fixture.opened.group.last().as_u64());
        fixture.ask(&["alice#reconnect 9000", "alice#msend one more"]);
        fixture.now += CURSOR_FLUSH_MS; // Then it is written down where bob stands.
        fixture.ask(&[]);
        assert!(fixture.serials().len() <= 3, "in life {life}");
        fixture = fixture.start_again();
        (0..10).for_each(|_| drop(fixture.ask(&[])));
    }
}
