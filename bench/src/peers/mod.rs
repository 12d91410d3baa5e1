//! Servers that are measured, one a file, each with the protocol of its clients.
//!
//! ```text
//!   Peer ─connect─► Connected: Server, alone on its core
//!                              Clients: Links, each a socket and the Wire of the peer
//! ```

pub(crate) mod floor;
pub(crate) mod floor_server;
pub(crate) mod groupcast;
pub(crate) mod installed;
pub(crate) mod mosquitto;
pub(crate) mod nats;
pub(crate) mod redis;

use std::path::PathBuf;

use anyhow::Result;
use getopts::Matches;

use crate::cli;
use crate::clients::Clients;
use crate::coordinator::Start;
use crate::cores::Cores;
use crate::process::Server;

const TTL_S: u64 = 60;

/// A server, or a way to use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Peer {
    Floor,
    Groupcast,
    GroupcastAcks,
    Redis,
    Nats,
    Mosquitto0,
    Mosquitto1,
}

pub(crate) const PEERS: [Peer; 7] = [
    Peer::Floor,
    Peer::Groupcast,
    Peer::GroupcastAcks,
    Peer::Redis,
    Peer::Nats,
    Peer::Mosquitto0,
    Peer::Mosquitto1,
];

#[derive(Clone, Debug)]
pub(crate) struct Programs {
    pub(crate) coordinator: PathBuf,
    pub(crate) participant: PathBuf,
    pub(crate) cores: Option<Cores>,
}

impl Programs {
    pub(crate) fn find(matches: &Matches) -> Result<Self> {
        let directory = cli::directory(matches, "programs");
        let [coordinator, participant] =
            ["coordinator", "participant"].map(|it| directory.join(it));
        Ok(Self { coordinator, participant, cores: Cores::find()? })
    }

    /// A coordinator on the server's core.
    pub(crate) fn coordinator<'a>(&'a self, ttl_s: u64, options: &'a [&'a str]) -> Start<'a> {
        Start { cores: self.cores, ..Start::new(&self.coordinator, ttl_s, options) }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) publishers: usize,
    pub(crate) receivers: usize,
    pub(crate) text_bytes: usize,
    /// Receiver n is the same member as publisher n, if the peer has members.
    pub(crate) are_same: bool,
}

/// A server with all of its clients connected.
pub(crate) struct Connected {
    pub(crate) server: Server,
    pub(crate) clients: Clients,
}

impl Peer {
    pub(crate) const fn name(self) -> &'static str {
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

    /// Version of the server. `None` if it is not installed.
    pub(crate) fn version(self) -> Option<String> {
        match self {
            Self::Floor | Self::Groupcast | Self::GroupcastAcks => {
                Some(env!("CARGO_PKG_VERSION").to_owned())
            }
            Self::Redis => installed::version(redis::PROGRAM, &["--version"]),
            Self::Nats => installed::version(nats::PROGRAM, &["--version"]),
            Self::Mosquitto0 | Self::Mosquitto1 => installed::version(mosquitto::PROGRAM, &["-h"]),
        }
    }

    /// A slow peer gets fewer messages.
    pub(crate) const fn is_slow(self) -> bool {
        matches!(self, Self::Mosquitto0 | Self::Mosquitto1)
    }

    /// Starts the server and connects all clients.
    pub(crate) fn connect(self, programs: &Programs, plan: Plan) -> Result<Connected> {
        let cores = programs.cores;
        match self {
            Self::Floor => floor::Floor::start(false, cores)?.connect(plan),
            Self::Groupcast | Self::GroupcastAcks => {
                let coordinator = programs.coordinator(TTL_S, &[]).run()?;
                let clients = groupcast::connect(&coordinator, plan, self == Self::GroupcastAcks)?;
                Ok(Connected { server: coordinator.server, clients })
            }
            Self::Redis => redis::Redis::start(cores, &["--appendonly", "no"])?.connect(plan),
            Self::Nats => {
                nats::Nats::start(&installed::program(nats::PROGRAM), cores, None)?.connect(plan)
            }
            Self::Mosquitto0 => mosquitto::Mosquitto::start(cores)?.connect(plan, 0),
            Self::Mosquitto1 => mosquitto::Mosquitto::start(cores)?.connect(plan, 1),
        }
    }
}
