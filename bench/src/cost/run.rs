//! `bench cost`: what a coordinator costs: options -> figures -> exit code.

use std::process::ExitCode;

use getopts::{Matches, Options};

use crate::Subcommand;
use crate::cli::{self, Stop, print};
use crate::cores::raise_file_limit;
use crate::figures::{FIGURES, Setup};
use crate::peers::Programs;
use crate::report::Report;

const ROUNDS_DEFAULT: usize = 5;

/// The subcommand.
pub const SUBCOMMAND: Subcommand = Subcommand {
    name: "cost",
    about: "CPU and memory of the coordinator and of the participant",
    details: "Exit code 0: everything was measured; 1: something was wrong; 2: usage.
A missed target does not change the exit code: times depend on the machine.",
    is_hidden: false,
    options,
    run,
};

fn options() -> Options {
    let mut options = cli::options();
    cli::add_only(&mut options, &names());
    cli::add_rounds(&mut options, "fan-out and participant; default: 5");
    options
}

fn run(matches: &Matches) -> Result<ExitCode, Stop> {
    let only = cli::chosen(matches, "only", &names())?;
    let rounds = cli::rounds(matches)?.unwrap_or(ROUNDS_DEFAULT);
    let Programs { coordinator, participant, .. } = Programs::find(matches)?;
    let setup = Setup { coordinator, participant, rounds };
    raise_file_limit();
    print(&format!("{}\n", setup.coordinator.display()));
    let (mut report, mut failures) = (Report::default(), 0);
    for (_, measure) in FIGURES.iter().filter(|(name, _)| only.contains(name)) {
        if let Err(failure) = measure(&setup, &mut report) {
            failures += 1;
            report.note(format_args!("FAILED: {failure}"));
        }
    }
    print(&format!("\n{failures} figures failed, {} targets missed\n", report.missed()));
    Ok(cli::exit_code(failures))
}

fn names() -> [&'static str; FIGURES.len()] {
    FIGURES.map(|(name, _)| name)
}
