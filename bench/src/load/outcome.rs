//! Results of a run: text and JSON.

use std::fmt::{self, Display};

use hdrhistogram::Histogram;
use serde::Serialize;

use super::churn::Departures;
use super::metrics::Counts;
use super::plan::Plan;
use super::verifier::Received;
use crate::table::{count, megabytes};

/// Percentiles in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Times {
    p50: f64,
    p90: f64,
    p99: f64,
    p99_9: f64,
    max: f64,
}

impl Times {
    /// Reads a histogram of nanoseconds.
    pub(super) fn new(histogram: &Histogram<u64>) -> Self {
        let at = |percent| histogram.value_at_percentile(percent) as f64 / 1e3;
        let max = if histogram.is_empty() { 0.0 } else { histogram.max() as f64 / 1e3 };
        Self { p50: at(50.0), p90: at(90.0), p99: at(99.0), p99_9: at(99.9), max }
    }
}

impl Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { p50, p90, p99, p99_9, max } = *self;
        let [p50, p90, p99, p99_9, max] = [p50, p90, p99, p99_9, max].map(time);
        write!(f, "p50 {p50}  p90 {p90}  p99 {p99}  p99.9 {p99_9}  max {max}")
    }
}

/// Writes microseconds in the unit that suits them.
pub(super) fn time(us: f64) -> String {
    match us {
        us if us < 999.5 => format!("{us:.0} µs"),
        us if us < 999.5e3 => format!("{:.2} ms", us / 1e3),
        us => format!("{:.2} s", us / 1e6),
    }
}

/// Cost of a coordinator that was started here.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Costs {
    /// User and system time.
    pub(super) cpu_ns_per_delivery: f64,
    /// Share of one core.
    pub(super) cpu_share: f64,
    /// Resident memory with all members online, before the first message.
    pub(super) rss_idle_bytes: u64,
    pub(super) rss_peak_bytes: u64,
    /// Voluntary context switches.
    pub(super) sleeps: u64,
    /// Involuntary context switches.
    pub(super) preemptions: u64,
    pub(super) system_calls: Option<u64>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Outcome {
    pub(super) plan: Plan,
    pub(super) coordinator: String,
    /// Seconds from the begin to the last delivery.
    pub(super) elapsed_s: f64,
    #[serde(flatten)]
    pub(super) counts: Counts,
    pub(super) received: Received,
    pub(super) deliveries_per_s: f64,
    /// From due to delivered, to members that were online at the due time.
    pub(super) latency_us: Times,
    /// From due to sent: delay of the harness itself.
    pub(super) lateness_us: Times,
    pub(super) costs: Option<Costs>,
    pub(super) harness_cpu_ns_per_delivery: f64,
    /// All threads of all real participants.
    pub(super) participants_cpu_ns_per_delivery: Option<f64>,
    pub(super) departures: Departures,
    pub(super) faults: u64,
    pub(super) first_faults: Vec<String>,
    pub(super) is_interrupted: bool,
    /// Seconds, and deliveries a second from there on.
    pub(super) throughput: Vec<(f64, f64)>,
    /// Percentiles, and the latency there in microseconds.
    pub(super) distribution: Vec<(f64, f64)>,
}

/// Returns percentiles, closer to each other towards 100, and the times there in microseconds.
pub(super) fn distribution(latency: &Histogram<u64>) -> Vec<(f64, f64)> {
    // 1 - 10^-x for x from 0 to 5, in steps of a twentieth.
    let shares = (0..=100).map(|step| 1.0 - 10_f64.powf(-f64::from(step) / 20.0));
    let least = 1.0 / latency.len().max(1) as f64;
    let known = shares.take_while(|share| 1.0 - share >= least);
    known.map(|share| (share * 100.0, latency.value_at_quantile(share) as f64 / 1e3)).collect()
}

impl Outcome {
    /// Writes a value a line.
    fn write(&self, row: &mut dyn FnMut(&str, &dyn Display) -> fmt::Result) -> fmt::Result {
        let Received { deliveries, gaps, gap_messages, unreported } = self.received;
        let Counts { sent, unsent, refused, caught_up } = self.counts;
        let (accepted, elapsed_s, rate) = (sent - refused, self.elapsed_s, self.deliveries_per_s);
        let text = format!("{deliveries} of {accepted} messages in {elapsed_s:.2} s: {rate:.0}/s");
        row("deliveries", &text)?;
        row("latency", &self.latency_us)?;
        row("sent late by", &self.lateness_us)?;
        match &self.costs {
            Some(costs) => costs.write(row)?,
            None => row("coordinator", &"not measured: it was not started here")?,
        }
        row("harness CPU", &cpu(self.harness_cpu_ns_per_delivery))?;
        if let Some(cpu_ns) = self.participants_cpu_ns_per_delivery {
            row("participants' CPU", &cpu(cpu_ns))?;
        }
        let Departures { disconnected, crashed, took_over } = self.departures;
        if disconnected + crashed + took_over > 0 {
            let departed = format!("{disconnected} disconnected, {crashed} crashed");
            row("churn", &format!("{departed}, {took_over} took over"))?;
            row("caught up", &caught_up)?;
        }
        row("gaps", &gaps)?;
        row("lost in gaps", &gap_messages)?;
        row("refused", &refused)?;
        if unreported > 0 {
            row("not reported", &format!("{unreported} (no acks; after a reconnect or the ttl)"))?;
        }
        if unsent > 0 {
            row("not sent", &format!("{unsent} (far too late)"))?;
        }
        let ended = if self.is_interrupted { " (ended by the user)" } else { "" };
        match self.faults {
            0 => row("verified", &format!("nothing lost, doubled, reordered or altered{ended}")),
            faults => row("FAILED", &(count(faults as usize, "fault") + ended)),
        }
    }
}

fn cpu(ns: f64) -> String {
    format!("{ns:.0} ns a delivery")
}

impl Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(&mut |name, value| writeln!(f, "  {name:<18}{value}"))?;
        self.first_faults.iter().try_for_each(|fault| writeln!(f, "    {fault}"))
    }
}

impl Costs {
    fn write(&self, row: &mut dyn FnMut(&str, &dyn Display) -> fmt::Result) -> fmt::Result {
        let (cpu, share) = (cpu(self.cpu_ns_per_delivery), self.cpu_share * 100.0);
        let (idle, peak) = (megabytes(self.rss_idle_bytes), megabytes(self.rss_peak_bytes));
        let (sleeps, preemptions) = (self.sleeps, self.preemptions);
        row("coordinator CPU", &format!("{cpu}, {share:.0} % of a core"))?;
        row("memory", &format!("{idle} idle, {peak} peak"))?;
        row("context switches", &format!("{sleeps} voluntary, {preemptions} involuntary"))?;
        match &self.system_calls {
            Some(calls) => row("system calls", calls),
            None => row("system calls", &"not counted (--system-calls, with perf)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::metrics::Metrics;

    #[test]
    fn times_of_a_known_histogram_are_known() {
        let mut metrics = Metrics::new().unwrap();
        assert!(Times::new(&metrics.latency).max < 1e-9);
        for time in 1..=1_000 {
            metrics.latency.saturating_record(time * 1_000_000);
        }
        let Times { p50, p90, p99, p99_9, max } = Times::new(&metrics.latency);
        for (found, expected) in
            [(p50, 500e3), (p90, 900e3), (p99, 990e3), (p99_9, 999e3), (max, 1e6)]
        {
            assert!((found - expected).abs() <= expected / 500.0, "{found} for {expected}");
        }
        let points = distribution(&metrics.latency);
        assert!(points.is_sorted_by(|one, next| one.0 < next.0 && one.1 <= next.1));
        assert!((59..=61).contains(&points.len()), "99.9 % and no further: {}", points.len());
    }

    #[test]
    fn times_are_written_in_the_unit_that_suits_them() {
        for (us, expected) in [(73.4, "73 µs"), (1_234.0, "1.23 ms"), (2.5e6, "2.50 s")] {
            assert_eq!(time(us), expected);
        }
    }
}
