//! Segments and directories that are moved away while they are written.

use std::fs;
use std::path::Path;

use crate::facts::Recorded;
use crate::journal::disk::testing::{self, GroupOnDisk, ask, at, decide, jobs, run_jobs};
use crate::journal::disk::{Progress, WriterJob, WriterReport};
use crate::limits::{JOURNAL_CHECK_MS, SyncPolicy};
use crate::protocol::Seq;

fn open(path: &Path, now: u64) -> GroupOnDisk {
    testing::open(path, testing::options(7, SyncPolicy::Always, 2_000), now)
}

/// Runs turns until nothing is left to do.
fn release(opened: &mut GroupOnDisk, now: u64) {
    for turn in 0..10 {
        decide(opened, now + turn * 1_000, &[]);
        let jobs = jobs(opened);
        if jobs.is_empty() && !opened.commits.failure.is_failing() {
            return;
        }
        run_jobs(opened, now + turn * 1_000, jobs);
    }
    panic!("the journal fails forever");
}

/// Makes a journal of several segments with 40 messages that bob needs. Returns the group time.
fn journal_of_40_messages(path: &Path) -> (GroupOnDisk, u64) {
    let mut opened = open(path, 0);
    ask(&mut opened, 1, &["alice#register 9000", "bob#register 9001 acks=1"]);
    for seq in 1..=40 {
        let replies =
            ask(&mut opened, 1 + seq, &[&format!("alice#msend text {seq} {}", "x".repeat(90))]);
        assert_eq!(replies, [format!("OK msend seq={seq}")]);
    }
    (opened, 50)
}

fn names(path: &Path) -> Vec<std::path::PathBuf> {
    let all = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<_> =
        all.filter(|it| it.extension().is_some_and(|it| it == "journal")).collect();
    all.sort();
    all
}

/// Checks that a start finds all messages in the same epoch.
#[track_caller]
fn check_start(path: &Path, last: u64) {
    let opened = open(path, 1_000_000);
    assert_eq!(opened.state.last(), Seq::new(last));
    assert_eq!(opened.state.epoch().as_u64(), 0, "the epoch that the first start drew");
    assert_eq!(opened.state.member_states().count(), 2);
    let kept = opened.state.lines(Seq::ZERO).map(|(seq, ..)| seq.as_u64());
    assert!(kept.eq(1..=last), "messages are missing");
}

/// Group time after the first check is due, and before messages expire.
const SOON: u64 = JOURNAL_CHECK_MS + 100;

#[test]
fn the_messages_of_a_moved_segment_are_written_again_before_the_next_confirmation() {
    let template = tempfile::tempdir().unwrap();
    let (opened, _) = journal_of_40_messages(template.path());
    let count = names(template.path()).len();
    drop(opened);
    assert!(count >= 4, "{count}");
    for moved in 0..count {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("data");
        fs::create_dir(&path).unwrap();
        let (mut opened, _) = journal_of_40_messages(&path);
        fs::rename(&names(&path)[moved], directory.path().join("elsewhere")).unwrap();
        decide(&mut opened, SOON, &["alice#msend 41"]);
        let jobs = jobs(&mut opened);
        assert!(matches!(jobs[..], [WriterJob::Check, WriterJob::Append { .. }]), "{jobs:?}");
        let mut progress = Progress::default();
        let written = opened.writer.write(jobs);
        opened.commits.take(written, at(SOON).steady, &mut progress);
        assert_eq!((progress.done, progress.fails), (None, Some(true)));
        let said: Vec<String> = progress.notices.iter().map(ToString::to_string).collect();
        assert!(
            matches!(&said[..], [reason] if reason.starts_with("the journal cannot be written:")),
            "{said:?}"
        );
        release(&mut opened, SOON);
        let stats = opened.commits.stats();
        assert_eq!(stats.segments, names(&path).len(), "{stats:?}");
        drop(opened);
        check_start(&path, 41);
    }
}

#[test]
fn what_is_moved_away_is_noticed_though_nothing_more_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data");
    fs::create_dir(&path).unwrap();
    let (mut opened, now) = journal_of_40_messages(&path);
    fs::rename(names(&path).last().unwrap(), directory.path().join("elsewhere")).unwrap();
    while let Some(deadline) = opened.commits.deadline() {
        assert!(deadline <= at(now + JOURNAL_CHECK_MS).steady, "{deadline}");
        ask(&mut opened, deadline.as_u64(), &[]); // Records a cursor. Then nothing is left to do.
        if opened.commits.failure.is_failing() {
            release(&mut opened, deadline.as_u64());
            drop(opened);
            return check_start(&path, 40);
        }
    }
    panic!("the loss was not noticed");
}

/// Without a write since the last check there is no timer, so nothing wakes the loop.
#[test]
fn a_journal_that_is_not_written_is_checked_once() {
    let directory = tempfile::tempdir().unwrap();
    let mut opened =
        testing::open(directory.path(), testing::options(7, SyncPolicy::Always, 1 << 20), 0);
    assert_eq!(opened.commits.deadline(), None);
    ask(&mut opened, 1, &["alice#register 9000"]);
    let deadline = opened.commits.deadline().unwrap().as_u64();
    assert_eq!(deadline, JOURNAL_CHECK_MS);
    ask(&mut opened, deadline, &[]);
    assert_eq!(opened.commits.deadline(), None);
}

#[test]
fn a_directory_that_is_moved_away_fails_the_journal_until_it_is_back_or_an_empty_one_is_there() {
    for comes_back in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        let [path, away] = ["data", "away"].map(|name| directory.path().join(name));
        fs::create_dir(&path).unwrap();
        let (mut opened, _) = journal_of_40_messages(&path);
        fs::rename(&path, &away).unwrap();
        for turn in 0..3 {
            decide(&mut opened, SOON + turn * 1_000, &[]);
            let jobs = jobs(&mut opened);
            run_jobs(&mut opened, SOON + turn * 1_000, jobs);
            assert!(opened.commits.failure.is_failing(), "{turn}");
        }
        match comes_back {
            true => fs::rename(&away, &path).unwrap(),
            false => fs::create_dir(&path).unwrap(),
        }
        release(&mut opened, SOON + 5_000);
        drop(opened);
        check_start(&path, 40);
    }
}

/// A retry that was made before a loss was known does not contain the lost messages.
#[test]
fn a_loss_that_is_noticed_during_a_retry_is_repaired_by_the_next_retry() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data");
    fs::create_dir(&path).unwrap();
    let (mut opened, _) = journal_of_40_messages(&path);
    let written = WriterReport { failed: Some(1_000), ..Default::default() };
    opened.commits.take(written, at(100).steady, &mut Progress::default());
    decide(&mut opened, 100, &[]);
    let mut jobs = jobs(&mut opened);
    assert!(matches!(jobs[..], [WriterJob::NewSegment(_)]), "{jobs:?}");
    fs::remove_file(&names(&path)[0]).unwrap();
    jobs.insert(0, WriterJob::Check);
    run_jobs(&mut opened, 100, jobs);
    release(&mut opened, 101);
    drop(opened);
    check_start(&path, 40);
}
