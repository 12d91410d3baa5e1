//! The segments of a journal, as the loop knows them.

use std::collections::VecDeque;

use crate::facts::Recorded;
use crate::journal::Salt;
use crate::limits::CLOCK_DRIFT_MS;
use crate::protocol::Seq;
use crate::time::{Millis, Now};

/// The segment that is written, and the complete ones.
#[derive(Debug)]
pub(super) struct Segments {
    open: OpenSegment,
    /// Closed segments, oldest first.
    pub(super) closed: VecDeque<ClosedSegment>,
    /// True while the writer removes the oldest segment.
    pub(super) is_removing: bool,
    pub(super) ttl_ms: u64,
}

/// The segment that is written.
#[derive(Clone, Copy, Debug)]
pub(in crate::journal::disk) struct OpenSegment {
    pub(in crate::journal::disk) serial: u64,
    pub(in crate::journal::disk) salt: Salt,
    /// Commit that starts the segment. The segment exists when this commit is done.
    pub(in crate::journal::disk) start_commit: u64,
    pub(in crate::journal::disk) bytes: u64,
    /// Bytes after which the next segment starts.
    pub(in crate::journal::disk) bytes_max: u64,
    /// Time of both clocks in the last clock record.
    pub(in crate::journal::disk) recorded_clocks: Now,
    /// Last seq that the segment records as durable.
    pub(in crate::journal::disk) recorded_durable: Seq,
    /// Lower bound of the messages that members need, by the cursors in this segment, and of those
    /// that are kept for newcomers.
    pub(in crate::journal::disk) needed: Seq,
}

/// A segment that is complete.
#[derive(Clone, Copy, Debug)]
pub(in crate::journal::disk) struct ClosedSegment {
    pub(in crate::journal::disk) serial: u64,
    /// Commit that starts the segment.
    pub(in crate::journal::disk) start_commit: u64,
    pub(in crate::journal::disk) bytes: u64,
    /// Upper bound of the times at which its messages were accepted.
    pub(in crate::journal::disk) newest: Millis,
    /// Upper bound of the seqs of its valid messages.
    pub(in crate::journal::disk) last: Seq,
}

/// Returns the oldest message that a new segment makes others keep: for a member, or for newcomers.
/// Later messages push the messages for newcomers out, so their oldest one only rises.
pub(in crate::journal::disk) fn oldest_needed(state: &impl Recorded) -> Seq {
    state.needed().min(state.kept_for_newcomers())
}

impl Segments {
    pub(super) fn new(open: OpenSegment, closed: VecDeque<ClosedSegment>, ttl_ms: u64) -> Self {
        Self { open, closed, is_removing: false, ttl_ms }
    }

    /// Returns the segment that is written.
    pub(super) fn open(&self) -> &OpenSegment {
        &self.open
    }

    /// Returns the segment that is written, to be changed.
    pub(super) fn open_mut(&mut self) -> &mut OpenSegment {
        &mut self.open
    }

    /// Closes the open segment with `continued` bytes more, and opens `next`. `newest` and `last`
    /// are those of [`ClosedSegment`].
    pub(super) fn start(&mut self, next: OpenSegment, continued: u64, newest: Millis, last: Seq) {
        let old = std::mem::replace(&mut self.open, next);
        let OpenSegment { serial, start_commit, .. } = old;
        let bytes = old.bytes.saturating_add(continued);
        self.closed.push_back(ClosedSegment { serial, start_commit, bytes, newest, last });
    }

    /// Keeps only the closed segments that commits up to `done` started.
    pub(super) fn retain_started(&mut self, done: u64) {
        self.closed.retain(|closed| closed.start_commit <= done);
    }

    /// Handles a report of the writer about removed segments, and about a refused removal.
    pub(super) fn on_removal(&mut self, removed: &[u64], was_kept: bool) {
        if self.closed.front().is_some_and(|oldest| removed.contains(&oldest.serial)) {
            self.closed.pop_front();
            self.is_removing = false;
        }
        self.is_removing &= !was_kept;
    }

    /// Handles the loss of segments that another program moved, deleted or replaced.
    pub(super) fn on_missing(&mut self, missing: &[u64]) {
        self.closed.retain(|closed| !missing.contains(&closed.serial));
        if missing.contains(&self.open.serial) {
            self.open.start_commit = u64::MAX; // The segment is gone.
        }
        self.is_removing = false;
    }

    /// Returns the bytes and the number of all segments that exist after the commit `done`.
    pub(super) fn size(&self, done: u64) -> (u64, usize) {
        let closed = self.closed.iter().map(|closed| (closed.start_commit, closed.bytes));
        let all = closed.chain([(self.open.start_commit, self.open.bytes)]);
        let there = all.filter(|(start_commit, _)| *start_commit <= done);
        there.fold((0_u64, 0_usize), |(bytes, count), (_, more)| {
            (bytes.saturating_add(more), count.saturating_add(1))
        })
    }
}

impl OpenSegment {
    /// Adds the bytes of a commit.
    pub(super) fn grow(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes as u64);
    }

    /// Returns true if the next segment must start.
    pub(super) fn is_full(&self) -> bool {
        self.bytes >= self.bytes_max
    }

    /// Returns true if the wall clock has moved against the steady clock since the last clock
    /// record. The caller then records the clocks.
    pub(super) fn must_record_clocks(&mut self, now: Now) -> bool {
        let recorded = self.recorded_clocks;
        let expected = recorded.unix.0.saturating_add(now.steady.since(recorded.steady));
        let has_moved = expected.abs_diff(now.unix.0) > CLOCK_DRIFT_MS;
        if has_moved {
            self.recorded_clocks = now;
        }
        has_moved
    }

    /// Returns true if the segment does not record `durable` yet. The caller then records it.
    pub(super) fn must_record_durable(&mut self, durable: Seq) -> bool {
        let must_record = durable > self.recorded_durable;
        self.recorded_durable = self.recorded_durable.max(durable);
        must_record
    }

    /// Notes that a member may need the messages from `first`.
    pub(super) fn keep_from(&mut self, first: Seq) {
        self.needed = self.needed.min(first);
    }
}
