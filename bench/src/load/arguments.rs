//! The command line of `loadtest`: options in, plans out.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::str::FromStr;

use getopts::{Matches, Options};

use super::plan::{Pace, Plan};
use crate::cli;

const DURATION_S_DEFAULT: f64 = 5.0;

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The steps, in order.
    pub plans: Vec<Plan>,
    /// A coordinator that runs already.
    pub coordinator: Option<SocketAddr>,
    /// The directory of the programs.
    pub programs: PathBuf,
    /// Where results go for programs.
    pub json: Option<PathBuf>,
    /// Where the plots go.
    pub plot: Option<PathBuf>,
    /// Whether to have system calls counted.
    pub counts_system_calls: bool,
}

/// All options.
#[must_use]
pub fn options() -> Options {
    let mut options = cli::options();
    options.optopt("", "coordinator", "one that runs; default: start one", "HOST:PORT");
    options.optflag("", "processes", "real participants, driven over their prompts");
    options.optopt("", "participants", "members (default 500)", "N,...");
    options.optopt("", "publishers", "how many of them publish (default 1)", "N,...");
    options.optopt("", "size", "bytes of a text (default 100)", "N,...");
    options.optopt("", "rate", "messages a second, by the clock (default 100)", "N,...");
    options.optopt("", "window", "instead: a publisher's messages under way", "N,...");
    options.optopt("", "messages", "how many in all", "N");
    options.optopt("", "duration", "for how long (default 5, if no --messages)", "SECONDS");
    options.optopt("", "churn", "members a second that leave, crash or take over", "N");
    options.optopt("", "away", "how long they are away on average (default 500)", "MS");
    options.optopt("", "ttl", "how long a message lives (default 60)", "SECONDS");
    options.optopt("", "seed", "what chance begins with (default 1)", "N");
    options.optflag("", "no-acks", "members do not acknowledge");
    options.optopt("", "json", "write the results of all steps", "FILE");
    options.optopt("", "plot", "draw latency and throughput of all steps", "FILE.svg");
    options.optflag("", "system-calls", "have perf count the coordinator's");
    options
}

impl Call {
    /// Reads the options.
    ///
    /// # Errors
    ///
    /// What is wrong, in words.
    pub fn new(matches: &Matches) -> Result<Self, String> {
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

/// Every combination of the values that are lists, checked.
fn plans(matches: &Matches) -> Result<Vec<Plan>, String> {
    let usual = Plan::default();
    let messages = one(matches, "messages")?;
    let duration_s = one(matches, "duration")?;
    let processes = matches.opt_present("processes");
    let base = Plan {
        messages,
        duration_s: duration_s.or(messages.is_none().then_some(DURATION_S_DEFAULT)),
        churn: one(matches, "churn")?.unwrap_or(usual.churn),
        away_ms: one(matches, "away")?.unwrap_or(usual.away_ms),
        ttl_s: one(matches, "ttl")?.unwrap_or(usual.ttl_s),
        seed: one(matches, "seed")?.unwrap_or(usual.seed),
        acks: processes || !matches.opt_present("no-acks"),
        processes,
        ..usual.clone()
    };
    if processes && matches.opt_present("no-acks") {
        return Err("--no-acks: participants always acknowledge".to_owned());
    }
    let paces = match (matches.opt_present("rate"), matches.opt_present("window")) {
        (true, true) => return Err("--rate and --window: only one of them".to_owned()),
        (false, true) => many(matches, "window", 0)?.into_iter().map(Pace::Window).collect(),
        (true, false) => many(matches, "rate", 0.0)?.into_iter().map(Pace::Rate).collect(),
        (false, false) => vec![usual.pace],
    };
    let mut plans = Vec::new();
    for participants in many(matches, "participants", usual.participants)? {
        for publishers in many(matches, "publishers", usual.publishers)? {
            for size in many(matches, "size", usual.size)? {
                for pace in paces.iter().copied() {
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

fn many<T: FromStr>(matches: &Matches, name: &str, usual: T) -> Result<Vec<T>, String> {
    match matches.opt_str(name) {
        Some(text) => text.split(',').map(|text| value(name, text)).collect(),
        None => Ok(vec![usual]),
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
    use std::ffi::OsString;

    use super::*;

    fn parse(line: &str) -> Result<Call, String> {
        Call::new(&cli::parse(&options(), line.split_whitespace().map(OsString::from))?)
    }

    #[test]
    fn lists_make_a_sweep_of_all_combinations() {
        let call = parse("--participants 10,100 --rate 5,50.5 --messages 7 --seed 3 --no-acks");
        let plans = call.unwrap().plans;
        let steps: Vec<_> = plans.iter().map(|plan| (plan.participants, plan.pace)).collect();
        let (slow, fast) = (Pace::Rate(5.0), Pace::Rate(50.5));
        assert_eq!(steps, [(10, slow), (10, fast), (100, slow), (100, fast)]);
        let all_alike = |plan: &Plan| {
            (plan.messages, plan.duration_s, plan.seed, plan.acks) == (Some(7), None, 3, false)
        };
        assert!(plans.iter().all(all_alike));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (line, expected) in [
            ("--participants 0", "--participants: found 0, expected 1 to 100000"),
            (
                "--participants 2 --publishers 3",
                "--publishers: found 3, expected 1 to 2 participants",
            ),
            ("--size 30", "--size: found 30, expected 31 to 60000"),
            ("--rate 1 --window 1", "--rate and --window: only one of them"),
            ("--rate x", "--rate: found \"x\", expected a number"),
            ("--window 0", "--rate or --window: expected at least 0.001 or 1"),
            ("--processes --no-acks", "--no-acks: participants always acknowledge"),
            ("--coordinator here", "--coordinator: found \"here\", expected HOST:PORT"),
            ("now", "there are no arguments besides options: found \"now\""),
        ] {
            assert_eq!(parse(line), Err(expected.to_owned()), "{line}");
        }
    }
}
