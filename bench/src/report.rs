//! What is printed: parameters, values, and the target beside each.

use std::fmt::Display;
use std::io::{self, Write};

/// The report on standard output, line by line as the figures come.
#[derive(Debug, Default)]
pub struct Report {
    missed: usize,
}

impl Report {
    /// Opens a figure.
    pub fn title(&mut self, name: &str, parameters: impl Display) {
        print(format_args!("\n{name}: {parameters}"));
    }

    /// A remark.
    pub fn note(&mut self, text: impl Display) {
        print(format_args!("  {text}"));
    }

    /// A value that has no target.
    pub fn value(&mut self, name: &str, value: impl Display) {
        print(format_args!("  {name:<38} {value:>12}"));
    }

    /// A value and what it should be.
    pub fn figure(&mut self, name: &str, value: impl Display, target: impl Display, is_met: bool) {
        let verdict = if is_met { "met" } else { "MISSED" };
        self.missed += usize::from(!is_met);
        print(format_args!("  {name:<38} {value:>12}   target: {target}: {verdict}"));
    }

    /// How many targets were missed.
    #[must_use]
    pub fn missed(&self) -> usize {
        self.missed
    }
}

fn print(line: std::fmt::Arguments<'_>) {
    // Who closed standard output does not want to know; the exit code still says what went wrong.
    let _ = writeln!(io::stdout(), "{line}");
}

/// Bytes as megabytes of 10^6.
#[must_use]
pub fn megabytes(bytes: u64) -> String {
    format!("{:.2} MB", bytes as f64 / 1e6)
}

/// `part` of `whole`; 0 of nothing.
#[must_use]
pub fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Values, sorted, of which the middle and the ends are asked.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<f64>);

impl Samples {
    /// These values.
    #[must_use]
    pub fn new(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    /// The value that `share` of all are at or below: 0.5 is the median. 0 if there are none.
    #[must_use]
    pub fn quantile(&self, share: f64) -> f64 {
        let rank = (share * self.0.len() as f64).ceil() as usize;
        self.0.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
    }

    /// Least, median and most, with `decimals`.
    #[must_use]
    pub fn spread(&self, decimals: usize) -> String {
        let [least, median, most] = [0.0, 0.5, 1.0].map(|share| self.quantile(share));
        format!("{least:.decimals$} / {median:.decimals$} / {most:.decimals$}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_occurred() {
        let samples = Samples::new(vec![5.0, 1.0, 4.0, 2.0, 3.0]);
        for (share, value) in [(0.0, 1.0), (0.2, 1.0), (0.5, 3.0), (0.99, 5.0), (1.0, 5.0)] {
            assert_eq!(samples.quantile(share).total_cmp(&value), std::cmp::Ordering::Equal);
        }
        assert_eq!(samples.spread(1), "1.0 / 3.0 / 5.0");
        assert_eq!(Samples::default().spread(0), "0 / 0 / 0");
    }
}
