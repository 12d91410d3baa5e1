//! The other ends of the coordinator's sockets, and what is known of each.

use std::net::IpAddr;

use super::keeping::Held;
use crate::event_loop::{Connection, TimerId};
use crate::group::LinkId;

/// One socket and what it is for.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) connection: Connection,
    pub(super) role: Role,
}

/// What a socket is for.
#[derive(Debug)]
pub(super) enum Role {
    /// A command socket.
    Client(Client),
    /// A connect-back under way, and its deadline.
    Dialing { link: LinkId, deadline: TimerId },
    /// A message socket.
    Listener(Listener),
}

/// A command socket.
#[derive(Debug)]
pub(super) struct Client {
    /// The address it comes from.
    pub(super) peer: IpAddr,
    /// Our own address on it.
    pub(super) local: IpAddr,
    pub(super) phase: Phase,
    /// Its serial number while it has brought no whole line.
    pub(super) silent: Option<u64>,
    /// Nothing more can be read.
    pub(super) has_failed: bool,
    /// Nothing more can be written: what it asked for is done all the same.
    pub(super) is_deaf: bool,
    /// It has been given a list in this turn, which may be all that the others can wait for.
    pub(super) has_list: bool,
    /// It is not served on: it does not read its replies, or the others come first.
    pub(super) is_held_up: bool,
    /// Runs while a line has been begun and not finished.
    pub(super) line_timer: Option<TimerId>,
    /// Replies that wait for the journal.
    pub(super) held: Held,
    /// What it is counted for in the sum over all clients.
    pub(super) kept_bytes: usize,
}

/// How far a command socket has come.
///
/// ```text
///   serving ◄──► waiting         a reply at a time
///      │
///      ├──► ended                the peer has ended its side: what is due leaves, then it closes
///      └──► refused              413, 408, 421, or shutting down: what comes is discarded
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Requests are read.
    Serving,
    /// A request waits for its connect-back, or for room; those behind it wait for it.
    Waiting,
    /// All requests are answered, and no more will come.
    Ended,
    /// Nothing more will be answered.
    Refused(Refused),
}

/// The end of a command socket that broke a limit: its peer gets the chance to read why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// Bytes that are still read, and thrown away.
    pub(super) discard_bytes: usize,
    /// What was unsent when the timer was set; it runs on while that gets less.
    pub(super) unsent_bytes: usize,
    /// Our side is shut down.
    pub(super) is_shut_down: bool,
    /// There was no room for it, so it does not count as a connection.
    pub(super) at_the_door: bool,
}

/// A message socket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listener {
    pub(super) link: LinkId,
    /// Runs while bytes are due and the socket takes none.
    pub(super) stall_timer: Option<TimerId>,
}

impl Client {
    /// A client that was just accepted.
    pub(super) fn new(peer: IpAddr, local: IpAddr) -> Self {
        Self {
            peer,
            local,
            phase: Phase::Serving,
            silent: None,
            has_failed: false,
            is_deaf: false,
            has_list: false,
            is_held_up: false,
            line_timer: None,
            held: Held::default(),
            kept_bytes: 0,
        }
    }

    /// Replies that have not been handed to the operating system.
    pub(super) fn unsent_bytes(&self, connection: &Connection) -> usize {
        connection.output.len() + self.held.bytes()
    }
}

impl Peer {
    pub(super) fn client(&mut self) -> Option<(&mut Connection, &mut Client)> {
        match &mut self.role {
            Role::Client(client) => Some((&mut self.connection, client)),
            Role::Dialing { .. } | Role::Listener(_) => None,
        }
    }

    pub(super) fn listener(&mut self) -> Option<(&mut Connection, &mut Listener)> {
        match &mut self.role {
            Role::Listener(listener) => Some((&mut self.connection, listener)),
            Role::Client(_) | Role::Dialing { .. } => None,
        }
    }
}
