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
use groupcast_bench::program::{self, beside, complain, say};
use groupcast_bench::results::{Machine, Results, cpu_svg, document, latency_svg, verdicts};

fn main() -> ExitCode {
    let options = options();
    let matches = match program::parse(&options, env::args_os().skip(1)) {
        Ok(matches) => matches,
        Err(fault) => return usage(&fault),
    };
    if matches.opt_present("help") {
        say(&options.usage("sidebyside [options]: groupcast and its peers at the same work"));
        return ExitCode::SUCCESS;
    }
    let only = matches.opt_strs("only");
    let is_asked = |name: &str| only.is_empty() || only.iter().any(|only| only == name);
    if let Some(unknown) = only.iter().find(|only| CASES.iter().all(|case| case.name != **only)) {
        return usage(&format!("--only: found {unknown:?}, expected one of {}", case_names()));
    }
    let names = matches.opt_strs("peer");
    if let Some(unknown) = names.iter().find(|name| PEERS.iter().all(|peer| peer.name() != **name))
    {
        return usage(&format!("--peer: found {unknown:?}, expected one of {}", peer_names()));
    }
    let is_quick = matches.opt_present("quick");
    let cases = CASES.into_iter().filter(|case| is_asked(case.name));
    let cases = cases.map(|case| if is_quick { case.quick() } else { case }).collect();
    let peers = PEERS.into_iter();
    let peers =
        peers.filter(|peer| names.is_empty() || names.iter().any(|name| name == peer.name()));
    let out = matches.opt_str("out").map(PathBuf::from);
    match run(cases, &peers.collect::<Vec<_>>(), out.as_deref()) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(failures) => {
            say(&format!("{failures} rounds FAILED\n"));
            ExitCode::FAILURE
        }
        Err(failure) => {
            complain("sidebyside", &failure);
            ExitCode::FAILURE
        }
    }
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
    options.optmulti("", "only", &format!("of {}; may be given again", case_names()), "CASE");
    options.optmulti("", "peer", &format!("of {}; may be given again", peer_names()), "PEER");
    options.optopt("", "out", "write RESULTS.md and its plots into this directory", "DIR");
    options
}

fn case_names() -> String {
    CASES.map(|case| format!("{:?}", case.name)).join(", ")
}

fn peer_names() -> String {
    PEERS.map(|peer| format!("{:?}", peer.name())).join(", ")
}

fn usage(fault: &str) -> ExitCode {
    complain("sidebyside", &fault);
    ExitCode::from(2)
}
