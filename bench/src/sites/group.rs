//! A group of sites: real programs that share one list in the engine.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::engine::{Engine, free_address};
use crate::clock;
use crate::command::CommandSocket;
use crate::process::{Server, Usage};

const NAMES: [&str; 3] = ["site1", "site2", "site3"];
pub(super) const SITES: usize = NAMES.len();
const GROUP: &str = "bench";
/// Stream of the group.
pub(super) const STREAM: &str = "GC_bench";
/// Longest start of a site. After a kill it first waits 5 s.
const START_WAIT: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(10);
/// Time that a look at a site waits for its answer.
const LOOK: Duration = Duration::from_millis(500);
const PONG: &[u8] = b"OK ping\n";

/// Keys of the group that a measurement chooses.
#[derive(Clone, Copy, Debug)]
pub(super) struct GroupKeys {
    pub(super) ttl_s: u64,
    /// Further lines of the config.
    pub(super) lines: &'static str,
}

#[derive(Debug)]
pub(super) struct Group {
    program: PathBuf,
    directory: PathBuf,
    sites: Vec<Site>,
}

#[derive(Debug)]
struct Site {
    address: SocketAddr,
    config: PathBuf,
    process: Option<Server>,
}

impl Group {
    /// Founds a group in the engine. No site runs.
    pub(super) fn found(
        program: &Path,
        directory: &Path,
        engine: &Engine,
        keys: GroupKeys,
    ) -> Result<Self> {
        let mut sites = Vec::new();
        for name in NAMES {
            let (address, config) = (free_address()?, directory.join(format!("{name}.txt")));
            let (GroupKeys { ttl_s, lines }, port) = (keys, address.port());
            let text = format!(
                "{port}\n{ttl_s}\nbind=127.0.0.1\nlog_level=warn\ngroup={GROUP}\nsite={name}\n\
                 engine={}\nengine_replicas={}\n{lines}",
                engine.urls(),
                engine.len(),
            );
            fs::write(&config, text).context("cannot write a config")?;
            sites.push(Site { address, config, process: None });
        }
        let mut command = Command::new(program);
        command.arg("--found").args(sites.first().map(|site| &site.config));
        let output = command.stdin(Stdio::null()).output().context("cannot found a group")?;
        let fault = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "cannot found a group: {}", fault.trim_end());
        Ok(Self { program: program.to_owned(), directory: directory.to_owned(), sites })
    }

    /// Starts all sites, and waits until they serve.
    pub(super) fn start_all(&mut self) -> Result<()> {
        (0..self.sites.len()).try_for_each(|index| self.start(index))?;
        (0..self.sites.len()).try_for_each(|index| self.await_served(index))
    }

    /// Starts a site. It does not serve at once.
    pub(super) fn start(&mut self, index: usize) -> Result<()> {
        let log = self.directory.join(format!("site{}.log", index + 1));
        let log = fs::File::options().create(true).append(true).open(log);
        let site = self.sites.get_mut(index).context("no such site")?;
        let mut command = Command::new(&self.program);
        command.arg(&site.config).stdin(Stdio::null()).stderr(log.context("cannot write a log")?);
        site.process = Some(Server::start("a site", &mut command, None)?);
        Ok(())
    }

    /// Waits until a site answers.
    pub(super) fn await_served(&mut self, index: usize) -> Result<()> {
        let site = self.sites.get_mut(index).context("no such site")?;
        let begin = clock::now();
        while !site.serves(LOOK) {
            let process = site.process.as_mut().context("the site does not run")?;
            let ended = process.child.try_wait().context("cannot look at a site")?;
            ensure!(ended.is_none(), "site{} ended: see its log", index + 1);
            let is_late = clock::now().duration_since(begin) > START_WAIT;
            ensure!(!is_late, "site{} does not serve", index + 1);
            clock::pause(PAUSE);
        }
        Ok(())
    }

    pub(super) fn serves(&self, index: usize) -> bool {
        self.sites.get(index).is_some_and(|site| site.serves(LOOK))
    }

    pub(super) fn is_running(&self, index: usize) -> bool {
        self.sites.get(index).is_some_and(|site| site.process.is_some())
    }

    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.sites.iter().map(|site| site.address).collect()
    }

    pub(super) fn command(&self, index: usize) -> Result<CommandSocket> {
        CommandSocket::connect(self.sites.get(index).context("no such site")?.address)
    }

    /// Ends a site with SIGKILL.
    pub(super) fn kill(&mut self, index: usize) {
        self.sites.get_mut(index).map(|site| site.process.take());
    }

    /// Ends a site with SIGTERM, whatever it was doing.
    pub(super) fn terminate(&mut self, index: usize) -> Result<()> {
        let process = self.sites.get_mut(index).and_then(|site| site.process.take());
        process.map_or(Ok(()), Server::terminate)
    }

    /// Returns true if a site has ended by itself. It can be started again.
    pub(super) fn has_ended(&mut self, index: usize) -> Result<bool> {
        let Some(site) = self.sites.get_mut(index) else { return Ok(false) };
        let Some(process) = &mut site.process else { return Ok(false) };
        let has_ended = process.child.try_wait().context("cannot look at a site")?.is_some();
        site.process.take_if(|_| has_ended);
        Ok(has_ended)
    }

    /// Ends a site with SIGTERM, which must be in good order.
    pub(super) fn stop(&mut self, index: usize) -> Result<()> {
        let process = self.sites.get_mut(index).and_then(|site| site.process.take());
        process.map_or(Ok(()), Server::stop)
    }

    pub(super) fn usage(&self, index: usize) -> Result<Usage> {
        let process = self.sites.get(index).and_then(|site| site.process.as_ref());
        process.context("the site does not run")?.usage()
    }

    /// Usage of all sites together.
    pub(super) fn usages(&self) -> Result<Usage> {
        let usages: Vec<_> = (0..SITES).map(|index| self.usage(index)).collect::<Result<_>>()?;
        Ok(usages.iter().fold(Usage::default(), Usage::plus))
    }
}

impl Site {
    fn serves(&self, wait: Duration) -> bool {
        TcpStream::connect(self.address).is_ok_and(|stream| answers(stream, wait))
    }
}

/// Returns true if a site answers a `ping` in this time. A site that starts accepts connections
/// before it serves.
pub(super) fn answers(mut stream: TcpStream, wait: Duration) -> bool {
    let mut reply = [0; PONG.len()];
    let mut ping = || {
        stream.set_read_timeout(Some(wait))?;
        stream.write_all(b"bench#ping#-\n")?;
        stream.read_exact(&mut reply)
    };
    ping().is_ok() && reply == *PONG
}
