//! `bench load`: options -> runs -> report -> exit code.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use signal_hook::consts::SIGINT;

use super::arguments::{Arguments, options};
use super::outcome::Outcome;
use super::plot;
use super::progress::Interrupt;
use super::run::run;
use crate::Subcommand;
use crate::cli::{Usage, print};
use crate::cores::raise_file_limit;

pub(crate) const SUBCOMMAND: Subcommand = Subcommand {
    name: "load",
    about: "members under load, verified while they are measured",
    exit_codes:
        "Lists (N,...) make a sweep. Exit code 0: nothing lost, doubled, reordered or altered;
1: something was, or could not be measured; 2: usage; 130: ended by Ctrl-C.",
    is_hidden: false,
    options,
    run: |matches| {
        let arguments = Arguments::new(matches).map_err(Usage)?;
        raise_file_limit();
        sweep(&arguments)
    },
};

fn sweep(arguments: &Arguments) -> Result<ExitCode> {
    let interrupt = Interrupt::default();
    signal_hook::flag::register(SIGINT, interrupt.clone()).context("cannot handle Ctrl-C")?;
    let mut outcomes: Vec<Outcome> = Vec::new();
    for plan in &arguments.plans {
        print(&format!("{plan}\n"));
        let outcome = run(arguments, &interrupt, plan)?;
        print(&format!("{outcome}\n"));
        let is_interrupted = outcome.is_interrupted;
        outcomes.push(outcome);
        write_results(arguments, &outcomes)?;
        if is_interrupted {
            break;
        }
    }
    let has_faults = outcomes.iter().any(|outcome| outcome.faults > 0);
    let is_interrupted = outcomes.iter().any(|outcome| outcome.is_interrupted);
    Ok(match (has_faults, is_interrupted) {
        (true, _) => ExitCode::FAILURE,
        (false, true) => ExitCode::from(130),
        (false, false) => ExitCode::SUCCESS,
    })
}

fn write_results(arguments: &Arguments, outcomes: &[Outcome]) -> Result<()> {
    if let Some(path) = &arguments.json {
        let json = serde_json::to_string_pretty(outcomes).context("cannot write JSON")?;
        replace(path, &(json + "\n"))?;
    }
    match &arguments.plot {
        Some(path) => replace(path, &plot::svg(outcomes)?),
        None => Ok(()),
    }
}

/// Writes a file that is whole at any moment.
fn replace(path: &Path, text: &str) -> Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    fs::write(&part, text)
        .and_then(|()| fs::rename(&part, path))
        .with_context(|| format!("cannot write {}", path.display()))
}
