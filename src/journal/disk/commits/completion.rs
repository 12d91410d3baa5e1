//! Handles the reports of the writer: commits that are done, durable or failed.

use super::{Commits, Failing, Progress};
use crate::journal::disk::{JournalNotice, WriterReport};
use crate::limits::SyncPolicy;
use crate::protocol::Seq;
use crate::time::Millis;

impl Commits {
    /// Handles the report of a batch. Reports must come in the order of the batches.
    pub fn take(&mut self, written: WriterReport, now: Millis, progress: &mut Progress) {
        let WriterReport { done, failed, synced, issue, syncs, has_synced, .. } = written;
        let WriterReport { removed, kept, missing, unremoved, .. } = written;
        progress.notices.extend(unremoved);
        syncs.into_iter().for_each(|took| self.metrics.record_sync(took));
        self.finished = self.finished.max(done.max(failed).unwrap_or_default());
        self.waiting.release(self.finished);
        self.is_syncing &= !has_synced;
        if removed.iter().any(|serial| self.closed.front().is_some_and(|it| it.serial == *serial)) {
            self.closed.pop_front();
            self.is_removing = false;
        }
        self.is_removing &= kept.is_empty();
        if let Some(done) = done {
            self.finish(done, progress); // After a failure, it replaces the failed commits.
        }
        self.mark_synced(done, synced);
        self.on_missing(&missing);
        let Some(failed) = failed else { return };
        if let Some(Failing::Trying(commit)) = self.failing
            && failed < commit
        {
            return; // The failure is older than the current retry.
        }
        if done.is_some_and(|done| done > failed) {
            return;
        }
        self.metrics.failures = self.metrics.failures.saturating_add(1);
        let is_new = self.failing.is_none();
        self.report_failure(issue.unwrap_or_default(), is_new, progress);
        if is_new {
            progress.fails = Some(true);
            self.sync_at = None;
        }
        if is_new || !missing.is_empty() {
            self.failing = Some(Failing::RetryAt(now)); // At once, with a new segment.
        } else {
            self.retry_later(now);
        }
    }

    /// Reports that the journal fails, once for each reason.
    fn report_failure(&mut self, issue: String, is_new: bool, progress: &mut Progress) {
        if is_new || !issue.is_empty() && issue != self.reason {
            progress.notices.push(JournalNotice::CannotWrite(issue.clone()));
            self.reason = issue;
        }
    }

    /// Removes missing segments. All messages of the history must then be written again.
    fn on_missing(&mut self, missing: &[u64]) {
        if missing.is_empty() {
            return;
        }
        self.durable = Seq::ZERO;
        self.closed.retain(|closed| !missing.contains(&closed.serial));
        if missing.contains(&self.segment.serial) {
            self.segment.start_commit = u64::MAX; // The segment is gone.
        }
        self.is_removing = false;
    }

    fn mark_synced(&mut self, done: Option<u64>, synced: Option<u64>) {
        // With `sync=never` a written record is as durable as it ever gets.
        let finished = if self.options.sync == SyncPolicy::Never { done } else { synced };
        while let (Some((commit, _)), Some(finished)) = (self.deregistered.front(), finished)
            && *commit <= finished
        {
            self.deregistered.pop_front();
        }
        if let Some(commit) = synced {
            self.synced = self.synced.max(commit);
            let known = [
                (self.done.0, self.done.1.last),
                (self.segment.start_commit, self.segment.recorded_durable),
                (self.covered.0, self.covered.1.last),
            ];
            for (_, last) in known.into_iter().filter(|(covered, _)| *covered <= commit) {
                self.durable = self.durable.max(last);
            }
        }
    }

    fn finish(&mut self, done: u64, progress: &mut Progress) {
        while let Some(&(commit, position)) = self.commits.front()
            && commit <= done
        {
            self.commits.pop_front();
            self.done = (commit, position);
            self.metrics.commits = self.metrics.commits.saturating_add(1);
        }
        if let Some(Failing::Trying(commit)) = self.failing
            && commit <= done
        {
            progress.notices.push(JournalNotice::CanWriteAgain);
            self.failing = None;
            progress.fails = Some(false);
        }
        self.new_epoch.take_if(|(commit, _)| *commit <= self.done.0);
        progress.done = Some(self.done.1);
    }
}
