//! Rounds of several things that were measured in turns, and what one is to another.

use crate::failure::Result;
use crate::report::Samples;

/// Things measured in one unit.
#[derive(Clone, Debug)]
pub struct Table {
    /// As it is named.
    pub title: String,
    /// What was done.
    pub about: String,
    /// In what it was measured.
    pub unit: &'static str,
    /// The things.
    pub rows: Vec<Row>,
}

/// All rounds of one thing.
#[derive(Clone, Debug)]
pub struct Row {
    /// As it is named.
    pub name: String,
    /// The value of each round; `None` where it failed.
    pub rounds: Vec<Option<f64>>,
    /// Why there is none, or what went wrong first.
    pub fault: Option<String>,
}

impl Row {
    /// No rounds yet.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), rounds: Vec::new(), fault: None }
    }

    /// Notes a round.
    pub fn push(&mut self, measured: &Result<f64>) {
        self.rounds.push(measured.as_ref().ok().copied());
        if let Err(failure) = measured {
            self.fault.get_or_insert_with(|| failure.to_string());
        }
    }

    /// The values, if there are any.
    #[must_use]
    pub fn samples(&self) -> Option<Samples> {
        let values: Vec<f64> = self.rounds.iter().flatten().copied().collect();
        (!values.is_empty()).then(|| Samples::new(values))
    }
}

impl Table {
    /// A row by its name.
    #[must_use]
    pub fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name)
    }

    /// The median of a row.
    #[must_use]
    pub fn median(&self, name: &str) -> Option<f64> {
        Some(self.row(name)?.samples()?.quantile(0.5))
    }

    /// The median over the rounds of a value to another one of the same round.
    #[must_use]
    pub fn ratio(&self, of: &str, to: &str) -> Option<f64> {
        let (of, to) = (self.row(of)?, self.row(to)?);
        let ratios = of.rounds.iter().zip(&to.rounds).filter_map(|(of, to)| {
            let (of, to) = (of.as_ref()?, to.as_ref()?);
            (*to > 0.0).then(|| of / to)
        });
        let ratios: Vec<f64> = ratios.collect();
        (!ratios.is_empty()).then(|| Samples::new(ratios).quantile(0.5))
    }

    /// How many rounds failed.
    #[must_use]
    pub fn failures(&self) -> usize {
        self.rows.iter().flat_map(|row| &row.rounds).filter(|round| round.is_none()).count()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::failure::Failure;

    pub(in super::super) fn table(title: &str, rows: &[(&str, &[f64])]) -> Table {
        let rows = rows.iter().map(|(name, values)| {
            let rounds = values.iter().copied().map(Some).collect();
            Row { rounds, ..Row::new(name) }
        });
        let (title, about) = (title.to_owned(), "What was done.".to_owned());
        Table { title, about, unit: "messages/s", rows: rows.collect() }
    }

    #[test]
    fn ratios_are_taken_within_a_round_that_both_have() {
        let mut table = table("t", &[("a", &[20.0, 200.0, 150.0]), ("b", &[10.0, 100.0, 50.0])]);
        table.rows[0].push(&Ok(1e6));
        table.rows[1].push(&Err(Failure::Wrong("lost".to_owned())));
        table.rows[1].push(&Err(Failure::Wrong("lost more".to_owned())));
        assert_eq!(table.ratio("a", "b"), Some(2.0));
        assert_eq!(table.median("b"), Some(50.0));
        assert_eq!((table.failures(), table.rows[1].fault.as_deref()), (2, Some("lost")));
        assert_eq!(table.ratio("a", "c"), None);
    }
}
