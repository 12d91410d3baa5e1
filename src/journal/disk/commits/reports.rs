//! Handles the reports of the writer, and reports the state of the journal.

use super::{Commits, JournalEnd, Progress};
use crate::journal::disk::metrics::{JournalMetrics, JournalStats};
use crate::journal::disk::{JournalNotice, WriterReport};
use crate::time::Millis;

impl Commits {
    /// Handles the report of a batch. Reports must come in the order of the batches.
    pub fn take(&mut self, written: WriterReport, now: Millis, progress: &mut Progress) {
        let WriterReport { done, failed, synced, issue, syncs, has_synced, .. } = written;
        let WriterReport { removed, kept, missing, unremoved, .. } = written;
        progress.notices.extend(unremoved);
        syncs.into_iter().for_each(|took| self.metrics.record_sync(took));
        self.queue.release(done.max(failed).unwrap_or_default());
        if has_synced {
            self.durability.on_sync_end();
        }
        self.segments.on_removal(&removed, !kept.is_empty());
        if let Some(done) = done {
            self.finish(done, progress); // After a failure, it replaces the failed commits.
        }
        let (finished, start) = (self.queue.done(), self.segments.open());
        let known = [(finished.0, finished.1.last), (start.start_commit, start.recorded_durable)];
        self.durability.on_synced(done, synced, known);
        if !missing.is_empty() {
            self.durability.lose_all();
            self.segments.on_missing(&missing);
        }
        let Some(failed) = failed else { return };
        if self.failure.is_outdated(failed) || done.is_some_and(|done| done > failed) {
            return;
        }
        self.metrics.failures = self.metrics.failures.saturating_add(1);
        progress.notices.extend(self.failure.notice(issue.unwrap_or_default()));
        let is_new = !self.failure.is_failing();
        if is_new {
            progress.fails = Some(true);
            self.durability.cancel_sync();
        }
        if is_new || !missing.is_empty() {
            self.failure.retry_now(now); // With a new segment.
        } else {
            self.failure.retry_later(now);
        }
    }

    fn finish(&mut self, done: u64, progress: &mut Progress) {
        let count = self.queue.finish(done);
        self.metrics.commits = self.metrics.commits.saturating_add(count);
        if self.failure.end(done) {
            progress.notices.push(JournalNotice::CanWriteAgain);
            progress.fails = Some(false);
        }
        let (commit, position) = self.queue.done();
        self.new_epoch.take_if(|(epoch_commit, _)| *epoch_commit <= commit);
        progress.done = Some(position);
    }

    /// Returns the outcome of [`Commits::close`].
    #[must_use]
    pub fn end(&self) -> JournalEnd {
        match self.closing {
            Some(_) if self.failure.is_failing() => JournalEnd::Failed,
            Some(closing) if closing <= self.queue.done().0 => JournalEnd::Written,
            Some(_) => JournalEnd::Pending,
            None => JournalEnd::Failed,
        }
    }

    /// Returns true if all facts are committed.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.records.is_empty()
    }

    /// Returns true if the writer must start a segment, for which it may need a file.
    #[must_use]
    pub fn is_starting_segment(&self) -> bool {
        self.segments.open().start_commit > self.queue.done().0
    }

    /// Returns the time at which the journal has something to do without new facts.
    #[must_use]
    pub fn deadline(&self) -> Option<Millis> {
        if self.failure.is_failing() {
            return self.failure.deadline();
        }
        let removal = self.segments.removal_at(self.queue.done().0);
        let (sync, cursors) = (self.durability.deadline(), self.cursor_flush.deadline());
        [sync, cursors, removal, self.checks.deadline()].into_iter().flatten().min()
    }

    /// Returns the bytes of records that are not written yet.
    #[must_use]
    pub fn waiting_bytes(&self) -> usize {
        self.queue.unwritten_bytes().saturating_add(self.records.bytes())
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiting_bytes() >= self.options.waiting_bytes_max
    }

    /// Returns true if the waiting bytes have reached their limit, false if they have fallen below
    /// it, and `None` if this has not changed since the last call.
    pub fn take_fullness(&mut self) -> Option<bool> {
        let is_full = self.is_full();
        self.queue.report_fullness(is_full).then_some(is_full)
    }

    /// Returns the state of the journal in numbers.
    #[must_use]
    pub fn stats(&self) -> JournalStats<'_> {
        let (bytes, segments) = self.segments.size(self.queue.done().0);
        let JournalMetrics { commits, failures, ref syncs, ref commit_bytes } = self.metrics;
        JournalStats {
            bytes,
            segments,
            commits,
            failures,
            is_failing: self.failure.is_failing(),
            waiting_bytes: self.waiting_bytes(),
            waiting_bytes_max: self.options.waiting_bytes_max,
            syncs,
            commit_bytes,
        }
    }
}
