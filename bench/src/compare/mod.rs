//! `bench compare`: groupcast and its peers at the same work. It writes RESULTS.md.

mod crowd;
mod handshake;
mod targets;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use getopts::{Matches, Options};

use crate::Subcommand;
use crate::cases::{CASES, CPU, Case, P50, P99, Work};
use crate::cli::{self, print};
use crate::clients::Pace;
use crate::cores::raise_file_limit;
use crate::machine;
use crate::peers::{self, PLAIN, Peer, Programs};
use crate::plot::{self, Series};
use crate::table::{Table, document, print_end};

pub(crate) const SUBCOMMAND: Subcommand = Subcommand {
    name: "compare",
    about: "groupcast beside ZeroMQ, Redis, NATS, mosquitto and a server that only copies",
    exit_codes: cli::EXIT_CODES,
    is_hidden: false,
    options,
    run,
};

/// Peers whose versions stand in the head of the results.
const SOFTWARE: [Peer; 5] =
    [Peer::ZeroMq, Peer::Redis, Peer::Nats29, Peer::Nats215, Peer::Mosquitto0];

fn options() -> Options {
    let mut options = cli::options();
    cli::add_choice(&mut options, "only", &names());
    cli::add_choice(&mut options, "peer", &peer_names());
    cli::add_quick(&mut options);
    cli::add_rounds(&mut options, "default: 1 to 5");
    cli::add_out(&mut options, "RESULTS.md with its plots");
    options
}

/// Names of all measurements.
fn names() -> Vec<&'static str> {
    CASES.map(|case| case.name).into_iter().chain([handshake::NAME, crowd::NAME]).collect()
}

fn peer_names() -> Vec<&'static str> {
    peers::all().into_iter().map(Peer::name).collect()
}

fn run(matches: &Matches) -> Result<ExitCode> {
    let only = cli::chosen(matches, "only", &names())?;
    let names = cli::chosen(matches, "peer", &peer_names())?;
    let rounds = cli::rounds(matches)?;
    let chosen: Vec<Peer> =
        peers::all().into_iter().filter(|it| names.contains(&it.name())).collect();
    let programs = Programs::find(matches)?;
    raise_file_limit();
    let lines = machine::describe(programs.cores, &SOFTWARE);
    lines.iter().for_each(|line| print(&format!("{line}\n")));
    let mut tables = Vec::new();
    for case in CASES.into_iter().filter(|case| only.contains(&case.name)) {
        let case = if matches.opt_present("quick") { case.quick() } else { case };
        let case = Case { rounds: rounds.unwrap_or(case.rounds), ..case };
        tables.push(case.measure(&programs, &chosen));
    }
    if only.contains(&handshake::NAME) {
        tables.push(handshake::measure(&programs, &chosen, rounds, matches.opt_present("quick")));
    }
    if only.contains(&crowd::NAME) && chosen.contains(&Peer::Groupcast) {
        tables.push(crowd::measure(&programs, rounds, matches.opt_present("quick")));
    }
    let targets = targets::targets(&tables);
    for peer in chosen.iter().filter(|peer| peer.version().is_none()) {
        print(&format!("\n{}: {}\n", peer.name(), peer.not_installed()));
    }
    if let Some(out) = matches.opt_str("out") {
        let pictures =
            "\n![CPU of a delivery](results-cpu.svg)\n\n![Latency](results-latency.svg)\n";
        let head = machine::head("Comparison", "bench", &lines) + pictures;
        let out = Path::new(&out);
        cli::write(out, "RESULTS.md", &document(&head, &targets, &tables))?;
        cli::write(out, "results-cpu.svg", &cpu_plot(&tables)?)?;
        cli::write(out, "results-latency.svg", &latency_plot(&tables)?)?;
    }
    Ok(print_end(&targets, &tables))
}

fn cpu_plot(tables: &[Table]) -> Result<String> {
    let groups: Vec<_> =
        measured(tables, |case| !case.is_encrypted && matches!(case.work, Work::FanOut(_)))
            .map(|table| (table.title.clone(), medians(table, CPU)))
            .collect();
    plot::bars("CPU of the server for a delivery, ns (logarithmic)", &groups, &series())
}

fn latency_plot(tables: &[Table]) -> Result<String> {
    let groups: Vec<_> = measured(tables, |case| {
        !case.is_encrypted && matches!(case.work, Work::FanOut(Pace::Every(_)))
    })
    .flat_map(|table| {
        [("p50", P50), ("p99", P99)]
            .map(|(name, column)| (format!("{}, {name}", table.title), medians(table, column)))
    })
    .collect();
    plot::bars("Time from due to delivered, µs (logarithmic)", &groups, &series())
}

fn measured(tables: &[Table], is_in: fn(Case) -> bool) -> impl Iterator<Item = &Table> {
    tables
        .iter()
        .filter(move |table| CASES.iter().any(|case| case.name == table.title && is_in(*case)))
}

fn medians(table: &Table, column: &str) -> Vec<Option<f64>> {
    PLAIN.iter().map(|peer| table.row(peer.name())?.median(column)).collect()
}

fn series() -> [Series; PLAIN.len()] {
    let color = |peer| match peer {
        Peer::Floor => plot::GREY,
        Peer::FloorAcks => plot::SILVER,
        Peer::Groupcast | Peer::GroupcastAes | Peer::GroupcastChaCha => plot::BLUE,
        Peer::GroupcastAcks => plot::CYAN,
        Peer::ZeroMq => plot::VIOLET,
        Peer::Redis | Peer::RedisAes => plot::RED,
        Peer::RedisStreams => plot::PINK,
        Peer::Nats29 => plot::GREEN,
        Peer::Nats215 => plot::LIME,
        Peer::Mosquitto0 | Peer::MosquittoAes => plot::YELLOW,
        Peer::Mosquitto1 => plot::ORANGE,
    };
    PLAIN.map(|peer| (peer.name(), color(peer)))
}
