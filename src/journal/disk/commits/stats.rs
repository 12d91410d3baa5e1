//! Counters of the journal: segments, commits, syncs, and bytes that wait for the disk.

use super::Commits;
use crate::journal::disk::metrics::JournalMetrics;

impl Commits {
    /// Returns the bytes of records that are not written yet.
    #[must_use]
    pub fn waiting_bytes(&self) -> usize {
        self.waiting.bytes().saturating_add(self.records.len())
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiting_bytes() >= self.options.waiting_bytes_max
    }

    /// Returns true if the waiting bytes have reached their limit, false if they have fallen below
    /// it, and `None` if this has not changed since the last call.
    pub fn take_fullness(&mut self) -> Option<bool> {
        let is_full = self.is_full();
        let was_full = std::mem::replace(&mut self.waiting.is_reported, is_full);
        (is_full != was_full).then_some(is_full)
    }

    /// Returns the bytes and the number of all segments.
    fn size(&self) -> (u64, usize) {
        let closed = self.closed.iter().map(|closed| (closed.start_commit, closed.bytes));
        let all = closed.chain([(self.segment.start_commit, self.segment.bytes)]);
        let there = all.filter(|(start_commit, _)| *start_commit <= self.done.0);
        there.fold((0_u64, 0_usize), |(bytes, count), (_, more)| {
            (bytes.saturating_add(more), count.saturating_add(1))
        })
    }

    /// Returns the lines of `stats` about the journal.
    #[must_use]
    pub fn stats(&self) -> [(&'static str, String); 7] {
        let (bytes, segments) = self.size();
        let JournalMetrics { commits, failures, .. } = self.metrics;
        [
            ("journal_bytes", bytes.to_string()),
            ("journal_segments", segments.to_string()),
            ("journal_commits", commits.to_string()),
            ("journal_failures", failures.to_string()),
            ("journal_waiting_bytes", self.waiting_bytes().to_string()),
            ("journal_sync_us_p50", self.metrics.sync_us(50).to_string()),
            ("journal_sync_us_p99", self.metrics.sync_us(99).to_string()),
        ]
    }
}
