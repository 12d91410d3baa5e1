//! `bench durability`: options -> parts -> document -> exit code.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use getopts::{Matches, Options};

use super::{PARTS, Part, Place, STORES, Setup, Table, document, goals, nats_version};
use crate::Subcommand;
use crate::cli::{self, Stop, print};
use crate::cores::raise_file_limit;
use crate::peers::{Peer, Programs, installed};
use crate::results::Machine;

/// The subcommand.
pub const SUBCOMMAND: Subcommand = Subcommand {
    name: "durability",
    about: "the price of a journal: messages confirmed a second, CPU, time to recover",
    details: "Exit code 0: everything confirmed was there after a crash; 1: something was not, or
could not be measured; 2: usage. A missed goal does not change the exit code.",
    is_hidden: false,
    options,
    run,
};

fn options() -> Options {
    let mut options = cli::options();
    cli::add_only(&mut options, &part_names());
    cli::add_quick(&mut options);
    let stored = "where everything is stored: on a disk that counts (default: beside bench)";
    options.optopt("", "directory", stored, "DIRECTORY");
    options.optopt("", "nats", "a nats-server of 2.10 or later (the one in the PATH)", "PROGRAM");
    cli::add_rounds(&mut options, "default: 5 to 7");
    cli::add_out(&mut options, "DURABILITY.md");
    options
}

fn run(matches: &Matches) -> Result<ExitCode, Stop> {
    let only = cli::chosen(matches, "only", &part_names())?;
    let nats = matches.opt_str("nats").map(PathBuf::from);
    let setup = Setup {
        programs: Programs::find(matches)?,
        nats: nats.unwrap_or_else(|| installed::program("nats-server")),
        place: Place::create(&cli::directory(matches, "directory"))?,
        rounds: cli::rounds(matches)?,
        is_quick: matches.opt_present("quick"),
    };
    raise_file_limit();
    let mut machine = Machine::look(setup.programs.cores, &[Peer::Redis]);
    let nats = nats_version(&setup.nats).unwrap_or("NOT INSTALLED".to_owned());
    machine.add(format!("NATS {nats}"));
    machine.add(format!("everything stored on {}", setup.place.file_system()));
    machine.lines().iter().for_each(|line| print(&format!("{line}\n")));
    for (store, obstacle) in STORES.map(|store| (store, store.obstacle(&setup))) {
        if let Some(obstacle) = obstacle {
            print(&format!("{} is not measured: {obstacle}\n", store.name()));
        }
    }
    let mut tables: Vec<Table> = Vec::new();
    for part in PARTS.into_iter().filter(|part| only.contains(&part.name())) {
        print(&format!("\n{}\n", part.name()));
        tables.extend(part.measure(&setup, &mut |line| print(&format!("{line}\n")))?);
    }
    machine.look_again();
    let text = document(&tables, &machine, &cli::command_line());
    // What stands in the document is what is shown, from the goals on.
    print(text.split_once("## Goals\n").map_or(text.as_str(), |(_, behind)| behind));
    if let Some(out) = matches.opt_str("out") {
        cli::write(Path::new(&out), "DURABILITY.md", &text)?;
    }
    let missed = goals(&tables).iter().filter(|goal| goal.is_met() == Some(false)).count();
    let failures = tables.iter().map(Table::failures).sum();
    print(&format!("\n{missed} goals missed, {failures} rounds FAILED\n"));
    Ok(cli::exit_code(failures))
}

fn part_names() -> [&'static str; PARTS.len()] {
    PARTS.map(Part::name)
}
