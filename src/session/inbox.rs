//! The entries on their way into the message log: each number is taken once, and may be
//! acknowledged when it is written.
//!
//! ```text
//!                         acked                 written           last
//!   numbers ────────────────┴─────────────────────┴─────────────────┴────────────>
//!              acknowledged   may be acknowledged    being written     not taken
//! ```

use std::collections::VecDeque;

use super::output::SessionOutput;
use super::{LogEntry, LogPosition, Notice, SessionEffect};
use crate::limits::{LOG_RETRY_MS, UNWRITTEN_BYTES_MAX, UNWRITTEN_ENTRIES_MAX};
use crate::protocol::{Seq, Since};
use crate::time::Millis;

/// The entries that were taken and are not written yet.
#[derive(Debug)]
pub(super) struct Inbox {
    log_position: LogPosition,
    /// Last written number of the epoch. It counts only if no start of an epoch is unwritten.
    written: Seq,
    unwritten: VecDeque<UnwrittenEntry>,
    bytes: usize,
    /// Number of starts of epochs among the unwritten entries.
    epochs: usize,
    failure: Option<LogFailure>,
}

#[derive(Clone, Copy, Debug)]
struct UnwrittenEntry {
    bytes: usize,
    mark: EntryMark,
}

#[derive(Clone, Copy, Debug)]
enum EntryMark {
    Number(Seq),
    Epoch,
}

/// A failed write of the log.
#[derive(Clone, Copy, Debug)]
struct LogFailure {
    /// Time of the next attempt; `None` while one is under way.
    retry_at: Option<Millis>,
}

impl Inbox {
    pub(super) const fn new(log_position: LogPosition) -> Self {
        Self {
            log_position,
            written: log_position.last,
            unwritten: VecDeque::new(),
            bytes: 0,
            epochs: 0,
            failure: None,
        }
    }

    pub(super) const fn log_position(&self) -> LogPosition {
        self.log_position
    }

    /// Returns the number of entries that are not written yet.
    pub(super) fn unwritten(&self) -> usize {
        self.unwritten.len()
    }

    /// Returns true if one more entry may be taken.
    pub(super) fn has_room(&self) -> bool {
        self.unwritten.len() < UNWRITTEN_ENTRIES_MAX && self.bytes < UNWRITTEN_BYTES_MAX
    }

    /// Returns true if all entries are written.
    pub(super) fn is_all_written(&self) -> bool {
        self.unwritten.is_empty()
    }

    /// Returns true if the last write of the log failed.
    pub(super) fn is_failing(&self) -> bool {
        self.failure.is_some()
    }

    /// Returns the cursor for a `reconnect`: the last written number. The coordinator may forget
    /// everything up to this number.
    pub(super) fn since(&self) -> Option<Since> {
        let seq = self.durable().filter(|seq| *seq > Seq::ZERO)?;
        Some(Since { epoch: self.log_position.epoch?, seq })
    }

    /// Returns the last written number of this epoch.
    pub(super) fn durable(&self) -> Option<Seq> {
        (self.epochs == 0).then_some(self.written)
    }

    pub(super) fn retry_at(&self) -> Option<Millis> {
        self.failure.and_then(|failure| failure.retry_at)
    }

    pub(super) fn retry_is_due(&mut self, now: Millis) -> bool {
        let is_due = self.retry_at().is_some_and(|at| at <= now);
        if is_due {
            self.failure = Some(LogFailure { retry_at: None });
        }
        is_due
    }

    /// Takes an entry, and hands it to the log.
    pub(super) fn append(&mut self, entry: LogEntry, output: &mut SessionOutput) {
        self.take(&entry);
        output.push(SessionEffect::Append(entry));
    }

    fn take(&mut self, entry: &LogEntry) {
        let mark = match entry {
            LogEntry::Message(message) => EntryMark::Number(message.seq()),
            LogEntry::Gap(gap) => EntryMark::Number(gap.last),
            LogEntry::Epoch(epoch) => {
                self.log_position.epoch = Some(*epoch);
                EntryMark::Epoch
            }
        };
        match mark {
            EntryMark::Number(seq) => self.log_position.last = seq,
            EntryMark::Epoch => {
                self.log_position.last = Seq::ZERO;
                self.epochs = self.epochs.saturating_add(1);
            }
        }
        let bytes = entry.bytes();
        self.bytes = self.bytes.saturating_add(bytes);
        self.unwritten.push_back(UnwrittenEntry { bytes, mark });
    }

    /// Handles a successful write of the oldest entries.
    pub(super) fn on_written(&mut self, entries: usize, output: &mut SessionOutput) {
        self.remove_written(entries);
        if self.failure.take().is_some() {
            output.show(Notice::LogRecovered);
        }
    }

    /// Handles a failed write: the shell keeps the entries, and tries again after a pause.
    pub(super) fn on_failed(&mut self, reason: &str, output: &mut SessionOutput, now: Millis) {
        let retry_at = Some(now.plus(LOG_RETRY_MS));
        if self.failure.replace(LogFailure { retry_at }).is_none() {
            output.show(Notice::LogFailed { reason: reason.into() });
        }
    }

    fn remove_written(&mut self, entries: usize) {
        for _ in 0..entries {
            let Some(UnwrittenEntry { bytes, mark }) = self.unwritten.pop_front() else { return };
            self.bytes = self.bytes.saturating_sub(bytes);
            match mark {
                EntryMark::Number(seq) => self.written = seq,
                EntryMark::Epoch => {
                    self.written = Seq::ZERO;
                    self.epochs = self.epochs.saturating_sub(1);
                }
            }
        }
    }

    pub(super) fn check(&self) {
        assert!(self.epochs <= self.unwritten.len());
        assert!(self.epochs > 0 || self.written <= self.log_position.last, "written but not taken");
        assert!(!self.unwritten.is_empty() || self.bytes == 0 && self.epochs == 0);
        assert!(!self.unwritten.is_empty() || self.written == self.log_position.last);
    }
}
