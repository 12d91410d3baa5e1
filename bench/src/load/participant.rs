//! One real participant: a process with a prompt.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use mio::unix::pipe::{Receiver, Sender};
use mio::{Interest, Registry, Token};

use super::member::read_all;
use super::members::{Awaited, State};
use super::recorder::Book;
use super::verifier::fault::{Fault, shown};
use super::verifier::stamp::Stamp;
use crate::clock;
use crate::failure::{Failure, Result};
use crate::process::Usage;
use crate::stream::{Output, WholeLines, lines};

/// The process that it is now, and its two ends.
#[derive(Debug)]
struct Process {
    child: Child,
    input: Option<Sender>,
    output: Receiver,
}

impl Drop for Process {
    fn drop(&mut self) {
        // After it has been waited for both have nothing left to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One participant, through all the processes that it is one after the other.
#[derive(Debug)]
pub(super) struct Participant {
    pub(super) index: usize,
    pub(super) id: String,
    pub(super) state: State,
    program: PathBuf,
    config: PathBuf,
    process: Option<Process>,
    typed: Output,
    shown: WholeLines,
    awaited: VecDeque<Awaited>,
    /// Nanoseconds of the processes that are gone.
    cpu_before_ns: u64,
}

impl Participant {
    pub(super) fn new(index: usize, id: String, program: PathBuf, config: PathBuf) -> Self {
        Self {
            index,
            id,
            state: State::Away,
            program,
            config,
            process: None,
            typed: Output::default(),
            shown: WholeLines::default(),
            awaited: VecDeque::new(),
            cpu_before_ns: 0,
        }
    }

    /// Starts a process for it.
    pub(super) fn start(&mut self, registry: &Registry) -> Result<()> {
        let mut command = Command::new(&self.program);
        // In a group of its own, so that Ctrl-C is the harness' alone.
        command.arg("--follow").arg(&self.config).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let spawned = command.spawn();
        let mut child = spawned.map_err(Failure::system("cannot start a participant"))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Failure::Wrong("a participant without standard input".to_owned()));
        };
        let (mut input, mut output) = (Sender::from(input), Receiver::from(output));
        let token = 2 * self.index;
        let watched = input.set_nonblocking(true).and_then(|()| {
            output.set_nonblocking(true)?;
            registry.register(&mut input, Token(token), Interest::WRITABLE)?;
            registry.register(&mut output, Token(token + 1), Interest::READABLE)
        });
        watched.map_err(Failure::system("cannot watch a participant"))?;
        self.typed.clear();
        self.shown.clear();
        self.process = Some(Process { child, input: Some(input), output });
        Ok(())
    }

    /// Has it register; the reply, for which it is waited.
    pub(super) fn register(&mut self, deadline: Duration) -> Result<String> {
        self.typed.bytes().extend_from_slice(b"register 0\n");
        let end = clock::now() + deadline;
        let Some(process) = &mut self.process else { return Ok(String::new()) };
        let (mut scratch, mut reply) = ([0; 4096], None);
        while reply.is_none() && clock::now() < end {
            if let Some(input) = &mut process.input {
                let written = self.typed.write_to(input);
                written.map_err(Failure::system("cannot type"))?;
            }
            match process.output.read(&mut scratch) {
                Ok(0) => return Err(Failure::Wrong(format!("{} ended at its start", self.id))),
                Ok(read) => self.shown.take(scratch.get(..read).unwrap_or_default(), |run| {
                    let replies = lines(run).filter(|line| !line.starts_with(b"*"));
                    reply = reply.take().or(replies.map(shown).next());
                }),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    clock::pause(Duration::from_millis(1));
                }
                Err(error) => return Err(Failure::System("cannot read a reply".to_owned(), error)),
            }
        }
        self.state = State::Online;
        let reply = reply.unwrap_or_default();
        match reply.strip_prefix("OK ") {
            Some(behind) => Ok(behind.to_owned()),
            None => Err(Failure::Wrong(format!("{}: register: {reply:?}", self.id))),
        }
    }

    pub(super) fn may_publish(&self) -> bool {
        const WAITING_MAX: usize = 64 * 1024;
        self.state == State::Online && self.typed.waiting() < WAITING_MAX
    }

    /// Types a text.
    pub(super) fn publish(&mut self, stamp: Stamp, size: usize) {
        let typed = self.typed.bytes();
        typed.extend_from_slice(b"msend ");
        stamp.push(typed, size);
        typed.push(b'\n');
        self.awaited.push_back(Awaited::Text);
    }

    fn command(&mut self, book: &mut Book, line: &[u8], awaited: Awaited) {
        self.typed.bytes().extend_from_slice(line);
        self.awaited.push_back(awaited);
        self.write(book);
    }

    pub(super) fn leave(&mut self, book: &mut Book) {
        self.state = State::Leaving { is_answered: false };
        self.command(book, b"disconnect\n", Awaited::Disconnect);
    }

    /// Is killed, without a moment to write anything.
    pub(super) fn crash(&mut self, book: &mut Book) {
        self.cpu_before_ns = self.cpu_ns();
        self.process = None;
        self.awaited.clear();
        self.state = State::Away;
        book.verifier.broken(self.index);
    }

    pub(super) fn come_back(&mut self, book: &mut Book) {
        self.state = State::Returning { is_answered: false, is_connected: true };
        self.command(book, b"reconnect 0\n", Awaited::Reconnect);
    }

    pub(super) fn has_ended(&self) -> bool {
        self.process.is_none()
    }

    /// Types what the process takes.
    pub(super) fn write(&mut self, book: &mut Book) {
        let input = self.process.as_mut().and_then(|process| process.input.as_mut());
        if let Some(input) = input
            && self.typed.write_to(input).is_err()
        {
            book.fail(self.index, &Fault::Closed { what: "its standard input".to_owned() });
        }
    }

    /// Reads what it shows.
    pub(super) fn read(&mut self, book: &mut Book, scratch: &mut [u8]) {
        let Some(mut process) = self.process.take() else { return };
        let mut whole = std::mem::take(&mut self.shown);
        let now_ns = book.now_ns();
        let mut count = 0;
        // A pipe that is read until it would block needs no word of its end.
        let is_open = read_all(&mut process.output, scratch, true, |bytes| {
            whole.take(bytes, |run| {
                for line in lines(run) {
                    count += u64::from(self.on_line(book, line, now_ns));
                }
            });
        });
        book.measure.delivered(now_ns, count);
        self.shown = whole;
        if is_open || process.input.is_none() {
            self.process = Some(process);
        } else {
            book.fail(self.index, &Fault::Closed { what: "its standard output".to_owned() });
        }
    }

    /// One line; whether it is a message.
    fn on_line(&mut self, book: &mut Book, line: &[u8], now_ns: u64) -> bool {
        match line.first() {
            Some(b'*') => return false, // News of the connection.
            Some(b'0'..=b'9') => {
                // <number> <sender>: <text>. Its stamp is at the text's beginning.
                let mut fields = line.splitn(3, |&byte| byte == b' ').skip(2);
                let text = fields.next().unwrap_or_default();
                let Some(stamp) = Stamp::parse(text, text.len()) else {
                    let what = format!("shown: {}", shown(line));
                    book.verifier.fault(self.index, &Fault::Log { what });
                    return false;
                };
                book.shown(self.index, stamp.due_ns, now_ns);
                return true;
            }
            Some(_) | None => (),
        }
        match (self.awaited.pop_front(), self.state) {
            (Some(Awaited::Text), _) => {
                book.answered(self.index, line);
            }
            (Some(Awaited::Disconnect), State::Leaving { .. }) if line == b"OK disconnect" => {
                self.state = State::Away;
            }
            (Some(Awaited::Reconnect), State::Returning { .. })
                if line.starts_with(b"OK reconnect ") =>
            {
                self.state = State::Online;
                book.is_back(self.index);
            }
            (_, _) => book.fail(self.index, &Fault::Reply { line: shown(line) }),
        }
        false
    }

    /// Types the word that ends it.
    pub(super) fn quit(&mut self, book: &mut Book) {
        self.typed.bytes().extend_from_slice(b"quit\n");
        self.write(book);
        if let Some(process) = &mut self.process {
            process.input = None;
        }
    }

    /// Waits for its end.
    pub(super) fn wait(mut self) -> Result<()> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        // What it still shows is of no interest; that nothing more comes means that it has ended.
        let _ = process.output.set_nonblocking(false);
        let _ = process.output.read_to_end(&mut Vec::new());
        let status = process.child.wait().map_err(Failure::system("cannot wait"))?;
        if status.success() {
            Ok(())
        } else {
            Err(Failure::Wrong(format!("the participant ended with {status}")))
        }
    }

    /// What all its processes have cost.
    pub(super) fn cpu_ns(&self) -> u64 {
        let now = self.process.as_ref().and_then(|process| Usage::of(process.child.id()).ok());
        self.cpu_before_ns + now.map_or(0, |usage| usage.cpu_ns)
    }
}
