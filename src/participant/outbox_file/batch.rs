//! The jobs of the outbox file's thread.

use crate::session::OutboxEntry;
use crate::time::UnixMillis;

/// A job for the thread of the outbox file.
#[derive(Debug)]
pub enum OutboxJob {
    /// Write this entry, which was made at this time.
    Store(OutboxEntry, UnixMillis),
    /// Try again to write the entries that could not be written.
    Retry,
}

/// The jobs of a turn: one write.
#[derive(Debug, Default)]
pub struct OutboxBatch {
    jobs: Vec<OutboxJob>,
}

impl OutboxBatch {
    /// Adds a job behind the others.
    pub fn push(&mut self, job: OutboxJob) {
        self.jobs.push(job);
    }

    /// Returns true if there is no job.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }
}

impl IntoIterator for OutboxBatch {
    type Item = OutboxJob;
    type IntoIter = std::vec::IntoIter<OutboxJob>;

    fn into_iter(self) -> Self::IntoIter {
        self.jobs.into_iter()
    }
}

/// Result of a batch of jobs.
#[derive(Debug, Default)]
pub struct OutboxReport {
    /// Number of entries that were written, the oldest first.
    pub written: usize,
    /// Error, if entries are still unwritten.
    pub failure: Option<String>,
    /// Lines for the user about the file.
    pub notes: Vec<String>,
    /// True if the file has lost entries since it was opened, or before.
    pub is_damaged: bool,
}
