//! `bench instructions`: user instructions of units of work, beside the figures that are kept.
//!
//! ```text
//!   Unit ─► Group ─► the program under callgrind ─► Profile ─┐
//!     └ with work, and with three times the work: the difference is a Figure ─► Figures: kept
//! ```
//!
//! Instructions do not depend on the load of the machine. They depend on the compiler, on the C
//! library and on the processor's features, so the kept figures name their tools.

mod figures;
mod group;
mod profile;
mod units;

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};
use getopts::{Matches, Options};

use crate::Subcommand;
use crate::cli::{self, print};
use crate::cores::raise_file_limit;
use crate::peers::Programs;
use figures::{
    Figure, Figures, LIMIT_OTHER_TOOLS_PERCENT, LIMIT_PERCENT, Verdict, compare, compare_units,
};
use units::{UNIT_LIMITS, UNITS, UnitLimit};

pub(crate) const SUBCOMMAND: Subcommand = Subcommand {
    name: "instructions",
    about: "user instructions of units of work under callgrind, beside the kept figures",
    exit_codes: "Exit code 0: no figure is above its limit, or valgrind is missing; 1: a figure \
                 is above\nits limit, or could not be measured; 2: wrong options.",
    is_hidden: false,
    options,
    run,
};

fn options() -> Options {
    let mut options = cli::options();
    cli::add_choice(&mut options, "only", &UNITS.map(|unit| unit.name));
    options.optopt("", "figures", "file of the kept figures (bench/instructions.txt)", "FILE");
    options.optflag("", "record", "keep what was measured");
    options
}

fn run(matches: &Matches) -> Result<ExitCode> {
    let only = cli::chosen(matches, "only", &UNITS.map(|unit| unit.name))?;
    let Some(tools) = tools() else {
        print(
            "SKIPPED: no instructions were counted, because valgrind is not installed. Install \
             it: apt-get install valgrind\n",
        );
        return Ok(ExitCode::SUCCESS);
    };
    let path = matches.opt_str("figures").unwrap_or_else(|| "bench/instructions.txt".to_owned());
    let path = PathBuf::from(path);
    let is_recording = matches.opt_present("record");
    let mut kept = read(&path, is_recording)?;
    let limit = if is_recording { LIMIT_PERCENT } else { limit(&kept.tools, &tools) };
    let programs = Programs::find(matches)?;
    raise_file_limit();
    let (mut verdicts, mut found) = (Vec::new(), BTreeMap::new());
    for unit in UNITS.iter().filter(|unit| only.contains(&unit.name)) {
        let compared =
            |figure: &Figure| compare(unit.name, figure, kept.figures.get(unit.name), limit);
        let is_above = |figure: &Figure| compared(figure).0 == Verdict::More;
        let figure = unit.lowest(&programs, is_above).with_context(|| unit.name.to_owned())?;
        let (verdict, line) = compared(&figure);
        print(&format!("{line}\n"));
        verdicts.push(verdict);
        found.insert(unit.name.to_owned(), figure);
    }
    verdicts.extend(within_limits(&found));
    if is_recording {
        kept.figures.extend(found);
        kept.tools = tools;
        fs::write(&path, kept.text())
            .with_context(|| format!("cannot write {}", path.display()))?;
        print(&format!("recorded in {}\n", path.display()));
        return Ok(ExitCode::SUCCESS);
    }
    Ok(conclude(&verdicts))
}

/// Compares the units that were measured with each other.
fn within_limits(found: &BTreeMap<String, Figure>) -> Vec<Verdict> {
    let verdict = |limit: &UnitLimit| {
        let (verdict, line) = compare_units(limit, found.get(limit.unit)?, found.get(limit.base)?);
        print(&format!("{line}\n"));
        Some(verdict)
    };
    UNIT_LIMITS.iter().filter_map(verdict).collect()
}

fn read(path: &Path, is_recording: bool) -> Result<Figures> {
    match fs::read_to_string(path) {
        Ok(text) => Figures::parse(&text).with_context(|| format!("in {}", path.display())),
        // The first figures are recorded.
        Err(error) if is_recording && error.kind() == ErrorKind::NotFound => Ok(Figures::default()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Returns the limit in percent, and says so if it is the wider one.
fn limit(kept: &str, tools: &str) -> f64 {
    if kept == tools {
        return LIMIT_PERCENT;
    }
    print(&format!(
        "OTHER TOOLS: the figures were recorded with {kept}; these are {tools}. Other tools move \
         figures, so the limit is {LIMIT_OTHER_TOOLS_PERCENT} % until they are recorded again \
         (`make instructions RECORD=1`).\n"
    ));
    LIMIT_OTHER_TOOLS_PERCENT
}

fn conclude(verdicts: &[Verdict]) -> ExitCode {
    if verdicts.iter().any(|verdict| matches!(verdict, Verdict::Fewer | Verdict::New)) {
        print("Some figures are new or better. Record them: make instructions RECORD=1\n");
    }
    let above = verdicts.iter().filter(|verdict| **verdict == Verdict::More).count();
    print(&format!("{above} of {} figures above the limit\n", verdicts.len()));
    ExitCode::from(u8::from(above > 0))
}

/// Versions of everything that moves the figures. `None` without valgrind.
fn tools() -> Option<String> {
    let valgrind = printed("valgrind", "--version")?;
    let rustc = printed("rustc", "-Vv").unwrap_or_default();
    let compiler = rustc.lines().next().unwrap_or("an unknown compiler");
    let target = rustc.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or("unknown");
    let library = printed("ldd", "--version").unwrap_or_default();
    let library = library.lines().next().unwrap_or_default();
    Some(format!("{compiler}; {target}; {}; {library}", valgrind.trim()))
}

fn printed(program: &str, option: &str) -> Option<String> {
    let output = Command::new(program).arg(option).output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}
