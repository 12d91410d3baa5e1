#![expect(clippy::arithmetic_side_effects, reason = "a test may panic")]

mod newcomers;

use std::path::Path;

use crate::facts::Recorded;
use crate::group::Rules;
use crate::journal::WriterJob;
use crate::journal::disk::testing::{self, GroupOnDisk, ask, decide, jobs, run_jobs, segments};
use crate::limits::{CURSOR_FLUSH_MS, SyncPolicy};
use crate::protocol::Seq;

/// A journal of a group in which alice sends and bob acknowledges. No message is about to expire.
struct RetentionFixture {
    directory: tempfile::TempDir,
    opened: GroupOnDisk,
    now: u64,
    /// Messages that are kept for newcomers.
    keep: u64,
}

impl RetentionFixture {
    fn new() -> Self {
        Self::with_keep(0)
    }

    fn with_keep(keep: u64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let opened = open(directory.path(), keep, 0);
        let mut fixture = Self { directory, opened, now: 0, keep };
        fixture.ask(&["alice#register 9000", "bob#register 9001 acks=1"]);
        fixture
    }

    fn ask(&mut self, lines: &[&str]) -> Vec<String> {
        self.now += 1;
        ask(&mut self.opened, self.now, lines)
    }

    /// Bob reconnects with `since` at `seq`. Returns the reply.
    fn bob_has(&mut self, seq: u64) -> String {
        let line = format!("bob#reconnect 9001 acks=1 since={}:{seq}", self.opened.state.epoch());
        self.ask(&[&line]).pop().unwrap()
    }

    fn serials(&self) -> Vec<u64> {
        segments(self.directory.path()).into_keys().collect()
    }

    /// Returns the seq of the last message in a segment.
    fn last(&self, serial: u64) -> u64 {
        *segments(self.directory.path())[&serial].last().unwrap()
    }

    fn newest(&self) -> u64 {
        self.opened.commits.segments.open().serial
    }

    /// Alice sends until another segment starts. Segments that are not needed are then removed.
    fn fill(&mut self) {
        let newest = self.newest();
        while self.newest() == newest {
            self.ask(&[&format!("alice#msend {}", "x".repeat(300))]);
        }
        (0..10).for_each(|_| drop(self.ask(&[])));
    }

    /// Executes requests while the writer writes nothing. Returns the jobs of the writer.
    fn decide(&mut self, lines: &[&str]) -> Vec<WriterJob> {
        self.now += 1;
        decide(&mut self.opened, self.now, lines);
        let jobs = jobs(&mut self.opened);
        assert!(!jobs.iter().any(|job| matches!(job, WriterJob::Remove { .. })), "{jobs:?}");
        jobs
    }

    /// Alice sends until another segment is due. Returns the jobs of the writer.
    fn fill_and_wait(&mut self) -> Vec<WriterJob> {
        let mut waiting = Vec::new();
        while !waiting.iter().any(|job| matches!(job, WriterJob::NewSegment(_))) {
            waiting.extend(self.decide(&[&format!("alice#msend {}", "x".repeat(300))]));
        }
        waiting
    }

    /// Restarts the program.
    fn start_again(self) -> Self {
        let Self { directory, opened, now, keep } = self;
        let (epoch, last) = (opened.state.epoch(), opened.state.last());
        drop(opened);
        let opened = open(directory.path(), keep, now);
        assert_eq!((opened.state.epoch(), opened.state.last()), (epoch, last));
        Self { directory, opened, now, keep }
    }
}

fn open(path: &Path, keep: u64, now: u64) -> GroupOnDisk {
    let rules = Rules { keep: usize::try_from(keep).unwrap(), ..testing::rules() };
    testing::open_with(path, rules, testing::options(1, SyncPolicy::Always, 2_000), now)
}

#[test]
fn a_segment_is_removed_when_no_member_needs_a_message_of_it() {
    let mut fixture = RetentionFixture::new();
    (0..3).for_each(|_| fixture.fill());
    assert_eq!(fixture.serials(), [1, 2, 3, 4], "bob has nothing");
    let last = fixture.last(1);
    fixture.bob_has(last - 1);
    fixture.fill();
    assert_eq!(fixture.serials(), [1, 2, 3, 4, 5], "bob needs one");
    fixture.bob_has(last);
    (0..10).for_each(|_| drop(fixture.ask(&[])));
    assert_eq!(fixture.serials(), [1, 2, 3, 4, 5], "no segment starts with bob's cursor yet");
    fixture.fill();
    assert_eq!(fixture.serials(), [2, 3, 4, 5, 6]);
    let all = fixture.opened.state.last();
    fixture.bob_has(all.as_u64());
    fixture.fill();
    assert_eq!(fixture.serials(), [6, 7], "the last but one stays");
    let stats = fixture.opened.commits.stats();
    assert!(stats.segments == 2, "{stats:?}");
    fixture.now += 60_001;
    (0..2).for_each(|_| drop(fixture.ask(&[])));
    assert_eq!(fixture.serials(), [7], "until it has expired");
}

#[test]
fn a_deregistered_member_needs_no_segment() {
    let mut fixture = RetentionFixture::new();
    (0..3).for_each(|_| fixture.fill());
    fixture.ask(&["bob#deregister"]);
    fixture.fill();
    assert_eq!(fixture.serials(), [4, 5]);
}

#[test]
fn a_segment_stays_until_the_segment_with_all_cursors_is_written() {
    let mut fixture = RetentionFixture::new();
    (0..3).for_each(|_| fixture.fill());
    fixture.bob_has(fixture.opened.state.last().as_u64());
    let waiting = fixture.fill_and_wait();
    for _ in 0..10 {
        assert!(fixture.decide(&[]).is_empty());
    }
    run_jobs(&mut fixture.opened, fixture.now, waiting);
    (0..10).for_each(|_| drop(fixture.ask(&[])));
    assert_eq!(fixture.serials(), [4, 5]);
}

#[test]
fn a_member_that_goes_back_while_a_segment_starts_needs_the_messages_until_the_next_one_starts() {
    let mut fixture = RetentionFixture::new();
    (0..3).for_each(|_| fixture.fill());
    let all = fixture.opened.state.last();
    fixture.bob_has(all.as_u64());
    let mut waiting = fixture.fill_and_wait();
    for seq in [Seq::new(1), all] {
        let since = format!("since={}:{seq}", fixture.opened.state.epoch());
        waiting.extend(fixture.decide(&[&format!("bob#reconnect 9001 acks=1 {since}")]));
    }
    run_jobs(&mut fixture.opened, fixture.now, waiting);
    (0..10).for_each(|_| drop(fixture.ask(&[])));
    assert_eq!(fixture.serials(), [1, 2, 3, 4, 5], "its later cursor may be lost");
    fixture.fill();
    assert_eq!(fixture.serials(), [4, 5, 6]);
}

#[test]
fn a_member_that_goes_back_needs_the_messages_after_the_next_start_too() {
    let mut fixture = RetentionFixture::new();
    (0..3).for_each(|_| fixture.fill());
    let all = fixture.opened.state.last().as_u64();
    fixture.bob_has(all);
    fixture.bob_has(1);
    fixture.fill();
    assert_eq!(fixture.serials(), [1, 2, 3, 4, 5]);
    let mut fixture = fixture.start_again();
    let reply = fixture.bob_has(1);
    let missed = fixture.opened.state.last().as_u64() - 1;
    assert!(
        reply.ends_with(&format!("missed={missed} expired=0 max_line=4096 published=0")),
        "{reply}"
    );
    fixture.bob_has(all);
    (0..10).for_each(|_| drop(fixture.ask(&[])));
    assert_eq!(fixture.serials(), [1, 2, 3, 4, 5, 6], "a power loss may lose bob's cursor");
    fixture.ask(&["alice#reconnect 9000"]);
    fixture.fill();
    assert_eq!(fixture.serials(), [4, 5, 6, 7]);
}

/// A removed message stays removed. Otherwise bob would get a gap after the next start.
#[test]
fn a_removed_message_is_delivered_to_no_member_again_and_is_no_gap() {
    let mut fixture = RetentionFixture::new();
    (0..3).for_each(|_| fixture.fill());
    let (gone, all) = (fixture.last(3), fixture.opened.state.last().as_u64());
    fixture.bob_has(all);
    fixture.fill();
    let kept = fixture.opened.state.last().as_u64() - gone;
    for _ in 0..2 {
        let reply = fixture.bob_has(1);
        let expected =
            format!("next={} ttl=60 missed={kept} expired=0 max_line=4096 published=0", gone + 1);
        assert!(reply.ends_with(&expected), "{reply}, not {expected}");
        fixture = fixture.start_again();
    }
}

#[test]
fn segments_of_earlier_runs_are_removed_too() {
    let mut fixture = RetentionFixture::new();
    for life in 1..=6 {
        fixture.bob_has(fixture.opened.state.last().as_u64());
        fixture.ask(&["alice#reconnect 9000", "alice#msend one more"]);
        fixture.now += CURSOR_FLUSH_MS; // Then bob's cursor is recorded.
        fixture.ask(&[]);
        assert!(fixture.serials().len() <= 3, "in life {life}");
        fixture = fixture.start_again();
        (0..10).for_each(|_| drop(fixture.ask(&[])));
    }
}
