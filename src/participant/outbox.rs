//! What a turn leaves for a worker, handed over at its end, or later if the worker is behind.

use std::time::Duration;

use super::message_log::LogBatch;
use crate::net::{Full, Sink, Worker};

/// What grows: text, orders.
pub(super) trait Batch: Default {
    fn is_empty(&self) -> bool;
}

impl Batch for String {
    fn is_empty(&self) -> bool {
        self.is_empty()
    }
}

impl Batch for LogBatch {
    fn is_empty(&self) -> bool {
        self.is_empty()
    }
}

/// A worker and what waits for it. One job a turn: many small pieces become one system call.
#[derive(Debug)]
pub(super) struct Outbox<S: Sink> {
    worker: Worker<S>,
    pub(super) waiting: S::Job,
}

impl<S: Sink> Outbox<S>
where
    S::Job: Batch,
{
    pub(super) fn new(worker: Worker<S>) -> Self {
        Self { worker, waiting: S::Job::default() }
    }

    /// Hands over what waits, if there is room for it.
    pub(super) fn hand_over(&mut self) {
        if self.waiting.is_empty() {
            self.waiting = S::Job::default(); // Who has nothing to say owns no memory.
            return;
        }
        if let Err(Full(job)) = self.worker.try_submit(std::mem::take(&mut self.waiting)) {
            self.waiting = job; // A completion brings us back.
        }
    }

    /// What came of it.
    pub(super) fn completions(&self) -> Vec<S::Done> {
        self.worker.completions()
    }

    /// Waits until what was handed over is done, or for as long as `wait`.
    pub(super) fn close(&self, wait: Duration) -> bool {
        self.worker.close(wait)
    }
}
