//! The journal at work: its keeper on the loop, its scribe on a thread.

use std::io;
use std::time::Duration;

use mio::Registry;

use super::keeping::{Keeper, Opened, Progress, Scribe};
use crate::event_loop::{Full, Pool, Worker};
use crate::group::Group;
use crate::journal::{Directory, Salt};
use crate::limits::{JOURNAL_CLOSE_MS, JOURNAL_QUEUE_MAX};
use crate::time::{Millis, Now};

/// Both sides, and the way between them.
#[derive(Debug)]
pub(super) struct Journal {
    pub(super) keeper: Keeper,
    worker: Worker<Scribe<Directory>>,
}

impl Journal {
    /// Sends the scribe to work, on a thread that wakes the loop of `registry`.
    pub(super) fn start(
        opened: Opened<Directory>,
        registry: &Registry,
    ) -> io::Result<(Group, Self)> {
        let Opened { group, keeper, scribe } = opened;
        let worker = Pool::new(registry)?.attach("journal", JOURNAL_QUEUE_MAX, scribe)?;
        Ok((group, Self { keeper, worker }))
    }

    /// What the worker has done since the last call.
    pub(super) fn take_completions(&mut self, now: Millis) -> Progress {
        let mut progress = Progress::default();
        for written in self.worker.completions() {
            self.keeper.take(written, now, &mut progress);
        }
        progress
    }

    /// The end of a turn: hands over what was decided in it.
    pub(super) fn commit(&mut self, group: &mut Group, now: Now) {
        self.keeper.commit(group, now, || getrandom::u64().map(Salt).ok());
        self.hand_over();
    }

    /// The end: `false` if it could not be written in time.
    pub(super) fn close(&mut self, group: &mut Group, now: Now) -> bool {
        self.keeper.close(group, now);
        self.hand_over();
        self.worker.close(Duration::from_millis(JOURNAL_CLOSE_MS))
    }

    fn hand_over(&mut self) {
        while let Some(job) = self.keeper.poll_job() {
            if let Err(Full(job)) = self.worker.try_submit(job) {
                return self.keeper.take_back(job); // What is done before it brings the next turn.
            }
        }
    }
}
