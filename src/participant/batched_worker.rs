//! Collects the jobs of a turn for a worker thread. They are submitted at the end of the turn, or
//! later if the worker's queue is full.

use std::time::Duration;

use super::message_log::LogBatch;
use super::outbox_file::OutboxBatch;
use crate::net::{Full, Sink, Worker};

/// A collection of jobs: text to print, or jobs of the message log or of the outbox file.
pub(super) trait Batch: Default {
    fn is_empty(&self) -> bool;
}

impl Batch for LogBatch {
    fn is_empty(&self) -> bool {
        self.is_empty()
    }
}

impl Batch for OutboxBatch {
    fn is_empty(&self) -> bool {
        self.is_empty()
    }
}

/// A worker and the jobs for it. All jobs of a turn are one batch, and so one system call.
#[derive(Debug)]
pub(super) struct BatchedWorker<S: Sink> {
    worker: Worker<S>,
    waiting: S::Job,
}

impl<S: Sink> BatchedWorker<S>
where
    S::Job: Batch,
{
    pub(super) fn new(worker: Worker<S>) -> Self {
        Self { worker, waiting: S::Job::default() }
    }

    /// Returns the batch that is not submitted yet.
    #[inline]
    pub(super) fn waiting(&self) -> &S::Job {
        &self.waiting
    }

    /// Returns the batch to which jobs are added.
    #[inline]
    pub(super) fn waiting_mut(&mut self) -> &mut S::Job {
        &mut self.waiting
    }

    /// Submits the waiting batch, if the worker's queue has room.
    pub(super) fn hand_over(&mut self) {
        if self.waiting.is_empty() {
            self.waiting = S::Job::default(); // An idle worker keeps no memory.
            return;
        }
        if let Err(Full(job)) = self.worker.try_submit(std::mem::take(&mut self.waiting)) {
            self.waiting = job; // A completion wakes the loop.
        }
    }

    /// Returns the results of finished batches.
    pub(super) fn completions(&self) -> Vec<S::Done> {
        self.worker.completions()
    }

    /// Waits until all submitted batches are done, at most `wait`.
    pub(super) fn close(&self, wait: Duration) -> bool {
        self.worker.close(wait)
    }
}
