//! What came out of a run, for people and for programs.

use std::fmt;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::churn::Goings;
use super::plan::Plan;
use super::verifier::Taken;
use crate::report::megabytes;

/// Times in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Times {
    /// Half took no longer.
    pub p50: f64,
    /// Nine of ten.
    pub p90: f64,
    /// 99 of a hundred.
    pub p99: f64,
    /// 999 of a thousand.
    pub p99_9: f64,
    /// All.
    pub max: f64,
}

impl Times {
    /// Of a histogram of nanoseconds.
    #[must_use]
    pub fn of(histogram: &Histogram<u64>) -> Self {
        let at = |percent| histogram.value_at_percentile(percent) as f64 / 1e3;
        let max = if histogram.is_empty() { 0.0 } else { histogram.max() as f64 / 1e3 };
        Self { p50: at(50.0), p90: at(90.0), p99: at(99.0), p99_9: at(99.9), max }
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { p50, p90, p99, p99_9, max } = *self;
        let [p50, p90, p99, p99_9, max] = [p50, p90, p99, p99_9, max].map(time);
        write!(f, "p50 {p50}  p90 {p90}  p99 {p99}  p99.9 {p99_9}  max {max}")
    }
}

/// Microseconds in the unit that suits them.
fn time(us: f64) -> String {
    match us {
        us if us < 1e3 => format!("{us:.0} µs"),
        us if us < 1e6 => format!("{:.2} ms", us / 1e3),
        us => format!("{:.2} s", us / 1e6),
    }
}

/// What the coordinator cost, where it was started here.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Costs {
    /// Nanoseconds on a core for each delivery, user and system time.
    pub cpu_ns_per_delivery: f64,
    /// Share of one core that it used.
    pub cpu_share: f64,
    /// Resident memory with all members online and nothing sent.
    pub rss_idle_bytes: u64,
    /// The most that it ever had.
    pub rss_peak_bytes: u64,
    /// How often it went to sleep by itself.
    pub sleeps: u64,
    /// How often it was taken off its core.
    pub preemptions: u64,
    /// System calls, if they were counted.
    pub system_calls: Option<u64>,
}

/// What came out.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// What was done.
    pub plan: Plan,
    /// Who it was done with.
    pub coordinator: String,
    /// Seconds from the first message to the last delivery.
    pub elapsed_s: f64,
    /// Messages sent.
    pub sent: u64,
    /// Messages that were due and never sent, for they were far too late.
    pub unsent: u64,
    /// Of those sent, those that the coordinator had no room for.
    pub refused: u64,
    /// Deliveries, and gaps that were told.
    pub taken: Taken,
    /// Deliveries a second.
    pub deliveries_per_s: f64,
    /// From the time a message was due to its delivery, in microseconds, to members that were
    /// online at that time.
    pub latency_us: Times,
    /// Deliveries of what was due while a member was away.
    pub caught_up: u64,
    /// By how much the harness itself sent messages late, in microseconds.
    pub lateness_us: Times,
    /// What the coordinator cost.
    pub costs: Option<Costs>,
    /// Nanoseconds that the harness used for each delivery.
    pub harness_cpu_ns_per_delivery: f64,
    /// Nanoseconds that real participants used for each delivery, all threads together.
    pub participants_cpu_ns_per_delivery: Option<f64>,
    /// Who went and came back.
    pub goings: Goings,
    /// How many things were wrong.
    pub faults: u64,
    /// The first of them.
    pub described: Vec<String>,
    /// The user ended it before its time.
    pub is_interrupted: bool,
    /// Seconds, and deliveries a second from then on.
    pub throughput: Vec<(f64, f64)>,
    /// Percentiles, and the latency in microseconds there.
    pub distribution: Vec<(f64, f64)>,
}

impl Outcome {
    /// The latency at percentiles that lie closer the nearer they are to all.
    #[must_use]
    pub fn distribution(latency: &Histogram<u64>) -> Vec<(f64, f64)> {
        // 1 - 10^-x for x from 0 to 5, in steps of a twentieth.
        let shares = (0..=100).map(|step| 1.0 - 10_f64.powf(-f64::from(step) / 20.0));
        let least = 1.0 / latency.len().max(1) as f64;
        let told = shares.take_while(|share| 1.0 - share >= least);
        told.map(|share| (share * 100.0, latency.value_at_quantile(share) as f64 / 1e3)).collect()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |f: &mut fmt::Formatter<'_>, name: &str, value: fmt::Arguments<'_>| {
            writeln!(f, "  {name:<18}{value}")
        };
        let Taken { deliveries, gaps, gap_messages, untold } = self.taken;
        row(
            f,
            "deliveries",
            format_args!(
                "{deliveries} of {} messages in {:.2} s: {:.0}/s",
                self.sent - self.refused,
                self.elapsed_s,
                self.deliveries_per_s
            ),
        )?;
        row(f, "latency", format_args!("{}", self.latency_us))?;
        row(f, "sent late by", format_args!("{}", self.lateness_us))?;
        match &self.costs {
            Some(costs) => write!(f, "{costs}")?,
            None => row(f, "coordinator", format_args!("not started here: no account of it"))?,
        }
        let own = self.harness_cpu_ns_per_delivery;
        row(f, "harness CPU", format_args!("{own:.0} ns a delivery"))?;
        if let Some(cpu) = self.participants_cpu_ns_per_delivery {
            row(f, "participants' CPU", format_args!("{cpu:.0} ns a delivery"))?;
        }
        let Goings { left, crashed, moved } = self.goings;
        if left + crashed + moved > 0 {
            let late = self.caught_up;
            let gone = format!("{left} left, {crashed} crashed, {moved} took over");
            row(f, "churn", format_args!("{gone}; {late} deliveries caught up"))?;
        }
        let refused = self.refused;
        let told = format!("{gaps} gaps of {gap_messages} messages, {refused} refused");
        row(f, "told", format_args!("{told}"))?;
        if untold > 0 {
            row(f, "untold", format_args!("{untold} (without acks, after a break or the ttl)"))?;
        }
        if self.unsent > 0 {
            let unsent = self.unsent;
            row(f, "unsent", format_args!("{unsent} messages were due and far too late"))?;
        }
        let ended = if self.is_interrupted { " (ended by the user)" } else { "" };
        if self.faults == 0 {
            let text = "nothing lost, doubled, reordered or altered";
            return row(f, "verified", format_args!("{text}{ended}"));
        }
        row(f, "FAILED", format_args!("{} faults{ended}", self.faults))?;
        self.described.iter().try_for_each(|fault| writeln!(f, "    {fault}"))
    }
}

impl fmt::Display for Costs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = self.cpu_share * 100.0;
        let cpu = self.cpu_ns_per_delivery;
        writeln!(f, "  coordinator CPU   {cpu:.0} ns a delivery, {share:.0} % of a core")?;
        let (idle, peak) = (megabytes(self.rss_idle_bytes), megabytes(self.rss_peak_bytes));
        writeln!(f, "  its memory        {idle} idle, {peak} peak")?;
        let (sleeps, preemptions) = (self.sleeps, self.preemptions);
        writeln!(f, "  its switches      {sleeps} to sleep, {preemptions} taken off the core")?;
        match self.system_calls {
            Some(count) => writeln!(f, "  its system calls  {count}"),
            None => writeln!(f, "  its system calls  not counted (--system-calls, with perf)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::metrics::Measure;

    #[test]
    fn times_of_a_known_histogram_are_known() {
        let mut measure = Measure::new().unwrap();
        assert!(Times::of(&measure.latency).max < 1e-9);
        for time in 1..=1_000 {
            measure.latency.saturating_record(time * 1_000_000);
        }
        let times = Times::of(&measure.latency);
        for (found, expected) in [
            (times.p50, 500e3),
            (times.p90, 900e3),
            (times.p99, 990e3),
            (times.p99_9, 999e3),
            (times.max, 1e6),
        ] {
            assert!((found - expected).abs() <= expected / 500.0, "{found} for {expected}");
        }
        let points = Outcome::distribution(&measure.latency);
        assert!(points.is_sorted_by(|one, next| one.0 < next.0 && one.1 <= next.1));
        assert!((59..=61).contains(&points.len()), "99.9 % and no further: {}", points.len());
    }

    #[test]
    fn times_are_told_in_the_unit_that_suits_them() {
        for (us, expected) in [(73.4, "73 µs"), (1_234.0, "1.23 ms"), (2.5e6, "2.50 s")] {
            assert_eq!(time(us), expected);
        }
    }
}
