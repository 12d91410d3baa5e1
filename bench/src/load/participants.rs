//! Real participants: each a process, driven over its prompt, its message log checked at the end.
//!
//! ```text
//!   register, msend, … ─▶ stdin ─▶ participant ─▶ stdout: replies, messages (for latency)
//!                                       └───────▶ message log (verified at the end)
//! ```

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use mio::unix::{SourceFd, pipe};
use mio::{Interest, Registry, Token};
use rustix::io::ioctl_fionbio;
use tempfile::TempDir;

use super::member::Profile;
use super::recorder::Recorder;
use super::verifier::fault::malformed;
use super::verifier::receiver::Gap;
use crate::command::{CommandSocket, value_of};
use crate::process::Server;
use crate::socket::Socket;

/// Interval of asking the coordinator if every member has every message.
const ASK_INTERVAL_NS: u64 = 100_000_000;

#[derive(Debug)]
pub(super) struct Process {
    server: Server,
    /// `None` once the participant was asked to end.
    input: Option<pipe::Sender>,
}

#[derive(Debug)]
pub(super) enum Transport {
    Socket(Socket),
    /// Standard input and output of a participant, which also shows messages.
    Process(Process),
}

impl Read for Transport {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Socket(socket) => socket.read(bytes),
            Self::Process(process) => process.server.stdout.read(bytes),
        }
    }
}

impl Write for Transport {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Socket(socket) => socket.write(bytes),
            Self::Process(Process { input: Some(input), .. }) => input.write(bytes),
            Self::Process(_) => Err(ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Socket(socket) => socket.flush(),
            Self::Process(_) => Ok(()),
        }
    }
}

impl Process {
    fn start(program: &Path, config: &Path) -> Result<Self> {
        let mut command = Command::new(program);
        // In its own process group, so that Ctrl-C reaches the harness alone.
        command.arg("--follow").arg(config).process_group(0);
        command.stdin(Stdio::piped()).stderr(Stdio::null());
        let mut server = Server::start("the participant", &mut command, None)?;
        let input = server.child.stdin.take().map(Into::into);
        Ok(Self { server, input })
    }

    /// Registers, and returns the reply behind `OK `.
    fn register(&mut self) -> Result<String> {
        if let Some(input) = &mut self.input {
            input.write_all(b"register 0\n").context("cannot write a command")?;
        }
        loop {
            let reply = self.server.line()?;
            match reply.strip_prefix("OK ") {
                Some(behind) => return Ok(behind.to_owned()),
                None if reply.starts_with('*') => (), // A notice.
                None => bail!("register: {reply}"),
            }
        }
    }

    /// Watches both pipes, without blocking from here on; their events carry `token`.
    fn watch(mut self, registry: &Registry, token: Token) -> Result<Self> {
        let output = self.server.stdout.get_ref();
        ioctl_fionbio(output, true)?;
        registry.register(&mut SourceFd(&output.as_raw_fd()), token, Interest::READABLE)?;
        if let Some(input) = &mut self.input {
            input.set_nonblocking(true)?;
            registry.register(input, token, Interest::WRITABLE)?;
        }
        Ok(self)
    }

    /// Ends the standard input, which ends the participant.
    pub(super) fn close_input(&mut self) {
        self.input = None;
    }

    fn wait(self) -> Result<()> {
        ioctl_fionbio(self.server.stdout.get_ref(), false).context("cannot wait")?;
        self.server.wait()
    }

    pub(super) fn cpu_ns(&self) -> u64 {
        self.server.usage().map_or(0, |usage| usage.cpu_ns)
    }
}

/// Program, configs and message logs of all participants.
#[derive(Debug)]
pub(super) struct Participants {
    program: PathBuf,
    coordinator: SocketAddr,
    directory: TempDir,
    asked_ns: u64,
}

impl Participants {
    pub(super) fn new(program: &Path, coordinator: SocketAddr) -> Result<Self> {
        let directory = TempDir::new().context("cannot make a directory")?;
        let program = program.to_owned();
        Ok(Self { program, coordinator, directory, asked_ns: 0 })
    }

    fn path(&self, id: &str, extension: &str) -> PathBuf {
        self.directory.path().join(format!("{id}.{extension}"))
    }

    /// Starts a new participant and registers it; returns the reply behind `OK `.
    pub(super) fn register(
        &self,
        id: &str,
        registry: &Registry,
        token: Token,
    ) -> Result<(Process, String)> {
        let (log, coordinator) = (self.path(id, "log"), self.coordinator);
        let address = format!("{} {}", coordinator.ip(), coordinator.port());
        let config = format!("{id}\n{}\n{address}\n", log.display());
        fs::write(self.path(id, "txt"), config).context("cannot write a participant's config")?;
        let mut process = Process::start(&self.program, &self.path(id, "txt"))?;
        let reply = process.register()?;
        Ok((process.watch(registry, token)?, reply))
    }

    /// Starts a participant that has registered before.
    pub(super) fn start(&self, id: &str, registry: &Registry, token: Token) -> Result<Process> {
        Process::start(&self.program, &self.path(id, "txt"))?.watch(registry, token)
    }

    /// Returns true if, by the coordinator's word, every message log has every message.
    pub(super) fn have_all(&mut self, now_ns: u64) -> Result<bool> {
        if now_ns < self.asked_ns + ASK_INTERVAL_NS {
            return Ok(false);
        }
        self.asked_ns = now_ns;
        let members = CommandSocket::connect(self.coordinator)?.list("members")?;
        Ok(members
            .iter()
            .all(|member| value_of(member, "pending") == Some("0") && member.contains(" online ")))
    }

    /// Waits for the end of a participant and verifies its message log.
    pub(super) fn finish(
        &self,
        recorder: &mut Recorder,
        Profile { index, id, .. }: &Profile,
        process: Option<Process>,
    ) -> Result<()> {
        let index = *index;
        if let Some(Err(failure)) = process.map(Process::wait) {
            recorder.verifier.fault(index, format_args!("{failure:#}"));
        }
        let log = fs::read(self.path(id, "log")).context("cannot read a message log")?;
        let now_ns = recorder.now_ns();
        let verifier = &mut recorder.verifier;
        for line in log.split_inclusive(|&byte| byte == b'\n') {
            let Some(line) = line.strip_suffix(b"\n") else {
                verifier.fault(index, "the last line of the message log is cut");
                continue;
            };
            if let Some(note) = line.strip_prefix(b"# ") {
                let gap = String::from_utf8_lossy(note).replace(' ', "#");
                match Gap::parse(gap.as_bytes(), now_ns) {
                    Some(gap) => verifier.on_gap(index, gap),
                    None if note.starts_with(b"gap ") => verifier.fault(index, malformed(line)),
                    None => (),
                }
                continue;
            }
            let mut fields = line.splitn(4, |&byte| byte == b'\t');
            let seq = fields.next().and_then(|seq| std::str::from_utf8(seq).ok()?.parse().ok());
            match (seq, fields.next(), fields.next(), fields.next()) {
                (Some(seq), Some(_), Some(sender), Some(text)) => {
                    verifier.on_message(index, seq, (sender, text), b"", now_ns);
                }
                _ => verifier.fault(index, malformed(line)),
            }
        }
        Ok(())
    }
}
