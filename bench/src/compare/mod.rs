//! `bench compare`: groupcast and its peers at the same work: options -> rounds -> document.

use std::path::Path;
use std::process::ExitCode;

use getopts::{Matches, Options};

use crate::Subcommand;
use crate::cases::{CASES, Case, Values};
use crate::cli::{self, Stop, print};
use crate::cores::{Cores, raise_file_limit};
use crate::failure::Result;
use crate::peers::{PEERS, Peer, Programs};
use crate::results::{Machine, Results, cpu_svg, document, latency_svg, verdicts};

/// The subcommand.
pub const SUBCOMMAND: Subcommand = Subcommand {
    name: "compare",
    about: "groupcast beside Redis, NATS, mosquitto and a server that only copies",
    details: "Exit code 0: every round was complete; 1: a round failed; 2: usage.
A missed target does not change the exit code: times depend on the machine.",
    is_hidden: false,
    options,
    run,
};

fn options() -> Options {
    let mut options = cli::options();
    cli::add_only(&mut options, &case_names());
    cli::add_choice(&mut options, "peer", &peer_names(), "PEER");
    cli::add_quick(&mut options);
    cli::add_rounds(&mut options, "default: by case, 1 to 5");
    cli::add_out(&mut options, "RESULTS.md with its plots");
    options
}

fn run(matches: &Matches) -> std::result::Result<ExitCode, Stop> {
    let only = cli::chosen(matches, "only", &case_names())?;
    let names = cli::chosen(matches, "peer", &peer_names())?;
    let rounds = cli::rounds(matches)?;
    let is_quick = matches.opt_present("quick");
    let cases = CASES.into_iter().filter(|case| only.contains(&case.name)).map(|case| {
        let case = if is_quick { case.quick() } else { case };
        Case { rounds: rounds.unwrap_or(case.rounds), ..case }
    });
    let peers = PEERS.into_iter().filter(|peer| names.contains(&peer.name()));
    let out = matches.opt_str("out");
    let programs = Programs::find(matches)?;
    let failures = measure(
        cases.collect(),
        &peers.collect::<Vec<_>>(),
        &programs,
        out.as_ref().map(Path::new),
    )?;
    Ok(cli::exit_code(failures))
}

/// Plays everything; how many rounds failed.
fn measure(
    cases: Vec<Case>,
    peers: &[Peer],
    programs: &Programs,
    out: Option<&Path>,
) -> Result<usize> {
    raise_file_limit();
    let cores = Cores::find()?;
    let mut machine = Machine::look(cores, &[Peer::Redis, Peer::Nats, Peer::Mosquitto0]);
    for line in machine.lines() {
        print(&format!("{line}\n"));
    }
    let mut results = Results::new(cases, Machine::missing());
    for case in results.cases.clone() {
        print(&format!("\n{}\n", case.name));
        // Peers take turns, so that what the machine does meanwhile is spread over all.
        for round in 1..=case.rounds {
            for peer in case.peers().filter(|peer| peers.contains(peer)) {
                if results.missing.contains(&peer) {
                    continue;
                }
                let played = case.play(programs, peer).map_err(|failure| failure.to_string());
                print(&line(round, peer, &played));
                results.push(&case, peer, played);
            }
        }
    }
    machine.look_again();
    for verdict in verdicts(&results).iter().filter(|verdict| verdict.found.is_some()) {
        let (name, target) = (&verdict.name, verdict.target);
        let met = if verdict.is_met() == Some(true) { "met" } else { "MISSED" };
        let found = verdict.found.unwrap_or_default();
        print(&format!("{name}: {found:.4}, target: at most {target:.4}: {met}\n"));
    }
    if let Some(out) = out {
        write(&results, &machine, out)?;
    }
    print(&format!("{} rounds FAILED\n", results.failures()));
    Ok(results.failures())
}

fn line(round: usize, peer: Peer, played: &std::result::Result<Values, String>) -> String {
    let values = match played {
        Ok(values) => values
            .iter()
            .map(|(metric, value)| format!("{metric:?} {value:.1}"))
            .collect::<Vec<_>>()
            .join(", "),
        Err(fault) => format!("FAILED: {fault}"),
    };
    format!("  {round} {:<18} {values}\n", peer.name())
}

fn write(results: &Results, machine: &Machine, out: &Path) -> Result<()> {
    cli::write(out, "RESULTS.md", &document(results, machine, &cli::command_line()))?;
    cli::write(out, "results-cpu.svg", &cpu_svg(results)?)?;
    cli::write(out, "results-latency.svg", &latency_svg(results)?)
}

fn case_names() -> [&'static str; CASES.len()] {
    CASES.map(|case| case.name)
}

fn peer_names() -> [&'static str; PEERS.len()] {
    PEERS.map(Peer::name)
}
