//! What came of all rounds, and how it is shown.
//!
//! ```text
//!   Case, Peer ─► Cell: the values of each round ─► tables, targets, plots
//! ```
//!
//! Ratios are taken within a round, whose parts follow each other closely, and their median is
//! shown: what else the machine does from minute to minute is in both parts.

mod document;
mod machine;
mod plot;
mod targets;

use std::collections::BTreeMap;

pub use document::document;
pub use machine::Machine;
pub use plot::{cpu_svg, latency_svg};
pub use targets::{Verdict, verdicts};

use crate::cases::{Case, Metric, Values};
use crate::peers::Peer;
use crate::report::Samples;

/// All rounds of one case with one peer.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    /// The values of each round; `None` if it failed.
    pub rounds: Vec<Option<Values>>,
    /// What went wrong first.
    pub fault: Option<String>,
}

/// Everything.
#[derive(Clone, Debug, Default)]
pub struct Results {
    /// What was played.
    pub cases: Vec<Case>,
    /// Who is not installed.
    pub missing: Vec<Peer>,
    cells: BTreeMap<(&'static str, Peer), Cell>,
}

impl Results {
    /// Nothing yet.
    #[must_use]
    pub fn new(cases: Vec<Case>, missing: Vec<Peer>) -> Self {
        Self { cases, missing, cells: BTreeMap::new() }
    }

    /// Notes a round.
    pub fn push(&mut self, case: &Case, peer: Peer, played: Result<Values, String>) {
        let cell = self.cells.entry((case.name, peer)).or_default();
        match played {
            Ok(values) => cell.rounds.push(Some(values)),
            Err(fault) => {
                cell.rounds.push(None);
                cell.fault.get_or_insert(fault);
            }
        }
    }

    /// All rounds of a case with a peer.
    #[must_use]
    pub fn cell(&self, case: &str, peer: Peer) -> Option<&Cell> {
        let mut cells = self.cells.iter();
        cells.find(|((name, other), _)| *name == case && *other == peer).map(|(_, cell)| cell)
    }

    /// How many rounds failed.
    #[must_use]
    pub fn failures(&self) -> usize {
        let rounds = self.cells.values().flat_map(|cell| &cell.rounds);
        rounds.filter(|round| round.is_none()).count()
    }

    /// A value over all rounds.
    #[must_use]
    pub fn samples(&self, case: &str, peer: Peer, metric: Metric) -> Option<Samples> {
        let rounds = &self.cell(case, peer)?.rounds;
        let values: Vec<f64> =
            rounds.iter().flatten().filter_map(|round| round.get(&metric).copied()).collect();
        (!values.is_empty()).then(|| Samples::new(values))
    }

    /// The median of a value.
    #[must_use]
    pub fn median(&self, case: &str, peer: Peer, metric: Metric) -> Option<f64> {
        Some(self.samples(case, peer, metric)?.quantile(0.5))
    }

    /// The median over the rounds of a value to another one of the same round.
    #[must_use]
    pub fn ratio(&self, of: (&str, Peer), to: (&str, Peer), metric: Metric) -> Option<f64> {
        let (of, to) = (self.cell(of.0, of.1)?, self.cell(to.0, to.1)?);
        let ratios = of.rounds.iter().zip(&to.rounds).filter_map(|(of, to)| {
            let (of, to) = (of.as_ref()?.get(&metric)?, to.as_ref()?.get(&metric)?);
            (*to > 0.0).then(|| of / to)
        });
        let ratios: Vec<f64> = ratios.collect();
        (!ratios.is_empty()).then(|| Samples::new(ratios).quantile(0.5))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::CASES;

    #[test]
    fn ratios_are_taken_within_a_round() {
        let (mut results, case) = (Results::default(), CASES[0]);
        let values = |value| Ok(Values::from([(Metric::Cpu, value)]));
        for (floor, ours) in [(10.0, 20.0), (100.0, 200.0), (50.0, 150.0)] {
            results.push(&case, Peer::Floor, values(floor));
            results.push(&case, Peer::Groupcast, values(ours));
        }
        results.push(&case, Peer::Floor, Err("lost".to_owned()));
        results.push(&case, Peer::Groupcast, values(1e6));
        let (ours, floor) = ((case.name, Peer::Groupcast), (case.name, Peer::Floor));
        assert_eq!(results.ratio(ours, floor, Metric::Cpu), Some(2.0));
        assert_eq!(results.median(case.name, Peer::Floor, Metric::Cpu), Some(50.0));
        assert_eq!(results.failures(), 1);
        assert_eq!(results.ratio(ours, floor, Metric::Total), None);
        assert_eq!(results.ratio(ours, (case.name, Peer::Redis), Metric::Cpu), None);
    }
}
