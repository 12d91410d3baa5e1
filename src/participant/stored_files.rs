//! The files of a participant and their threads: the message log and the outbox file.

use std::time::Duration;

use super::batched_worker::BatchedWorker;
use super::message_log::{EntrySink, LogBatch, LogReport};
use super::outbox_file::{OutboxFile, OutboxJob, OutboxReport};
use crate::session::OutboxEntry;
use crate::time::UnixMillis;

/// The message log, and the outbox file if there is one.
pub(super) struct StoredFiles {
    log: BatchedWorker<EntrySink>,
    outbox: Option<BatchedWorker<OutboxFile>>,
}

impl StoredFiles {
    pub(super) fn new(
        log: BatchedWorker<EntrySink>,
        outbox: Option<BatchedWorker<OutboxFile>>,
    ) -> Self {
        Self { log, outbox }
    }

    /// Returns the jobs of the message log that are not submitted yet.
    pub(super) fn log(&mut self) -> &mut LogBatch {
        self.log.waiting_mut()
    }

    /// Queues an entry for the outbox file.
    pub(super) fn store(&mut self, entry: OutboxEntry, now: UnixMillis) {
        self.push_outbox(OutboxJob::Store(entry, now));
    }

    /// Queues another try to write the outbox file.
    pub(super) fn retry_outbox(&mut self) {
        self.push_outbox(OutboxJob::Retry);
    }

    fn push_outbox(&mut self, job: OutboxJob) {
        if let Some(outbox) = &mut self.outbox {
            outbox.waiting_mut().push(job);
        }
    }

    /// Submits all jobs to the threads, as far as these have room.
    pub(super) fn hand_over(&mut self) {
        self.log.hand_over();
        if let Some(outbox) = &mut self.outbox {
            outbox.hand_over();
        }
    }

    /// Returns the results of finished jobs of the message log.
    pub(super) fn log_reports(&self) -> Vec<LogReport> {
        self.log.completions()
    }

    /// Returns the results of finished jobs of the outbox file.
    pub(super) fn outbox_reports(&self) -> Vec<OutboxReport> {
        self.outbox.as_ref().map(BatchedWorker::completions).unwrap_or_default()
    }

    /// Waits until all jobs are done, at most `wait` for each file. Returns false if one is not.
    pub(super) fn close(&self, wait: Duration) -> bool {
        let is_log_written = self.log.close(wait);
        if !is_log_written {
            log::error!("the last entries of the message log could not be written in time");
        }
        let is_outbox_written = self.outbox.as_ref().is_none_or(|outbox| outbox.close(wait));
        if !is_outbox_written {
            log::error!("the last entries of the outbox could not be written in time");
        }
        is_log_written && is_outbox_written
    }
}
