//! The journal at work: its keeper on the loop, its scribe on a thread.

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

/// Both sides, and the way between them.
#[derive(Debug)]
pub(super) struct Journal {
    pub(super) commits: Commits,
    worker: Worker<SegmentWriter<Directory>>,
}

impl Journal {
    /// Sends the scribe to work, on a thread that wakes the loop of `registry`.
    pub(super) fn start(
        opened: OpenedJournal<Directory>,
        registry: &Registry,
    ) -> io::Result<(Group, Self)> {
        let OpenedJournal { group, commits, writer } = opened;
        let worker = Pool::new(registry)?.attach("journal", JOURNAL_QUEUE_MAX, writer)?;
        Ok((group, Self { commits, worker }))
    }

    /// What the worker has done since the last call.
    pub(super) fn take_completions(&mut self, now: Millis) -> Progress {
        let mut progress = Progress::default();
        for written in self.worker.completions() {
            self.commits.take(written, now, &mut progress);
        }
        progress
    }

    /// The end of a turn: hands over what was decided in it.
    pub(super) fn commit(&mut self, group: &mut Group, now: Now) {
        self.commits.commit(group, now, || getrandom::u64().map(Salt).ok());
        self.submit_jobs();
    }

    /// Hands over what is still to be told: see [`Commits::end`].
    pub(super) fn close(&mut self, group: &mut Group, now: Now) {
        self.commits.close(group, now);
        self.submit_jobs();
    }

    /// Hands over what the keeper has for the worker, as far as that has room.
    pub(super) fn submit_jobs(&mut self) {
        while let Some(job) = self.commits.poll_job() {
            if let Err(Full(job)) = self.worker.try_submit(job) {
                return self.commits.requeue(job); // What is done before it brings the next turn.
            }
        }
    }
}

impl Coordinator {
    /// Learns from the journal what may be confirmed and sent.
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

    /// Tells the group when as much waits for the disk as may, and when less does again.
    pub(super) fn report_fullness(&mut self, now: Now) {
        if let Some(journal) = &mut self.journal
            && let Some(is_full) = journal.commits.take_fullness()
        {
            if is_full {
                let bytes = journal.commits.waiting_bytes();
                log::warn!(
                    "journal: the disk is slow: {bytes} bytes wait for it; until fewer wait, \
                     requests that must be written down get ERR 506"
                );
            }
            self.group.handle(Input::JournalFull(is_full), now);
        }
    }

    /// Hands to the journal what was decided in this turn.
    pub(super) fn commit_turn(&mut self, now: Now) {
        match &mut self.journal {
            Some(journal) => journal.commit(&mut self.group, now),
            None if self.group.decided_epoch() != self.group.epoch() => self.begin_epoch(now),
            None => (),
        }
    }

    /// The end: tells the journal what it still has to be told, and waits for that until the
    /// shutdown has had its time, or a second signal comes.
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
