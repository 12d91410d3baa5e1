//! Measures a coordinator and prints what it costs: options -> figures -> exit code.

use std::path::PathBuf;
use std::process::ExitCode;

use getopts::Options;
use groupcast_bench::cores::raise_file_limit;
use groupcast_bench::figures::{FIGURES, Setup};
use groupcast_bench::program::{asked, beside, chosen, listed, say, usage};
use groupcast_bench::report::Report;

const ROUNDS_DEFAULT: usize = 5;

const NAME: &str = "figures";
const BRIEF: &str = "figures [options]: what a coordinator costs on this machine";

fn main() -> ExitCode {
    match setup() {
        Ok((setup, only)) => run(&setup, &only),
        Err(code) => code,
    }
}

/// What is to be measured, and which figures; or how the program ends without.
fn setup() -> Result<(Setup, Vec<String>), ExitCode> {
    let matches = asked(NAME, &options(), BRIEF)?;
    let only = chosen(NAME, &matches, "only", &names())?;
    let Ok(rounds @ 1..) = matches.opt_get_default("rounds", ROUNDS_DEFAULT) else {
        return Err(usage(NAME, "--rounds: expected a whole number from 1"));
    };
    let path = |name| matches.opt_str(name).map_or_else(|| beside(name), PathBuf::from);
    let (coordinator, participant) = (path("coordinator"), path("participant"));
    Ok((Setup { coordinator, participant, rounds }, only))
}

fn run(setup: &Setup, only: &[String]) -> ExitCode {
    raise_file_limit();
    say(&format!("{}\n", setup.coordinator.display()));
    let (mut report, mut failures) = (Report::default(), 0);
    for (name, measure) in FIGURES {
        if !only.is_empty() && only.iter().all(|only| only != name) {
            continue;
        }
        if let Err(failure) = measure(setup, &mut report) {
            failures += 1;
            report.note(format_args!("FAILED: {failure}"));
        }
    }
    say(&format!("\n{failures} figures failed, {} targets missed\n", report.missed()));
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn options() -> Options {
    let mut options = Options::new();
    options.optflag("h", "help", "show this");
    options.optmulti("", "only", &format!("of {}; may be given again", listed(&names())), "NAME");
    options.optopt("", "coordinator", "default: the one beside this program", "PATH");
    options.optopt("", "participant", "default: the one beside this program", "PATH");
    let about =
        format!("of each contender in fan-out and of participant (default {ROUNDS_DEFAULT})");
    options.optopt("", "rounds", &about, "NUMBER");
    options
}

fn names() -> [&'static str; FIGURES.len()] {
    FIGURES.map(|(name, _)| name)
}
