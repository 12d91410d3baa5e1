//! A new epoch whose record fails to be written at first.

use super::*;
use crate::group::Input;
use crate::protocol::Epoch;

const NEW: u64 = 9;

/// Begins a new epoch, and ends the turn.
fn decide_epoch(opened: &mut GroupOnDisk, steady: u64) {
    let OpenedJournal { state: group, commits, .. } = opened;
    group.handle(Input::DrawnEpoch(Epoch::new(NEW)), at(steady), commits);
    group.handle(Input::BeginEpoch, at(steady), commits);
    commits.commit(group, at(steady), || Some(Salt(steady)));
}

/// Returns the epoch, the members and the last seq that a start on a copy of the directory finds.
fn found(path: &Path) -> (u64, usize, u64) {
    let copy = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(path).unwrap().map(Result::unwrap) {
        std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    let group = open(copy.path(), SyncPolicy::Always).state;
    (group.epoch().as_u64(), group.member_states().count(), group.last().as_u64())
}

/// Makes a group of two with a message and a new epoch. The first `failures` writes of it fail.
fn failed(path: &Path, failures: u64) -> GroupOnDisk {
    let mut opened = testing::open(path, testing::options(7, SyncPolicy::Always, 1 << 20), 1);
    testing::ask(&mut opened, 2, &["alice#register 9000", "bob#register 9001", "bob#msend one"]);
    decide_epoch(&mut opened, 3);
    for failure in 1..=failures {
        let failed = Some(opened.commits.queue.next() - 1);
        assert!(!jobs(&mut opened).is_empty(), "failure {failure}");
        let mut progress = Progress::default();
        let written = WriterReport { failed, ..WriterReport::default() };
        opened.commits.take(written, at(10_000 * failure).steady, &mut progress);
        assert!(progress.done.is_none(), "{progress:?}");
        let later = at(10_000 * failure + 5_000);
        opened.commits.commit(&mut opened.state, later, || Some(Salt(failure)));
    }
    opened
}

#[test]
fn a_new_epoch_after_failed_writes_begins_when_a_new_segment_contains_it_and_not_before() {
    for failures in 0..4 {
        let directory = tempfile::tempdir().unwrap();
        let mut opened = failed(directory.path(), failures);
        let mut has_begun = false;
        for turn in 0..4 {
            let epoch = if has_begun { NEW } else { 1 };
            assert_eq!(found(directory.path()), (epoch, 2, 1), "turn {turn} after {failures}");
            let mut progress = Progress::default();
            let jobs = jobs(&mut opened);
            let written = opened.writer.write(jobs);
            let now = at(60_000 + turn);
            opened.commits.take(written, now.steady, &mut progress);
            let OpenedJournal { state: group, commits, .. } = &mut opened;
            if let Some(through) = progress.done {
                group.handle(Input::Committed { through }, now, commits);
            }
            assert!(!(group.is_epoch_due() && has_begun), "it begins once");
            if group.is_epoch_due() {
                group.handle(Input::EpochCommitted, now, commits);
                has_begun = true;
            }
            opened.commits.commit(&mut opened.state, now, || Some(Salt(turn)));
        }
        assert!(has_begun, "after {failures} failures");
        assert_eq!(found(directory.path()), (NEW, 2, 1), "after {failures} failures");
    }
}

/// The turn that begins the new epoch may also fill the segment.
#[test]
fn a_segment_that_starts_after_a_new_epoch_belongs_to_it() {
    let mut begun = 0;
    for messages in 0..40 {
        let directory = tempfile::tempdir().unwrap();
        let mut opened =
            testing::open(directory.path(), testing::options(7, SyncPolicy::Always, 300), 1);
        testing::ask(&mut opened, 2, &["alice#register 9000", "bob#register 9001 acks=1"]);
        for _ in 0..messages {
            testing::ask(&mut opened, 2, &["alice#msend 12345678"]);
        }
        let serial = opened.commits.segments.open().serial;
        decide_epoch(&mut opened, 3);
        begun += usize::from(opened.commits.segments.open().serial > serial);
        let work = jobs(&mut opened);
        testing::run_jobs(&mut opened, 4, work);
        assert_eq!(found(directory.path()), (NEW, 2, messages), "after {messages} messages");
    }
    assert!(begun > 0, "no segment started in the turn of the new epoch");
}
