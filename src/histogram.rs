//! Distribution of values, such as durations and sizes.

use hdrhistogram::Histogram as Counts;

/// Number of significant decimal digits that are kept of a value.
const DIGITS: u8 = 2;

/// Numbers of values, with two digits of each value. The memory does not grow.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Counts<u64>,
    sum: u64,
}

impl Histogram {
    /// Creates an empty histogram. A value above `highest` counts as `highest`, which is at least
    /// 2.
    #[must_use]
    #[expect(clippy::expect_used, reason = "no input reaches the bounds, which are constants")]
    pub fn new(highest: u64) -> Self {
        let counts = Counts::new_with_bounds(1, highest.max(2), DIGITS);
        Self { counts: counts.expect("the bounds are valid"), sum: 0 }
    }

    /// Counts a value.
    pub fn record(&mut self, value: u64) {
        self.counts.saturating_record(value);
        self.sum = self.sum.saturating_add(value);
    }

    /// Returns the number of values.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.len()
    }

    /// Returns the sum of the values.
    #[must_use]
    pub const fn sum(&self) -> u64 {
        self.sum
    }

    /// Returns the number of values up to `bound`, and of those with the same two digits.
    #[must_use]
    pub fn count_up_to(&self, bound: u64) -> u64 {
        self.counts.count_between(0, bound)
    }

    /// Returns the value below which this percentage of the values lies, rounded up in the third
    /// digit. Returns 0 if there is no value.
    #[must_use]
    pub fn percentile(&self, percent: u8) -> u64 {
        self.counts.value_at_percentile(percent.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_up_to_bounds_and_large_ones_as_the_highest() {
        let mut histogram = Histogram::new(60_000);
        assert_eq!((histogram.count(), histogram.sum(), histogram.percentile(99)), (0, 0, 0));
        for value in [0, 1, 5, 5, 100, 60_000, 70_000] {
            histogram.record(value);
        }
        assert_eq!((histogram.count(), histogram.sum()), (7, 130_111));
        let counts = [0, 1, 4, 5, 99, 100, 60_000].map(|bound| histogram.count_up_to(bound));
        assert_eq!(counts, [1, 2, 2, 4, 4, 5, 7]);
        assert_eq!(histogram.percentile(50), 5);
        assert!(histogram.percentile(99) >= 60_000);
    }

    #[test]
    fn a_histogram_of_any_bound_can_be_made() {
        for highest in [0, 1, 2, 3, 1000, u64::from(u32::MAX), u64::MAX] {
            let mut histogram = Histogram::new(highest);
            histogram.record(u64::MAX);
            assert_eq!(histogram.count(), 1, "{highest}");
        }
    }
}
