//! `bench durability`: the price of a journal on a disk. It writes DURABILITY.md.
//!
//! ```text
//!   Setup ─► confirm   a disk, and each Store: publish, get all replies; kill, restart, count
//!     ├────► delivery  CPU of a delivery without a journal and with one
//!     ├────► recovery  time from the start of a killed coordinator to its first reply
//!     └────► outbox    texts a second of a participant that keeps them in a file
//! ```
//!
//! A store that does not have every message that it confirmed fails, at any speed: each server is
//! killed after the measurement, started again, and asked for the number of its messages.

mod confirm;
mod delivery;
mod disk;
mod outbox;
mod recovery;
mod store;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use getopts::{Matches, Options};

use crate::Subcommand;
use crate::cli::{self, print};
use crate::cores::raise_file_limit;
use crate::directory::Directory;
use crate::machine;
use crate::peers::{Peer, Programs, installed, nats};
use crate::table::{Table, Target, document, print_end};

pub(crate) const SUBCOMMAND: Subcommand = Subcommand {
    name: "durability",
    about: "price of a journal: messages confirmed a second, CPU, time to recover",
    exit_codes:
        "Exit code 0: every confirmed message was there after a crash; 1: a message was lost,
or a measurement failed; 2: wrong options. A missed target does not change the exit code.",
    is_hidden: false,
    options,
    run,
};

#[derive(Debug)]
struct Setup {
    programs: Programs,
    /// A NATS server that can sync every message.
    nats: PathBuf,
    directory: Directory,
    rounds: Option<usize>,
    is_quick: bool,
}

impl Setup {
    /// Rounds of a measurement that has `usual` rounds by default.
    fn rounds_or(&self, usual: usize) -> usize {
        self.rounds.unwrap_or(if self.is_quick { 1 } else { usual })
    }
}

#[derive(Debug, Default)]
struct Measured {
    tables: Vec<Table>,
    targets: Vec<Target>,
}

/// The server of `make bench-peers`. Without it, the one in the `PATH`.
fn default_nats() -> PathBuf {
    let found = nats::find(nats::NEW).map(|(program, _)| program);
    found.unwrap_or_else(|| installed::program(nats::PROGRAM))
}

type Part = fn(&Setup) -> Result<Measured>;

const PARTS: [(&str, Part); 4] = [
    ("confirm", confirm::measure),
    ("delivery", delivery::measure),
    ("recovery", recovery::measure),
    ("outbox", outbox::measure),
];

fn options() -> Options {
    let mut options = cli::options();
    cli::add_choice(&mut options, "only", &PARTS.map(|(name, _)| name));
    cli::add_quick(&mut options);
    let about = "directory for all stores, on a real disk (default: that of bench)";
    options.optopt("", "directory", about, "DIRECTORY");
    let about = "a nats-server of version 2.10 or later (default: 2.15, or the one in the PATH)";
    options.optopt("", "nats", about, "PROGRAM");
    cli::add_rounds(&mut options, "default: 5 to 7");
    cli::add_out(&mut options, "DURABILITY.md");
    options
}

fn run(matches: &Matches) -> Result<ExitCode> {
    let only = cli::chosen(matches, "only", &PARTS.map(|(name, _)| name))?;
    let nats = matches.opt_str("nats").map(PathBuf::from);
    let setup = Setup {
        programs: Programs::find(matches)?,
        nats: nats.unwrap_or_else(default_nats),
        directory: Directory::create(&cli::directory(matches, "directory"))?,
        rounds: cli::rounds(matches)?,
        is_quick: matches.opt_present("quick"),
    };
    raise_file_limit();
    let mut lines = machine::describe(setup.programs.cores, &[Peer::Redis]);
    let nats = store::nats_version(&setup.nats);
    lines.push(format!("NATS {}", nats.as_deref().unwrap_or("NOT INSTALLED")));
    lines.push(format!("everything stored on {}", setup.directory.file_system));
    lines.iter().for_each(|line| print(&format!("{line}\n")));
    let mut all = Measured::default();
    for (_, measure) in PARTS.iter().filter(|(name, _)| only.contains(name)) {
        let Measured { tables, targets } = measure(&setup)?;
        all.tables.extend(tables);
        all.targets.extend(targets);
    }
    if let Some(out) = matches.opt_str("out") {
        let head = machine::head("Durability", "durability", &lines);
        let text = document(&head, &all.targets, &all.tables);
        cli::write(Path::new(&out), "DURABILITY.md", &text)?;
    }
    Ok(print_end(&all.targets, &all.tables))
}
