//! What is measured while a run goes on, in bounded memory.

use hdrhistogram::Histogram;

use crate::failure::{Failure, Result};

/// Longest time told apart from longer ones: an hour.
const TIME_NS_MAX: u64 = 3_600_000_000_000;
const DIGITS: u8 = 3;
const SLOT_NS: u64 = 100_000_000;
const SLOTS_MAX: usize = 2_000;

/// Deliveries in each piece of time; pieces double in length when there get to be too many.
#[derive(Clone, Debug)]
pub(super) struct Timeline {
    slot_ns: u64,
    counts: Vec<u64>,
}

impl Default for Timeline {
    fn default() -> Self {
        Self { slot_ns: SLOT_NS, counts: Vec::new() }
    }
}

impl Timeline {
    /// Counts `count` at `now_ns`.
    pub(super) fn add(&mut self, now_ns: u64, count: u64) {
        let mut slot = (now_ns / self.slot_ns) as usize;
        while slot >= SLOTS_MAX {
            self.counts = self.counts.chunks(2).map(|pair| pair.iter().sum()).collect();
            self.slot_ns *= 2;
            slot /= 2;
        }
        if slot >= self.counts.len() {
            self.counts.resize(slot + 1, 0);
        }
        if let Some(slot) = self.counts.get_mut(slot) {
            *slot += count;
        }
    }

    /// Where each piece begins, in seconds, and what was delivered in it, a second.
    #[must_use]
    pub(super) fn rates(&self) -> Vec<(f64, f64)> {
        let seconds = self.slot_ns as f64 / 1e9;
        let pieces = self.counts.iter().enumerate();
        pieces.map(|(slot, count)| (slot as f64 * seconds, *count as f64 / seconds)).collect()
    }
}

/// Times and counts.
#[derive(Clone, Debug)]
pub(super) struct Measure {
    /// From due to delivery, of every delivery to a member that was online when it was due.
    pub(super) latency: Histogram<u64>,
    /// From due to handed to the socket: what the harness itself was late.
    pub(super) lateness: Histogram<u64>,
    /// Deliveries over time.
    pub(super) timeline: Timeline,
    /// Deliveries to members that were not.
    pub(super) caught_up: u64,
    /// Messages sent.
    pub(super) sent: u64,
    /// Messages that were due and never sent.
    pub(super) unsent: u64,
    /// Messages answered with `ERR 507`.
    pub(super) refused: u64,
    /// When the last delivery came.
    pub(super) last_ns: u64,
}

impl Measure {
    /// Nothing yet.
    ///
    /// # Errors
    ///
    /// If the histogram does not like its bounds.
    pub(super) fn new() -> Result<Self> {
        let histogram = Histogram::new_with_bounds(1, TIME_NS_MAX, DIGITS);
        let latency = histogram.map_err(|error| Failure::Wrong(format!("histogram: {error}")))?;
        let (lateness, timeline) = (latency.clone(), Timeline::default());
        Ok(Self {
            latency,
            lateness,
            timeline,
            caught_up: 0,
            sent: 0,
            unsent: 0,
            refused: 0,
            last_ns: 0,
        })
    }

    /// Deliveries so far.
    pub(super) fn deliveries(&self) -> u64 {
        self.latency.len() + self.caught_up
    }

    /// Counts one delivery, to a member that came back at `back_ns`.
    pub(super) fn arrived(&mut self, due_ns: u64, back_ns: u64, now_ns: u64) {
        if due_ns < back_ns {
            self.caught_up += 1;
        } else {
            self.latency.saturating_record(now_ns.saturating_sub(due_ns).max(1));
        }
    }

    /// Counts what came with one read.
    pub(super) fn delivered(&mut self, now_ns: u64, count: u64) {
        if count > 0 {
            self.timeline.add(now_ns, count);
            self.last_ns = now_ns;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_known_times_are_known() {
        let mut measure = Measure::new().unwrap();
        for time in 1..=100_000 {
            measure.latency.saturating_record(time * 1_000);
        }
        for (percent, value) in [(50.0, 50_000_000), (99.0, 99_000_000), (99.9, 99_900_000)] {
            let found = measure.latency.value_at_percentile(percent);
            assert!(found.abs_diff(value) <= value / 1_000, "p{percent} is {found}");
        }
        assert!(measure.latency.max().abs_diff(100_000_000) <= 100_000);
    }

    #[test]
    fn a_timeline_stays_bounded_and_loses_nothing() {
        let mut timeline = Timeline::default();
        for second in 0..100_000 {
            timeline.add(second * 1_000_000_000, 3);
        }
        assert!(timeline.rates().len() <= SLOTS_MAX);
        assert_eq!(timeline.counts.iter().sum::<u64>(), 300_000);
        let (_, rate) = timeline.rates()[1];
        assert!((rate - 3.0).abs() < 0.1, "{rate}");
    }
}
