//! What is measured of each peer: the cases, one kind a file, and the values that come of them.
//!
//! ```text
//!   Case ─► play ─► Scene on a Stage ─► Values      fan-out, by window or by the clock
//!     ├───► storm                    ─► Values      a thousand come back at once
//!     ├───► absent                   ─► Values      what keeping messages takes
//!     └───► logging                  ─► Values      a participant's own cost
//! ```

mod absent;
mod crowd;
mod logging;
mod play;
mod scene;
mod storm;
pub mod texts;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::failure::Result;
use crate::peers::stage::{Plan, Stage};
use crate::peers::{PEERS, Peer, Programs};

/// What is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// CPU of the server for each delivery, in nanoseconds.
    Cpu,
    /// Time that passed for each delivery, in nanoseconds.
    Elapsed,
    /// From due to delivered, in microseconds: half of all deliveries are at or below it.
    Median,
    /// As before, for 99 of 100.
    High,
    /// Until all are done, in milliseconds.
    Total,
    /// Resident memory, in megabytes of 10^6 bytes.
    Memory,
    /// Resident memory above that of the idle server with the members, in bytes for each message.
    EachMessage,
}

/// The values of one round.
pub type Values = BTreeMap<Metric, f64>;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// As many messages as the slowest receiver allows.
    Saturated {
        /// Messages that it may be behind by, at most.
        window: u64,
    },
    /// So many messages a second.
    Paced(u32),
    /// All receivers come back at once and get what they missed.
    Storm,
    /// Messages are kept for receivers that are away.
    Absent,
    /// A participant receives and logs.
    Logging,
}

/// One case.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// As it is named in tables.
    pub name: &'static str,
    /// Who is connected.
    pub plan: Plan,
    /// What is done.
    pub work: Work,
    /// Messages in a round.
    pub messages: u64,
    /// By how much fewer messages slow peers get.
    pub slow_part: u64,
    /// Rounds.
    pub rounds: usize,
}

const fn fan_out(name: &'static str, receivers: usize, text_bytes: usize, messages: u64) -> Case {
    let plan = Plan { publishers: 1, receivers, text_bytes, are_same: false };
    // What is under way takes the kernel's memory, once for each receiver.
    let window = if receivers >= 1000 || text_bytes > 1024 { 200 } else { 1000 };
    let work = Work::Saturated { window };
    Case { name, plan, work, messages, slow_part: 20, rounds: 5 }
}

const fn paced(name: &'static str, receivers: usize, rate: u32, seconds: u32) -> Case {
    let messages = (rate * seconds) as u64;
    Case {
        work: Work::Paced(rate),
        slow_part: 1,
        rounds: 3,
        ..fan_out(name, receivers, 100, messages)
    }
}

const fn thousand(name: &'static str, work: Work, messages: u64, rounds: usize) -> Case {
    Case { work, rounds, slow_part: 100, ..fan_out(name, 1000, 100, messages) }
}

/// The case that others are compared with.
pub const FAN_OUT: &str = "1 → 100";
/// A hundred that all publish.
pub const ALL_PUBLISH: &str = "100 ⇄ 100";
/// A thousand receivers.
pub const WIDE: &str = "1 → 1000";
/// By the clock, to a hundred.
pub const PACED: &str = "200/s → 100";
/// By the clock, to a thousand.
pub const PACED_WIDE: &str = "50/s → 1000";
/// A thousand that come back.
pub const STORM: &str = "storm";
/// A thousand that are away.
pub const ABSENT: &str = "absent";
/// The participant itself.
pub const LOGGING: &str = "participant";

/// All cases, in the order in which they are played.
pub const CASES: [Case; 11] = [
    fan_out("1 → 1", 1, 100, 200_000),
    fan_out(FAN_OUT, 100, 100, 50_000),
    fan_out(WIDE, 1000, 100, 5_000),
    fan_out("1 → 100, 1 KiB", 100, 1024, 20_000),
    fan_out("1 → 100, 16 KiB", 100, 16 * 1024, 2_000),
    Case {
        plan: Plan { publishers: 100, receivers: 100, text_bytes: 100, are_same: true },
        ..fan_out(ALL_PUBLISH, 100, 100, 50_000)
    },
    paced(PACED, 100, 200, 4),
    paced(PACED_WIDE, 1000, 50, 4),
    thousand(STORM, Work::Storm, 1_000, 5),
    thousand(ABSENT, Work::Absent, 100_000, 1),
    Case {
        plan: Plan { publishers: 1, receivers: 1, text_bytes: 100, are_same: false },
        ..thousand(LOGGING, Work::Logging, 200_000, 5)
    },
];

impl Case {
    /// Fewer messages, for trying.
    #[must_use]
    pub fn quick(self) -> Self {
        let fewer = match self.work {
            Work::Paced(_) | Work::Storm => self.messages / 2,
            Work::Saturated { .. } | Work::Absent | Work::Logging => self.messages / 5,
        };
        Self { messages: fewer, rounds: 1, ..self }
    }

    /// Messages that a peer is given in a round.
    #[must_use]
    pub fn messages_for(&self, peer: Peer) -> u64 {
        if peer.is_slow() { (self.messages / self.slow_part).max(1) } else { self.messages }
    }

    /// The time between two messages, where they go by the clock.
    #[must_use]
    pub fn interval(&self) -> Option<Duration> {
        match self.work {
            Work::Paced(rate) => Some(Duration::from_secs(1) / rate.max(1)),
            Work::Saturated { .. } | Work::Storm | Work::Absent | Work::Logging => None,
        }
    }

    /// Who can do this at all.
    pub fn peers(&self) -> impl Iterator<Item = Peer> + use<> {
        let work = self.work;
        PEERS.into_iter().filter(move |peer| match (work, peer) {
            (Work::Saturated { .. } | Work::Paced(_), _) => true,
            (Work::Storm, peer) => {
                matches!(peer, Peer::Floor | Peer::Groupcast | Peer::GroupcastAcks) //.
            }
            (Work::Absent, peer) => {
                matches!(peer, Peer::Floor | Peer::Groupcast | Peer::Mosquitto1) //.
            }
            (Work::Logging, peer) => *peer == Peer::GroupcastAcks,
        })
    }

    /// Plays one round of a fan-out on a stage that was set for its plan.
    ///
    /// # Errors
    ///
    /// What was lost, doubled, out of order, altered or refused.
    pub fn play_on(&self, stage: Stage) -> Result<Values> {
        play::play_on(self, stage, self.messages)
    }

    /// Plays one round with one peer.
    ///
    /// # Errors
    ///
    /// What was lost, doubled, out of order, altered or refused; what could not be had.
    pub fn play(&self, programs: &Programs, peer: Peer) -> Result<Values> {
        match self.work {
            Work::Saturated { .. } | Work::Paced(_) => play::play(self, programs, peer),
            Work::Storm => storm::play(self, programs, peer),
            Work::Absent => absent::play(self, programs, peer),
            Work::Logging => logging::play(self, programs),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::texts::{NUMBERS, TEXT_BYTES_MIN};

    #[test]
    fn every_case_can_be_numbered_and_has_peers() {
        for case in CASES {
            for case in [case, case.quick()] {
                assert!(case.messages > 0 && case.messages * 2 < NUMBERS, "{}", case.name);
                assert!(case.plan.text_bytes >= TEXT_BYTES_MIN, "{}", case.name);
                assert!(case.peers().count() > 0 && case.rounds > 0, "{}", case.name);
            }
            assert_eq!(CASES.iter().filter(|other| other.name == case.name).count(), 1);
        }
    }
}
