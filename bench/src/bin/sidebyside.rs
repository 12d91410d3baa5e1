//! Measures groupcast and its peers at the same work: options -> rounds -> document -> exit code.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use getopts::Options;
use groupcast_bench::cases::{CASES, Case};
use groupcast_bench::cores::{Cores, raise_file_limit};
use groupcast_bench::failure::{Failure, Result};
use groupcast_bench::peers::{PEERS, Peer, Programs};
use groupcast_bench::program::{asked, beside, chosen, complain, listed, say};
use groupcast_bench::results::{Machine, Results, cpu_svg, document, latency_svg, verdicts};

const NAME: &str = "sidebyside";
const BRIEF: &str = "sidebyside [options]: groupcast and its peers at the same work";

fn main() -> ExitCode {
    let Work { cases, peers, out } = match work() {
        Ok(work) => work,
        Err(code) => return code,
    };
    match run(cases, &peers, out.as_deref()) {
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

/// What is to be played, by whom, and where it is written down.
struct Work {
    cases: Vec<Case>,
    peers: Vec<Peer>,
    out: Option<PathBuf>,
}

/// What is asked for; or how the program ends without.
fn work() -> std::result::Result<Work, ExitCode> {
    let matches = asked(NAME, &options(), BRIEF)?;
    let only = chosen(NAME, &matches, "only", &case_names())?;
    let names = chosen(NAME, &matches, "peer", &peer_names())?;
    let is_asked =
        |names: &[String], name: &str| names.is_empty() || names.iter().any(|it| it == name);
    let is_quick = matches.opt_present("quick");
    let cases = CASES.into_iter().filter(|case| is_asked(&only, case.name));
    let cases = cases.map(|case| if is_quick { case.quick() } else { case }).collect();
    let peers = PEERS.into_iter().filter(|peer| is_asked(&names, peer.name())).collect();
    Ok(Work { cases, peers, out: matches.opt_str("out").map(PathBuf::from) })
}

/// Plays everything; how many rounds failed.
fn run(cases: Vec<Case>, peers: &[Peer], out: Option<&Path>) -> Result<usize> {
    raise_file_limit();
    let cores = Cores::find()?;
    let mut machine = Machine::look(cores, &[Peer::Redis, Peer::Nats, Peer::Mosquitto0]);
    for line in machine.lines() {
        say(&format!("{line}\n"));
    }
    let [coordinator, participant, floor] = ["coordinator", "participant", "floor"].map(beside);
    let programs = Programs { coordinator, participant, floor, cores };
    let mut results = Results::new(cases, Machine::missing());
    for case in results.cases.clone() {
        say(&format!("\n{}\n", case.name));
        // Peers take turns, so that what the machine does meanwhile is spread over all.
        for round in 1..=case.rounds {
            for peer in case.peers().filter(|peer| peers.contains(peer)) {
                if results.missing.contains(&peer) {
                    continue;
                }
                let played = case.play(&programs, peer).map_err(|failure| failure.to_string());
                say(&line(round, peer, &played));
                results.push(&case, peer, played);
            }
        }
    }
    machine.look_again();
    for verdict in verdicts(&results).iter().filter(|verdict| verdict.found.is_some()) {
        let (name, target) = (&verdict.name, verdict.target);
        let met = if verdict.is_met() == Some(true) { "met" } else { "MISSED" };
        let found = verdict.found.unwrap_or_default();
        say(&format!("{name}: {found:.4}, target: at most {target:.4}: {met}\n"));
    }
    if let Some(out) = out {
        write(&results, &machine, out)?;
    }
    Ok(results.failures())
}

fn line(
    round: usize,
    peer: Peer,
    played: &std::result::Result<groupcast_bench::cases::Values, String>,
) -> String {
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
    let words: Vec<String> = env::args().skip(1).collect();
    let command = format!("sidebyside {}", words.join(" "));
    for (name, text) in [
        ("RESULTS.md", document(results, machine, command.trim_end())),
        ("results-cpu.svg", cpu_svg(results)?),
        ("results-latency.svg", latency_svg(results)?),
    ] {
        let path = out.join(name);
        let written = fs::write(&path, text);
        written.map_err(Failure::system(format!("cannot write {}", path.display())))?;
    }
    Ok(())
}

fn options() -> Options {
    let mut options = Options::new();
    options.optflag("h", "help", "show this");
    options.optflag("", "quick", "one round of each case, with fewer messages");
    options.optmulti(
        "",
        "only",
        &format!("of {}; may be given again", listed(&case_names())),
        "CASE",
    );
    options.optmulti(
        "",
        "peer",
        &format!("of {}; may be given again", listed(&peer_names())),
        "PEER",
    );
    options.optopt("", "out", "write RESULTS.md and its plots into this directory", "DIR");
    options
}

fn case_names() -> [&'static str; CASES.len()] {
    CASES.map(|case| case.name)
}

fn peer_names() -> [&'static str; PEERS.len()] {
    PEERS.map(Peer::name)
}
