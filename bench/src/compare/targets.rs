//! What should come out: ratios within the run, each beside what did.

use super::Results;
use crate::cases::{ALL_PUBLISH, FAN_OUT, LOGGING, Metric, PACED, PACED_WIDE, STORM, WIDE};
use crate::peers::{PEERS, Peer};

/// Where two latencies are this near to each other, which one is lower is chance.
const NOISE: f64 = 1.1;
const LOGGED_NS_MAX: f64 = 400.0;

/// A target and what came out.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// What is compared.
    pub name: String,
    /// At most so much.
    pub target: f64,
    /// What came out; `None` if it was not measured.
    pub found: Option<f64>,
}

impl Verdict {
    /// Whether it was met; `None` if it was not measured.
    #[must_use]
    pub fn is_met(&self) -> Option<bool> {
        Some(self.found? <= self.target)
    }
}

type Against = (&'static str, Peer);

/// All targets.
#[must_use]
pub fn verdicts(results: &Results) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    let mut ratio = |what: &str, of: Against, to: Against, metric, target| {
        let found = results.ratio(of, to, metric);
        let name = if of.0 == to.0 {
            format!("{}: {what} of {} to {}", of.0, of.1.name(), to.1.name())
        } else {
            format!("{}: {what} of {} to that of {}", of.0, of.1.name(), to.0)
        };
        verdicts.push(Verdict { name, target, found });
    };
    let both = [(Peer::Groupcast, 1.75, 1.25), (Peer::GroupcastAcks, 2.5, 1.5)];
    for case in [FAN_OUT, WIDE] {
        for (ours, most, _) in both {
            for (peer, target) in [
                (Peer::Floor, most),
                (Peer::Redis, 0.25),
                (Peer::Nats, 0.25),
                (Peer::Mosquitto0, 1.0 / 80.0),
                (Peer::Mosquitto1, 1.0 / 80.0),
            ] {
                ratio("CPU", (case, ours), (case, peer), Metric::Cpu, target);
            }
        }
    }
    for case in [PACED, PACED_WIDE] {
        for (ours, _, most) in both {
            ratio("CPU", (case, ours), (case, Peer::Floor), Metric::Cpu, most);
            for (what, metric) in [("p50", Metric::Median), ("p99", Metric::High)] {
                ratio(what, (case, ours), (case, Peer::Floor), metric, 1.2);
            }
        }
        let others = PEERS.into_iter().filter(|peer| {
            !matches!(peer, Peer::Floor | Peer::Groupcast | Peer::GroupcastAcks) //.
        });
        for peer in others {
            for (what, metric) in [("p50", Metric::Median), ("p99", Metric::High)] {
                ratio(what, (case, Peer::Groupcast), (case, peer), metric, NOISE);
            }
        }
    }
    for (ours, ..) in both {
        ratio("CPU", (ALL_PUBLISH, ours), (FAN_OUT, ours), Metric::Cpu, 2.0);
    }
    for (ours, ..) in both {
        ratio("time", (STORM, ours), (STORM, Peer::Floor), Metric::Total, 1.5);
    }
    let found = results.median(LOGGING, Peer::GroupcastAcks, Metric::Cpu);
    let name = format!("{LOGGING}: CPU of a message received and logged, ns");
    verdicts.push(Verdict { name, target: LOGGED_NS_MAX, found });
    verdicts
}
