//! Measures a coordinator and prints what it costs: options -> figures -> exit code.

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

use getopts::Options;
use groupcast_bench::cores::raise_file_limit;
use groupcast_bench::figures::{FIGURES, Setup};
use groupcast_bench::program::{self, beside, complain, say};
use groupcast_bench::report::Report;

const ROUNDS_DEFAULT: usize = 5;

fn main() -> ExitCode {
    let options = options();
    let matches = match program::parse(&options, env::args_os().skip(1)) {
        Ok(matches) => matches,
        Err(fault) => return usage(&fault),
    };
    if matches.opt_present("help") {
        say(&options.usage("figures [options]: what a coordinator costs on this machine"));
        return ExitCode::SUCCESS;
    }
    let only = matches.opt_strs("only");
    if let Some(unknown) = only.iter().find(|only| FIGURES.iter().all(|(name, _)| name != only)) {
        return usage(&format!("--only: found {unknown:?}, expected one of {}", names()));
    }
    let Ok(rounds @ 1..) = matches.opt_get_default("rounds", ROUNDS_DEFAULT) else {
        return usage("--rounds: expected a whole number from 1");
    };
    let asked = |name| matches.opt_str(name).map_or_else(|| beside(name), PathBuf::from);
    let (coordinator, participant) = (asked("coordinator"), asked("participant"));
    run(&Setup { coordinator, participant, rounds }, &only)
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
    options.optmulti("", "only", &format!("of {}; may be given again", names()), "NAME");
    options.optopt("", "coordinator", "default: the one beside this program", "PATH");
    options.optopt("", "participant", "default: the one beside this program", "PATH");
    let about =
        format!("of each contender in fan-out and of participant (default {ROUNDS_DEFAULT})");
    options.optopt("", "rounds", &about, "NUMBER");
    options
}

fn names() -> String {
    FIGURES.map(|(name, _)| name).join(", ")
}

fn usage(fault: &str) -> ExitCode {
    complain("figures", &fault);
    ExitCode::from(2)
}
