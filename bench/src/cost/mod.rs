//! `bench cost`: CPU, memory and latency of the coordinator and of the participant, each value
//! beside its target. Each figure is a file.

mod absent;
mod abuse;
mod fan_out;
mod greedy;
mod http;
mod idle;
pub(crate) mod participant;
mod sizes;
mod tls;

use std::fmt::Display;
use std::process::ExitCode;

use anyhow::Result;
use getopts::{Matches, Options};

use crate::Subcommand;
use crate::cli::{self, print};
use crate::cores::raise_file_limit;
use crate::peers::Programs;
use crate::table::{Target, print_summary};

const ROUNDS_DEFAULT: usize = 5;

pub(crate) const SUBCOMMAND: Subcommand = Subcommand {
    name: "cost",
    about: "CPU, memory and latency of the coordinator and of the participant",
    exit_codes: cli::EXIT_CODES,
    is_hidden: false,
    options,
    run,
};

#[derive(Clone, Debug)]
struct Setup {
    programs: Programs,
    rounds: usize,
}

#[derive(Debug, Default)]
struct Report {
    targets: Vec<Target>,
}

type Figure = fn(&Setup, &mut Report) -> Result<()>;

const FIGURES: [(&str, Figure); 9] = [
    ("sizes", sizes::measure),
    ("idle", idle::measure),
    ("tls", tls::measure),
    ("http", http::measure),
    ("abuse", abuse::measure),
    ("absent", absent::measure),
    ("fan-out", fan_out::measure),
    ("greedy", greedy::measure),
    ("participant", participant::measure),
];

fn options() -> Options {
    let mut options = cli::options();
    cli::add_choice(&mut options, "only", &FIGURES.map(|(name, _)| name));
    cli::add_rounds(&mut options, "of fan-out and participant; default: 5");
    options
}

fn run(matches: &Matches) -> Result<ExitCode> {
    let only = cli::chosen(matches, "only", &FIGURES.map(|(name, _)| name))?;
    let rounds = cli::rounds(matches)?.unwrap_or(ROUNDS_DEFAULT);
    let setup = Setup { programs: Programs::find(matches)?, rounds };
    raise_file_limit();
    print(&format!("{}\n", setup.programs.coordinator.display()));
    let (mut report, mut failures) = (Report::default(), 0);
    for (_, measure) in FIGURES.iter().filter(|(name, _)| only.contains(name)) {
        if let Err(failure) = measure(&setup, &mut report) {
            failures += 1;
            report.print(format_args!("FAILED: {failure:#}"));
        }
    }
    Ok(print_summary(&report.targets, failures, "figure"))
}

impl Report {
    fn title(&self, name: &str, about: impl Display) {
        print(&format!("\n{name}: {about}\n"));
    }

    fn print(&self, text: impl Display) {
        print(&format!("  {text}\n"));
    }

    /// Prints a value without a target.
    fn value(&self, name: &str, value: impl Display) {
        print(&format!("  {name:<54} {value:>10}\n"));
    }

    /// Prints a value and its target, which is an upper bound.
    fn target(&mut self, name: &str, found: f64, most: f64, unit: &'static str) {
        let target = Target { unit, ..Target::at_most(name.to_owned(), Some(found), most) };
        self.print(&target);
        self.targets.push(target);
    }
}
