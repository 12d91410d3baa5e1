//! Options of `bench load`.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::str::FromStr;

use getopts::{Matches, Options};

use super::plan::{Pace, Plan};
use crate::cli;

const DURATION_S_DEFAULT: f64 = 5.0;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Arguments {
    /// Steps of the sweep.
    pub(super) plans: Vec<Plan>,
    /// A running coordinator; `None` starts one for each step.
    pub(super) coordinator: Option<SocketAddr>,
    /// Directory of coordinator and participant.
    pub(super) programs: PathBuf,
    pub(super) json: Option<PathBuf>,
    pub(super) plot: Option<PathBuf>,
    pub(super) counts_system_calls: bool,
}

pub(super) fn options() -> Options {
    let mut options = cli::options();
    options.optopt("", "coordinator", "a running coordinator (default: start one)", "HOST:PORT");
    options.optflag("", "processes", "members are real participants, driven by their prompts");
    options.optopt("", "participants", "members (default 500)", "N,...");
    options.optopt("", "publishers", "members that publish (default 1)", "N,...");
    options.optopt("", "size", "bytes of a text (default 100)", "N,...");
    options.optopt("", "rate", "messages a second, by the clock (default 100)", "N,...");
    options.optopt("", "window", "in place of --rate: messages in flight a publisher", "N,...");
    options.optopt("", "messages", "messages of all publishers together", "N");
    options.optopt("", "duration", "time of publishing (default 5, if no --messages)", "SECONDS");
    options.optopt("", "churn", "members a second that disconnect, crash or take over", "N");
    options.optopt("", "away", "average time that a member is away (default 500)", "MS");
    options.optopt("", "ttl", "time that a message lives (default 60)", "SECONDS");
    options.optopt("", "seed", "seed of the churn (default 1)", "N");
    options.optflag("", "no-acks", "members do not acknowledge");
    options.optflag("", "here", "members get messages on connections that they make");
    let about = "all connections speak TLS 1.3; the key of a running coordinator is not checked";
    options.optflag("", "tls", about);
    options.optopt("", "json", "write the results of all steps as JSON", "FILE");
    options.optopt("", "plot", "plot latency and throughput of all steps", "FILE.svg");
    options.optflag("", "system-calls", "count the coordinator's system calls with perf");
    options
}

impl Arguments {
    pub(super) fn new(matches: &Matches) -> Result<Self, String> {
        let path = |name| matches.opt_str(name).map(PathBuf::from);
        Ok(Self {
            plans: plans(matches)?,
            coordinator: matches.opt_str("coordinator").map(|text| address(&text)).transpose()?,
            programs: cli::directory(matches, "programs"),
            json: path("json"),
            plot: path("plot"),
            counts_system_calls: matches.opt_present("system-calls"),
        })
    }
}

/// Returns every combination of the values that are lists.
fn plans(matches: &Matches) -> Result<Vec<Plan>, String> {
    let default = Plan::default();
    let messages = one(matches, "messages")?;
    let duration_s = one(matches, "duration")?;
    let [processes, no_acks, here, tls] =
        ["processes", "no-acks", "here", "tls"].map(|name| matches.opt_present(name));
    if processes && no_acks {
        return Err("--no-acks: participants always acknowledge".to_owned());
    }
    if processes && (here || tls) {
        return Err("--processes: not with --here and not with --tls".to_owned());
    }
    let base = Plan {
        messages,
        duration_s: duration_s.or(messages.is_none().then_some(DURATION_S_DEFAULT)),
        churn: one(matches, "churn")?.unwrap_or(default.churn),
        away_ms: one(matches, "away")?.unwrap_or(default.away_ms),
        ttl_s: one(matches, "ttl")?.unwrap_or(default.ttl_s),
        seed: one(matches, "seed")?.unwrap_or(default.seed),
        acks: !no_acks,
        processes,
        here,
        tls,
        ..default.clone()
    };
    let paces: Vec<Pace> = match (matches.opt_present("rate"), matches.opt_present("window")) {
        (true, true) => return Err("--rate and --window: only one of them".to_owned()),
        (false, true) => many(matches, "window", 0)?.into_iter().map(Pace::Window).collect(),
        (true, false) => many(matches, "rate", 0.0)?.into_iter().map(Pace::Rate).collect(),
        (false, false) => vec![default.pace],
    };
    let mut plans = Vec::new();
    for participants in many(matches, "participants", default.participants)? {
        for publishers in many(matches, "publishers", default.publishers)? {
            for size in many(matches, "size", default.size)? {
                for &pace in &paces {
                    let plan = Plan { participants, publishers, size, pace, ..base.clone() };
                    plan.check()?;
                    plans.push(plan);
                }
            }
        }
    }
    Ok(plans)
}

fn one<T: FromStr>(matches: &Matches, name: &str) -> Result<Option<T>, String> {
    matches.opt_str(name).map(|text| value(name, &text)).transpose()
}

fn many<T: FromStr>(matches: &Matches, name: &str, default: T) -> Result<Vec<T>, String> {
    match matches.opt_str(name) {
        Some(text) => text.split(',').map(|text| value(name, text)).collect(),
        None => Ok(vec![default]),
    }
}

fn value<T: FromStr>(name: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("--{name}: found {text:?}, expected a number"))
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let found = text.to_socket_addrs().ok().and_then(|mut addresses| addresses.next());
    found.ok_or_else(|| format!("--coordinator: found {text:?}, expected HOST:PORT"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, String> {
        let words = line.split_whitespace().map(Into::into);
        let matches = cli::parse(&options(), words).map_err(|failure| failure.to_string())?;
        Arguments::new(&matches)
    }

    #[test]
    fn lists_make_a_sweep_of_all_combinations() {
        let line = "--participants 10,100 --rate 5,50.5 --messages 7 --seed 3 --no-acks";
        let plans = parse(line).unwrap().plans;
        let steps: Vec<_> = plans.iter().map(|plan| (plan.participants, plan.pace)).collect();
        let (slow, fast) = (Pace::Rate(5.0), Pace::Rate(50.5));
        assert_eq!(steps, [(10, slow), (10, fast), (100, slow), (100, fast)]);
        let are_alike = |plan: &Plan| {
            (plan.messages, plan.duration_s, plan.seed, plan.acks) == (Some(7), None, 3, false)
        };
        assert!(plans.iter().all(are_alike));
    }

    #[test]
    fn a_wrong_option_is_named() {
        for (line, expected) in [
            ("--participants 0", "--participants: found 0, expected 1 to 100000"),
            ("--participants 2 --publishers 3", "--publishers: found 3, expected 1 to 2"),
            ("--size 30", "--size: found 30, expected 31 to 60000"),
            ("--rate 1 --window 1", "--rate and --window: only one of them"),
            ("--rate x", "--rate: found \"x\", expected a number"),
            ("--rate 0", "--rate: found 0, expected 0.001 to 10000000"),
            ("--window 0", "--window: found 0, expected 1 to 1000000"),
            ("--churn -1", "--churn: found -1, expected 0 to 10000"),
            ("--duration nan", "--duration: found NaN, expected 0 to 1000000"),
            ("--processes --no-acks", "--no-acks: participants always acknowledge"),
            ("--processes --here", "--processes: not with --here and not with --tls"),
            ("--processes --tls", "--processes: not with --here and not with --tls"),
            ("--coordinator here", "--coordinator: found \"here\", expected HOST:PORT"),
            ("now", "there are no arguments besides options: found \"now\""),
        ] {
            assert_eq!(parse(line), Err(expected.to_owned()), "{line}");
        }
    }
}
