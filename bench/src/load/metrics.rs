//! Times and counts of a run, in bounded memory.

use anyhow::Result;
use hdrhistogram::Histogram;
use serde::Serialize;

/// Longest time in the histograms: an hour. Longer times count as an hour.
const TIME_NS_MAX: u64 = 3_600_000_000_000;
const DIGITS: u8 = 3;
const SLOT_NS: u64 = 100_000_000;
const SLOTS_MAX: usize = 2_000;

/// Deliveries in each slot of time; slots double in length instead of exceeding `SLOTS_MAX`.
#[derive(Clone, Debug)]
pub(super) struct Timeline {
    slot_ns: u64,
    counts: Vec<u64>,
}

impl Timeline {
    fn add(&mut self, now_ns: u64, count: u64) {
        let mut slot = (now_ns / self.slot_ns) as usize;
        while slot >= SLOTS_MAX {
            self.counts = self.counts.chunks(2).map(|pair| pair.iter().sum()).collect();
            self.slot_ns *= 2;
            slot /= 2;
        }
        self.counts.resize(self.counts.len().max(slot + 1), 0);
        if let Some(slot) = self.counts.get_mut(slot) {
            *slot += count;
        }
    }

    /// Returns the begin of each slot in seconds, and its deliveries a second.
    pub(super) fn rates(&self) -> Vec<(f64, f64)> {
        let seconds = self.slot_ns as f64 / 1e9;
        let slots = self.counts.iter().enumerate();
        slots.map(|(slot, count)| (slot as f64 * seconds, *count as f64 / seconds)).collect()
    }
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Counts {
    pub(super) sent: u64,
    /// Messages that were due and not sent, for they were far too late.
    pub(super) unsent: u64,
    /// Messages answered with `ERR 507`.
    pub(super) refused: u64,
    /// Deliveries of messages that were due before the member's last reconnect.
    pub(super) caught_up: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Metrics {
    /// From due to delivered, to members that were online at the due time.
    pub(super) latency: Histogram<u64>,
    /// From due to sent: delay of the harness itself.
    pub(super) lateness: Histogram<u64>,
    pub(super) timeline: Timeline,
    pub(super) counts: Counts,
    /// Time of the last delivery.
    pub(super) last_ns: u64,
}

impl Metrics {
    pub(super) fn new() -> Result<Self> {
        let latency = Histogram::new_with_bounds(1, TIME_NS_MAX, DIGITS)?;
        let timeline = Timeline { slot_ns: SLOT_NS, counts: Vec::new() };
        let lateness = latency.clone();
        Ok(Self { latency, lateness, timeline, counts: Counts::default(), last_ns: 0 })
    }

    pub(super) fn deliveries(&self) -> u64 {
        self.latency.len() + self.counts.caught_up
    }

    /// Counts a delivery to a member that reconnected last at `reconnected_ns`.
    pub(super) fn on_delivery(&mut self, due_ns: u64, reconnected_ns: u64, now_ns: u64) {
        if due_ns < reconnected_ns {
            self.counts.caught_up += 1;
        } else {
            self.latency.saturating_record(now_ns.saturating_sub(due_ns).max(1));
        }
    }

    /// Puts the deliveries of one read on the timeline.
    pub(super) fn on_read(&mut self, now_ns: u64, count: u64) {
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
    fn a_timeline_stays_bounded_and_loses_nothing() {
        let mut timeline = Metrics::new().unwrap().timeline;
        for second in 0..100_000 {
            timeline.add(second * 1_000_000_000, 3);
        }
        assert!(timeline.rates().len() <= SLOTS_MAX);
        assert_eq!(timeline.counts.iter().sum::<u64>(), 300_000);
        let (_, rate) = timeline.rates()[1];
        assert!((rate - 3.0).abs() < 0.1, "{rate}");
    }
}
