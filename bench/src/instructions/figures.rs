//! Figures: instructions of a unit of work, kept in a file and compared with it.
//!
//! ```text
//!   tools rustc 1.95.0, ...                the figures hold for these tools
//!   publish 4740.1 a message               a figure and its unit
//!       1031.5 core::fmt::write [...]      the instructions of one of its functions
//! ```

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::{Context as _, Result};

use super::profile::Profile;
use super::units::UnitLimit;

/// Difference to the kept figure that counts, in percent.
pub(super) const LIMIT_PERCENT: f64 = 3.0;
/// The same, if the figures were recorded with other tools.
pub(super) const LIMIT_OTHER_TOOLS_PERCENT: f64 = 15.0;
/// Functions with a smaller part of a figure are not kept.
const PART_MIN: f64 = 0.005;
/// Functions that a report names.
const NAMED_MAX: usize = 6;

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Figure {
    pub(super) instructions: f64,
    pub(super) unit: String,
    pub(super) functions: BTreeMap<String, f64>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Figures {
    /// Compiler, target and tools of the figures.
    pub(super) tools: String,
    pub(super) figures: BTreeMap<String, Figure>,
}

/// Result of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Same,
    More,
    Fewer,
    New,
}

impl Figure {
    /// The difference between two runs of the same work, divided by the units between them. The
    /// start and the end of the program cancel out.
    pub(super) fn between(less: &Profile, more: &Profile, units: u64, unit: &str) -> Self {
        let units = units as f64;
        let instructions = (more.total() as f64 - less.total() as f64) / units;
        let of = |name: &String| less.functions.get(name).copied().unwrap_or(0) as f64;
        let functions = more.functions.iter().map(|(name, more)| {
            let cost = (*more as f64 - of(name)) / units;
            (name.clone(), cost)
        });
        Self { instructions, unit: unit.to_owned(), functions: functions.collect() }
    }

    pub(super) fn percent_above(&self, kept: &Self) -> f64 {
        (self.instructions / kept.instructions - 1.0) * 100.0
    }

    /// Functions that cost more than in `kept`, the largest growth first. A function that is not
    /// kept cost at most the smallest part that is kept.
    fn grown(&self, kept: &Self) -> Vec<String> {
        let unkept = kept.instructions * PART_MIN;
        let mut grown: Vec<_> = self
            .functions
            .iter()
            .map(|(name, now)| (now - kept.functions.get(name).unwrap_or(&unkept), *now, name))
            .filter(|(growth, ..)| *growth > self.instructions * PART_MIN / 5.0)
            .collect();
        grown.sort_by(|a, b| b.0.total_cmp(&a.0));
        let line = |(growth, now, name): (f64, f64, &String)| match kept.functions.get(name) {
            Some(before) => format!("+{growth:.1}  {name}: {before:.1} before, {now:.1} now"),
            None => format!("+{growth:.1}  {name}: below {unkept:.1} before, {now:.1} now"),
        };
        grown.into_iter().take(NAMED_MAX).map(line).collect()
    }
}

/// Compares a figure with the one that is kept. Returns lines for the report, too.
pub(super) fn compare(
    name: &str,
    now: &Figure,
    kept: Option<&Figure>,
    limit_percent: f64,
) -> (Verdict, String) {
    let Figure { instructions, unit, .. } = now;
    let head = format!("{name:<14} {instructions:>12.1} {unit:<12}");
    let Some(kept) = kept else {
        return (Verdict::New, format!("{head} no kept figure: record it"));
    };
    let percent = now.percent_above(kept);
    let head = format!("{head} {percent:+6.2} % to {:.1}", kept.instructions);
    if percent > limit_percent {
        let grown: String =
            now.grown(kept).iter().map(|line| format!("\n                 {line}")).collect();
        (Verdict::More, format!("{head}: ABOVE the limit of {limit_percent} %. Grown:{grown}"))
    } else if percent < -limit_percent {
        (Verdict::Fewer, format!("{head}: better; record it"))
    } else {
        (Verdict::Same, head)
    }
}

/// Compares a figure with that of another unit. Returns lines for the report, too.
pub(super) fn compare_units(limit: &UnitLimit, now: &Figure, base: &Figure) -> (Verdict, String) {
    let percent = now.percent_above(base);
    let head = format!("{:<14} {percent:+.2} % to {}", limit.unit, limit.base);
    match percent > limit.percent {
        true => (Verdict::More, format!("{head}: ABOVE the limit of {} %", limit.percent)),
        false => (Verdict::Same, format!("{head}, at most {} %", limit.percent)),
    }
}

impl Figures {
    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut all = Self::default();
        let mut last = None;
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (first, rest) = line.trim().split_once(' ').context("a line of one word")?;
            if line.starts_with(' ') {
                let figure = last.as_mut().and_then(|name| all.figures.get_mut(name));
                let figure: &mut Figure = figure.context("a function before the first figure")?;
                let cost = first.parse().with_context(|| format!("no number: {line}"))?;
                figure.functions.insert(rest.to_owned(), cost);
            } else if first == "tools" {
                rest.clone_into(&mut all.tools);
            } else {
                let (cost, unit) = rest.split_once(' ').context("a figure without a unit")?;
                let instructions = cost.parse().with_context(|| format!("no number: {line}"))?;
                let (unit, functions) = (unit.to_owned(), BTreeMap::new());
                all.figures.insert(first.to_owned(), Figure { instructions, unit, functions });
                last = Some(first.to_owned());
            }
        }
        Ok(all)
    }

    pub(super) fn text(&self) -> String {
        let mut text = format!(
            "# User instructions of a unit of work, counted by callgrind. Written by\n\
             # `make instructions RECORD=1`: changes by hand are lost. Below each figure stand\n\
             # the functions with at least 0.5 % of it, with the file of the instructions.\n\
             tools {}\n",
            self.tools
        );
        for (name, Figure { instructions, unit, functions }) in &self.figures {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "\n{name} {instructions:.1} {unit}");
            let mut parts: Vec<_> =
                functions.iter().filter(|(_, cost)| **cost >= instructions * PART_MIN).collect();
            parts.sort_by(|a, b| b.1.total_cmp(a.1));
            for (function, cost) in parts {
                let _ = writeln!(text, "    {cost:.1} {function}");
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(functions: &[(&str, f64)]) -> Figure {
        let functions: BTreeMap<_, _> =
            functions.iter().map(|(name, cost)| ((*name).to_owned(), *cost)).collect();
        let instructions = functions.values().sum();
        Figure { instructions, unit: "a message".to_owned(), functions }
    }

    #[test]
    fn a_growth_of_five_percent_fails_and_names_the_functions() {
        let kept = figure(&[("a::f [a.rs]", 900.0), ("b::g [b.rs]", 100.0)]);
        let grown = figure(&[("a::f [a.rs]", 900.0), ("b::g [b.rs]", 130.0), ("c [c.rs]", 20.0)]);
        let (verdict, text) = compare("publish", &grown, Some(&kept), LIMIT_PERCENT);
        assert_eq!(verdict, Verdict::More);
        assert!(text.contains("+5.00 % to 1000.0"), "{text}");
        assert!(text.contains("+30.0  b::g [b.rs]: 100.0 before, 130.0 now"), "{text}");
        assert!(text.contains("+15.0  c [c.rs]: below 5.0 before, 20.0 now"), "{text}");
        assert!(!text.contains("a::f"), "{text}");
        // Other tools move figures.
        let (verdict, _) = compare("publish", &grown, Some(&kept), LIMIT_OTHER_TOOLS_PERCENT);
        assert_eq!(verdict, Verdict::Same);
    }

    #[test]
    fn three_percent_are_the_limit_on_both_sides() {
        let kept = figure(&[("a", 1000.0)]);
        for (now, expected) in [
            (1031.0, Verdict::More),
            (1029.0, Verdict::Same),
            (971.0, Verdict::Same),
            (969.0, Verdict::Fewer),
        ] {
            let now = figure(&[("a", now)]);
            assert_eq!(compare("x", &now, Some(&kept), LIMIT_PERCENT).0, expected);
        }
        assert_eq!(compare("x", &kept, None, LIMIT_PERCENT).0, Verdict::New);
    }

    #[test]
    fn a_unit_may_be_at_most_some_percent_above_another_one() {
        let limit = UnitLimit { unit: "send", base: "publish", percent: 5.0 };
        let base = figure(&[("a", 1000.0)]);
        for (now, expected) in
            [(1051.0, Verdict::More), (1049.0, Verdict::Same), (1.0, Verdict::Same)]
        {
            let (verdict, text) = compare_units(&limit, &figure(&[("a", now)]), &base);
            assert_eq!(verdict, expected, "{text}");
        }
    }

    #[test]
    fn a_file_of_figures_is_read_as_it_was_written() {
        let kept = figure(&[("a::f [a.rs]", 900.0), ("<b as C>::g [d/b.rs]", 100.0)]);
        let figures = BTreeMap::from([("ack".to_owned(), kept.clone()), ("b".to_owned(), kept)]);
        let all = Figures { tools: "rustc 1, valgrind 2".to_owned(), figures };
        assert_eq!(Figures::parse(&all.text()).unwrap(), all);
        for wrong in ["word", "ack x a message", "ack 1", "    1.0 f"] {
            assert!(Figures::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_two_runs_have_in_common_cancels_out() {
        let profile = |f, g| Profile { functions: [("f".into(), f), ("g".into(), g)].into() };
        let found = Figure::between(&profile(1_000, 70), &profile(1_600, 70), 100, "a message");
        assert_eq!(found.instructions, 6.0);
        assert_eq!(found.functions, [("f".to_owned(), 6.0), ("g".to_owned(), 0.0)].into());
    }
}
