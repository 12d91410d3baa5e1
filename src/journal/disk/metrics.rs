//! Metrics of the journal.

use std::time::Duration;

use crate::histogram::Histogram;

/// Longest sync and largest commit that are told from longer and larger ones.
const SYNC_US_MAX: u64 = 60_000_000;
const COMMIT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Numbers of commits and failures, times of syncs, and sizes of commits.
#[derive(Clone, Debug)]
pub(super) struct JournalMetrics {
    pub(super) commits: u64,
    /// Number of failed writes and syncs.
    pub(super) failures: u64,
    /// Microseconds of each sync.
    pub(super) syncs: Histogram,
    /// Bytes of each commit.
    pub(super) commit_bytes: Histogram,
}

/// State of the journal in numbers.
#[derive(Clone, Copy, Debug)]
pub struct JournalStats<'a> {
    /// Bytes of all segments.
    pub bytes: u64,
    /// Number of segments.
    pub segments: usize,
    /// Number of commits that were written.
    pub commits: u64,
    /// Number of failed writes and syncs.
    pub failures: u64,
    /// True while the journal cannot be written.
    pub is_failing: bool,
    /// Bytes of records that are not written yet.
    pub waiting_bytes: usize,
    /// Limit of `waiting_bytes`.
    pub waiting_bytes_max: usize,
    /// Microseconds of each sync.
    pub syncs: &'a Histogram,
    /// Bytes of each commit.
    pub commit_bytes: &'a Histogram,
}

impl Default for JournalMetrics {
    fn default() -> Self {
        let (syncs, commit_bytes) = (Histogram::new(SYNC_US_MAX), Histogram::new(COMMIT_BYTES_MAX));
        Self { commits: 0, failures: 0, syncs, commit_bytes }
    }
}

impl JournalMetrics {
    pub(super) fn record_sync(&mut self, took: Duration) {
        self.syncs.record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1));
    }
}
