//! Metrics of the journal for `stats`.

use std::time::Duration;

/// Number of commits, and durations of syncs.
#[derive(Clone, Debug)]
pub(super) struct JournalMetrics {
    pub(super) commits: u64,
    /// Number of failed writes and syncs.
    pub(super) failures: u64,
    /// Number of syncs for each power of two of microseconds.
    syncs: [u64; POWERS],
}

const POWERS: usize = 40;

impl Default for JournalMetrics {
    fn default() -> Self {
        Self { commits: 0, failures: 0, syncs: [0; POWERS] }
    }
}

impl JournalMetrics {
    pub(super) fn record_sync(&mut self, took: Duration) {
        let power = took.as_micros().max(1).ilog2() as usize;
        if let Some(count) = self.syncs.get_mut(power.min(POWERS - 1)) {
            *count = count.saturating_add(1);
        }
    }

    /// Returns a percentile of the sync durations in microseconds, rounded up to a power of two.
    /// Returns 0 if there was no sync.
    pub(super) fn sync_us(&self, percent: u64) -> u64 {
        let all: u64 = self.syncs.iter().sum();
        let mut seen = 0_u64;
        for (power, count) in (1_u32..).zip(&self.syncs) {
            seen = seen.saturating_add(*count);
            if all > 0 && seen.saturating_mul(100) >= all.saturating_mul(percent) {
                return 2_u64.saturating_pow(power);
            }
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_power_of_two_above_it() {
        let mut metrics = JournalMetrics::default();
        assert_eq!(metrics.sync_us(50), 0);
        for micros in [1, 3, 100, 100, 100, 100, 100, 100, 100, 5_000] {
            metrics.record_sync(Duration::from_micros(micros));
        }
        assert_eq!((metrics.sync_us(10), metrics.sync_us(20), metrics.sync_us(50)), (2, 4, 128));
        assert_eq!((metrics.sync_us(90), metrics.sync_us(99)), (128, 8192));
    }
}
