//! The document, in Markdown, as a person reads it.

use std::fmt::{self, Write};

use super::{Machine, Results, Verdict, verdicts};
use crate::cases::{Case, Metric, Work};
use crate::peers::{PEERS, Peer};

/// All of it. `command` is how it was made.
#[must_use]
pub fn document(results: &Results, machine: &Machine, command: &str) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut text, results, machine, command);
    text
}

fn write(text: &mut String, results: &Results, machine: &Machine, command: &str) -> fmt::Result {
    writeln!(text, "# Side by side\n")?;
    writeln!(text, "Written by `make bench` (`{command}`), not to be edited.")?;
    writeln!(text, "How to read it: [README](README.md#side-by-side).")?;
    writeln!(text)?;
    for line in machine.lines() {
        writeln!(text, "- {line}")?;
    }
    let failures = results.failures();
    if failures > 0 {
        writeln!(text, "\n**{failures} rounds FAILED; see the tables.**")?;
    }
    writeln!(text, "\n![CPU of a delivery](results-cpu.svg)\n")?;
    writeln!(text, "![Latency](results-latency.svg)\n")?;
    targets(text, &verdicts(results))?;
    writeln!(text, "\n## Values\n")?;
    writeln!(text, "Medians of the rounds, with the least and the most of them.")?;
    writeln!(text, "The ratios are medians of the ratios within each round.")?;
    for case in &results.cases {
        table(text, results, case)?;
    }
    Ok(())
}

fn targets(text: &mut String, verdicts: &[Verdict]) -> fmt::Result {
    writeln!(text, "## Targets\n")?;
    writeln!(text, "Each is a ratio within this run that should not be exceeded.\n")?;
    writeln!(text, "| what | at most | found | |\n| --- | ---: | ---: | --- |")?;
    for Verdict { name, target, found } in verdicts {
        let (found, verdict) = match found {
            None => ("—".to_owned(), "not measured".to_owned()),
            Some(found) if found <= target => (number(*found), "met".to_owned()),
            Some(found) => {
                let over = (found / target - 1.0) * 100.0;
                (number(*found), format!("**missed** by {over:.0} %"))
            }
        };
        writeln!(text, "| {name} | {} | {found} | {verdict} |", number(*target))?;
    }
    Ok(())
}

fn table(text: &mut String, results: &Results, case: &Case) -> fmt::Result {
    writeln!(text, "\n### {}\n\n{}\n", case.name, about(case))?;
    let metrics: Vec<Metric> = METRICS
        .into_iter()
        .filter(|metric| {
            PEERS.iter().any(|peer| results.samples(case.name, *peer, *metric).is_some()) //.
        })
        .collect();
    let has_floor = results.cell(case.name, Peer::Floor).is_some();
    write!(text, "| |")?;
    for metric in &metrics {
        write!(text, " {} |{}", title(*metric), if has_floor { " × floor |" } else { "" })?;
    }
    write!(text, "\n| --- |")?;
    for _ in &metrics {
        write!(text, " ---: |{}", if has_floor { " ---: |" } else { "" })?;
    }
    writeln!(text)?;
    for peer in case.peers() {
        row(text, results, case, peer, &metrics)?;
    }
    Ok(())
}

fn row(
    text: &mut String,
    results: &Results,
    case: &Case,
    peer: Peer,
    metrics: &[Metric],
) -> fmt::Result {
    let fewer = case.messages_for(peer) < case.messages;
    let note =
        if fewer { format!(" ({} messages)", case.messages_for(peer)) } else { String::new() };
    write!(text, "| {}{note} |", peer.name())?;
    let Some(cell) = results.cell(case.name, peer) else {
        let is_missing = results.missing.contains(&peer);
        return writeln!(text, " {} |", if is_missing { "NOT INSTALLED" } else { "not asked for" });
    };
    if let Some(fault) = &cell.fault {
        let failed = cell.rounds.iter().filter(|round| round.is_none()).count();
        return writeln!(
            text,
            " **FAILED** in {failed} of {} rounds: {fault} |",
            cell.rounds.len()
        );
    }
    for metric in metrics {
        let Some(samples) = results.samples(case.name, peer, *metric) else { continue };
        let [least, median, most] = [0.0, 0.5, 1.0].map(|share| number(samples.quantile(share)));
        write!(text, " {median} ({least} … {most}) |")?;
        if results.cell(case.name, Peer::Floor).is_some() {
            let ratio = results.ratio((case.name, peer), (case.name, Peer::Floor), *metric);
            write!(text, " {} |", ratio.map_or("—".to_owned(), number))?;
        }
    }
    writeln!(text)
}

const METRICS: [Metric; 7] = [
    Metric::Cpu,
    Metric::Elapsed,
    Metric::Median,
    Metric::High,
    Metric::Total,
    Metric::Memory,
    Metric::EachMessage,
];

const fn title(metric: Metric) -> &'static str {
    match metric {
        Metric::Cpu => "CPU of a delivery, ns",
        Metric::Elapsed => "elapsed for each, ns",
        Metric::Median => "p50, µs",
        Metric::High => "p99, µs",
        Metric::Total => "until all have all, ms",
        Metric::Memory => "resident, MB",
        Metric::EachMessage => "more for each message, B",
    }
}

fn about(case: &Case) -> String {
    let Case { messages, rounds, .. } = case;
    let (bytes, members) = (case.plan.text_bytes, case.plan.receivers);
    let what = match case.work {
        Work::Saturated { window } if case.plan.are_same => format!(
            "{members} publish in turn and {members} receive, the slowest behind by at most \
             {window}; in groupcast they are the same and nobody gets its own"
        ),
        Work::Saturated { window } => {
            format!("one publishes as fast as the slowest receiver, behind by at most {window}")
        }
        Work::Paced(rate) => {
            format!("one publishes {rate} a second; times count from when each was due")
        }
        Work::Storm => format!(
            "{members} members come back at once, and each gets all the messages; the floor is \
             connected to by as many, and copies them the same bytes. Redis, NATS without its \
             persistence, and mosquitto with QoS 0 keep nothing for who is away; mosquitto with \
             QoS 1 does, and would take minutes"
        ),
        Work::Absent => format!(
            "kept for {members} members that are away; one then comes back and gets all. The \
             floor keeps the bytes once, mosquitto a session with QoS 1 for each member; Redis, \
             NATS without its persistence, and mosquitto with QoS 0 keep nothing for who is away"
        ),
        Work::Logging => "a participant is held up until all are published, and then receives, \
                          shows, logs and acknowledges them; CPU of the participant"
            .to_owned(),
    };
    format!("{messages} messages of {bytes} B, {rounds} rounds: {what}.")
}

/// Three digits that count.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::{CASES, Values};
    use crate::peers::Peer;

    #[test]
    fn what_failed_or_is_missing_is_said() {
        let mut results = Results { cases: CASES.to_vec(), ..Results::default() };
        results.missing.push(Peer::Nats);
        let case = CASES[1];
        for (peer, value) in [(Peer::Floor, 100.0), (Peer::Groupcast, 200.0)] {
            results.push(&case, peer, Ok(Values::from([(Metric::Cpu, value)])));
        }
        results.push(&case, Peer::Redis, Err("expected text 3, found 4".to_owned()));
        let text = document(&results, &Machine::look(None, &[]), "make bench");
        for part in [
            "| groupcast | 200 (200 … 200) | 2.00 |",
            "| Redis | **FAILED** in 1 of 1 rounds: expected text 3, found 4 |",
            "| NATS | NOT INSTALLED |",
            "1 → 100: CPU of groupcast to floor | 1.75 | 2.00 | **missed** by 14 % |",
            "**1 rounds FAILED; see the tables.**",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }

    #[test]
    fn numbers_have_three_digits_or_so() {
        for (value, text) in
            [(1234.5, "1234"), (12.34, "12.3"), (1.234, "1.23"), (0.0125, "0.0125")]
        {
            assert_eq!(number(value), text);
        }
    }
}
