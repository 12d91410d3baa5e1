//! Many members, a load, and a report: options -> runs -> exit code.

use std::env;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use groupcast_bench::cores::raise_file_limit;
use groupcast_bench::failure::{Failure, Result};
use groupcast_bench::load::call::{Call, options};
use groupcast_bench::load::outcome::Outcome;
use groupcast_bench::load::plot;
use groupcast_bench::load::run::{Setup, Target, run};
use groupcast_bench::load::watch::Interrupt;
use groupcast_bench::program::{complain, directory, say};
use signal_hook::consts::SIGINT;

const BRIEF: &str = "loadtest [options]: members under load, verified while it is measured.
Lists (N,...) make a sweep. Exit code 0: nothing lost, doubled, reordered or altered;
1: something was, or could not be measured; 2: usage; 130: ended by Ctrl-C.";

fn main() -> ExitCode {
    let call = match Call::parse(env::args_os().skip(1)) {
        Ok(Some(call)) => call,
        Ok(None) => {
            say(&options().usage(BRIEF));
            return ExitCode::SUCCESS;
        }
        Err(fault) => {
            complain("loadtest", &fault);
            return ExitCode::from(2);
        }
    };
    raise_file_limit();
    match sweep(&call) {
        Ok(code) => code,
        Err(failure) => {
            complain("loadtest", &failure);
            ExitCode::FAILURE
        }
    }
}

fn sweep(call: &Call) -> Result<ExitCode> {
    let programs = call.programs.clone().unwrap_or_else(directory);
    let target = match call.coordinator {
        Some(address) => Target::Running(address),
        None => Target::Own(programs.join("coordinator")),
    };
    let setup = Setup {
        target,
        participant: programs.join("participant"),
        counts_system_calls: call.counts_system_calls,
        interrupt: interrupt()?,
    };
    let mut outcomes: Vec<Outcome> = Vec::new();
    for plan in &call.plans {
        say(&format!("{plan}\n"));
        let outcome = run(&setup, plan)?;
        say(&format!("{outcome}\n"));
        outcomes.push(outcome);
        write_results(call, &outcomes)?;
        if outcomes.iter().any(|outcome| outcome.is_interrupted) {
            break;
        }
    }
    let is_wrong = outcomes.iter().any(|outcome| outcome.faults > 0);
    let is_interrupted = outcomes.iter().any(|outcome| outcome.is_interrupted);
    Ok(match (is_wrong, is_interrupted) {
        (true, _) => ExitCode::FAILURE,
        (false, true) => ExitCode::from(130),
        (false, false) => ExitCode::SUCCESS,
    })
}

/// Set by Ctrl-C.
fn interrupt() -> Result<Interrupt> {
    let interrupt = Arc::new(AtomicBool::new(false));
    let registered = signal_hook::flag::register(SIGINT, Arc::clone(&interrupt));
    registered.map_err(Failure::system("cannot take Ctrl-C"))?;
    Ok(interrupt)
}

/// The results so far, for programs and for the eye.
fn write_results(call: &Call, outcomes: &[Outcome]) -> Result<()> {
    if let Some(path) = &call.json {
        let json = serde_json::to_string_pretty(outcomes)
            .map_err(|error| Failure::Wrong(format!("cannot write JSON: {error}")))?;
        replace(path, &(json + "\n"))?;
    }
    match &call.plot {
        Some(path) => replace(path, &plot::svg(outcomes)?),
        None => Ok(()),
    }
}

/// Writes a file that is whole at any moment.
fn replace(path: &Path, text: &str) -> Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let written = fs::write(&part, text).and_then(|()| fs::rename(&part, path));
    written.map_err(Failure::system(format!("cannot write {}", path.display())))
}
