//! `bench floor`: the least work of such a server, copying the same bytes to all sockets.
//!
//! ```text
//!   publishers ─read─► whole lines ─► log ─► one write for each subscriber and turn
//!                                      ▲
//!                                      └ each subscriber has an offset, nothing else
//! ```
//!
//! The server has no members, numbers or times. It finds the last LF of each read and drops bytes
//! that all subscribers have. It reads and discards what subscribers send. Its cost is the cost of
//! the kernel for these bytes.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Ipv4Addr;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use getopts::{Matches, Options};
use memchr::memrchr;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use crate::Subcommand;
use crate::cores::{lengthen_accept_queue, raise_file_limit};
use crate::stream::{BOTH, ready};

/// The subcommand, which is a process of its own as every peer is.
pub(crate) const SUBCOMMAND: Subcommand = Subcommand {
    name: "floor",
    about: "a server that only copies bytes",
    exit_codes: "It prints its address and serves until it is ended.",
    is_hidden: true,
    options,
    run,
};

fn options() -> Options {
    let mut options = Options::new();
    options.optflag("h", "help", "show this");
    options.optflag("", "keep", "keep everything for subscribers that come later");
    options
}

fn run(matches: &Matches) -> Result<ExitCode> {
    raise_file_limit();
    let mut floor = Floor::open(matches.opt_present("keep"))?;
    writeln!(io::stdout(), "{}", floor.listener.local_addr()?)?;
    floor.run().context("the floor ends")?;
    Ok(ExitCode::SUCCESS)
}

/// First byte of a publisher.
pub(crate) const PUBLISHER: u8 = b'P';
/// First byte of a subscriber. A server that keeps nothing sends the byte back: messages that are
/// published from then on reach the subscriber.
pub(crate) const SUBSCRIBER: u8 = b'S';

const LISTENER: Token = Token(usize::MAX);
/// Bytes that a coordinator reads from one socket, and writes to one, in a turn.
const TURN_BYTES_MAX: usize = 256 * 1024;
/// With this many bytes in the log, nothing is read until the slowest subscriber has some.
const LOG_BYTES_MAX: usize = 64 * 1024 * 1024;

#[derive(Debug)]
pub(crate) struct Floor {
    poll: Poll,
    listener: TcpListener,
    peers: Vec<Peer>,
    log: Vec<u8>,
    keeps: bool,
    scratch: Vec<u8>,
}

#[derive(Debug)]
struct Peer {
    stream: TcpStream,
    role: Role,
    is_readable: bool,
    is_writable: bool,
}

#[derive(Debug)]
enum Role {
    Unknown,
    /// With an incomplete line.
    Publisher(Vec<u8>),
    /// With the offset in the log up to which everything was written.
    Subscriber(usize),
    Gone,
}

impl Floor {
    /// Listens on a free port. With `keeps`, each subscriber gets everything from the beginning.
    pub(crate) fn open(keeps: bool) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0).into())?;
        lengthen_accept_queue(&listener)?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let (peers, log, scratch) = (Vec::new(), Vec::new(), vec![0; TURN_BYTES_MAX]);
        Ok(Self { poll, listener, peers, log, keeps, scratch })
    }

    pub(crate) fn run(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        loop {
            let is_busy = self.peers.iter().any(|peer| self.may_read(peer) || self.may_write(peer));
            let timeout = is_busy.then_some(std::time::Duration::ZERO);
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                polled => polled?,
            }
            for event in &events {
                match self.peers.get_mut(event.token().0) {
                    Some(peer) => {
                        peer.is_readable |= event.is_readable();
                        peer.is_writable |= event.is_writable();
                    }
                    None => self.accept()?,
                }
            }
            self.read();
            self.write();
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            stream.set_nodelay(true)?;
            self.poll.registry().register(&mut stream, Token(self.peers.len()), BOTH)?;
            let (is_readable, is_writable) = (true, true);
            self.peers.push(Peer { stream, role: Role::Unknown, is_readable, is_writable });
        }
    }

    fn may_read(&self, peer: &Peer) -> bool {
        peer.is_readable && self.log.len() < LOG_BYTES_MAX
    }

    fn may_write(&self, peer: &Peer) -> bool {
        matches!(peer.role, Role::Subscriber(had) if peer.is_writable && had < self.log.len())
    }

    fn read(&mut self) {
        let is_full = self.log.len() >= LOG_BYTES_MAX;
        let free_bytes = self.scratch.len();
        for peer in self.peers.iter_mut().filter(|peer| peer.is_readable && !is_full) {
            match ready(peer.stream.read(&mut self.scratch)) {
                Ok(None) => peer.is_readable = false,
                Ok(Some(0)) | Err(_) => peer.leave(),
                Ok(Some(read)) => {
                    // After a short read the socket is empty. Further bytes bring an event.
                    peer.is_readable = read == free_bytes;
                    let bytes = self.scratch.get(..read).unwrap_or_default();
                    peer.take(bytes, &mut self.log, self.keeps);
                }
            }
        }
    }

    fn write(&mut self) {
        let mut slowest = self.log.len();
        for peer in &mut self.peers {
            let Role::Subscriber(had) = &mut peer.role else { continue };
            let end = self.log.len().min(*had + TURN_BYTES_MAX);
            let due = self.log.get(*had..end).unwrap_or_default();
            if peer.is_writable && !due.is_empty() {
                match ready(peer.stream.write(due)) {
                    Ok(Some(written)) => *had += written,
                    Ok(None) => peer.is_writable = false,
                    Err(_) => {
                        peer.leave();
                        continue;
                    }
                }
            }
            if let Role::Subscriber(had) = &peer.role {
                slowest = slowest.min(*had);
            }
        }
        let is_worth_it = slowest == self.log.len() || slowest > LOG_BYTES_MAX / 2;
        if !self.keeps && slowest > 0 && is_worth_it {
            self.log.drain(..slowest);
            for peer in &mut self.peers {
                if let Role::Subscriber(had) = &mut peer.role {
                    *had -= slowest;
                }
            }
        }
    }
}

impl Peer {
    fn take(&mut self, bytes: &[u8], log: &mut Vec<u8>, keeps: bool) {
        match (&mut self.role, bytes) {
            (Role::Publisher(part), _) => publish(part, bytes, log),
            (Role::Unknown, [PUBLISHER, rest @ ..]) => {
                let mut part = Vec::new();
                publish(&mut part, rest, log);
                self.role = Role::Publisher(part);
            }
            (Role::Unknown, [SUBSCRIBER, ..]) => {
                self.role = Role::Subscriber(if keeps { 0 } else { log.len() });
                if !keeps && self.stream.write(&[SUBSCRIBER]).is_err() {
                    self.leave();
                }
            }
            (Role::Unknown, _) => self.leave(),
            (Role::Subscriber(_) | Role::Gone, _) => (),
        }
    }

    fn leave(&mut self) {
        self.role = Role::Gone;
        (self.is_readable, self.is_writable) = (false, false);
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }
}

/// Appends whole lines only, so that lines of several publishers do not mix.
fn publish(part: &mut Vec<u8>, bytes: &[u8], log: &mut Vec<u8>) {
    let whole = memrchr(b'\n', bytes).map_or(0, |at| at + 1);
    let (lines, rest) = bytes.split_at(whole);
    if whole > 0 {
        log.append(part);
    }
    log.extend_from_slice(lines);
    part.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_several_publishers_are_not_mixed() {
        let (mut left, mut right, mut log) = (Vec::new(), Vec::new(), Vec::new());
        publish(&mut left, b"one\ntw", &mut log);
        publish(&mut right, b"ONE\n", &mut log);
        publish(&mut left, b"o", &mut log);
        publish(&mut right, b"TWO\nTHREE", &mut log);
        publish(&mut left, b"\n", &mut log);
        assert_eq!(log, b"one\nONE\nTWO\ntwo\n");
    }
}
