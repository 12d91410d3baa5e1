//! A failure of the journal, and its retries.

use crate::journal::disk::notice::JournalNotice;
use crate::limits::JOURNAL_RETRY_MS;
use crate::time::Millis;

/// State of the journal after a failed write or sync.
#[derive(Debug, Default)]
pub(super) struct Failure {
    /// `None` if the journal can be written.
    retry: Option<Retry>,
    /// Reason of the failure that was reported last.
    reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Retry {
    /// Time of the next retry.
    At(Millis),
    /// Commit of the retry that is in progress.
    Trying(u64),
}

impl Failure {
    /// Returns true if the journal fails.
    pub(super) fn is_failing(&self) -> bool {
        self.retry.is_some()
    }

    /// Returns true if the next retry has not begun yet.
    pub(super) fn waits(&self) -> bool {
        matches!(self.retry, Some(Retry::At(_)))
    }

    /// Returns true if a retry is due.
    pub(super) fn is_retry_due(&self, now: Millis) -> bool {
        matches!(self.retry, Some(Retry::At(at)) if at <= now)
    }

    /// Returns the time of the next retry.
    pub(super) fn deadline(&self) -> Option<Millis> {
        match self.retry {
            Some(Retry::At(at)) => Some(at),
            Some(Retry::Trying(_)) | None => None,
        }
    }

    /// Returns true if a failure of this commit is older than the retry that is in progress.
    pub(super) fn is_outdated(&self, failed: u64) -> bool {
        matches!(self.retry, Some(Retry::Trying(commit)) if failed < commit)
    }

    /// Begins a retry with this commit.
    pub(super) fn try_again(&mut self, commit: u64) {
        self.retry = Some(Retry::Trying(commit));
    }

    /// Schedules the next retry, at once.
    pub(super) fn retry_now(&mut self, now: Millis) {
        self.retry = Some(Retry::At(now));
    }

    /// Schedules the next retry, after a pause.
    pub(super) fn retry_later(&mut self, now: Millis) {
        self.retry = Some(Retry::At(now.plus(JOURNAL_RETRY_MS)));
    }

    /// Handles the success of the commits up to `done`. Returns true if it ends the failure.
    pub(super) fn end(&mut self, done: u64) -> bool {
        let has_ended = matches!(self.retry, Some(Retry::Trying(commit)) if commit <= done);
        if has_ended {
            self.retry = None;
        }
        has_ended
    }

    /// Returns the notice of a failure, once for each reason.
    pub(super) fn notice(&mut self, reason: String) -> Option<JournalNotice> {
        let is_new = !self.is_failing();
        if !is_new && (reason.is_empty() || reason == self.reason) {
            return None;
        }
        self.reason.clone_from(&reason);
        Some(JournalNotice::CannotWrite(reason))
    }
}
