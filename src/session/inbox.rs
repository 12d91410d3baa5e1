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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Epoch, Gap};

    const EPOCH: Epoch = Epoch::new(7);

    fn new(last: u64) -> (Inbox, SessionOutput) {
        let position = LogPosition { epoch: Some(EPOCH), last: Seq::new(last) };
        (Inbox::new(position), SessionOutput::default())
    }

    fn gap(last: u64) -> LogEntry {
        LogEntry::Gap(Gap { first: Seq::new(last), last: Seq::new(last), count: 1 })
    }

    fn since(inbox: &Inbox) -> Option<u64> {
        inbox.since().map(|since| since.seq.as_u64())
    }

    #[test]
    fn only_written_numbers_of_the_present_epoch_are_named() {
        let (mut inbox, mut output) = new(3);
        inbox.append(gap(5), &mut output);
        assert_eq!((since(&inbox), inbox.log_position().last), (Some(3), Seq::new(5)));
        inbox.append(LogEntry::Epoch(Epoch::new(8)), &mut output);
        inbox.append(gap(2), &mut output);
        assert_eq!(since(&inbox), None, "the start of the epoch is not written");
        inbox.on_written(1, &mut output);
        assert_eq!((since(&inbox), inbox.unwritten()), (None, 2));
        inbox.on_written(1, &mut output);
        assert_eq!(since(&inbox), None, "no number of the new epoch is written");
        inbox.on_written(1, &mut output);
        assert_eq!((since(&inbox), inbox.is_all_written()), (Some(2), true));
        inbox.check();
    }

    #[test]
    fn no_entry_is_taken_above_the_limit() {
        let (mut inbox, mut output) = new(0);
        let taken = (1..).take_while(|last| {
            let has_room = inbox.has_room();
            if has_room {
                inbox.append(gap(*last), &mut output);
            }
            has_room
        });
        assert_eq!(taken.count(), UNWRITTEN_ENTRIES_MAX);
        inbox.on_written(1, &mut output);
        assert!(inbox.has_room());
        inbox.check();
    }

    #[test]
    fn a_failure_and_the_recovery_are_shown_once_and_each_failure_is_tried_again() {
        let (mut inbox, mut output) = new(0);
        inbox.append(gap(1), &mut output);
        output.poll();
        let mut now = Millis::ZERO;
        for _ in 0..2 {
            inbox.on_failed("disk full", &mut output, now);
            assert!(inbox.is_failing() && !inbox.retry_is_due(now));
            now = now.plus(LOG_RETRY_MS);
            assert_eq!(inbox.retry_at(), Some(now));
            assert!(inbox.retry_is_due(now) && !inbox.retry_is_due(now), "one try at a time");
        }
        inbox.on_written(1, &mut output);
        inbox.on_written(0, &mut output);
        let failed = Notice::LogFailed { reason: "disk full".into() };
        for notice in [failed, Notice::LogRecovered] {
            assert_eq!(output.poll(), Some(SessionEffect::Show(notice)));
        }
        assert_eq!((output.poll(), inbox.is_failing()), (None, false));
    }
}
