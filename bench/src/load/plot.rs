//! Two plots in one SVG: latency by percentile, and throughput over time.

use anyhow::Result;

use super::outcome::{Outcome, time};
use crate::plot::{Lines, lines, powers};

/// Draws the outcomes, a line each.
pub(super) fn svg(outcomes: &[Outcome]) -> Result<String> {
    let named = |points: &dyn Fn(&Outcome) -> Vec<(f64, f64)>| -> Vec<_> {
        let name = |Outcome { plan, .. }: &Outcome| {
            format!("{} members, {} B, {}", plan.participants, plan.size, plan.pace)
        };
        outcomes.iter().map(|outcome| (name(outcome), points(outcome))).collect()
    };
    // The axis counts nines: 1 is 90 %, 2 is 99 %. Its times are powers of ten.
    let nines = |percent: f64| -(1.0 - percent / 100.0).log10();
    let latency = named(&|outcome| {
        let points = outcome.distribution.iter();
        points.map(|(percent, us)| (nines(*percent), us.max(1.0).log10())).collect()
    });
    let times =
        outcomes.iter().flat_map(|outcome| &outcome.distribution).map(|(_, us)| us.max(1.0));
    let rates = outcomes.iter().flat_map(|outcome| &outcome.throughput).map(|(_, rate)| *rate);
    lines(&[
        Lines {
            title: "Latency, from due to delivered, by percentile",
            lines: latency,
            y: powers(times),
            x_label: &|nines| {
                let percent = 100.0 - 100.0 * 10_f64.powf(-nines);
                format!("{:.*} %", (nines.round() as usize).saturating_sub(2), percent)
            },
            y_label: &|log| time(10_f64.powf(*log)),
        },
        Lines {
            title: "Deliveries a second",
            lines: named(&|outcome| outcome.throughput.clone()),
            y: 0.0..rates.fold(1.0, f64::max) * 1.05,
            x_label: &|second| format!("{second:.1} s"),
            y_label: &|rate| match *rate {
                rate if rate < 10e3 => format!("{rate:.0}"),
                rate => format!("{:.0} k", rate / 1e3),
            },
        },
    ])
}
