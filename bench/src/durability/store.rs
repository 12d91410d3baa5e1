//! Servers that keep messages on a disk: start, connect, and count after a restart.

use std::path::Path;

use anyhow::{Context as _, Result};

use super::Setup;
use super::confirm::TEXT_BYTES;
use crate::clients::Clients;
use crate::command::{ConnectBack, number_of};
use crate::coordinator::Coordinator;
use crate::peers::groupcast::Requests;
use crate::peers::nats::Nats;
use crate::peers::redis::{Appender, Redis};
use crate::peers::{Peer, installed};

pub(super) use crate::peers::Connected;

/// The first NATS version that can sync every message.
const NATS_VERSION_MIN: (u64, u64) = (2, 10);
/// Longer than any measurement.
const TTL_S: u64 = 86_400;
/// An offline member, for which all messages are kept.
const ABSENT: &str = "absent";
const PUBLISHER: &str = "publisher";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Store {
    /// A coordinator with a journal.
    Groupcast,
    /// A NATS server with a stream in files.
    Nats,
    /// A Redis server with a stream and an append-only file.
    Redis,
}

pub(super) const STORES: [Store; 3] = [Store::Groupcast, Store::Nats, Store::Redis];

impl Store {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Groupcast => "groupcast",
            Self::Nats => "NATS JetStream",
            Self::Redis => "Redis Streams",
        }
    }

    /// Reason why the store cannot be measured.
    pub(super) fn obstacle(self, setup: &Setup) -> Option<String> {
        match self {
            Self::Groupcast => None,
            Self::Nats => nats_obstacle(&setup.nats),
            Self::Redis => Peer::Redis.version().is_none().then(|| "NOT INSTALLED".to_owned()),
        }
    }

    /// Starts the server in an empty directory and connects publishers. There are no receivers.
    pub(super) fn start(
        self,
        setup: &Setup,
        directory: &Path,
        publishers: usize,
    ) -> Result<Connected> {
        let mut clients = Clients::new(TEXT_BYTES)?;
        match self {
            Self::Groupcast => {
                let coordinator = journaled(setup, directory, &["--sync", "always"])?;
                connect_journaled(coordinator, publishers, TEXT_BYTES)
            }
            Self::Nats => {
                let nats = start_nats(setup, directory)?;
                nats.address.create_stream(1, -1)?;
                for index in 0..publishers {
                    nats.address.add_stream_publisher(&mut clients, index)?;
                }
                Ok(Connected { server: nats.server, clients })
            }
            Self::Redis => {
                let redis = start_redis(setup, directory)?;
                for _ in 0..publishers {
                    clients.add_publisher(redis.client()?, Box::new(Appender))?;
                }
                Ok(Connected { server: redis.server, clients })
            }
        }
    }

    /// Starts the server again in the directory and returns the number of messages that it has.
    pub(super) fn count(self, setup: &Setup, directory: &Path) -> Result<u64> {
        match self {
            Self::Groupcast => missed(&journaled(setup, directory, &[])?),
            Self::Nats => start_nats(setup, directory)?.address.stream_length(),
            Self::Redis => start_redis(setup, directory)?.stream_length(),
        }
    }
}

/// Starts a coordinator with its journal in this directory.
pub(super) fn journaled(setup: &Setup, directory: &Path, options: &[&str]) -> Result<Coordinator> {
    let directory = directory.join("journal");
    let all = [&["--max-backlog", "4g", "--data-dir", utf8(&directory)?], options].concat();
    setup.programs.coordinator(TTL_S, &all).run()
}

/// Registers an offline member, and one publisher with a number of command sockets. Several members
/// would get the messages of each other.
pub(super) fn connect_journaled(
    coordinator: Coordinator,
    publishers: usize,
    text_bytes: usize,
) -> Result<Connected> {
    let listener = ConnectBack::listen()?;
    let mut setup = coordinator.command()?;
    let absent = listener.register(&mut setup, ABSENT, true)?;
    setup.request(ABSENT, "disconnect")?;
    drop(absent);
    let mut clients = Clients::new(text_bytes)?;
    clients.keep(listener.register(&mut setup, PUBLISHER, true)?);
    for _ in 0..publishers {
        let command = coordinator.command()?.into_stream();
        clients.add_publisher(command, Box::new(Requests::new(PUBLISHER)))?;
    }
    Ok(Connected { server: coordinator.server, clients })
}

/// Number of messages that a coordinator has for the offline member. The member acknowledges
/// nothing, so the number stays the same.
pub(super) fn missed(coordinator: &Coordinator) -> Result<u64> {
    let mut command = coordinator.command()?;
    let (_, reply) = ConnectBack::listen()?.enter(&mut command, ABSENT, "reconnect", true)?;
    number_of(&reply, "missed")
}

fn start_nats(setup: &Setup, directory: &Path) -> Result<Nats> {
    Nats::start(&setup.nats, setup.programs.cores, Some(directory))
}

/// Starts Redis with an append-only file that is never rewritten.
fn start_redis(setup: &Setup, directory: &Path) -> Result<Redis> {
    let sync = ["--appendonly", "yes", "--appendfsync", "always"];
    let directory = ["--auto-aof-rewrite-percentage", "0", "--dir", utf8(directory)?];
    Redis::start(setup.programs.cores, &[sync, directory].concat())
}

pub(super) fn nats_version(program: &Path) -> Option<String> {
    installed::version(program.to_str()?, &["--version"])
}

fn nats_obstacle(program: &Path) -> Option<String> {
    let Some(version) = nats_version(program) else { return Some("NOT INSTALLED".to_owned()) };
    let mut numbers = version.split('.').map_while(|part| part.parse::<u64>().ok());
    let is_old = numbers.next().zip(numbers.next()).is_some_and(|found| found < NATS_VERSION_MIN);
    is_old.then(|| format!("{version} cannot sync every message; 2.10 can (--nats PROGRAM)"))
}

fn utf8(directory: &Path) -> Result<&str> {
    directory.to_str().context("a directory whose name is not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_not_installed_is_reported() {
        assert_eq!(nats_obstacle(Path::new("no-such-program")), Some("NOT INSTALLED".to_owned()));
    }
}
