//! Those that are measured side by side, one a file, each with what a client of it must speak.
//!
//! ```text
//!   Peer ─start─► Stage: a server alone on its core, and everybody connected to it
//!                   │
//!                   └─► Link: a socket, with a Wire: what the peer's protocol is for a client
//! ```

pub mod floor;
pub mod floor_server;
pub mod groupcast;
pub mod installed;
pub mod link;
pub mod mosquitto;
pub mod nats;
pub mod redis;
pub mod stage;
pub mod wire;

use std::path::PathBuf;

use getopts::Matches;

use crate::cli;
use crate::coordinator::Start;
use crate::cores::Cores;
use crate::failure::Result;
use crate::redis::Redis;
use stage::{Plan, Stage};

const TTL_S: u64 = 60;

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    /// Copies bytes and does nothing else.
    Floor,
    /// A coordinator whose members acknowledge nothing.
    Groupcast,
    /// A coordinator whose members acknowledge what they have.
    GroupcastAcks,
    /// Redis' publish and subscribe.
    Redis,
    /// NATS without its persistence.
    Nats,
    /// Mosquitto, at most once.
    Mosquitto0,
    /// Mosquitto, at least once.
    Mosquitto1,
}

/// All, in the order in which they take turns.
pub const PEERS: [Peer; 7] = [
    Peer::Floor,
    Peer::Groupcast,
    Peer::GroupcastAcks,
    Peer::Redis,
    Peer::Nats,
    Peer::Mosquitto0,
    Peer::Mosquitto1,
];

/// Where our programs are, and the cores to run on.
#[derive(Clone, Debug)]
pub struct Programs {
    /// The coordinator.
    pub coordinator: PathBuf,
    /// The participant.
    pub participant: PathBuf,
    /// This program, which has the floor as a subcommand.
    pub bench: PathBuf,
    /// A core for each side, if there are two.
    pub cores: Option<Cores>,
}

impl Programs {
    /// Finds the programs where the command line says, and the cores.
    ///
    /// # Errors
    ///
    /// Those of asking for the cores.
    pub fn find(matches: &Matches) -> Result<Self> {
        let directory = cli::directory(matches, "programs");
        let [coordinator, participant] =
            ["coordinator", "participant"].map(|it| directory.join(it));
        Ok(Self { coordinator, participant, bench: cli::own_program(), cores: Cores::find()? })
    }
}

impl Peer {
    /// As it is named in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Groupcast => "groupcast",
            Self::GroupcastAcks => "groupcast, acks",
            Self::Redis => "Redis",
            Self::Nats => "NATS",
            Self::Mosquitto0 => "mosquitto, QoS 0",
            Self::Mosquitto1 => "mosquitto, QoS 1",
        }
    }

    /// Its version; `None` if it is not installed.
    #[must_use]
    pub fn version(self) -> Option<String> {
        match self {
            Self::Floor | Self::Groupcast | Self::GroupcastAcks => {
                Some(env!("CARGO_PKG_VERSION").to_owned())
            }
            Self::Redis => Redis::version(),
            Self::Nats => nats::installed(),
            Self::Mosquitto0 | Self::Mosquitto1 => mosquitto::installed(),
        }
    }

    /// Whether it takes so long for a delivery that it is given less to do.
    #[must_use]
    pub const fn is_slow(self) -> bool {
        matches!(self, Self::Mosquitto0 | Self::Mosquitto1)
    }

    /// Starts it and connects everybody.
    ///
    /// # Errors
    ///
    /// Those of starting it, and those of the sockets.
    pub fn stage(self, programs: &Programs, plan: Plan) -> Result<Stage> {
        let cores = programs.cores;
        match self {
            Self::Floor => floor::Floor::start(&programs.bench, false, cores)?.stage(plan),
            Self::Groupcast | Self::GroupcastAcks => {
                let start = Start { cores, ..Start::new(&programs.coordinator, TTL_S, &[]) };
                groupcast::stage(start.run()?, plan, self == Self::GroupcastAcks)
            }
            Self::Redis => redis::stage(Redis::start(cores)?, plan),
            Self::Nats => nats::stage(plan, cores),
            Self::Mosquitto0 => mosquitto::Mosquitto::start(cores)?.stage(plan, 0),
            Self::Mosquitto1 => mosquitto::Mosquitto::start(cores)?.stage(plan, 1),
        }
    }
}
