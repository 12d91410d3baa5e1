//! What it costs that nothing is lost: options -> parts -> document -> exit code.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use getopts::{Matches, Options};
use groupcast_bench::cores::{Cores, raise_file_limit};
use groupcast_bench::durability::{
    PARTS,
    Part,
    Place,
    STORES,
    Setup,
    Table,
    document,
    goals,
    nats_version, //.
};
use groupcast_bench::failure::{Failure, Result};
use groupcast_bench::peers::{Peer, Programs, installed};
use groupcast_bench::program::{asked, chosen, complain, directory, listed, say};
use groupcast_bench::results::Machine;

const NAME: &str = "durability";
const BRIEF: &str = "durability [options]: what it costs that nothing is lost
Exit code 0: everything confirmed was there after a crash; 1: something was not, or could not be
measured; 2: usage. A missed goal changes nothing, as times depend on the machine.";

fn main() -> ExitCode {
    let asked = asked(NAME, &options(), BRIEF).and_then(|matches| {
        let only = chosen(NAME, &matches, "only", &part_names())?;
        Ok((matches, only))
    });
    let (matches, only) = match asked {
        Ok(asked) => asked,
        Err(code) => return code,
    };
    match run(&matches, &only) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(failures) => {
            say(&format!("{failures} rounds FAILED\n"));
            ExitCode::FAILURE
        }
        Err(failure) => {
            complain(NAME, &failure);
            ExitCode::FAILURE
        }
    }
}

/// Measures what is asked for; how many rounds failed.
fn run(matches: &Matches, only: &[String]) -> Result<usize> {
    raise_file_limit();
    let setup = setup(matches)?;
    let mut machine = Machine::look(setup.programs.cores, &[Peer::Redis]);
    let nats = nats_version(&setup.nats).unwrap_or("NOT INSTALLED".to_owned());
    machine.add(format!("NATS {nats}"));
    machine.add(format!("everything stored on {}", setup.place.file_system()));
    machine.lines().iter().for_each(|line| say(&format!("{line}\n")));
    for (store, obstacle) in STORES.map(|store| (store, store.obstacle(&setup))) {
        if let Some(obstacle) = obstacle {
            say(&format!("{} is not measured: {obstacle}\n", store.name()));
        }
    }
    let mut tables: Vec<Table> = Vec::new();
    for part in PARTS {
        if only.is_empty() || only.iter().any(|only| only == part.name()) {
            say(&format!("\n{}\n", part.name()));
            tables.extend(part.measure(&setup, &mut |line| say(&format!("{line}\n")))?);
        }
    }
    machine.look_again();
    let text = document(&tables, &machine, &command());
    // What stands in the document is what is shown, from the goals on.
    let shown = text.split_once("## Goals\n").map_or(text.as_str(), |(_, behind)| behind);
    say(shown);
    if let Some(out) = matches.opt_str("out") {
        let path = Path::new(&out).join("DURABILITY.md");
        let written = fs::write(&path, &text);
        written.map_err(Failure::system(format!("cannot write {}", path.display())))?;
    }
    let missed = goals(&tables).iter().filter(|goal| goal.is_met() == Some(false)).count();
    say(&format!("\n{missed} goals missed\n"));
    Ok(tables.iter().map(Table::failures).sum())
}

fn setup(matches: &Matches) -> Result<Setup> {
    let place = |name: &str| matches.opt_str(name).map_or_else(directory, PathBuf::from);
    let programs = place("programs");
    let beside = |name: &str| programs.join(name);
    let programs = Programs {
        coordinator: beside("coordinator"),
        participant: beside("participant"),
        floor: beside("floor"),
        cores: Cores::find()?,
    };
    let nats = matches.opt_str("nats").map(PathBuf::from);
    let nats = nats.unwrap_or_else(|| installed::program("nats-server"));
    let place = Place::create(&place("directory"))?;
    Ok(Setup { programs, nats, place, is_quick: matches.opt_present("quick") })
}

fn options() -> Options {
    let mut options = Options::new();
    options.optflag("h", "help", "show this");
    options.optflag("", "quick", "one short round of each");
    options.optmulti(
        "",
        "only",
        &format!("of {}; may be given again", listed(&part_names())),
        "PART",
    );
    let stored = "where everything is stored: on a disk that counts (beside this program)";
    options.optopt("", "directory", stored, "DIR");
    options.optopt("", "nats", "a nats-server of 2.10 or later (the one in the PATH)", "PROGRAM");
    options.optopt("", "programs", "where our programs are (beside this one)", "DIR");
    options.optopt("", "out", "write DURABILITY.md into this directory", "DIR");
    options
}

fn part_names() -> [&'static str; PARTS.len()] {
    PARTS.map(Part::name)
}

fn command() -> String {
    let words: Vec<String> = env::args().skip(1).collect();
    format!("durability {}", words.join(" ")).trim_end().to_owned()
}
