//! `--exec`: runs a shell command for each message, on a thread of its own.
//!
//! ```text
//!   message ──▶ command ──▶ message log ──▶ acknowledgement
//! ```
//!
//! One command runs at a time, and no further message is read before it has ended. So a participant
//! that is killed gets the message of the running command again.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitStatus, Stdio};

use super::terminal::push_time;
use crate::limits::GROUP_SIGNAL_MS;
use crate::net::{Pool, Sink, Worker};
use crate::session::{LogEntry, Message};
use crate::time::Millis;

/// The command of `--exec`, and the entries that wait for its end.
#[derive(Default)]
pub(super) struct Exec {
    worker: Option<Worker<Shell>>,
    /// The message whose command runs, and entries behind it.
    under_way: VecDeque<LogEntry>,
    failures: u64,
    /// A command that a signal has ended, and the time up to which the same signal may come here.
    held: Option<(String, Millis)>,
}

/// Results of commands that have ended.
#[derive(Debug, Default)]
pub(super) struct CommandResults {
    /// Entries that belong into the message log now.
    pub(super) entries: Vec<LogEntry>,
    pub(super) failed: Option<FailedCommand>,
    /// Time at which the result of a command is known, though nothing happens before.
    pub(super) due: Option<Millis>,
}

/// A command that has failed.
#[derive(Debug)]
pub(super) struct FailedCommand {
    pub(super) reason: String,
    /// Number of failed commands so far.
    pub(super) failures: u64,
    /// True if the message does not count as handled, so that it comes again.
    pub(super) comes_again: bool,
}

impl Exec {
    /// Starts the thread, if there is a command.
    pub(super) fn start(command: Option<&str>, pool: &Pool) -> io::Result<Self> {
        let shell = command.map(|command| Shell { command: command.to_owned() });
        let worker = shell.map(|shell| pool.attach("command", 1, shell)).transpose()?;
        Ok(Self { worker, ..Self::default() })
    }

    /// Returns true if no command runs.
    pub(super) fn is_idle(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Returns true if a command runs for each message.
    #[inline]
    pub(super) const fn is_wanted(&self) -> bool {
        self.worker.is_some()
    }

    /// Takes an entry. Returns it if it belongs into the message log now.
    pub(super) fn push(&mut self, entry: LogEntry) -> Option<LogEntry> {
        let Some(worker) = &self.worker else { return Some(entry) };
        if self.under_way.is_empty() {
            match &entry {
                LogEntry::Message(message) if worker.try_submit(message.clone()).is_ok() => (),
                LogEntry::Message(_) | LogEntry::Gap(_) | LogEntry::Epoch(_) => return Some(entry),
            }
        }
        self.under_way.push_back(entry);
        None
    }

    /// Returns the results of commands that have ended. If a signal `stops` the participant, it may
    /// have ended the command too: then the message of a failed command does not belong into the
    /// log, and none of those behind it. A signal for several processes comes to one after the
    /// other, so the result of a command that a signal has ended is held for a moment.
    pub(super) fn completions(&mut self, stops: bool, now: Millis) -> CommandResults {
        let done = self.worker.as_ref().map(Worker::completions).unwrap_or_default();
        let reason = match (done.into_iter().next(), self.held.take()) {
            (Some(Ok(())), _) => None,
            (Some(Err(CommandFailure { reason, is_signal: true })), _) if !stops => {
                let due = now.plus(GROUP_SIGNAL_MS);
                self.held = Some((reason, due));
                return CommandResults { due: Some(due), ..CommandResults::default() };
            }
            (Some(Err(CommandFailure { reason, .. })), _) => Some(reason),
            (None, Some((reason, due))) if stops || due <= now => Some(reason),
            (None, held) => {
                self.held = held;
                return CommandResults::default();
            }
        };
        self.failures = self.failures.saturating_add(u64::from(reason.is_some()));
        let comes_again = stops && reason.is_some();
        if comes_again {
            self.under_way.clear();
        }
        let waiting = std::mem::take(&mut self.under_way);
        let mut waiting = waiting.into_iter();
        let first = waiting.next();
        let others = waiting.filter_map(|entry| self.push(entry)).collect::<Vec<_>>();
        let failures = self.failures;
        let failed = reason.map(|reason| FailedCommand { reason, failures, comes_again });
        let entries = first.into_iter().chain(others).collect();
        CommandResults { entries, failed, due: None }
    }
}

/// Reason of a failure, and if it was a signal.
struct CommandFailure {
    reason: String,
    is_signal: bool,
}

/// Runs the command on the worker's thread.
struct Shell {
    command: String,
}

impl Sink for Shell {
    type Job = Message;
    type Done = Result<(), CommandFailure>;

    fn run(&mut self, batch: Vec<Message>) -> Result<(), CommandFailure> {
        batch.iter().map(|message| self.run_for(message)).fold(Ok(()), Result::and)
    }
}

impl Shell {
    fn run_for(&self, message: &Message) -> Result<(), CommandFailure> {
        let seq = message.seq();
        let (reason, is_signal) = match self.wait_for(message) {
            Ok(status) if status.success() => return Ok(()),
            Ok(status) => (format!("message {seq}: {status}"), status.signal().is_some()),
            Err(error) => (format!("message {seq}: cannot run sh: {error}"), false),
        };
        Err(CommandFailure { reason, is_signal })
    }

    /// Runs the command to its end.
    fn wait_for(&self, message: &Message) -> io::Result<ExitStatus> {
        let mut time = String::new();
        push_time(message.accepted(), &mut time);
        let mut child = Command::new("sh")
            .args([OsStr::new("-c"), OsStr::new(&self.command)])
            .env("GROUPCAST_SEQ", message.seq().to_string())
            .env("GROUPCAST_SENDER", message.sender())
            .env("GROUPCAST_TIME", time)
            .stdin(Stdio::piped())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            let text = [message.text().as_bytes(), b"\n"].concat();
            match stdin.write_all(&text) {
                // A command need not read its input.
                Err(error) if error.kind() != ErrorKind::BrokenPipe => return Err(error),
                Ok(()) | Err(_) => (),
            }
        }
        child.wait()
    }
}
