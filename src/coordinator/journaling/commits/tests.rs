mod displaced;
mod new_epoch;

use std::path::Path;

use super::*;
use crate::coordinator::journaling::testing::{self, at, jobs};
use crate::coordinator::journaling::{OpenedJournal, WriterReport};
use crate::journal::Directory;
use crate::limits::PLACES_PAUSE_MS;

fn open(path: &Path, sync: Sync) -> OpenedJournal<Directory> {
    testing::open(path, testing::terms(7, sync, 2_000), 0)
}

/// Decides something, and ends the turn.
fn turn(opened: &mut OpenedJournal<Directory>, steady: u64) {
    let OpenedJournal { group, keeper, .. } = opened;
    keeper.record(&Fact::Deregistered { id: "alice".into() }, group, at(steady));
    keeper.commit(group, at(steady), || Some(Salt(steady)));
}

fn stat(keeper: &Commits, key: &str) -> u64 {
    let stats = keeper.stats();
    let (_, value) = stats.iter().find(|(name, _)| *name == key).unwrap();
    value.parse().unwrap()
}

#[test]
fn tries_that_fail_are_counted_and_are_no_segments() {
    let directory = tempfile::tempdir().unwrap();
    let mut opened = open(directory.path(), Sync::Always);
    let bytes = stat(&opened.keeper, "journal_bytes");
    turn(&mut opened, 10);
    for failures in 1..=5 {
        let failed = Some(opened.keeper.next - 1);
        assert_eq!(jobs(&mut opened).len(), 1, "{failures}");
        let written = WriterReport { failed, ..WriterReport::default() };
        let now = at(10_000 * failures);
        opened.keeper.take(written, now.steady, &mut Progress::default());
        assert_eq!(stat(&opened.keeper, "journal_failures"), failures);
        assert_eq!(stat(&opened.keeper, "journal_segments"), 1);
        assert!(stat(&opened.keeper, "journal_bytes") < bytes + 100);
        let later = at(10_000 * failures + 5_000);
        opened.keeper.commit(&mut opened.group, later, || Some(Salt(failures)));
        assert_eq!(stat(&opened.keeper, "journal_segments"), 1, "there is none before it is done");
    }
    let jobs = jobs(&mut opened);
    let written = opened.scribe.write(jobs);
    opened.keeper.take(written, at(60_000).steady, &mut Progress::default());
    assert_eq!(stat(&opened.keeper, "journal_segments"), 2);
    assert_eq!(stat(&opened.keeper, "journal_commits"), 1, "one that stands for all before it");
}

#[test]
fn bytes_and_segments_are_those_of_the_files() {
    let directory = tempfile::tempdir().unwrap();
    let mut opened = open(directory.path(), Sync::Every(50));
    for steady in 1..200 {
        turn(&mut opened, steady);
        let jobs = jobs(&mut opened);
        let written = opened.scribe.write(jobs);
        opened.keeper.take(written, at(steady).steady, &mut Progress::default());
        let files = std::fs::read_dir(directory.path()).unwrap().map(Result::unwrap);
        let sizes = files.map(|file| file.metadata().unwrap().len()).filter(|bytes| *bytes > 0);
        let sizes: Vec<u64> = sizes.collect();
        let stats = ["journal_segments", "journal_bytes"].map(|key| stat(&opened.keeper, key));
        assert_eq!(stats, [sizes.len() as u64, sizes.iter().sum()], "{steady}");
    }
    assert!(opened.keeper.segment.serial > 2);
}

/// What a segment begins with may be longer than a segment is to be.
#[test]
fn most_of_a_segment_is_not_what_it_begins_with() {
    let directory = tempfile::tempdir().unwrap();
    let mut opened = testing::open(directory.path(), testing::terms(7, Sync::Always, 1), 0);
    testing::ask(&mut opened, 1, &["alice#register 9000", "bob#register 9001"]);
    let mut beginnings = Vec::new();
    for now in 2..200 {
        let serial = opened.keeper.segment.serial;
        testing::ask(&mut opened, now, &["alice#msend some words"]);
        if opened.keeper.segment.serial == serial {
            continue;
        }
        let closed = opened.keeper.closed.back().unwrap().bytes;
        if let Some(beginning) = beginnings.last() {
            assert!(closed > 4 * (beginning - HEADER_BYTES as u64), "{closed} of {beginning}");
            assert!(closed < 5 * beginning, "{closed} of {beginning}");
        }
        beginnings.push(opened.keeper.segment.bytes);
    }
    assert!(beginnings.len() > 10, "{beginnings:?}");
}

#[test]
fn a_job_that_finds_no_room_keeps_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let mut opened = open(directory.path(), Sync::Always);
    turn(&mut opened, 10);
    turn(&mut opened, 20);
    let refused = opened.keeper.poll_job().unwrap();
    opened.keeper.take_back(refused);
    let commits: Vec<u64> = jobs(&mut opened)
        .into_iter()
        .filter_map(|job| match job {
            WriterJob::Append { commit, .. } => Some(commit),
            WriterJob::NewSegment(_)
            | WriterJob::Sync
            | WriterJob::Check
            | WriterJob::Remove { .. } => None,
        })
        .collect();
    assert!(commits.len() == 2 && commits.is_sorted(), "{commits:?}");
}

#[test]
fn a_sync_says_what_is_safe_also_where_more_was_written_behind_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut opened =
        testing::open(directory.path(), testing::terms(7, Sync::Every(10), 1 << 20), 0);
    testing::ask(&mut opened, 1, &["alice#register 9000"]);
    for round in 1..=20 {
        testing::decide(&mut opened, round * 100, &["alice#msend a"]);
        testing::decide(&mut opened, round * 100 + 1, &["alice#msend b"]);
        let jobs = jobs(&mut opened);
        testing::carry_out(&mut opened, round * 100 + 2, jobs);
        let last = opened.group.last();
        assert!(last.above(opened.keeper.safe) <= 4, "of {last}: {:?}", opened.keeper.safe);
    }
}

/// Alice sends, and bob comes back and acknowledges again and again, while nothing is written.
#[test]
fn what_waits_for_a_disk_that_hangs_is_bounded_whatever_is_asked() {
    const WAITING_BYTES: usize = 5_000;
    for moves in [&["bob#reconnect 9001 acks=1"][..], &["alice#msend some words"], &[]] {
        let directory = tempfile::tempdir().unwrap();
        let terms = testing::terms(7, Sync::Always, 1 << 20);
        let terms = JournalOptions { waiting_bytes_max: WAITING_BYTES, ..terms };
        let mut opened = testing::open(directory.path(), terms, 0);
        testing::ask(&mut opened, 1, &["alice#register 9000", "bob#register 9001 acks=1"]);
        let lines = [&["alice#msend one"], moves].concat();
        let mut handed_over = Vec::new();
        for turn in 1..=500 {
            testing::decide(&mut opened, turn * PLACES_PAUSE_MS, &lines);
            handed_over.extend(jobs(&mut opened));
            let waiting = stat(&opened.keeper, "journal_waiting_bytes");
            assert!(waiting < WAITING_BYTES as u64 + 200, "{waiting} in turn {turn} of {lines:?}");
        }
        let bytes = handed_over.iter().map(|job| match job {
            WriterJob::Append { records, .. } => records.len(),
            WriterJob::NewSegment(_)
            | WriterJob::Sync
            | WriterJob::Check
            | WriterJob::Remove { .. } => 0,
        });
        assert_eq!(stat(&opened.keeper, "journal_waiting_bytes"), bytes.sum::<usize>() as u64);
        let now = 501 * PLACES_PAUSE_MS;
        let replies = testing::decide(&mut opened, now, &["alice#msend two", "zed#register 9002"]);
        let behind = "ERR 506 the journal is behind, because the disk is slow: try again later";
        let [msend, register] = &replies[..] else { panic!("{replies:?}") };
        assert!(msend == behind && register == behind, "{replies:?} after {lines:?}");
        testing::carry_out(&mut opened, now, handed_over);
        assert_eq!(stat(&opened.keeper, "journal_waiting_bytes"), 0, "{lines:?}");
        let [reply] = &testing::ask(&mut opened, now, &["alice#msend two"])[..] else { panic!() };
        assert!(reply.starts_with("OK msend "), "{reply}");
    }
}
