#![expect(clippy::arithmetic_side_effects, reason = "a test may panic")]

mod displaced;
mod new_epoch;

use std::path::Path;

use super::*;
use crate::facts::Fact;
use crate::group::{Input, Rules};
use crate::journal::HEADER_BYTES;
use crate::journal::disk::testing::{self, GroupOnDisk, at, jobs};
use crate::journal::disk::{OpenedJournal, WriterReport};
use crate::limits::CURSOR_FLUSH_MS;

fn open(path: &Path, sync: SyncPolicy) -> GroupOnDisk {
    testing::open(path, testing::options(7, sync, 2_000), 0)
}

/// Records a fact, and ends the turn.
fn turn(opened: &mut GroupOnDisk, steady: u64) {
    let OpenedJournal { state: group, commits, .. } = opened;
    commits.record(&Fact::Deregistered { id: "alice" }, group, at(steady));
    commits.commit(group, at(steady), || Some(Salt(steady)));
}

fn stat(commits: &Commits, key: &str) -> u64 {
    let stats = commits.stats();
    match key {
        "journal_bytes" => stats.bytes,
        "journal_segments" => stats.segments as u64,
        "journal_commits" => stats.commits,
        "journal_failures" => stats.failures,
        "journal_waiting_bytes" => stats.waiting_bytes as u64,
        _ => panic!("{key}"),
    }
}

#[test]
fn failed_retries_are_counted_and_are_no_segments() {
    let directory = tempfile::tempdir().unwrap();
    let mut opened = open(directory.path(), SyncPolicy::Always);
    let bytes = stat(&opened.commits, "journal_bytes");
    turn(&mut opened, 10);
    for failures in 1..=5 {
        let failed = Some(opened.commits.queue.next() - 1);
        assert_eq!(jobs(&mut opened).len(), 1, "{failures}");
        let written = WriterReport { failed, ..WriterReport::default() };
        let now = at(10_000 * failures);
        opened.commits.take(written, now.steady, &mut Progress::default());
        assert_eq!(stat(&opened.commits, "journal_failures"), failures);
        assert_eq!(stat(&opened.commits, "journal_segments"), 1);
        assert!(stat(&opened.commits, "journal_bytes") < bytes + 100);
        let later = at(10_000 * failures + 5_000);
        opened.commits.commit(&mut opened.state, later, || Some(Salt(failures)));
        assert_eq!(
            stat(&opened.commits, "journal_segments"),
            1,
            "a segment counts when it is done"
        );
    }
    let jobs = jobs(&mut opened);
    let written = opened.writer.write(jobs);
    opened.commits.take(written, at(60_000).steady, &mut Progress::default());
    assert_eq!(stat(&opened.commits, "journal_segments"), 2);
    assert_eq!(stat(&opened.commits, "journal_commits"), 1, "it replaces all failed commits");
}

#[test]
fn bytes_and_segments_are_those_of_the_files() {
    let directory = tempfile::tempdir().unwrap();
    let mut opened = open(directory.path(), SyncPolicy::Every(50));
    for steady in 1..200 {
        turn(&mut opened, steady);
        let jobs = jobs(&mut opened);
        let written = opened.writer.write(jobs);
        opened.commits.take(written, at(steady).steady, &mut Progress::default());
        let files = std::fs::read_dir(directory.path()).unwrap().map(Result::unwrap);
        let sizes = files.map(|file| file.metadata().unwrap().len()).filter(|bytes| *bytes > 0);
        let sizes: Vec<u64> = sizes.collect();
        let stats = ["journal_segments", "journal_bytes"].map(|key| stat(&opened.commits, key));
        assert_eq!(stats, [sizes.len() as u64, sizes.iter().sum()], "{steady}");
    }
    assert!(opened.commits.segments.open().serial > 2);
}

/// A snapshot may be longer than the usual length of a segment.
#[test]
fn most_of_a_segment_is_not_its_snapshot() {
    let directory = tempfile::tempdir().unwrap();
    let mut opened = testing::open(directory.path(), testing::options(7, SyncPolicy::Always, 1), 0);
    testing::ask(&mut opened, 1, &["alice#register 9000", "bob#register 9001"]);
    let mut beginnings = Vec::new();
    for now in 2..200 {
        let serial = opened.commits.segments.open().serial;
        testing::ask(&mut opened, now, &["alice#msend some words"]);
        if opened.commits.segments.open().serial == serial {
            continue;
        }
        let closed = opened.commits.segments.closed.back().unwrap().bytes;
        if let Some(startup) = beginnings.last() {
            assert!(closed > 4 * (startup - HEADER_BYTES as u64), "{closed} of {startup}");
            assert!(closed < 5 * startup, "{closed} of {startup}");
        }
        beginnings.push(opened.commits.segments.open().bytes);
    }
    assert!(beginnings.len() > 10, "{beginnings:?}");
}

#[test]
fn a_job_that_finds_no_room_keeps_its_position() {
    let directory = tempfile::tempdir().unwrap();
    let mut opened = open(directory.path(), SyncPolicy::Always);
    turn(&mut opened, 10);
    turn(&mut opened, 20);
    let refused = opened.commits.poll_job().unwrap();
    opened.commits.requeue(refused);
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
fn a_sync_makes_seqs_durable_also_if_more_was_written_after_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut opened =
        testing::open(directory.path(), testing::options(7, SyncPolicy::Every(10), 1 << 20), 0);
    testing::ask(&mut opened, 1, &["alice#register 9000"]);
    for round in 1..=20 {
        testing::decide(&mut opened, round * 100, &["alice#msend a"]);
        testing::decide(&mut opened, round * 100 + 1, &["alice#msend b"]);
        let jobs = jobs(&mut opened);
        testing::run_jobs(&mut opened, round * 100 + 2, jobs);
        let last = opened.state.last();
        let durable = opened.commits.durability.durable();
        assert!(last.above(durable) <= 4, "of {last}: {durable:?}");
    }
}

/// Alice sends, and bob reconnects and acknowledges again and again, while nothing is written.
#[test]
fn the_bytes_that_wait_for_a_hanging_disk_are_bounded_for_all_requests() {
    const WAITING_BYTES: usize = 5_000;
    for moves in [&["bob#reconnect 9001 acks=1"][..], &["alice#msend some words"], &[]] {
        let directory = tempfile::tempdir().unwrap();
        let options = testing::options(7, SyncPolicy::Always, 1 << 20);
        let options = JournalOptions { waiting_bytes_max: WAITING_BYTES, ..options };
        let mut opened = testing::open(directory.path(), options, 0);
        testing::ask(&mut opened, 1, &["alice#register 9000", "bob#register 9001 acks=1"]);
        let lines = [&["alice#msend one"], moves].concat();
        let mut handed_over = Vec::new();
        for turn in 1..=500 {
            testing::decide(&mut opened, turn * CURSOR_FLUSH_MS, &lines);
            handed_over.extend(jobs(&mut opened));
            let waiting = stat(&opened.commits, "journal_waiting_bytes");
            assert!(waiting < WAITING_BYTES as u64 + 200, "{waiting} in turn {turn} of {lines:?}");
        }
        let bytes = handed_over.iter().map(|job| match job {
            WriterJob::Append { records, .. } => records.len(),
            WriterJob::NewSegment(_)
            | WriterJob::Sync
            | WriterJob::Check
            | WriterJob::Remove { .. } => 0,
        });
        assert_eq!(stat(&opened.commits, "journal_waiting_bytes"), bytes.sum::<usize>() as u64);
        let now = 501 * CURSOR_FLUSH_MS;
        let replies = testing::decide(&mut opened, now, &["alice#msend two", "zed#register 9002"]);
        let behind = "ERR 506 the journal is behind, because the disk is slow: try again later";
        let [msend, register] = &replies[..] else { panic!("{replies:?}") };
        assert!(msend == behind && register == behind, "{replies:?} after {lines:?}");
        testing::run_jobs(&mut opened, now, handed_over);
        assert_eq!(stat(&opened.commits, "journal_waiting_bytes"), 0, "{lines:?}");
        let [reply] = &testing::ask(&mut opened, now, &["alice#msend two"])[..] else { panic!() };
        assert!(reply.starts_with("OK msend "), "{reply}");
    }
}

/// A member that no record names as not announced counts as announced online.
#[test]
fn a_registration_whose_announcement_was_lost_is_announced_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let rules = Rules { presence_delay_ms: Some(0), ..testing::rules() };
    let open = |now| {
        let options = testing::options(7, SyncPolicy::Always, 2_000);
        testing::open_with(directory.path(), rules.clone(), options, now)
    };
    let mut opened = open(0);
    testing::ask(&mut opened, 1, &["alice#register 9000"]);
    assert_eq!(opened.state.last(), Seq::ZERO, "not announced yet");
    drop(opened);
    let mut opened = open(2);
    testing::ask(&mut opened, 3, &["alice#reconnect 9000"]);
    opened.state.handle(Input::Tick, at(4), &mut opened.commits);
    let (_, line, _) = opened.state.lines(Seq::ZERO).next().unwrap();
    assert!(line.ends_with(b"#alice registered\n"), "{}", line.escape_ascii());
}
