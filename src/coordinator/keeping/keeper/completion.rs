//! What came of the jobs: what is done, what is safe, and what has to be written anew.

use super::{Failing, Keeper, Progress};
use crate::coordinator::keeping::Written;
use crate::limits::Sync;
use crate::time::Millis;

impl Keeper {
    /// Learns what came of a batch of jobs, in the order of the batches.
    pub fn take(&mut self, written: Written, now: Millis, progress: &mut Progress) {
        let Written { done, failed, synced, trouble, syncs, has_synced, removed, kept } = written;
        syncs.into_iter().for_each(|took| self.tally.note_sync(took));
        self.settled = self.settled.max(done.max(failed).unwrap_or_default());
        self.waiting.settle(self.settled);
        self.is_syncing &= !has_synced;
        if removed.iter().any(|serial| self.closed.front().is_some_and(|it| it.serial == *serial)) {
            self.closed.pop_front();
            self.is_removing = false;
        }
        self.is_removing &= kept.is_empty();
        if let Some(done) = done {
            self.finish(done, progress); // If it came after a failure, it made up for it.
        }
        self.note_synced(done, synced);
        let Some(failed) = failed else { return };
        if let Some(Failing::Trying(commit)) = self.failing
            && failed < commit
        {
            return; // Of before the try that is under way.
        }
        if done.is_some_and(|done| done > failed) {
            return;
        }
        self.tally.failures += 1;
        if self.failing.is_none() {
            progress.fails = Some(true);
            let trouble = trouble.unwrap_or_default();
            log::error!("the journal cannot be written, nothing is accepted: {trouble}");
            self.sync_at = None;
            self.failing = Some(Failing::RetryAt(now)); // At once, to a fresh segment.
        } else {
            self.retry_later(now);
        }
    }

    fn note_synced(&mut self, done: Option<u64>, synced: Option<u64>) {
        // With `never`, what is written is as safe as it will be.
        let settled = if self.terms.sync == Sync::Never { done } else { synced };
        while let (Some((commit, _)), Some(settled)) = (self.deregistered.front(), settled)
            && *commit <= settled
        {
            self.deregistered.pop_front();
        }
        if let Some(commit) = synced {
            self.synced = self.synced.max(commit);
            let known = [self.done, (self.segment.begun, self.segment.noted_safe), self.covered];
            for (_, last) in known.into_iter().filter(|(covered, _)| *covered <= commit) {
                self.safe = self.safe.max(last);
            }
        }
    }

    fn finish(&mut self, done: u64, progress: &mut Progress) {
        while let Some(&(commit, last)) = self.commits.front()
            && commit <= done
        {
            self.commits.pop_front();
            self.done = (commit, last);
            self.tally.commits += 1;
        }
        if let Some(Failing::Trying(commit)) = self.failing
            && commit <= done
        {
            log::info!("the journal can be written again");
            self.failing = None;
            progress.fails = Some(false);
        }
        progress.done = Some(self.done);
    }
}
