//! The journal of the running coordinator: [`Commits`] on the loop, the segment writer on a thread.

use std::io;

use mio::{Events, Registry};

use super::CoordinatorError;
use super::journaling::{Commits, JournalEnd, OpenedJournal, Progress, SegmentWriter};
use super::server::Coordinator;
use crate::group::{Group, Input};
use crate::journal::{Directory, Salt};
use crate::limits::JOURNAL_QUEUE_MAX;
use crate::net::{Full, Pool, Signal, Worker, wait};
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

impl Coordinator {
    /// Passes new commits to the group, and releases their replies and deliveries.
    pub(super) fn take_committed(&mut self, now: Now) {
        let Some(journal) = &mut self.journal else { return };
        let Progress { done, fails, new_epoch } = journal.take_completions(now.steady);
        if let Some(fails) = fails {
            self.group.handle(Input::JournalFails(fails), now);
        }
        if new_epoch {
            self.begin_epoch(now);
        }
        if let Some((commit, through)) = done {
            self.group.handle(Input::Committed { through }, now);
            self.release_replies(commit);
        }
        self.report_fullness(now);
    }

    /// Reports a change of [`Commits::take_fullness`] to the group.
    pub(super) fn report_fullness(&mut self, now: Now) {
        if let Some(journal) = &mut self.journal
            && let Some(is_full) = journal.commits.take_fullness()
        {
            if is_full {
                let bytes = journal.commits.waiting_bytes();
                log::warn!(
                    "journal: the disk is slow: {bytes} bytes wait for it; until fewer bytes wait, \
                     requests that need the journal get ERR 506"
                );
            }
            self.group.handle(Input::JournalFull(is_full), now);
        }
    }

    /// Submits the facts of this turn to the journal.
    pub(super) fn commit_turn(&mut self, now: Now) {
        match &mut self.journal {
            Some(journal) => journal.commit(&mut self.group, now),
            None if self.group.decided_epoch() != self.group.epoch() => self.begin_epoch(now),
            None => (),
        }
    }

    /// Writes the end of the journal. Waits for it until the shutdown timeout or a second signal.
    pub(super) fn close_journal(&mut self, events: &mut Events) -> Result<(), CoordinatorError> {
        let Some(journal) = &mut self.journal else { return Ok(()) };
        let ends_at = self.shutdown.map_or(Millis::ZERO, |shutdown| shutdown.ends_at);
        journal.close(&mut self.group, self.clock.now());
        loop {
            let now = self.clock.now().steady;
            let _ = journal.take_completions(now);
            match journal.commits.end() {
                JournalEnd::Written => return Ok(()),
                JournalEnd::Pending if now < ends_at => journal.submit_jobs(),
                JournalEnd::Pending | JournalEnd::Failed => {
                    let bytes = journal.commits.waiting_bytes();
                    let directory = self.config.data_dir.clone().unwrap_or_default();
                    return Err(CoordinatorError::Unwritten(directory, bytes));
                }
            }
            wait(&mut self.poll, events, now, Some(ends_at)).map_err(CoordinatorError::poll)?;
            if self.signals.drain().iter().any(|signal| *signal != Signal::Hangup) {
                return Err(CoordinatorError::CutShort);
            }
        }
    }
}
