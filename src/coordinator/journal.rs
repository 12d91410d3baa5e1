//! The journal of the running coordinator: [`Commits`] on the loop, the segment writer on a thread.

use std::io;

use mio::Registry;

use super::journaling::{Commits, OpenedJournal, Progress, SegmentWriter};
use crate::group::Group;
use crate::journal::{Directory, Salt};
use crate::limits::JOURNAL_QUEUE_MAX;
use crate::net::{Full, Pool, Worker};
use crate::time::{Millis, Now};

/// Both sides of the journal.
#[derive(Debug)]
pub(super) struct Journal {
    pub(super) commits: Commits,
    worker: Worker<SegmentWriter<Directory>>,
}

impl Journal {
    /// Starts the segment writer on a thread that wakes the loop of `registry`.
    pub(super) fn start(
        opened: OpenedJournal<Directory>,
        registry: &Registry,
    ) -> io::Result<(Group, Self)> {
        let OpenedJournal { group, commits, writer } = opened;
        let worker = Pool::new(registry)?.attach("journal", JOURNAL_QUEUE_MAX, writer)?;
        Ok((group, Self { commits, worker }))
    }

    /// Takes the reports of the writer since the last call.
    pub(super) fn take_completions(&mut self, now: Millis) -> Progress {
        let mut progress = Progress::default();
        for written in self.worker.completions() {
            self.commits.take(written, now, &mut progress);
        }
        progress
    }

    /// Submits the facts of this turn.
    pub(super) fn commit(&mut self, group: &mut Group, now: Now) {
        self.commits.commit(group, now, || getrandom::u64().map(Salt).ok());
        self.submit_jobs();
    }

    /// Submits the end of the journal. [`Commits::end`] returns its outcome.
    pub(super) fn close(&mut self, group: &mut Group, now: Now) {
        self.commits.close(group, now);
        self.submit_jobs();
    }

    /// Submits jobs to the writer while its queue has room.
    pub(super) fn submit_jobs(&mut self) {
        while let Some(job) = self.commits.poll_job() {
            if let Err(Full(job)) = self.worker.try_submit(job) {
                // The report of an earlier job starts the next turn.
                return self.commits.requeue(job);
            }
        }
    }
}
