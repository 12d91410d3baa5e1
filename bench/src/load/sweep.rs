//! `bench load`: options -> runs -> report -> exit code.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use getopts::Matches;
use signal_hook::consts::SIGINT;

use super::arguments::{Call, options};
use super::outcome::Outcome;
use super::plot;
use super::progress::Interrupt;
use super::run::{Setup, Target, run};
use crate::Subcommand;
use crate::cli::{Stop, print};
use crate::cores::raise_file_limit;
use crate::failure::{Failure, Result};

/// The subcommand.
pub const SUBCOMMAND: Subcommand = Subcommand {
    name: "load",
    about: "members under load, verified while they are measured",
    details: "Lists (N,...) make a sweep. Exit code 0: nothing lost, doubled, reordered or altered;
1: something was, or could not be measured; 2: usage; 130: ended by Ctrl-C.",
    is_hidden: false,
    options,
    run: |matches: &Matches| -> std::result::Result<ExitCode, Stop> {
        let call = Call::new(matches)?;
        raise_file_limit();
        Ok(sweep(&call)?)
    },
};

fn sweep(call: &Call) -> Result<ExitCode> {
    let programs = &call.programs;
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
        print(&format!("{plan}\n"));
        let outcome = run(&setup, plan)?;
        print(&format!("{outcome}\n"));
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
