//! Real participants: each a process, driven over its prompt, its message log checked at the end.
//!
//! ```text
//!   register, msend, … ─▶ stdin ─▶ participant ─▶ stdout: replies, messages (for latency)
//!                                       └───────▶ message log (verified at the end)
//! ```

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use mio::net::TcpStream;
use mio::unix::pipe;
use mio::{Interest, Registry, Token};
use tempfile::TempDir;

use super::member::Profile;
use super::recorder::Recorder;
use super::verifier::fault::{excerpt, malformed};
use super::verifier::receiver::Gap;
use crate::clock;
use crate::command::{CommandSocket, DEADLINE, value_of};
use crate::failure::{Failure, Result};
use crate::process::Usage;

/// Interval of asking the coordinator if every member has every message.
const ASK_INTERVAL_NS: u64 = 100_000_000;

/// A running participant, which is killed when this is dropped.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    /// `None` once the participant was asked to end.
    input: Option<pipe::Sender>,
    output: pipe::Receiver,
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail, harmlessly, after `wait`.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Carrier of commands and replies.
#[derive(Debug)]
pub(super) enum Transport {
    Socket(TcpStream),
    /// Standard input and output of a participant, which also shows messages.
    Process(Process),
}

impl Read for Transport {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Socket(stream) => stream.read(bytes),
            Self::Process(process) => process.output.read(bytes),
        }
    }
}

impl Write for Transport {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Socket(stream) => stream.write(bytes),
            Self::Process(Process { input: Some(input), .. }) => input.write(bytes),
            Self::Process(_) => Err(ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Process {
    /// Starts a participant; events of both pipes carry `token`.
    fn start(program: &Path, config: &Path, registry: &Registry, token: Token) -> Result<Self> {
        let mut command = Command::new(program);
        // In its own process group, so that Ctrl-C reaches the harness alone.
        command.arg("--follow").arg(config).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(Failure::system("cannot start a participant"))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Failure::Wrong("a participant without standard input".to_owned()));
        };
        let (mut input, mut output): (pipe::Sender, pipe::Receiver) = (input.into(), output.into());
        let watched = input.set_nonblocking(true).and_then(|()| {
            output.set_nonblocking(true)?;
            registry.register(&mut input, token, Interest::WRITABLE)?;
            registry.register(&mut output, token, Interest::READABLE)
        });
        watched.map_err(Failure::system("cannot watch a participant"))?;
        Ok(Self { child, input: Some(input), output })
    }

    /// Registers, and returns the reply behind `OK `.
    fn register(&mut self) -> Result<String> {
        let written = self.input.as_mut().map_or(Ok(()), |input| input.write_all(b"register 0\n"));
        written.map_err(Failure::system("cannot write a command"))?;
        let end = clock::now() + DEADLINE;
        let (mut line, mut byte) = (Vec::new(), [0]);
        while clock::now() < end {
            match self.output.read(&mut byte) {
                Ok(0) => break,
                Ok(_) => line.extend_from_slice(&byte),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    clock::pause(Duration::from_millis(1));
                }
                Err(error) => return Err(Failure::System("cannot read a reply".to_owned(), error)),
            }
            if line.ends_with(b"\n") {
                let reply = excerpt(&std::mem::take(&mut line));
                match reply.strip_prefix("OK ") {
                    Some(behind) => return Ok(behind.to_owned()),
                    None if reply.starts_with('*') => (), // A notice.
                    None => return Err(Failure::Wrong(format!("register: {reply}"))),
                }
            }
        }
        Err(Failure::Wrong("register: a participant ended or did not reply".to_owned()))
    }

    /// Ends the standard input, which ends the participant.
    pub(super) fn close_input(&mut self) {
        self.input = None;
    }

    /// Waits for the end of the process.
    fn wait(&mut self) -> Result<()> {
        // The end of the output is the end of the process; its last lines are of no interest.
        let _ = self.output.set_nonblocking(false);
        let _ = self.output.read_to_end(&mut Vec::new());
        let status = self.child.wait().map_err(Failure::system("cannot wait"))?;
        match status.success() {
            true => Ok(()),
            false => Err(Failure::Wrong(format!("the participant ended with {status}"))),
        }
    }

    /// CPU time of the running process.
    pub(super) fn cpu_ns(&self) -> u64 {
        Usage::of(self.child.id()).map_or(0, |usage| usage.cpu_ns)
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
        let directory = TempDir::new().map_err(Failure::system("cannot make a directory"))?;
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
        let written = fs::write(self.path(id, "txt"), config);
        written.map_err(Failure::system("cannot write a participant's config"))?;
        let mut process = self.start(id, registry, token)?;
        let reply = process.register()?;
        Ok((process, reply))
    }

    /// Starts a participant that has registered before.
    pub(super) fn start(&self, id: &str, registry: &Registry, token: Token) -> Result<Process> {
        Process::start(&self.program, &self.path(id, "txt"), registry, token)
    }

    /// Returns true if, by the coordinator's word, every message log has every message.
    pub(super) fn have_all(&mut self, now_ns: u64) -> Result<bool> {
        if now_ns < self.asked_ns + ASK_INTERVAL_NS {
            return Ok(false);
        }
        self.asked_ns = now_ns;
        let mut commands = CommandSocket::connect(self.coordinator)?;
        let reply = commands.request("bench-load", "members")?;
        let count = reply.split(' ').nth(1).and_then(|count| count.parse().ok()).unwrap_or(0);
        let mut have_all = true;
        for _ in 0..count {
            let line = commands.line()?;
            have_all &= value_of(&line, "pending") == Some("0") && line.contains(" online ");
        }
        Ok(have_all)
    }

    /// Waits for the end of a participant and verifies its message log.
    pub(super) fn finish(
        &self,
        recorder: &mut Recorder,
        Profile { index, id, .. }: &Profile,
        process: Option<Process>,
    ) -> Result<()> {
        let index = *index;
        if let Some(Err(failure)) = process.map(|mut process| process.wait()) {
            recorder.verifier.fault(index, failure);
        }
        let log = fs::read(self.path(id, "log"));
        let log = log.map_err(Failure::system("cannot read a message log"))?;
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
