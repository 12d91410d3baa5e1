//! One lightweight member: a command socket, a message socket, and what it waits for.
//!
//! ```text
//!              disconnect          OK, message socket ended        its time has come
//!   Online ───────────────▶ Leaving ───────────────────────▶ Away ──────┬──────────▶ Dialing
//!     ▲ │ ╲       crash: both sockets closed without a word   ▲         │ still has its command
//!     │ │  ╲──────────────────────────────────────────────────╯         ▼ socket        │
//!     │ ╰── takeover: reconnect while online ──────────────────▶ Returning ◀────────────╯
//!     ╰────────────────────── OK and hello ────────────────────────╯         connected
//! ```

use std::collections::VecDeque;
use std::io::{ErrorKind, Read};

use mio::net::TcpStream;

use super::members::{Awaited, State};
use super::recorder::Book;
use super::verifier::fault::{Fault, shown};
use crate::stream::{Output, WholeLines, lines};

/// Longest line that is put together.
const LINE_BYTES_MAX: usize = 128 * 1024;

/// A command socket.
#[derive(Debug)]
pub(super) struct Commands {
    pub(super) stream: TcpStream,
    output: Output,
    replies: WholeLines,
    awaited: VecDeque<Awaited>,
}

impl Commands {
    pub(super) fn new(stream: TcpStream) -> Self {
        let (output, replies) = (Output::default(), WholeLines::default());
        Self { stream, output, replies, awaited: VecDeque::new() }
    }
}

/// A message socket.
#[derive(Debug)]
pub(super) struct Inbox {
    stream: TcpStream,
    whole: WholeLines,
    acks: Output,
    acked: u64,
}

impl Inbox {
    pub(super) fn new(stream: TcpStream) -> Self {
        let (whole, acks) = (WholeLines::default(), Output::default());
        Self { stream, whole, acks, acked: 0 }
    }
}

/// One member.
#[derive(Debug)]
pub(super) struct Member {
    index: usize,
    id: String,
    ip: String,
    pub(super) acks: bool,
    pub(super) state: State,
    pub(super) commands: Option<Commands>,
    inbox: Option<Inbox>,
    /// The connection before, open and no longer read, until the next one is there.
    retired: Option<Inbox>,
    /// How often it came back: its nonces differ.
    attempt: u32,
    /// Own messages that not everybody has; kept where a window asks for them.
    pub(super) under_way: VecDeque<u64>,
    pub(super) keeps_under_way: bool,
}

impl Member {
    /// One that has registered.
    pub(super) fn new(index: usize, id: String, ip: String, sockets: (Commands, Inbox)) -> Self {
        let (commands, inbox) = (Some(sockets.0), Some(sockets.1));
        Self {
            index,
            id,
            ip,
            acks: true,
            state: State::Online,
            commands,
            inbox,
            retired: None,
            attempt: 0,
            under_way: VecDeque::new(),
            keeps_under_way: false,
        }
    }

    pub(super) fn may_publish(&self) -> bool {
        const WAITING_MAX: usize = 256 * 1024;
        let is_free = |commands: &Commands| commands.output.waiting() < WAITING_MAX;
        self.state == State::Online && self.commands.as_ref().is_some_and(is_free)
    }

    /// Has a text go out with the next write.
    pub(super) fn publish(&mut self, book: &mut Book, due_ns: u64, size: usize) {
        let Some(commands) = &mut self.commands else { return };
        let Some(stamp) = book.verifier.send(self.index, due_ns) else { return };
        let output = commands.output.bytes();
        output.extend_from_slice(self.id.as_bytes());
        output.extend_from_slice(b"#msend ");
        stamp.push(output, size);
        output.push(b'#');
        output.extend_from_slice(self.ip.as_bytes());
        output.push(b'\n');
        commands.awaited.push_back(Awaited::Text);
    }

    fn request(&mut self, command: &str, awaited: Awaited) {
        let Some(commands) = &mut self.commands else { return };
        let line = format!("{}#{command}#{}\n", self.id, self.ip);
        commands.output.bytes().extend_from_slice(line.as_bytes());
        commands.awaited.push_back(awaited);
    }

    /// Goes offline as it should be done.
    pub(super) fn leave(&mut self, book: &mut Book) {
        self.state = State::Leaving { is_answered: false };
        self.request("disconnect", Awaited::Disconnect);
        self.write(book);
    }

    /// Drops everything without a word.
    pub(super) fn crash(&mut self, book: &mut Book) {
        self.commands = None;
        self.inbox = None;
        self.under_way.clear();
        self.state = State::Away;
        book.verifier.broken(self.index);
    }

    /// Asks to be connected at `port`, naming what it has; from here on nothing is read from the
    /// connection before.
    pub(super) fn come_back(&mut self, book: &mut Book, port: u16, epoch: &str) {
        self.attempt += 1;
        self.retired = self.inbox.take();
        self.state = State::Returning { is_answered: false, is_connected: false };
        let acks = if self.acks { " acks=1" } else { "" };
        let (nonce, place) = (self.nonce(), book.verifier.place(self.index));
        let command = format!("reconnect {port}{acks} nonce={nonce} since={epoch}:{place}");
        self.request(&command, Awaited::Reconnect);
        self.write(book);
    }

    /// What the connection asked for last begins with.
    pub(super) fn nonce(&self) -> String {
        format!("{:08x}{:08x}", self.index, self.attempt)
    }

    /// A connection has shown the nonce: it is this member's.
    pub(super) fn connected(&mut self, book: &mut Book, inbox: Inbox) {
        if let State::Returning { is_answered, .. } = self.state {
            self.inbox = Some(inbox);
            self.retired = None;
            book.is_back(self.index);
            self.returning(is_answered, true);
        }
    }

    fn returning(&mut self, is_answered: bool, is_connected: bool) {
        self.state = match (is_answered, is_connected) {
            (true, true) => State::Online,
            (is_answered, is_connected) => State::Returning { is_answered, is_connected },
        };
    }

    /// Writes what the command socket takes.
    pub(super) fn write(&mut self, book: &mut Book) {
        let Some(commands) = &mut self.commands else { return };
        if commands.output.write_to(&mut commands.stream).is_err() {
            book.fail(self.index, &Fault::Closed { what: "the command socket".to_owned() });
        }
    }

    /// Reads the replies that are there.
    pub(super) fn read_replies(&mut self, book: &mut Book, scratch: &mut [u8], has_ended: bool) {
        let Some(mut commands) = self.commands.take() else { return };
        let Commands { stream, replies, awaited, .. } = &mut commands;
        let is_open = read_all(stream, scratch, has_ended, |bytes| {
            replies.take(bytes, |run| {
                for line in lines(run) {
                    self.on_reply(book, awaited.pop_front(), line);
                }
            });
        });
        if is_open {
            self.commands = Some(commands);
        } else {
            book.fail(self.index, &Fault::Closed { what: "the command socket".to_owned() });
        }
    }

    fn on_reply(&mut self, book: &mut Book, awaited: Option<Awaited>, line: &[u8]) {
        match (awaited, self.state) {
            (Some(Awaited::Text), _) => {
                let seq = book.answered(self.index, line);
                self.under_way.extend(seq.filter(|_| self.keeps_under_way));
            }
            (Some(Awaited::Disconnect), State::Leaving { .. }) if line == b"OK disconnect" => {
                let is_gone = self.inbox.is_none();
                self.state =
                    if is_gone { State::Away } else { State::Leaving { is_answered: true } };
            }
            (Some(Awaited::Reconnect), State::Returning { is_connected, .. })
                if line.starts_with(b"OK reconnect ") =>
            {
                self.returning(true, is_connected);
            }
            (_, _) => book.fail(self.index, &Fault::Reply { line: shown(line) }),
        }
    }

    /// Reads the messages that are there, and acknowledges them.
    pub(super) fn read_messages(&mut self, book: &mut Book, scratch: &mut [u8], has_ended: bool) {
        let Some(inbox) = &mut self.inbox else { return };
        let Inbox { stream, whole, .. } = inbox;
        let index = self.index;
        let is_open = read_all(stream, scratch, has_ended, |bytes| {
            let now_ns = book.now_ns();
            whole.take(bytes, |run| book.take(index, run, now_ns));
        });
        if whole.begun() > LINE_BYTES_MAX {
            book.fail(index, &Fault::Malformed { line: "a line without end".to_owned() });
        }
        if is_open {
            return self.acknowledge(book);
        }
        self.inbox = None;
        match self.state {
            State::Leaving { is_answered: true } => self.state = State::Away,
            State::Leaving { is_answered: false } => (),
            State::Online | State::Away | State::Dialing | State::Returning { .. } => {
                book.fail(index, &Fault::Closed { what: "the message socket".to_owned() });
            }
        }
    }

    /// Says what was taken, as far as the socket lets it.
    pub(super) fn acknowledge(&mut self, book: &mut Book) {
        let place = book.verifier.place(self.index);
        let Some(inbox) = &mut self.inbox else { return };
        if self.acks && place > inbox.acked && inbox.acks.waiting() == 0 {
            inbox.acked = place;
            inbox.acks.bytes().extend_from_slice(format!("ack {place}\n").as_bytes());
        }
        // Where this fails the socket has ended, and reading says so.
        let _ = inbox.acks.write_to(&mut inbox.stream);
    }
}

/// Hands on what `stream` holds; whether it is still open.
pub(super) fn read_all(
    stream: &mut impl Read,
    scratch: &mut [u8],
    has_ended: bool,
    mut take: impl FnMut(&[u8]),
) -> bool {
    loop {
        match stream.read(scratch) {
            Ok(0) => return false,
            Ok(read) => {
                take(scratch.get(..read).unwrap_or_default());
                // Less than asked for was all; more brings an event of its own, an end does not.
                if read < scratch.len() && !has_ended {
                    return true;
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
            Err(error) if error.kind() == ErrorKind::Interrupted => (),
            Err(_) => return false,
        }
    }
}
