//! Real participants: each a process, driven over its prompt, its message log checked at the end.
//!
//! ```text
//!   register, msend, … ─▶ stdin ─▶ participant ─▶ stdout: replies, messages (when each came)
//!                                       └───────▶ message log (what came: verified at the end)
//! ```

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mio::{Events, Poll, Token};
use tempfile::TempDir;

use super::members::{State, Team};
use super::participant::Participant;
use super::plan::Plan;
use super::recorder::Book;
use super::timer::Timer;
use super::verifier::fault::{Fault, shown};
use super::verifier::receiver::ToldGap;
use crate::command::{CommandSocket, DEADLINE, value_of};
use crate::failure::{Failure, Result};

const SCRATCH_BYTES: usize = 256 * 1024;
/// How often the coordinator is asked whether everybody has everything.
const ASK_NS: u64 = 100_000_000;
const TIMER: Token = Token(usize::MAX / 2);

/// All of them.
#[derive(Debug)]
pub(super) struct Processes {
    poll: Poll,
    events: Events,
    timer: Timer,
    participants: Vec<Participant>,
    coordinator: SocketAddr,
    ttl_s: u64,
    asked_ns: u64,
    scratch: Vec<u8>,
    /// Configs and message logs.
    directory: TempDir,
}

impl Processes {
    /// Starts and registers all of `plan`; each with the first number to come.
    pub(super) fn register(
        plan: &Plan,
        program: &Path,
        coordinator: SocketAddr,
        ids: impl Fn(usize) -> String,
    ) -> Result<(Self, Vec<(String, u64)>)> {
        let poll = Poll::new().map_err(Failure::system("cannot poll"))?;
        let directory = TempDir::new().map_err(Failure::system("cannot make a directory"))?;
        let mut participants = Vec::new();
        for index in 0..plan.participants {
            let (id, address) =
                (ids(index), format!("{} {}", coordinator.ip(), coordinator.port()));
            let config = directory.path().join(format!("{id}.txt"));
            let log = log_of(&directory, &id);
            let written = fs::write(&config, format!("{id}\n{}\n{address}\n", log.display()));
            written.map_err(Failure::system("cannot write a participant's config"))?;
            participants.push(Participant::new(index, id, program.to_owned(), config));
        }
        let timer = Timer::new(poll.registry(), TIMER)?;
        let (events, scratch) = (Events::with_capacity(1024), vec![0; SCRATCH_BYTES]);
        let mut firsts = Vec::new();
        let mut ttl_s = 0;
        for participant in &mut participants {
            participant.start(poll.registry())?;
            let reply = participant.register(DEADLINE)?;
            let next = value_of(&reply, "next").and_then(|next| next.parse().ok());
            let first = next.ok_or_else(|| Failure::Wrong(format!("register: {reply}")))?;
            ttl_s = value_of(&reply, "ttl").and_then(|ttl| ttl.parse().ok()).unwrap_or(0);
            firsts.push((participant.id.clone(), first));
        }
        let asked_ns = 0;
        let processes = Self {
            poll,
            events,
            timer,
            participants,
            coordinator,
            ttl_s,
            asked_ns,
            scratch,
            directory,
        };
        Ok((processes, firsts))
    }

    /// Seconds that a message lives, as the coordinator says.
    pub(super) fn ttl_s(&self) -> u64 {
        self.ttl_s
    }

    /// Whether the coordinator says that everybody has acknowledged everything: that it is in the
    /// message logs.
    fn has_everybody_everything(&self) -> Result<bool> {
        let mut commands = CommandSocket::connect(self.coordinator)?;
        let reply = commands.request("loadtest", "members")?;
        let count = reply.split(' ').nth(1).and_then(|count| count.parse().ok()).unwrap_or(0);
        let mut is_done = true;
        for _ in 0..count {
            let line = commands.line()?;
            is_done &= value_of(&line, "pending") == Some("0") && line.contains(" online ");
        }
        Ok(is_done)
    }

    fn read_log(&self, book: &mut Book, index: usize, id: &str) -> Result<()> {
        let log = fs::read(log_of(&self.directory, id));
        let log = log.map_err(Failure::system("cannot read a message log"))?;
        let now_ns = book.now_ns();
        for line in log.split_inclusive(|&byte| byte == b'\n') {
            let Some(line) = line.strip_suffix(b"\n") else {
                book.verifier.fault(index, &Fault::Log { what: "its last line is cut".to_owned() });
                continue;
            };
            if let Some(note) = line.strip_prefix(b"# ") {
                if note.starts_with(b"gap ") {
                    let gap = String::from_utf8_lossy(note).replace(' ', "#");
                    match ToldGap::parse(gap.as_bytes(), now_ns) {
                        Some(gap) => book.verifier.take_gap(index, gap),
                        None => book.verifier.fault(index, &Fault::Malformed { line: gap }),
                    }
                }
                continue;
            }
            let mut fields = line.splitn(4, |&byte| byte == b'\t');
            let seq = fields.next().and_then(|seq| std::str::from_utf8(seq).ok()?.parse().ok());
            let (Some(seq), Some(_), Some(sender), Some(text)) =
                (seq, fields.next(), fields.next(), fields.next())
            else {
                book.verifier.fault(index, &Fault::Malformed { line: shown(line) });
                continue;
            };
            book.verifier.deliver(index, seq, sender, text, b"", now_ns);
        }
        Ok(())
    }
}

fn log_of(directory: &TempDir, id: &str) -> PathBuf {
    directory.path().join(format!("{id}.log"))
}

impl Team for Processes {
    fn count(&self) -> usize {
        self.participants.len()
    }

    fn state(&self, index: usize) -> State {
        self.participants.get(index).map_or(State::Away, |participant| participant.state)
    }

    fn may_publish(&self, index: usize) -> bool {
        self.participants.get(index).is_some_and(|participant| participant.may_publish())
    }

    fn under_way(&self, book: &Book, index: usize) -> u64 {
        book.verifier.unanswered(index) as u64
    }

    fn publish(&mut self, book: &mut Book, index: usize, due_ns: u64, size: usize) {
        let Some(participant) = self.participants.get_mut(index) else { return };
        if let Some(stamp) = book.verifier.send(index, due_ns) {
            participant.publish(stamp, size);
        }
    }

    fn write(&mut self, book: &mut Book, index: usize) {
        if let Some(participant) = self.participants.get_mut(index) {
            participant.write(book);
        }
    }

    fn leave(&mut self, book: &mut Book, index: usize) {
        if let Some(participant) = self.participants.get_mut(index) {
            participant.leave(book);
        }
    }

    fn crash(&mut self, book: &mut Book, index: usize) {
        if let Some(participant) = self.participants.get_mut(index) {
            participant.crash(book);
        }
    }

    fn come_back(&mut self, book: &mut Book, index: usize) {
        let Some(participant) = self.participants.get_mut(index) else { return };
        if participant.has_ended()
            && let Err(failure) = participant.start(self.poll.registry())
        {
            let what = failure.to_string();
            return book.fail(index, &Fault::Stuck { what });
        }
        participant.come_back(book);
    }

    fn turn(&mut self, book: &mut Book, timeout: Duration, timer_ns: Option<u64>) -> Result<()> {
        self.timer.wait(&mut self.poll, &mut self.events, timeout, timer_ns)?;
        for event in &self.events {
            let Some(participant) = self.participants.get_mut(event.token().0 / 2) else {
                continue; // The timer.
            };
            participant.write(book);
            participant.read(book, &mut self.scratch);
        }
        Ok(())
    }

    fn is_complete(&mut self, book: &mut Book) -> Result<bool> {
        let now_ns = book.now_ns();
        if book.verifier.unanswered_of_all() > 0 || now_ns < self.asked_ns + ASK_NS {
            return Ok(false);
        }
        self.asked_ns = now_ns;
        self.has_everybody_everything()
    }

    fn finish(&mut self, book: &mut Book) -> Result<()> {
        for participant in &mut self.participants {
            participant.quit(book);
        }
        for participant in std::mem::take(&mut self.participants) {
            let (index, id) = (participant.index, participant.id.clone());
            if let Err(failure) = participant.wait() {
                book.verifier.fault(index, &Fault::Log { what: failure.to_string() });
            }
            self.read_log(book, index, &id)?;
        }
        Ok(())
    }

    fn cpu_ns(&self) -> Option<u64> {
        Some(self.participants.iter().map(Participant::cpu_ns).sum())
    }
}
