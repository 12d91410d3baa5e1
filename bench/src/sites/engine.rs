//! Servers of the engine: one, or three as a cluster, each a real process.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::clock;
use crate::peers::installed::reach;
use crate::peers::nats::NatsAddress;
use crate::process::{Server, Usage};

const NAME: &str = "nats-server";
/// Longest time until a stream has a leader.
const LEADER_WAIT: Duration = Duration::from_secs(60);
/// Longest wait for an answer of a server. Without a leader there is none.
const ANSWER_WAIT: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(50);
/// Ports that the operating system gives to no connection. A server that was killed gets its own
/// port again.
const PORTS: std::ops::Range<u16> = 15_000..32_000;

/// A set of servers, and what they do to the disk for each entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EngineKind {
    pub(super) servers: usize,
    /// Each entry is synced before it is acknowledged.
    pub(super) is_synced: bool,
}

pub(super) const KINDS: [EngineKind; 4] = [
    EngineKind { servers: 1, is_synced: false },
    EngineKind { servers: 1, is_synced: true },
    EngineKind { servers: 3, is_synced: false },
    EngineKind { servers: 3, is_synced: true },
];

impl EngineKind {
    pub(super) fn name(self) -> String {
        let servers = if self.servers == 1 { "1 server" } else { "3 servers" };
        let sync = if self.is_synced { "sync_interval: always" } else { "default sync" };
        format!("{servers}, {sync}")
    }
}

#[derive(Debug)]
pub(super) struct Engine {
    program: PathBuf,
    directory: PathBuf,
    servers: Vec<EngineServer>,
}

#[derive(Debug)]
struct EngineServer {
    name: String,
    address: SocketAddr,
    config: PathBuf,
    process: Option<Server>,
}

impl Engine {
    /// Starts servers that store everything in a directory.
    pub(super) fn start(program: &Path, directory: &Path, kind: EngineKind) -> Result<Self> {
        let addresses = |_| Ok((free_address()?, free_address()?));
        let addresses: Vec<_> = (0..kind.servers).map(addresses).collect::<Result<_>>()?;
        let routes: Vec<String> =
            addresses.iter().map(|(_, route)| format!("nats://{route}")).collect();
        let sync = if kind.is_synced { ", sync_interval: always" } else { "" };
        let mut servers = Vec::new();
        for (index, (address, route)) in addresses.iter().enumerate() {
            let name = format!("engine-{}", index + 1);
            let store = directory.join(&name);
            let mut text = format!(
                "server_name: {name}\nlisten: {address}\n\
                 jetstream {{ store_dir: {store:?}, max_file_store: 16G{sync} }}\n"
            );
            if kind.servers > 1 {
                let routes = routes.join(", ");
                text +=
                    &format!("cluster {{ name: bench, listen: {route}, routes: [{routes}] }}\n");
            }
            let config = directory.join(format!("{name}.conf"));
            fs::write(&config, text).context("cannot write a config")?;
            servers.push(EngineServer { name, address: *address, config, process: None });
        }
        let mut engine =
            Self { program: program.to_owned(), directory: directory.to_owned(), servers };
        (0..kind.servers).try_for_each(|index| engine.restart(index))?;
        engine.servers.iter().try_for_each(|server| reach(server.address))?;
        Ok(engine)
    }

    pub(super) fn len(&self) -> usize {
        self.servers.len()
    }

    /// Value of the key `engine` of a site.
    pub(super) fn urls(&self) -> String {
        let url = |server: &EngineServer| format!("nats://{}", server.address);
        self.servers.iter().map(url).collect::<Vec<_>>().join(",")
    }

    /// A server that runs.
    pub(super) fn address(&self) -> Result<NatsAddress> {
        let running = self.servers.iter().find(|server| server.process.is_some());
        Ok(NatsAddress(running.context("no server of the engine runs")?.address))
    }

    pub(super) fn address_of(&self, index: usize) -> Result<NatsAddress> {
        Ok(NatsAddress(self.servers.get(index).context("no such server")?.address))
    }

    /// Waits until a stream has a leader among the servers that run, and returns its index.
    pub(super) fn leader(&self, stream: &str) -> Result<usize> {
        let begin = clock::now();
        loop {
            let info = self.address()?.stream_info(stream, ANSWER_WAIT);
            let leader = |info: &Value| {
                let leader = info.pointer("/cluster/leader").and_then(Value::as_str);
                // One server is no cluster.
                let alone = if self.servers.len() == 1 { Some(0) } else { None };
                let named = self.servers.iter().position(|it| Some(it.name.as_str()) == leader);
                named.filter(|index| self.is_running(*index)).or(alone)
            };
            match info.as_ref().ok().and_then(leader) {
                Some(leader) => return Ok(leader),
                None if clock::now().duration_since(begin) > LEADER_WAIT => {
                    bail!("{stream} has no leader: {info:?}")
                }
                None => clock::pause(PAUSE),
            }
        }
    }

    /// Returns true if a server said a moment ago that this one leads the stream of the group.
    pub(super) fn leads(&self, index: usize) -> bool {
        let info = self
            .address()
            .and_then(|address| address.stream_info(super::group::STREAM, ANSWER_WAIT));
        let leader = info.ok().and_then(|info| Some(info.pointer("/cluster/leader")?.clone()));
        let name = self.servers.get(index).map(|server| server.name.as_str());
        name.is_some() && leader.as_ref().and_then(Value::as_str) == name
    }

    /// Number of entries in the list of the group, and the position of the last one.
    pub(super) fn entries(&self) -> Result<(u64, u64)> {
        let info = self.address()?.stream_info(super::group::STREAM, ANSWER_WAIT)?;
        let number = |path| info.pointer(path).and_then(Value::as_u64);
        let numbers = number("/state/messages").zip(number("/state/last_seq"));
        numbers.with_context(|| format!("no number of entries: {info}"))
    }

    /// Makes the stream of the plain publishers.
    pub(super) fn create_stream(&self, bytes_max: i64) -> Result<()> {
        self.address()?.create_stream(self.servers.len(), bytes_max)
    }

    pub(super) fn is_running(&self, index: usize) -> bool {
        self.servers.get(index).is_some_and(|server| server.process.is_some())
    }

    /// Ends a server with SIGKILL.
    pub(super) fn kill(&mut self, index: usize) {
        self.servers.get_mut(index).map(|server| server.process.take());
    }

    /// Ends a server with SIGTERM.
    pub(super) fn terminate(&mut self, index: usize) -> Result<()> {
        let process = self.servers.get_mut(index).and_then(|server| server.process.take());
        process.map_or(Ok(()), Server::terminate)
    }

    /// Starts a server on its store.
    pub(super) fn restart(&mut self, index: usize) -> Result<()> {
        let server = self.servers.get_mut(index).context("no such server")?;
        let log = self.directory.join(format!("{}.log", server.name));
        let log = fs::File::options().create(true).append(true).open(log);
        let mut command = Command::new(&self.program);
        command.arg("-c").arg(&server.config).stdin(Stdio::null());
        command.stderr(log.context("cannot write a log")?);
        server.process = Some(Server::start(NAME, &mut command, None)?);
        Ok(())
    }

    /// Usage of all servers together.
    pub(super) fn usage(&self) -> Result<Usage> {
        let running = self.servers.iter().filter_map(|server| server.process.as_ref());
        let usages = running.map(Server::usage).collect::<Result<Vec<_>>>()?;
        Ok(usages.iter().fold(Usage::default(), Usage::plus))
    }
}

/// An address whose port no outgoing connection gets while its server is down.
pub(super) fn free_address() -> Result<SocketAddr> {
    for _ in 0..1000 {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, fastrand::u16(PORTS)));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    bail!("no free port from {} to {}", PORTS.start, PORTS.end)
}
