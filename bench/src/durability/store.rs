//! Those that keep messages on a disk: how each is started, published to, killed, and asked.

use std::net::TcpStream;
use std::path::Path;

use super::{Setup, jetstream, redis_stream};
use crate::command::{Door, value_of};
use crate::coordinator::{Coordinator, Start};
use crate::failure::{Failure, Result};
use crate::peers::groupcast::Requests;
use crate::peers::link::Link;
use crate::process::Server;
use crate::redis::Redis;

/// Longer than anything here takes.
const TTL_S: u64 = 86_400;
/// Member for whom everything is kept, as it is away.
const ABSENT: &str = "absent";
const PUBLISHER: &str = "publisher";

/// Who keeps messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// A coordinator with a journal.
    Groupcast,
    /// A NATS server with a stream in files.
    Nats,
    /// Redis with a stream and an append-only file.
    Redis,
}

/// All, in the order in which they take turns.
pub const STORES: [Store; 3] = [Store::Groupcast, Store::Nats, Store::Redis];

/// A store with everybody connected.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) server: Server,
    pub(super) publishers: Vec<Link>,
    /// The message socket of who publishes: only who is online may.
    pub(super) held: Option<TcpStream>,
}

impl Store {
    /// As it is named in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Groupcast => "groupcast",
            Self::Nats => "NATS JetStream",
            Self::Redis => "Redis Streams",
        }
    }

    /// Why it cannot be measured; `None` if it can.
    #[must_use]
    pub fn obstacle(self, setup: &Setup) -> Option<String> {
        match self {
            Self::Groupcast => None,
            Self::Nats => jetstream::obstacle(&setup.nats),
            Self::Redis => Redis::version().is_none().then(|| "NOT INSTALLED".to_owned()),
        }
    }

    /// Starts it on an empty directory and connects the publishers. Nobody receives.
    pub(super) fn begin(self, setup: &Setup, directory: &Path, publishers: usize) -> Result<Stage> {
        match self {
            Self::Groupcast => {
                let options = ["--sync", "always"];
                groupcast(start(setup, directory, &options)?, publishers)
            }
            Self::Nats => jetstream::begin(setup, directory, publishers),
            Self::Redis => redis_stream::begin(setup, directory, publishers),
        }
    }

    /// Starts it again on what it left: how many messages it has.
    pub(super) fn count(self, setup: &Setup, directory: &Path) -> Result<u64> {
        match self {
            Self::Groupcast => missed(&start(setup, directory, &[])?),
            Self::Nats => jetstream::count(setup, directory),
            Self::Redis => redis_stream::count(setup, directory),
        }
    }
}

/// A coordinator with its journal in this directory.
pub(super) fn start(setup: &Setup, directory: &Path, options: &[&str]) -> Result<Coordinator> {
    let directory = directory.join("journal");
    let Some(directory) = directory.to_str() else {
        return Err(Failure::Wrong("a directory whose name is not UTF-8".to_owned()));
    };
    let all = [&["--max-backlog", "4g", "--data-dir", directory], options].concat();
    let cores = setup.programs.cores;
    Start { cores, ..Start::new(&setup.programs.coordinator, TTL_S, &all) }.run()
}

/// Registers who is away, and who publishes: one member on as many command sockets as there are
/// publishers. Members of their own would get what the others publish.
pub(super) fn groupcast(coordinator: Coordinator, publishers: usize) -> Result<Stage> {
    let door = Door::open()?;
    let mut setup = coordinator.command()?;
    let absent = door.register(&mut setup, ABSENT, true)?;
    setup.request(ABSENT, "disconnect")?;
    drop(absent);
    let messages = door.register(&mut setup, PUBLISHER, true)?;
    let mut links = Vec::new();
    for _ in 0..publishers {
        let command = coordinator.command()?.into_stream();
        links.push(Link::new(command, Box::new(Requests::new(PUBLISHER)))?);
    }
    Ok(Stage { server: coordinator.server, publishers: links, held: Some(messages) })
}

/// How many messages a coordinator has for who is away. It acknowledges nothing, so that the same
/// is there the next time.
pub(super) fn missed(coordinator: &Coordinator) -> Result<u64> {
    let mut command = coordinator.command()?;
    let (_, reply) = Door::open()?.enter(&mut command, ABSENT, "reconnect", true)?;
    let missed = value_of(&reply, "missed").and_then(|number| number.parse().ok());
    missed.ok_or_else(|| Failure::Wrong(format!("no count of what was missed: {reply}")))
}
