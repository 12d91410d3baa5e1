//! The text format of Prometheus, version 0.0.4.
//!
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>

use std::fmt::Write as _;

use crate::coordinator::samples::{MetricSample, SampleValue, Samples};
use crate::group::MemberStatus;
use crate::histogram::Histogram;
use crate::metrics::{Buckets, Metric, PREFIX};
use crate::time::Now;

/// A metric with one series for each member, and its value for a member.
pub(super) type MemberMetric = (Metric, fn(&MemberStatus<'_>, Now) -> SampleValue<'static>);

/// Metrics with one series for each member. They come last, one after the other.
pub(super) const OF_MEMBERS: [MemberMetric; 5] = [
    (Metric::MemberOnline, |member, _| SampleValue::Count(u64::from(member.is_online))),
    (Metric::MemberPending, |member, _| SampleValue::Count(member.pending)),
    (Metric::MemberPendingBytes, |member, _| SampleValue::Count(member.pending_bytes)),
    (Metric::MemberLag, |member, _| SampleValue::Millis(member.lag_ms)),
    (Metric::MemberSince, |member, now| {
        SampleValue::Millis(now.unix.0.saturating_sub(member.since_ms))
    }),
];

/// Appends all samples, ordered as the table of metrics.
pub(super) fn push_samples(samples: &Samples<'_>, text: &mut String) {
    for metric in Metric::ALL {
        let mut series = samples.iter().filter(|sample| sample.metric == *metric).peekable();
        if series.peek().is_some() {
            push_head(*metric, text);
            series.for_each(|sample| push_sample(sample, text));
        }
    }
}

/// Appends the description of a metric.
pub(super) fn push_head(metric: Metric, text: &mut String) {
    let entry = metric.entry();
    let (name, help, kind) = (entry.name, entry.help, entry.kind.word());
    // Writing to a string cannot fail.
    let _ = writeln!(text, "# HELP {PREFIX}{name} {help}\n# TYPE {PREFIX}{name} {kind}");
}

/// Appends the series of a member.
pub(super) fn push_member(
    (metric, value): MemberMetric,
    member: &MemberStatus<'_>,
    now: Now,
    text: &mut String,
) {
    push_sample(&MetricSample { metric, label: member.id.into(), value: value(member, now) }, text);
}

fn push_sample(sample: &MetricSample<'_>, text: &mut String) {
    let entry = sample.metric.entry();
    if let SampleValue::Distribution(values) = sample.value {
        return push_distribution(entry.name, entry.buckets, values, text);
    }
    text.push_str(PREFIX);
    text.push_str(entry.name);
    if let Some(label) = entry.label {
        let _ = write!(text, "{{{label}=\"");
        push_label_value(&sample.label, text);
        text.push_str("\"}");
    }
    let _ = match sample.value {
        SampleValue::Count(count) => writeln!(text, " {count}"),
        SampleValue::Millis(millis) => writeln!(text, " {}", in_units(millis, 1000)),
        SampleValue::Distribution(_) => Ok(()),
    };
}

fn push_distribution(name: &str, buckets: Buckets, values: &Histogram, text: &mut String) {
    let Buckets { bounds, per_unit } = buckets;
    for bound in bounds {
        let (le, count) = (in_units(*bound, per_unit), values.count_up_to(*bound));
        let _ = writeln!(text, "{PREFIX}{name}_bucket{{le=\"{le}\"}} {count}");
    }
    let (count, sum) = (values.count(), in_units(values.sum(), per_unit));
    let _ = writeln!(
        text,
        "{PREFIX}{name}_bucket{{le=\"+Inf\"}} {count}\n{PREFIX}{name}_sum {sum}\n\
         {PREFIX}{name}_count {count}"
    );
}

/// Returns a number of which `per_unit` are one, as decimal digits.
fn in_units(value: u64, per_unit: u64) -> String {
    let (whole, rest) = (value / per_unit, value % per_unit);
    match per_unit.ilog10() {
        _ if rest == 0 => whole.to_string(),
        digits => {
            let decimals = format!("{rest:0width$}", width = digits as usize);
            format!("{whole}.{}", decimals.trim_end_matches('0'))
        }
    }
}

/// Appends the value of a label. Three characters are escaped.
fn push_label_value(value: &str, text: &mut String) {
    for char in value.chars() {
        match char {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            char => text.push(char),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_in_base_units() {
        for (value, per_unit, expected) in [
            (0, 1000, "0"),
            (1, 1000, "0.001"),
            (1500, 1000, "1.5"),
            (61_000, 1000, "61"),
            (7, 1, "7"),
            (10, 1_000_000, "0.00001"),
            (u64::MAX, 1000, "18446744073709551.615"),
        ] {
            assert_eq!(in_units(value, per_unit), expected);
        }
    }

    #[test]
    fn a_distribution_has_cumulative_buckets_a_sum_and_a_count() {
        let mut values = Histogram::new(60_000);
        [0, 1, 7, 7, 90_000].into_iter().for_each(|value| values.record(value));
        let mut text = String::new();
        let buckets = Buckets { bounds: &[1, 10, 1000], per_unit: 1000 };
        push_distribution("x_seconds", buckets, &values, &mut text);
        let expected = "groupcast_x_seconds_bucket{le=\"0.001\"} 2\n\
                        groupcast_x_seconds_bucket{le=\"0.01\"} 4\n\
                        groupcast_x_seconds_bucket{le=\"1\"} 4\n\
                        groupcast_x_seconds_bucket{le=\"+Inf\"} 5\n\
                        groupcast_x_seconds_sum 90.015\n\
                        groupcast_x_seconds_count 5\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn the_value_of_a_label_cannot_end_its_line() {
        let mut text = String::new();
        push_label_value("a\\b\"c\nd", &mut text);
        assert_eq!(text, "a\\\\b\\\"c\\nd");
    }
}
