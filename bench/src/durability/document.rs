//! The document, in Markdown, as a person reads it.

use std::fmt::{self, Write};

use super::goals::{Bound, Goal, goals};
use super::table::{Row, Table};
use crate::results::Machine;

/// All of it. `command` is how it was made.
#[must_use]
pub fn document(tables: &[Table], machine: &Machine, command: &str) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut text, tables, machine, command);
    text
}

fn write(text: &mut String, tables: &[Table], machine: &Machine, command: &str) -> fmt::Result {
    writeln!(text, "# Durability\n")?;
    writeln!(text, "Written by `make durability` (`{command}`), not to be edited.")?;
    writeln!(text, "How to read it: [README](README.md#durability).\n")?;
    for line in machine.lines() {
        writeln!(text, "- {line}")?;
    }
    let failures: usize = tables.iter().map(Table::failures).sum();
    if failures > 0 {
        writeln!(text, "\n**{failures} rounds FAILED; see the tables.**")?;
    }
    writeln!(text, "\n## Goals\n")?;
    writeln!(text, "| what | goal | found | |\n| --- | ---: | ---: | --- |")?;
    for goal in goals(tables) {
        writeln!(text, "{}", line(&goal))?;
    }
    writeln!(text, "\n## Values\n")?;
    writeln!(text, "Medians of the rounds, with the least and the most of them.")?;
    writeln!(text, "The ratios are medians of the ratios within each round.")?;
    for table in tables {
        write_table(text, table)?;
    }
    Ok(())
}

fn line(goal: &Goal) -> String {
    let bound = match goal.bound {
        Bound::Above(least) => format!("above {}", number(least)),
        Bound::AtMost(most) => format!("at most {}", number(most)),
    };
    let found = goal.found.map_or("—".to_owned(), number);
    let verdict = match goal.is_met() {
        Some(true) => "met",
        Some(false) => "**missed**",
        None => "not measured",
    };
    format!("| {} | {bound} | {found} | {verdict} |", goal.name)
}

fn write_table(text: &mut String, table: &Table) -> fmt::Result {
    writeln!(text, "\n### {}\n\n{}\n", table.title, table.about)?;
    let first = table.rows.first().map_or("", |row| row.name.as_str());
    writeln!(text, "| | {} | × {first} |\n| --- | ---: | ---: |", table.unit)?;
    for row in &table.rows {
        let ratio = table.ratio(&row.name, first).map_or("—".to_owned(), number);
        writeln!(text, "| {} | {} | {ratio} |", row.name, cell(row))?;
    }
    Ok(())
}

fn cell(row: &Row) -> String {
    if let Some(fault) = &row.fault {
        let failed = row.rounds.iter().filter(|round| round.is_none()).count();
        let all = row.rounds.len();
        return match failed {
            0 => format!("not measured: {fault}"),
            _ => format!("**FAILED** in {failed} of {all} rounds: {fault}"),
        };
    }
    let Some(samples) = row.samples() else { return "—".to_owned() };
    let [least, median, most] = [0.0, 0.5, 1.0].map(|share| number(samples.quantile(share)));
    format!("{median} ({least} … {most})")
}

/// Three digits that count.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::table;
    use super::*;
    use crate::failure::Failure;

    #[test]
    fn values_goals_and_what_failed_or_is_missing_are_said() {
        let mut rates =
            table("confirmed, x", &[("groupcast", &[300.0]), ("Redis Streams", &[90.0])]);
        rates
            .rows
            .push(Row { fault: Some("NOT INSTALLED".to_owned()), ..Row::new("NATS JetStream") });
        let mut back = table("recovered", &[("100 B", &[])]);
        let lost = "of 7 messages 6 were recovered";
        back.rows[0].push(&Err(Failure::Wrong(lost.to_owned())));
        let text = document(&[rates, back], &Machine::look(None, &[]), "durability");
        for part in [
            "| confirmed, x: groupcast to Redis Streams | above 1.00 | 3.33 | met |",
            "| confirmed, x: groupcast to NATS JetStream | above 1.00 | — | not measured |",
            "| Redis Streams | 90.0 (90.0 … 90.0) | 0.30 |",
            "| NATS JetStream | not measured: NOT INSTALLED | — |",
            "| 100 B | **FAILED** in 1 of 1 rounds: of 7 messages 6 were recovered | — |",
            "**1 rounds FAILED; see the tables.**",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }
}
