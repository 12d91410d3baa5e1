#![expect(clippy::arithmetic_side_effects, reason = "a test may panic")]

use std::path::Path;

use super::*;
use crate::coordinator::journaling::OpenedJournal;
use crate::coordinator::journaling::testing::{self, ask, decide, jobs, run_effects, segments};
use crate::journal::Directory;
use crate::limits::{CURSOR_FLUSH_MS, Sync};
use crate::protocol::Seq;

/// Alice sends, bob is there; nothing is near to expire.
struct Scene {
    directory: tempfile::TempDir,
    opened: OpenedJournal<Directory>,
    now: u64,
}

impl Scene {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let opened = open(directory.path(), 0);
        let mut scene = Self { directory, opened, now: 0 };
        scene.ask(&["alice#register 9000", "bob#register 9001 acks=1"]);
        scene
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
    let mut scene = Scene::new();
    (0..3).for_each(|_| scene.fill());
    assert_eq!(scene.serials(), [1, 2, 3, 4], "bob has nothing");
    let last = scene.last(1);
    scene.bob_has(last - 1);
    scene.fill();
    assert_eq!(scene.serials(), [1, 2, 3, 4, 5], "bob needs one");
    scene.bob_has(last);
    (0..10).for_each(|_| drop(scene.ask(&[])));
    assert_eq!(scene.serials(), [1, 2, 3, 4, 5], "no segment began with where bob stands now");
    scene.fill();
    assert_eq!(scene.serials(), [2, 3, 4, 5, 6]);
    let all = scene.opened.group.last();
    scene.bob_has(all.as_u64());
    scene.fill();
    assert_eq!(scene.serials(), [6, 7], "the last but one stays");
    let stats = scene.opened.commits.stats();
    assert!(stats.contains(&("journal_segments", "2".to_owned())), "{stats:?}");
    scene.now += 60_001;
    (0..2).for_each(|_| drop(scene.ask(&[])));
    assert_eq!(scene.serials(), [7], "until it has expired");
}

#[test]
fn what_is_no_member_any_more_needs_nothing() {
    let mut scene = Scene::new();
    (0..3).for_each(|_| scene.fill());
    scene.ask(&["bob#deregister"]);
    scene.fill();
    assert_eq!(scene.serials(), [4, 5]);
}

#[test]
fn a_segment_stays_until_the_one_that_says_where_all_stand_is_there() {
    let mut scene = Scene::new();
    (0..3).for_each(|_| scene.fill());
    scene.bob_has(scene.opened.group.last().as_u64());
    let waiting = scene.fill_and_wait();
    for _ in 0..10 {
        assert!(scene.decide(&[]).is_empty());
    }
    run_effects(&mut scene.opened, scene.now, waiting);
    (0..10).for_each(|_| drop(scene.ask(&[])));
    assert_eq!(scene.serials(), [4, 5]);
}

#[test]
fn who_asks_for_older_messages_again_while_a_segment_is_begun_needs_them_until_the_next_is() {
    let mut scene = Scene::new();
    (0..3).for_each(|_| scene.fill());
    let all = scene.opened.group.last();
    scene.bob_has(all.as_u64());
    let mut waiting = scene.fill_and_wait();
    for seq in [Seq::new(1), all] {
        let since = format!("since={}:{seq}", scene.opened.group.epoch());
        waiting.extend(scene.decide(&[&format!("bob#reconnect 9001 acks=1 {since}")]));
    }
    run_effects(&mut scene.opened, scene.now, waiting);
    (0..10).for_each(|_| drop(scene.ask(&[])));
    assert_eq!(scene.serials(), [1, 2, 3, 4, 5], "all that it has may be forgotten");
    scene.fill();
    assert_eq!(scene.serials(), [4, 5, 6]);
}

#[test]
fn who_asks_for_older_messages_again_needs_them_after_the_next_start_too() {
    let mut scene = Scene::new();
    (0..3).for_each(|_| scene.fill());
    let all = scene.opened.group.last().as_u64();
    scene.bob_has(all);
    scene.bob_has(1);
    scene.fill();
    assert_eq!(scene.serials(), [1, 2, 3, 4, 5]);
    let mut scene = scene.start_again();
    let reply = scene.bob_has(1);
    let missed = scene.opened.group.last().as_u64() - 1;
    assert!(reply.ends_with(&format!("missed={missed} expired=0 max_line=4096")), "{reply}");
    scene.bob_has(all);
    (0..10).for_each(|_| drop(scene.ask(&[])));
    assert_eq!(scene.serials(), [1, 2, 3, 4, 5, 6], "power loss, and it has not");
    scene.ask(&["alice#reconnect 9000"]);
    scene.fill();
    assert_eq!(scene.serials(), [4, 5, 6, 7]);
}

/// What is gone from the disk is gone: otherwise it would be lost to bob after the next start.
#[test]
fn what_went_is_offered_to_nobody_again_and_is_no_loss() {
    let mut scene = Scene::new();
    (0..3).for_each(|_| scene.fill());
    let (gone, all) = (scene.last(3), scene.opened.group.last().as_u64());
    scene.bob_has(all);
    scene.fill();
    let kept = scene.opened.group.last().as_u64() - gone;
    for _ in 0..2 {
        let reply = scene.bob_has(1);
        let expected = format!("next={} ttl=60 missed={kept} expired=0 max_line=4096", gone + 1);
        assert!(reply.ends_with(&expected), "{reply}, not {expected}");
        scene = scene.start_again();
    }
}

#[test]
fn segments_of_former_lives_go_too() {
    let mut scene = Scene::new();
    for life in 1..=6 {
        scene.bob_has(scene.opened.group.last().as_u64());
        scene.ask(&["alice#reconnect 9000", "alice#msend one more"]);
        scene.now += CURSOR_FLUSH_MS; // Then it is written down where bob stands.
        scene.ask(&[]);
        assert!(scene.serials().len() <= 3, "in life {life}");
        scene = scene.start_again();
        (0..10).for_each(|_| drop(scene.ask(&[])));
    }
}
