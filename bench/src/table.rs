//! Tables of values that were measured in rounds, targets, and the document that shows both.
//!
//! ```text
//!   Table: Row, Row, … ─► Row: the Values of each round ─► Samples, ratios ─► Target ─► document
//! ```
//!
//! A ratio is the median of the ratios within each round. The parts of a round follow each other
//! closely, so the load of the machine at that time is in both parts.

use std::fmt;
use std::process::ExitCode;

use anyhow::Result;

use crate::cli::print;

/// Values of one round, each with the heading of its column.
pub(crate) type Values = Vec<(&'static str, f64)>;

/// Rows that are measured in turns.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    pub(crate) title: String,
    pub(crate) about: String,
    /// Ratios are to the first row.
    pub(crate) rows: Vec<Row>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    pub(crate) name: String,
    /// Remark behind the name.
    pub(crate) note: String,
    /// Values of each round. `None` is a failed round.
    pub(crate) rounds: Vec<Option<Values>>,
    /// The first failure, or the reason why the row is not measured.
    pub(crate) fault: Option<String>,
    /// The row is no alternative to the others: a ratio says nothing.
    pub(crate) is_alone: bool,
}

impl Row {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    pub(crate) fn alone(name: &str) -> Self {
        Self { is_alone: true, ..Self::new(name) }
    }

    pub(crate) fn not_measured(name: &str, reason: String) -> Self {
        Self { fault: Some(reason), ..Self::new(name) }
    }

    pub(crate) fn push(&mut self, measured: Result<Values>) {
        match measured {
            Ok(values) => self.rounds.push(Some(values)),
            Err(failure) => {
                self.rounds.push(None);
                self.fault.get_or_insert(format!("{failure:#}"));
            }
        }
    }

    pub(crate) fn samples(&self, column: &str) -> Option<Samples> {
        let rounds = self.rounds.iter();
        Samples::of(rounds.filter_map(|round| value(round.as_ref()?, column)))
    }

    pub(crate) fn median(&self, column: &str) -> Option<f64> {
        Some(self.samples(column)?.quantile(0.5))
    }

    /// Median of the ratios to `other` within each round.
    pub(crate) fn ratio(&self, other: &Self, column: &str) -> Option<f64> {
        let rounds = self.rounds.iter().zip(&other.rounds);
        let ratios = rounds.filter_map(|(of, to)| {
            let (of, to) = (value(of.as_ref()?, column)?, value(to.as_ref()?, column)?);
            (to > 0.0).then(|| of / to)
        });
        Some(Samples::of(ratios)?.quantile(0.5))
    }

    fn failures(&self) -> usize {
        self.rounds.iter().filter(|round| round.is_none()).count()
    }
}

fn value(values: &Values, column: &str) -> Option<f64> {
    values.iter().find(|(name, _)| *name == column).map(|(_, value)| *value)
}

impl Table {
    /// Measures all rows in turns, round after round, and prints each value. `measure` gets the
    /// index of the row. Rows that have a fault before the first round are skipped.
    pub(crate) fn measure(
        &mut self,
        rounds: usize,
        measure: &mut dyn FnMut(usize) -> Result<Values>,
    ) {
        print(&format!("\n{}: {}\n", self.title, self.about));
        let rows = self.rows.iter_mut().enumerate();
        let mut rows: Vec<_> = rows.filter(|(_, row)| row.fault.is_none()).collect();
        for round in 1..=rounds {
            for (index, row) in &mut rows {
                let measured = measure(*index);
                let value = |(name, value): &(&str, f64)| format!("{} {name}", number(*value));
                let shown = match &measured {
                    Ok(values) => values.iter().map(value).collect::<Vec<_>>().join("; "),
                    Err(failure) => format!("FAILED: {failure:#}"),
                };
                print(&format!("  {round} {:<26} {shown}\n", row.name));
                row.push(measured);
            }
        }
    }

    pub(crate) fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name)
    }

    pub(crate) fn ratio(&self, of: &str, to: &str, column: &str) -> Option<f64> {
        self.row(of)?.ratio(self.row(to)?, column)
    }

    pub(crate) fn failures(&self) -> usize {
        self.rows.iter().map(Row::failures).sum()
    }

    /// Headings, in the order in which they first occur.
    fn columns(&self) -> Vec<&'static str> {
        let mut columns = Vec::new();
        for (column, _) in self.rows.iter().flat_map(|row| &row.rounds).flatten().flatten() {
            if !columns.contains(column) {
                columns.push(*column);
            }
        }
        columns
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n### {}\n\n{}\n", self.title, self.about)?;
        let (columns, reference) = (self.columns(), self.rows.first());
        write!(f, "| |")?;
        let name = reference.map_or("", |row| row.name.as_str());
        let has_ratios = !self.rows.iter().all(|row| row.is_alone);
        for column in &columns {
            write!(f, " {column} |")?;
            if has_ratios {
                write!(f, " × {name} |")?;
            }
        }
        write!(f, "\n| --- |")?;
        let line = if has_ratios { " ---: | ---: |" } else { " ---: |" };
        columns.iter().try_for_each(|_| f.write_str(line))?;
        writeln!(f)?;
        for row in &self.rows {
            write!(f, "| {}{} |", row.name, row.note)?;
            for (index, column) in columns.iter().enumerate() {
                let ratio = reference.and_then(|reference| row.ratio(reference, column));
                let ratio = ratio.filter(|_| row.fault.is_none()).map_or("—".to_owned(), number);
                let cell = match (&row.fault, row.samples(column), index) {
                    (Some(fault), _, 0) => match (row.failures(), row.rounds.len()) {
                        (0, _) => format!("not measured: {fault}"),
                        (failed, all) => {
                            format!("**FAILED** in {failed} of {}: {fault}", count(all, "round"))
                        }
                    },
                    (None, Some(samples), _) => {
                        let all = [0.0, 0.5, 1.0].map(|share| number(samples.quantile(share)));
                        let [least, median, most] = all;
                        format!("{median} ({least} … {most})")
                    }
                    (Some(_) | None, ..) => "—".to_owned(),
                };
                write!(f, " {cell} |")?;
                if has_ratios {
                    write!(f, " {ratio} |")?;
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn new(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    /// `None` if there are no values.
    fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        Some(Self::new(values.collect())).filter(|samples| !samples.0.is_empty())
    }

    /// The value that `share` of all values are at or below: 0.5 is the median. 0 without values.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let rank = (share * self.0.len() as f64).ceil() as usize;
        self.0.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
    }
}

/// A value that a measurement should reach, beside the value that was found.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) bound: Bound,
    /// `None` if the value was not measured.
    pub(crate) found: Option<f64>,
    /// Unit of both values. Empty for a ratio.
    pub(crate) unit: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bound {
    Above(f64),
    AtMost(f64),
}

impl Target {
    /// A ratio that should not exceed `most`.
    pub(crate) fn at_most(name: String, found: Option<f64>, most: f64) -> Self {
        Self { name, bound: Bound::AtMost(most), found, unit: "" }
    }

    pub(crate) fn is_missed(&self) -> bool {
        self.found.is_some_and(|found| match self.bound {
            Bound::Above(least) => found <= least,
            Bound::AtMost(most) => found > most,
        })
    }

    /// The bound, the value and the verdict in words.
    fn words(&self) -> [String; 3] {
        let with_unit = |value| format!("{} {}", number(value), self.unit).trim_end().to_owned();
        let bound = match self.bound {
            Bound::Above(least) => format!("above {}", with_unit(least)),
            Bound::AtMost(most) => format!("at most {}", with_unit(most)),
        };
        let verdict = match (self.found, self.bound) {
            (None, _) => "not measured".to_owned(),
            (Some(_), _) if !self.is_missed() => "met".to_owned(),
            (Some(found), Bound::AtMost(limit) | Bound::Above(limit)) => {
                format!("**missed** by {:.0} %", ((found / limit - 1.0) * 100.0).abs())
            }
        };
        [bound, self.found.map_or("—".to_owned(), with_unit), verdict]
    }
}

/// A line for the terminal.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [bound, found, verdict] = self.words();
        let verdict = verdict.replace("**", "");
        write!(f, "{:<54} {found:>10}   target: {bound}: {verdict}", self.name)
    }
}

/// Prints all targets that were measured and the last line; returns the exit code.
pub(crate) fn print_end(targets: &[Target], tables: &[Table]) -> ExitCode {
    print("\n");
    targets.iter().filter(|it| it.found.is_some()).for_each(|it| print(&format!("  {it}\n")));
    print_summary(targets, tables.iter().map(Table::failures).sum(), "round")
}

/// Prints the last line: missed targets and failures. Returns the exit code.
pub(crate) fn print_summary(targets: &[Target], failures: usize, noun: &str) -> ExitCode {
    let missed = targets.iter().filter(|target| target.is_missed()).count();
    let (missed, failed) = (count(missed, "target"), count(failures, noun));
    print(&format!("\n{missed} missed, {failed} FAILED\n"));
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// `1 round`, `2 rounds`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// A document in Markdown: `head`, all targets, all tables.
pub(crate) fn document(head: &str, targets: &[Target], tables: &[Table]) -> String {
    let mut text = format!(
        "{head}\n## Targets\n\n| measurement | target | found | |\n| --- | ---: | ---: | --- |\n"
    );
    for target in targets {
        let [bound, found, verdict] = target.words();
        text += &format!("| {} | {bound} | {found} | {verdict} |\n", target.name);
    }
    let failures: usize = tables.iter().map(Table::failures).sum();
    if failures > 0 {
        text += &format!("\n**{} FAILED; see the tables.**\n", count(failures, "round"));
    }
    text += "\n## Values\n\nEach value is the median of all rounds. The least and the greatest \
             value stand in parentheses.\nA column with × has medians of the ratios within each \
             round.\n";
    tables.iter().for_each(|table| text += &table.to_string());
    text
}

/// A value with three significant digits.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 || size == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

/// `part` of `whole`. 0 if `whole` is 0.
pub(crate) fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Bytes as megabytes of 10^6 bytes.
pub(crate) fn megabytes(bytes: u64) -> String {
    format!("{:.2} MB", bytes as f64 / 1e6)
}

#[cfg(test)]
pub(crate) mod tests {
    use anyhow::anyhow;

    use super::*;

    /// A table with one column.
    pub(crate) fn table(title: &str, column: &'static str, rows: &[(&str, &[f64])]) -> Table {
        let rows = rows.iter().map(|(name, values)| {
            let rounds = values.iter().map(|value| Some(vec![(column, *value)])).collect();
            Row { rounds, ..Row::new(name) }
        });
        Table { title: title.to_owned(), about: "Work.".to_owned(), rows: rows.collect() }
    }

    #[test]
    fn a_ratio_is_the_median_of_ratios_within_a_round_that_both_rows_have() {
        let mut table =
            table("t", "ns", &[("a", &[20.0, 200.0, 150.0]), ("b", &[10.0, 100.0, 50.0])]);
        table.rows[0].push(Ok(vec![("ns", 1e6)]));
        table.rows[1].push(Err(anyhow!("lost")));
        table.rows[1].push(Err(anyhow!("lost more")));
        assert_eq!(table.ratio("a", "b", "ns"), Some(2.0));
        assert_eq!(table.rows[1].median("ns"), Some(50.0));
        assert_eq!((table.failures(), table.rows[1].fault.as_deref()), (2, Some("lost")));
        assert_eq!(table.ratio("a", "c", "ns"), None);
        assert_eq!(table.ratio("a", "b", "ms"), None);
    }

    #[test]
    fn a_document_names_failures_and_rows_that_are_not_measured() {
        let mut table = table("1 → 100", "ns", &[("floor", &[100.0]), ("groupcast", &[200.0])]);
        table.rows.push(Row::not_measured("NATS", "NOT INSTALLED".to_owned()));
        table.rows.push(Row::new("Redis"));
        table.rows[3].push(Err(anyhow!("expected text 3, found 4")));
        let targets = [
            Target::at_most("CPU".to_owned(), table.ratio("groupcast", "floor", "ns"), 1.75),
            Target::at_most("CPU of NATS".to_owned(), table.ratio("NATS", "floor", "ns"), 1.0),
            Target { bound: Bound::Above(1.0), ..Target::at_most("x".to_owned(), Some(1.2), 1.0) },
        ];
        let text = document("# Comparison\n", &targets, &[table]);
        for part in [
            "| | ns | × floor |",
            "| groupcast | 200 (200 … 200) | 2.00 |",
            "| Redis | **FAILED** in 1 of 1 round: expected text 3, found 4 | — |",
            "| NATS | not measured: NOT INSTALLED | — |",
            "| CPU | at most 1.75 | 2.00 | **missed** by 14 % |",
            "| CPU of NATS | at most 1.00 | — | not measured |",
            "| x | above 1.00 | 1.20 | met |",
            "**1 round FAILED; see the tables.**",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }

    #[test]
    fn quantiles_are_values_that_occurred() {
        let samples = Samples::new(vec![5.0, 1.0, 4.0, 2.0, 3.0]);
        for (share, value) in [(0.0, 1.0), (0.2, 1.0), (0.5, 3.0), (0.99, 5.0), (1.0, 5.0)] {
            assert_eq!(samples.quantile(share).total_cmp(&value), std::cmp::Ordering::Equal);
        }
        assert_eq!(Samples::default().quantile(0.5).total_cmp(&0.0), std::cmp::Ordering::Equal);
    }

    #[test]
    fn numbers_have_three_significant_digits() {
        for (value, text) in
            [(1234.5, "1234"), (12.34, "12.3"), (1.234, "1.23"), (0.0125, "0.0125"), (0.0, "0.00")]
        {
            assert_eq!(number(value), text);
        }
    }
}
