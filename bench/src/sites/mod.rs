//! `bench sites`: several coordinators that form one group over NATS JetStream. It writes SITES.md.
//!
//! ```text
//!   Setup ─► confirm   messages confirmed a second, beside plain JetStream on the same servers
//!     ├────► latency   msend to OK, and from one site to another
//!     ├────► members   3 sites carry 9000 members
//!     ├────► stall     a site, the leader of the engine, or most servers are killed
//!     ├────► start     a site with 10,000 members and a million messages
//!     └────► storm     numbered texts over kills: nothing lost or doubled
//! ```
//!
//! Each measurement starts its own servers ([`engine`]) and its own sites ([`group`]).

mod confirm;
mod engine;
mod group;
mod latency;
mod member;
mod members;
mod reader;
mod sender;
mod stall;
mod start;
mod storm;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use getopts::{Matches, Options};
use tempfile::TempDir;

use crate::Subcommand;
use crate::cli::{self, Usage, print};
use crate::cores::raise_file_limit;
use crate::directory::Directory;
use crate::machine;
use crate::peers::installed;
use crate::table::{Table, Target, document, print_end};
use engine::{Engine, EngineKind};
use group::{Group, GroupKeys};

pub(crate) const SUBCOMMAND: Subcommand = Subcommand {
    name: "sites",
    about: "several coordinators in one group: messages confirmed a second, stalls, kill storms",
    exit_codes: "Exit code 0: nothing was lost, doubled or out of order; 1: a measurement failed;
2: wrong options. A missed target does not change the exit code.",
    is_hidden: false,
    options,
    run,
};

#[derive(Debug)]
struct Setup {
    site: PathBuf,
    nats: PathBuf,
    directory: Directory,
    rounds: Option<usize>,
    is_quick: bool,
    storm: storm::Storm,
}

/// Servers of the engine and a founded group. The directory is removed last.
#[derive(Debug)]
struct World {
    group: Group,
    engine: Engine,
    directory: TempDir,
}

impl Setup {
    /// Rounds of a measurement that has `usual` rounds by default.
    fn rounds_or(&self, usual: usize) -> usize {
        self.rounds.unwrap_or(if self.is_quick { 1 } else { usual })
    }

    /// Starts servers of the engine, and founds a group there. No site runs.
    fn found(&self, kind: EngineKind, keys: GroupKeys) -> Result<World> {
        let directory = self.directory.fresh()?;
        let engine = Engine::start(&self.nats, directory.path(), kind)?;
        let group = Group::found(&self.site, directory.path(), &engine, keys)?;
        Ok(World { group, engine, directory })
    }

    /// The same, and starts all sites.
    fn start(&self, kind: EngineKind, keys: GroupKeys) -> Result<World> {
        let mut world = self.found(kind, keys)?;
        world.group.start_all()?;
        Ok(world)
    }
}

#[derive(Debug, Default)]
struct Measured {
    tables: Vec<Table>,
    targets: Vec<Target>,
}

type Part = fn(&Setup) -> Result<Measured>;

const PARTS: [(&str, Part); 6] = [
    ("confirm", confirm::measure),
    ("latency", latency::measure),
    ("members", members::measure),
    ("stall", stall::measure),
    ("start", start::measure),
    ("storm", storm::measure),
];

fn options() -> Options {
    let mut options = cli::options();
    cli::add_choice(&mut options, "only", &PARTS.map(|(name, _)| name));
    cli::add_quick(&mut options);
    let about = "only a storm that confirms this number of texts (other parts: 200000)";
    options.optopt("", "storm", about, "RECORDS");
    options.optopt("", "seed", "seed of the kills of a storm (1)", "N");
    let about = "directory for the servers, on a real disk (default: that of bench)";
    options.optopt("", "directory", about, "DIRECTORY");
    options.optopt("", "nats", "nats-server 2.15 or later (default: of make engine)", "PROGRAM");
    cli::add_rounds(&mut options, "default: 3 to 5");
    cli::add_out(&mut options, "SITES.md");
    options
}

/// The server of `make engine`, beside the directory of this program.
fn default_nats() -> PathBuf {
    let own = cli::own_program();
    own.ancestors().nth(2).unwrap_or(Path::new("")).join("engine/bin/nats-server")
}

fn number<T: std::str::FromStr>(matches: &Matches, option: &str) -> Result<Option<T>> {
    let number = matches.opt_get(option);
    number.map_err(|_| Usage(format!("--{option}: expected a whole number")).into())
}

fn run(matches: &Matches) -> Result<ExitCode> {
    let mut only = cli::chosen(matches, "only", &PARTS.map(|(name, _)| name))?;
    let records = number(matches, "storm")?;
    if records.is_some() {
        only = vec!["storm"];
    }
    let storm = storm::Storm::new(records, number(matches, "seed")?)?;
    let nats = matches.opt_str("nats").map_or_else(default_nats, PathBuf::from);
    let version = nats.to_str().and_then(|nats| installed::version(nats, &["--version"]));
    let version = version.with_context(|| format!("no {}: `make engine`", nats.display()))?;
    let site = cli::directory(matches, "programs").join("site");
    let build = "cargo build --release --locked --features engine --bin site";
    ensure!(site.is_file(), "no {}: `{build}`", site.display());
    let setup = Setup {
        site,
        nats,
        directory: Directory::create(&cli::directory(matches, "directory"))?,
        rounds: cli::rounds(matches)?,
        is_quick: matches.opt_present("quick"),
        storm,
    };
    raise_file_limit();
    let mut lines = machine::describe_shared(&[]);
    lines.push(format!("NATS {version}"));
    lines.push(format!("everything stored on {}", setup.directory.file_system));
    lines.iter().for_each(|line| print(&format!("{line}\n")));
    let mut all = Measured::default();
    for (_, measure) in PARTS.iter().filter(|(name, _)| only.contains(name)) {
        let Measured { tables, targets } = measure(&setup)?;
        all.tables.extend(tables);
        all.targets.extend(targets);
    }
    if let Some(out) = matches.opt_str("out") {
        let head = machine::head("Sites", "sites-figures", &lines);
        let text = document(&head, &all.targets, &all.tables);
        cli::write(Path::new(&out), "SITES.md", &text)?;
    }
    Ok(print_end(&all.targets, &all.tables))
}
