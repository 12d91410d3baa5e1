//! The other ends of the coordinator's sockets, and what is known of each.

use std::net::IpAddr;

use bytes::{Bytes, BytesMut};

use super::journaling::PendingReplies;
use super::ready::Queued;
use crate::group::LinkId;
use crate::limits::LIST_PIECE_BYTES;
use crate::net::{Connection, TimerId};

/// One socket and what it is for.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) connection: Connection,
    pub(super) role: PeerRole,
    /// The queue in which it waits to be served.
    pub(super) queued: Queued,
}

/// What a socket is for.
#[derive(Debug)]
pub(super) enum PeerRole {
    /// A command socket. Boxed: a message socket needs a tenth of that memory.
    Client(Box<Client>),
    /// A connect-back under way, and its deadline.
    Connecting { link: LinkId, deadline: TimerId },
    /// A message socket.
    MemberSocket(MemberSocket),
}

/// A command socket.
#[derive(Debug)]
pub(super) struct Client {
    /// The address it comes from.
    pub(super) peer: IpAddr,
    /// Our own address on it.
    pub(super) local: IpAddr,
    pub(super) phase: ClientPhase,
    /// Its serial number while it has brought no whole line.
    pub(super) silent: Option<u64>,
    /// Nothing more can be read.
    pub(super) has_failed: bool,
    /// Nothing more can be written: what it asked for is done all the same.
    pub(super) write_closed: bool,
    /// It has been given a list in this turn, which may be all that the others can wait for.
    pub(super) has_list: bool,
    /// It is not served on: it does not read its replies, or the others come first.
    pub(super) is_throttled: bool,
    /// Runs while a line has been begun and not finished.
    pub(super) line_timer: Option<TimerId>,
    /// The line timer has run out: if the next read does not finish the line, the client is
    /// refused.
    pub(super) is_overdue: bool,
    /// The client is in the queue of clients with replies to be written.
    pub(super) is_unflushed: bool,
    /// Replies that wait for the journal.
    pub(super) pending_replies: PendingReplies,
    /// A long list that it is given: what is not in the output yet. It waits for all of that.
    pub(super) list: Bytes,
    /// What it is counted for in the sum over all clients.
    pub(super) kept_bytes: usize,
    /// The part of it that is input.
    pub(super) input_bytes: usize,
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
pub(super) enum ClientPhase {
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
    pub(super) over_limit: bool,
}

/// A message socket.
#[derive(Clone, Copy, Debug)]
pub(super) struct MemberSocket {
    pub(super) link: LinkId,
    /// Runs while bytes are due and the socket takes none.
    pub(super) stall_timer: Option<TimerId>,
}

impl MemberSocket {
    /// A message socket that was just connected.
    pub(super) fn new(link: LinkId) -> Self {
        Self { link, stall_timer: None }
    }
}

impl Client {
    /// A client that was just accepted.
    pub(super) fn new(peer: IpAddr, local: IpAddr) -> Self {
        Self {
            peer,
            local,
            phase: ClientPhase::Serving,
            silent: None,
            has_failed: false,
            write_closed: false,
            has_list: false,
            is_throttled: false,
            line_timer: None,
            is_overdue: false,
            is_unflushed: false,
            pending_replies: PendingReplies::default(),
            list: Bytes::new(),
            kept_bytes: 0,
            input_bytes: 0,
        }
    }

    /// Replies that have not been handed to the operating system.
    pub(super) fn unsent_bytes(&self, connection: &Connection) -> usize {
        connection.output.len() + self.pending_replies.bytes() + self.list.len()
    }

    /// Moves a piece of its list to the output, behind all replies that come before it.
    pub(super) fn unroll_list(&mut self, output: &mut BytesMut) {
        if self.pending_replies.bytes() == 0 && output.len() < LIST_PIECE_BYTES {
            let bytes = self.list.len().min(LIST_PIECE_BYTES);
            output.extend_from_slice(&self.list.split_to(bytes));
        }
    }
}

impl Peer {
    /// A socket that nobody has looked at yet.
    pub(super) fn new(connection: Connection, role: PeerRole) -> Self {
        Self { connection, role, queued: Queued::No }
    }

    pub(super) fn client(&mut self) -> Option<(&mut Connection, &mut Client)> {
        match &mut self.role {
            PeerRole::Client(client) => Some((&mut self.connection, client)),
            PeerRole::Connecting { .. } | PeerRole::MemberSocket(_) => None,
        }
    }

    pub(super) fn message_socket(&mut self) -> Option<(&mut Connection, &mut MemberSocket)> {
        match &mut self.role {
            PeerRole::MemberSocket(message_socket) => Some((&mut self.connection, message_socket)),
            PeerRole::Client(_) | PeerRole::Connecting { .. } => None,
        }
    }
}
