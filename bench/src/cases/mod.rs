//! Cases that `bench compare` measures with each peer, one kind a file.
//!
//! ```text
//!   Case ─► fan_out ─► Values      one or many publish, all receive: by a window or by the clock
//!     ├───► storm   ─► Values      a thousand members reconnect at once
//!     └───► absent  ─► Values      memory for messages that are kept
//! ```

pub(crate) mod absent;
mod fan_out;
mod storm;

use std::time::Duration;

use anyhow::Result;

use crate::clients::Pace;
use crate::peers::{Connected, ENCRYPTED, PLAIN, Peer, Plan, Programs};
use crate::table::{Row, Table, Values, count};

pub(crate) const CPU: &str = "CPU of a delivery, ns";
pub(crate) const ELAPSED: &str = "time of a delivery, ns";
pub(crate) const P50: &str = "p50, µs";
pub(crate) const P99: &str = "p99, µs";
pub(crate) const RECORDS: &str = "TLS records of a delivery";
pub(crate) const RANK: &str = "rank of the worst tenth, % from the middle";
pub(crate) const TOTAL: &str = "time until all have everything, ms";
pub(crate) const MEMORY: &str = "resident memory, MB";
pub(crate) const PER_MESSAGE: &str = "memory of a message, B";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    FanOut(Pace),
    /// All receivers come back at once and get the messages that they missed.
    Storm,
    /// Messages are kept for receivers that are offline.
    Absent,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) plan: Plan,
    pub(crate) work: Work,
    /// Messages of a round.
    pub(crate) messages: u64,
    /// Slow peers get the messages divided by this number.
    pub(crate) slow_divisor: u64,
    pub(crate) rounds: usize,
    /// Peers with TLS are measured, beside groupcast and the floor without.
    pub(crate) is_encrypted: bool,
}

const fn fan_out(name: &'static str, receivers: usize, text_bytes: usize, messages: u64) -> Case {
    let plan = Plan { publishers: 1, receivers, text_bytes, are_same: false };
    // Messages under way take memory of the kernel for each receiver.
    let window = if receivers >= 1000 || text_bytes > 1024 { 200 } else { 1000 };
    let work = Work::FanOut(Pace::Behind(window));
    Case { name, plan, work, messages, slow_divisor: 20, rounds: 5, is_encrypted: false }
}

const fn paced(name: &'static str, receivers: usize, rate: u32, seconds: u32) -> Case {
    let interval = Duration::from_nanos(1_000_000_000 / rate as u64);
    Case {
        work: Work::FanOut(Pace::Every(interval)),
        slow_divisor: 1,
        rounds: 3,
        ..fan_out(name, receivers, 100, (rate * seconds) as u64)
    }
}

const fn thousand(name: &'static str, work: Work, messages: u64, rounds: usize) -> Case {
    Case { work, rounds, slow_divisor: 100, ..fan_out(name, 1000, 100, messages) }
}

pub(crate) const ONE: Case = fan_out("1 → 1", 1, 100, 200_000);
pub(crate) const FAN_OUT: Case = fan_out("1 → 100", 100, 100, 50_000);
pub(crate) const WIDE: Case = fan_out("1 → 1000", 1000, 100, 5_000);
pub(crate) const ALL_PUBLISH: Case = Case {
    plan: Plan { publishers: 100, receivers: 100, text_bytes: 100, are_same: true },
    ..fan_out("100 ⇄ 100", 100, 100, 50_000)
};
pub(crate) const PACED: Case = paced("200/s → 100", 100, 200, 4);
pub(crate) const PACED_WIDE: Case = paced("50/s → 1000", 1000, 50, 4);
pub(crate) const STORM: Case = thousand("storm", Work::Storm, 1_000, 5);

pub(crate) const FAN_OUT_TLS: Case = encrypted("TLS, 1 → 100", FAN_OUT);
pub(crate) const PACED_TLS: Case = encrypted("TLS, 200/s → 100", PACED);

/// The same work with TLS.
const fn encrypted(name: &'static str, case: Case) -> Case {
    Case { name, is_encrypted: true, ..case }
}

pub(crate) const CASES: [Case; 13] = [
    ONE,
    FAN_OUT,
    WIDE,
    fan_out("1 → 100, 1 KiB", 100, 1024, 20_000),
    fan_out("1 → 100, 4 KiB", 100, 4 * 1024, 8_000),
    fan_out("1 → 100, 16 KiB", 100, 16 * 1024, 2_000),
    ALL_PUBLISH,
    PACED,
    PACED_WIDE,
    FAN_OUT_TLS,
    PACED_TLS,
    STORM,
    thousand("absent", Work::Absent, 100_000, 1),
];

impl Case {
    /// The same case with one round and fewer messages.
    pub(crate) fn quick(self) -> Self {
        let fewer = match self.work {
            Work::FanOut(Pace::Every(_)) | Work::Storm => self.messages / 2,
            Work::FanOut(Pace::Behind(_) | Pace::Unanswered(_)) | Work::Absent => self.messages / 5,
        };
        Self { messages: fewer, rounds: 1, ..self }
    }

    fn messages_for(&self, peer: Peer) -> u64 {
        if peer.is_slow() { (self.messages / self.slow_divisor).max(1) } else { self.messages }
    }

    /// Peers that can do the work.
    pub(crate) fn peers(&self) -> Vec<Peer> {
        match self.work {
            Work::FanOut(_) if self.is_encrypted => {
                [&[Peer::Floor, Peer::Groupcast][..], &ENCRYPTED].concat()
            }
            Work::FanOut(_) => PLAIN.to_vec(),
            Work::Storm => {
                let floors = [Peer::Floor, Peer::FloorAcks];
                let ours = [Peer::Groupcast, Peer::GroupcastAcks];
                [&floors[..], &ours, &[Peer::RedisStreams]].concat()
            }
            Work::Absent => {
                vec![Peer::Floor, Peer::Groupcast, Peer::RedisStreams, Peer::Mosquitto1]
            }
        }
    }

    /// Measures the case in rounds. Only peers in `chosen` are measured, if they are installed.
    pub(crate) fn measure(&self, programs: &Programs, chosen: &[Peer]) -> Table {
        let peers = self.peers();
        let row = |peer: &Peer| {
            let (name, messages) = (peer.name(), self.messages_for(*peer));
            let row = match (chosen.contains(peer), peer.version()) {
                (false, _) => Row::not_measured(name, "not chosen".to_owned()),
                (true, None) => Row::not_measured(name, peer.not_installed()),
                (true, Some(_)) => Row::new(name),
            };
            match messages < self.messages {
                true => Row { note: format!(" ({messages} messages)"), ..row },
                false => row,
            }
        };
        let rows = peers.iter().map(row).collect();
        let mut table = Table { title: self.name.to_owned(), about: self.about(), rows };
        table.measure(self.rounds, &mut |index| {
            let Some(peer) = peers.get(index) else { return Ok(Values::new()) };
            let case = Self { messages: self.messages_for(*peer), ..*self };
            match self.work {
                Work::FanOut(_) => case.measure_on(peer.connect(programs, self.plan)?),
                Work::Storm => storm::measure(&case, programs, *peer),
                Work::Absent => absent::measure(&case, programs, *peer),
            }
        });
        table
    }

    /// Measures one round of a fan-out on a server with connected clients.
    pub(crate) fn measure_on(&self, connected: Connected) -> Result<Values> {
        match self.work {
            Work::FanOut(pace) => {
                fan_out::measure(connected, pace, self.messages, self.is_for_ranks())
            }
            Work::Storm | Work::Absent => Ok(Values::new()),
        }
    }

    /// Tells if the order of the receivers is measured: with one publisher, small texts and many
    /// receivers. By a window it takes a run of its own, which would take minutes with 1000.
    fn is_for_ranks(&self) -> bool {
        let Plan { publishers, receivers, text_bytes, .. } = self.plan;
        let is_by_clock = matches!(self.work, Work::FanOut(Pace::Every(_)));
        let is_wide = receivers == 100 || is_by_clock;
        publishers == 1 && text_bytes == 100 && is_wide && !self.is_encrypted
    }

    fn about(&self) -> String {
        let Self { messages, rounds, .. } = self;
        let (bytes, members) = (self.plan.text_bytes, self.plan.receivers);
        let work = match self.work {
            Work::FanOut(Pace::Behind(window) | Pace::Unanswered(window)) => {
                let publishers = match self.plan.publishers {
                    1 => "One client publishes".to_owned(),
                    _ => format!(
                        "{members} clients publish in turn and {members} receive. In groupcast \
                         they are the same {members} members, and no member gets its own \
                         messages. They publish"
                    ),
                };
                format!(
                    "{publishers} as fast as the slowest receiver, at most {window} ahead of it"
                )
            }
            Work::FanOut(Pace::Every(interval)) => format!(
                "One client publishes a message every {} ms. A time counts from when the message \
                 was due",
                interval.as_millis()
            ),
            Work::Storm => format!(
                "{members} members reconnect at once, and each gets all messages. {members} \
                 clients connect to the floor, which copies them the same bytes, or read a stream \
                 of Redis from its first entry. ZeroMQ, Redis without streams, NATS without \
                 JetStream and mosquitto with QoS 0 keep nothing for offline clients. mosquitto \
                 with QoS 1 keeps messages and would take minutes"
            ),
            Work::Absent => format!(
                "The server keeps the messages for {members} offline members. Then one member \
                 reconnects and gets all of them. The floor keeps the bytes once; mosquitto keeps \
                 a session with QoS 1 for each member; Redis keeps a stream for all. ZeroMQ, Redis \
                 without streams, NATS without JetStream and mosquitto with QoS 0 keep nothing for \
                 offline clients"
            ),
        };
        let work = match self.is_encrypted {
            true => format!(
                "{work}. TLS 1.3 with the named cipher suite, and without session tickets; the \
                 floor and the first groupcast have no TLS. Each side \
                 shows a certificate, but to Redis only the server"
            ),
            false => work,
        };
        let rounds = count(*rounds, "round");
        format!("{messages} messages of {bytes} B, {rounds}. {work}.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texts::{NUMBERS, TEXT_BYTES_MIN};

    #[test]
    fn every_case_can_be_numbered_and_has_peers_and_a_name_of_its_own() {
        for case in CASES {
            for case in [case, case.quick()] {
                assert!(case.messages > 0 && case.messages * 2 < NUMBERS, "{}", case.name);
                assert!(case.plan.text_bytes >= TEXT_BYTES_MIN, "{}", case.name);
                assert!(!case.peers().is_empty() && case.rounds > 0, "{}", case.name);
            }
            assert_eq!(CASES.iter().filter(|other| other.name == case.name).count(), 1);
        }
    }
}
