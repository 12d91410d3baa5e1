//! Targets of the comparison: ratios within the run.

use crate::cases::{
    ALL_PUBLISH, CPU, Case, FAN_OUT, P50, P99, PACED, PACED_WIDE, STORM, TOTAL, WIDE,
};
use crate::peers::Peer;
use crate::table::{Row, Table, Target};

/// Two latencies closer to each other than this ratio are equal within the noise.
const NOISE: f64 = 1.1;
/// Our peers, each with its greatest ratio of CPU to the floor: by a window, and by the clock.
const OURS: [(Peer, f64, f64); 2] =
    [(Peer::Groupcast, 1.75, 1.25), (Peer::GroupcastAcks, 2.5, 1.5)];

pub(super) fn targets(tables: &[Table]) -> Vec<Target> {
    let row = |case: Case, peer: Peer| -> Option<&Row> {
        tables.iter().find(|table| table.title == case.name)?.row(peer.name())
    };
    let mut targets = Vec::new();
    let mut ratio = |what: &str, of: (Case, Peer), to: (Case, Peer), column, most| {
        let found = row(of.0, of.1).zip(row(to.0, to.1)).and_then(|(of, to)| of.ratio(to, column));
        let other = if of.0.name == to.0.name { to.1.name() } else { to.0.name };
        let name = format!("{}: {what}, {} to {other}", of.0.name, of.1.name());
        targets.push(Target::at_most(name, found, most));
    };
    for case in [FAN_OUT, WIDE] {
        for (ours, most, _) in OURS {
            for (peer, most) in [
                (Peer::Floor, most),
                (Peer::Redis, 0.25),
                (Peer::Nats, 0.25),
                (Peer::Mosquitto0, 1.0 / 80.0),
                (Peer::Mosquitto1, 1.0 / 80.0),
            ] {
                ratio("CPU", (case, ours), (case, peer), CPU, most);
            }
        }
    }
    let times = [("p50", P50), ("p99", P99)];
    for case in [PACED, PACED_WIDE] {
        for (ours, _, most) in OURS {
            ratio("CPU", (case, ours), (case, Peer::Floor), CPU, most);
            for (what, column) in times {
                ratio(what, (case, ours), (case, Peer::Floor), column, 1.2);
            }
        }
        let others = [Peer::Redis, Peer::Nats, Peer::Mosquitto0, Peer::Mosquitto1];
        for peer in others {
            for (what, column) in times {
                ratio(what, (case, Peer::Groupcast), (case, peer), column, NOISE);
            }
        }
    }
    for (ours, ..) in OURS {
        ratio("CPU", (ALL_PUBLISH, ours), (FAN_OUT, ours), CPU, 2.0);
    }
    for (ours, ..) in OURS {
        ratio("time", (STORM, ours), (STORM, Peer::Floor), TOTAL, 1.5);
    }
    targets
}
