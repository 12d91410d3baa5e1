//! Targets of the comparison: ratios within the run.

use super::{crowd, handshake};
use crate::cases::{
    ALL_PUBLISH, CPU, Case, FAN_OUT, FAN_OUT_TLS, ONE, P50, P99, PACED, PACED_TLS, PACED_WIDE,
    RANK, STORM, TOTAL, WIDE,
};
use crate::peers::Peer;
use crate::table::{Table, Target};

/// A value of the first peer of a pair, in each case at most `most` times the value of the second.
#[derive(Clone, Copy, Debug)]
struct Rule {
    what: &'static str,
    column: &'static str,
    cases: &'static [Case],
    pairs: &'static [(Peer, Peer)],
    most: f64,
}

const fn rule(
    (what, column): (&'static str, &'static str),
    cases: &'static [Case],
    pairs: &'static [(Peer, Peer)],
    most: f64,
) -> Rule {
    Rule { what, column, cases, pairs, most }
}

const CPU_OF: (&str, &str) = ("CPU", CPU);
const P50_OF: (&str, &str) = ("p50", P50);
const P99_OF: (&str, &str) = ("p99", P99);
const TIME_OF: (&str, &str) = ("time", TOTAL);

const WINDOWED: &[Case] = &[FAN_OUT, WIDE];
const BY_THE_CLOCK: &[Case] = &[PACED, PACED_WIDE];

/// Each of our peers with the floor that does the same work: with as many publishers, and with
/// acknowledgements if there are any.
const TO_FLOOR: &[(Peer, Peer)] =
    &[(Peer::Groupcast, Peer::Floor), (Peer::GroupcastAcks, Peer::FloorAcks)];
/// A bound that is met for both versions is met for the faster one.
const TO_NATS: &[(Peer, Peer)] =
    &[(Peer::Groupcast, Peer::Nats29), (Peer::Groupcast, Peer::Nats215)];
const TO_FAST: &[(Peer, Peer)] = &[
    (Peer::Groupcast, Peer::Redis),
    (Peer::Groupcast, Peer::Nats29),
    (Peer::Groupcast, Peer::Nats215),
    (Peer::GroupcastAcks, Peer::Redis),
    (Peer::GroupcastAcks, Peer::Nats29),
    (Peer::GroupcastAcks, Peer::Nats215),
];
const TO_SLOW: &[(Peer, Peer)] = &[
    (Peer::Groupcast, Peer::Mosquitto0),
    (Peer::Groupcast, Peer::Mosquitto1),
    (Peer::GroupcastAcks, Peer::Mosquitto0),
    (Peer::GroupcastAcks, Peer::Mosquitto1),
];
const TO_ALL: &[(Peer, Peer)] = &[
    (Peer::Groupcast, Peer::Redis),
    (Peer::Groupcast, Peer::Nats29),
    (Peer::Groupcast, Peer::Nats215),
    (Peer::Groupcast, Peer::Mosquitto0),
    (Peer::Groupcast, Peer::Mosquitto1),
];

/// Two latencies closer to each other than this ratio are equal within the noise.
const NOISE: f64 = 1.1;

const AES_TO_PLAIN: &[(Peer, Peer)] = &[(Peer::GroupcastAes, Peer::Groupcast)];
const CHACHA_TO_PLAIN: &[(Peer, Peer)] = &[(Peer::GroupcastChaCha, Peer::Groupcast)];
const TLS_TO_PLAIN: &[(Peer, Peer)] =
    &[(Peer::GroupcastAes, Peer::Groupcast), (Peer::GroupcastChaCha, Peer::Groupcast)];
const AES_TO_REDIS: &[(Peer, Peer)] = &[(Peer::GroupcastAes, Peer::RedisAes)];
const AES_TO_MOSQUITTO: &[(Peer, Peer)] = &[(Peer::GroupcastAes, Peer::MosquittoAes)];

const RULES: [Rule; 16] = [
    rule(CPU_OF, WINDOWED, TO_FLOOR, 1.15),
    rule(CPU_OF, &[ALL_PUBLISH], TO_FLOOR, 1.2),
    rule(CPU_OF, BY_THE_CLOCK, TO_FLOOR, 1.1),
    rule(CPU_OF, &[ONE], TO_NATS, 0.75),
    rule(CPU_OF, WINDOWED, TO_FAST, 0.25),
    rule(CPU_OF, WINDOWED, TO_SLOW, 1.0 / 80.0),
    rule(P50_OF, BY_THE_CLOCK, TO_FLOOR, 1.2),
    rule(P99_OF, BY_THE_CLOCK, TO_FLOOR, 1.2),
    rule(P50_OF, BY_THE_CLOCK, TO_ALL, NOISE),
    rule(P99_OF, BY_THE_CLOCK, TO_ALL, NOISE),
    rule(TIME_OF, &[STORM], TO_FLOOR, 1.5),
    rule(CPU_OF, &[FAN_OUT_TLS], AES_TO_PLAIN, 2.0),
    rule(CPU_OF, &[FAN_OUT_TLS], CHACHA_TO_PLAIN, 3.75),
    rule(CPU_OF, &[FAN_OUT_TLS], AES_TO_REDIS, 0.2),
    rule(CPU_OF, &[FAN_OUT_TLS], AES_TO_MOSQUITTO, 0.01),
    rule(CPU_OF, &[PACED_TLS], TLS_TO_PLAIN, 1.3),
];

/// Cases in which a tenth of the members may be [`FAIR_PERCENT_MAX`] from the middle.
const RANKED: [Case; 3] = [FAN_OUT, PACED, PACED_WIDE];
const FAIR_PERCENT_MAX: f64 = 10.0;

/// Cost of a member in a large group, to its cost in a small one.
const CROWD: [(&str, &str); 2] =
    [("registering", crowd::REGISTERING), ("reconnecting", crowd::RETURNING)];
const CROWD_MOST: f64 = 1.5;

/// Both sides show a certificate.
const HANDSHAKE_MOST: f64 = 0.5;

pub(super) fn targets(tables: &[Table]) -> Vec<Target> {
    let mut targets: Vec<_> = RULES.iter().flat_map(|rule| rule.targets(tables)).collect();
    for case in RANKED {
        for (peer, _) in TO_FLOOR {
            let table = tables.iter().find(|table| table.title == case.name);
            let found = table.and_then(|it| it.row(peer.name())?.median(RANK));
            let name = format!("{}: {RANK}, {}", case.name, peer.name());
            let target = Target::at_most(name, found, FAIR_PERCENT_MAX);
            targets.push(Target { unit: "%", ..target });
        }
    }
    let handshake = tables.iter().find(|table| table.title == handshake::NAME);
    let found = handshake.and_then(|table| {
        table.ratio(Peer::GroupcastAes.name(), Peer::MosquittoAes.name(), handshake::CONNECTION)
    });
    let name = format!("{}: CPU of a connection, groupcast to mosquitto", handshake::NAME);
    targets.push(Target::at_most(name, found, HANDSHAKE_MOST));
    let crowd = tables.iter().find(|table| table.title == crowd::NAME);
    let rows = crowd.and_then(|table| table.rows.first().zip(table.rows.last()));
    for (what, column) in CROWD {
        let found = rows.and_then(|(small, large)| large.ratio(small, column));
        let name = format!("{}: CPU of a member, {what}, 9 × as many members", crowd::NAME);
        targets.push(Target::at_most(name, found, CROWD_MOST));
    }
    targets
}

impl Rule {
    fn targets(&self, tables: &[Table]) -> Vec<Target> {
        let all = self.cases.iter().flat_map(|case| self.pairs.iter().map(move |it| (case, it)));
        let target = |(case, (of, to)): (&Case, &(Peer, Peer))| {
            let table = tables.iter().find(|table| table.title == case.name);
            let found = table.and_then(|it| it.ratio(of.name(), to.name(), self.column));
            let name = format!("{}: {}, {} to {}", case.name, self.what, of.name(), to.name());
            Target::at_most(name, found, self.most)
        };
        all.map(target).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{Row, tests};

    /// A table of `case` in which the first peer has `ratio` times the value of the second.
    fn table(rule: &Rule, case: &Case, (of, to): (Peer, Peer), ratio: f64) -> Table {
        let row = |peer: Peer, value: f64| Row {
            rounds: vec![Some(vec![(rule.column, value)])],
            ..Row::new(peer.name())
        };
        let rows = vec![row(of, 100.0 * ratio), row(to, 100.0)];
        Table { title: case.name.to_owned(), about: String::new(), rows }
    }

    #[test]
    fn every_target_is_missed_a_percent_above_it_and_met_a_percent_below() {
        for rule in &RULES {
            for case in rule.cases {
                for pair in rule.pairs {
                    for (part, is_missed) in [(1.01, true), (0.99, false)] {
                        let tables = [table(rule, case, *pair, rule.most * part)];
                        let found = targets(&tables).into_iter().filter(|it| it.found.is_some());
                        let found: Vec<_> = found.collect();
                        assert_eq!(found.len(), 1, "{found:?}");
                        assert!(found.iter().all(|it| it.is_missed() == is_missed), "{found:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn members_far_from_the_middle_miss_the_target() {
        for case in RANKED {
            for (percent, is_missed) in [(10.1, true), (9.9, false)] {
                let rounds = vec![Some(vec![(RANK, percent)])];
                let rows = vec![Row { rounds, ..Row::new("groupcast") }];
                let (title, about) = (case.name.to_owned(), String::new());
                let found = targets(&[Table { title, about, rows }]);
                let found = found.iter().find(|it| it.found.is_some()).unwrap();
                assert_eq!(found.is_missed(), is_missed, "{found}");
                assert_eq!(found.to_string().matches(" %:").count(), 1, "{found}");
            }
        }
    }

    #[test]
    fn a_member_that_costs_more_in_a_large_group_misses_the_target() {
        for (_, column) in CROWD {
            for (cost, is_missed) in [(151.0, true), (149.0, false)] {
                let table = tests::table(crowd::NAME, column, &[("1", &[100.0]), ("9", &[cost])]);
                let found = targets(&[table]);
                let found: Vec<_> = found.iter().filter(|it| it.found.is_some()).collect();
                assert_eq!(found.len(), 1, "{found:?}");
                assert!(found.iter().all(|it| it.is_missed() == is_missed), "{found:?}");
            }
        }
    }

    #[test]
    fn the_bounds_are_those_of_the_document() {
        let all: Vec<String> = targets(&[]).iter().map(ToString::to_string).collect();
        for (name, bound) in [
            ("1 → 1: CPU, groupcast to NATS 2.15", "at most 0.7500"),
            ("1 → 100: CPU, groupcast to floor", "at most 1.15"),
            ("1 → 100: CPU, groupcast, acks to floor, acks", "at most 1.15"),
            ("100 ⇄ 100: CPU, groupcast, acks to floor, acks", "at most 1.20"),
            ("200/s → 100: CPU, groupcast to floor", "at most 1.10"),
            ("50/s → 1000: CPU, groupcast, acks to floor, acks", "at most 1.10"),
            ("TLS, 1 → 100: CPU, groupcast, AES-128-GCM to groupcast", "at most 2.00"),
            ("TLS, 200/s → 100: CPU, groupcast, AES-128-GCM to groupcast", "at most 1.30"),
            ("handshake: CPU of a connection, groupcast to mosquitto", "at most 0.5000"),
        ] {
            let line = all.iter().find(|line| line.starts_with(&format!("{name} ")));
            let line = line.unwrap_or_else(|| panic!("{name} is not in {all:#?}"));
            assert!(line.contains(&format!("target: {bound}: not measured")), "{line}");
        }
    }
}
