//! The entries on their way into the outbox file. A text is sent after its entries are written.

use super::output::SessionOutput;
use super::{Notice, OutboxEntry, OutboxNotice, SessionEffect};
use crate::limits::LOG_RETRY_MS;
use crate::protocol::Epoch;
use crate::time::Millis;

/// Entries handed to the shell, and how many of them are written. The shell writes them in order.
#[derive(Debug, Default)]
pub(super) struct OutboxStore {
    handed_over: u64,
    written: u64,
    /// The shell tries again to write the entries at this time.
    retry_at: Option<Millis>,
    is_failing: bool,
    /// Epoch that the file names for the numbers to come.
    epoch: Option<Epoch>,
    /// True if the file says that a `register` was asked for.
    is_register_asked: bool,
}

impl OutboxStore {
    /// Creates one for a file that names this epoch, and perhaps a `register` after it.
    pub(super) fn new(epoch: Option<Epoch>, is_register_asked: bool) -> Self {
        Self { epoch, is_register_asked, ..Self::default() }
    }

    /// Notes in the file that a `register` is asked for.
    pub(super) fn mark_register(&mut self, output: &mut SessionOutput) {
        if !std::mem::replace(&mut self.is_register_asked, true) {
            self.push(OutboxEntry::Register { is_refused: false }, output);
        }
    }

    /// Notes in the file that the coordinator has refused the `register`.
    pub(super) fn unmark_register(&mut self, output: &mut SessionOutput) {
        if std::mem::take(&mut self.is_register_asked) {
            self.push(OutboxEntry::Register { is_refused: true }, output);
        }
    }

    /// Names the epoch of the numbers to come, if the file names another one, or if the numbers
    /// that it has `are_over`. No `register` is asked for any more.
    pub(super) fn name_epoch(
        &mut self,
        epoch: Option<Epoch>,
        are_over: bool,
        output: &mut SessionOutput,
    ) {
        let was_register_asked = std::mem::take(&mut self.is_register_asked);
        if are_over || was_register_asked || self.epoch != epoch {
            self.epoch = epoch;
            self.push(OutboxEntry::Epoch { epoch }, output);
        }
    }

    /// Hands an entry to the shell. Returns its position.
    pub(super) fn push(&mut self, entry: OutboxEntry, output: &mut SessionOutput) -> u64 {
        self.handed_over = self.handed_over.saturating_add(1);
        output.push(SessionEffect::Store(entry));
        self.handed_over
    }

    /// Returns true if the entry with this position is written, with all entries before it.
    pub(super) const fn is_written(&self, position: u64) -> bool {
        position <= self.written
    }

    /// Returns true if all entries are written.
    pub(super) const fn is_all_written(&self) -> bool {
        self.written == self.handed_over
    }

    /// Returns true if the last write has failed.
    pub(super) const fn is_failing(&self) -> bool {
        self.is_failing
    }

    pub(super) const fn retry_at(&self) -> Option<Millis> {
        self.retry_at
    }

    /// The oldest unwritten entries are written now.
    pub(super) fn on_written(&mut self, entries: usize, output: &mut SessionOutput) {
        self.written = self.written.saturating_add(entries as u64);
        if std::mem::take(&mut self.is_failing) {
            output.show(Notice::Outbox(OutboxNotice::Recovered));
        }
        self.check();
    }

    /// The unwritten entries could not be written. The first failure is shown.
    pub(super) fn on_failed(&mut self, reason: &str, output: &mut SessionOutput, now: Millis) {
        if !std::mem::replace(&mut self.is_failing, true) {
            output.show(Notice::Outbox(OutboxNotice::Failed { reason: reason.into() }));
        }
        self.retry_at = Some(now.plus(LOG_RETRY_MS));
    }

    /// Starts another try to write, if it is due.
    pub(super) fn retry(&mut self, output: &mut SessionOutput, now: Millis) {
        if self.retry_at.is_some_and(|at| at <= now) {
            self.retry_at = None;
            output.push(SessionEffect::RetryOutbox);
        }
    }

    /// # Panics
    ///
    /// If more is written than was handed over: a bug in this module, or in the shell.
    pub(super) fn check(&self) {
        assert!(self.written <= self.handed_over, "an entry is written once");
    }
}
