//! The sockets of the coordinator, and the state of each.

use std::net::IpAddr;

use bytes::{Bytes, BytesMut};

use super::journaling::PendingReplies;
use super::ready::Queued;
use crate::group::LinkId;
use crate::limits::LIST_PIECE_BYTES;
use crate::net::{Connection, TimerId};

/// A socket and its role.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) connection: Connection,
    pub(super) role: PeerRole,
    /// Queue in which the socket waits to be served.
    pub(super) queued: Queued,
}

/// Role of a socket.
#[derive(Debug)]
pub(super) enum PeerRole {
    /// A command socket. Boxed, because a message socket needs a tenth of its memory.
    Client(Box<Client>),
    /// A connect-back in progress, with its deadline.
    Connecting { link: LinkId, deadline: TimerId },
    /// A message socket.
    MemberSocket(MemberSocket),
}

/// A command socket.
#[derive(Debug)]
pub(super) struct Client {
    /// Address of the client.
    pub(super) peer: IpAddr,
    /// Our address on this connection.
    pub(super) local: IpAddr,
    pub(super) phase: ClientPhase,
    /// Serial number of the client while it has sent no whole line.
    pub(super) silent: Option<u64>,
    /// True if no more bytes can be read.
    pub(super) has_failed: bool,
    /// True if no more bytes can be written. The client's requests are executed nevertheless.
    pub(super) write_closed: bool,
    /// True if the client got a list in this turn. A turn makes at most one for each client.
    pub(super) has_list: bool,
    /// True if no request is read until the client takes its replies, or the budget has room.
    pub(super) is_throttled: bool,
    /// Timer that runs while a line is unfinished.
    pub(super) line_timer: Option<TimerId>,
    /// True if the line timer has expired. If the next read does not end the line, it is refused.
    pub(super) is_overdue: bool,
    /// True if the client is in the queue of clients with replies to be written.
    pub(super) is_unflushed: bool,
    /// Replies that wait for the journal.
    pub(super) pending_replies: PendingReplies,
    /// Part of a long list that is not in the output yet.
    pub(super) list: Bytes,
    /// Bytes that the budget counts for this client.
    pub(super) kept_bytes: usize,
    /// Input bytes among `kept_bytes`.
    pub(super) input_bytes: usize,
}

/// Phase of a command socket.
///
/// ```text
///   serving ◄──► waiting         one request at a time
///      │
///      ├──► ended                the client closed its side: replies are sent, then it is closed
///      └──► refused              ERR 408, 413, 421 or 503: further input is dropped
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientPhase {
    /// Requests are read.
    Serving,
    /// A request waits for its connect-back or for memory. Later requests wait behind it.
    Waiting,
    /// All requests have their replies, and no more requests will come.
    Ended,
    /// The client was refused and gets no more replies.
    Refused(Refused),
}

/// State of a refused command socket, which stays open until the client can have read the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// Bytes that are still read and dropped.
    pub(super) discard_bytes: usize,
    /// Unsent bytes when the timer was set. The timer is set again while this number falls.
    pub(super) unsent_bytes: usize,
    /// True if our side is shut down.
    pub(super) is_shut_down: bool,
    /// True if the client exceeded a limit of connections. It does not count as a connection.
    pub(super) over_limit: bool,
}

/// A message socket.
#[derive(Clone, Copy, Debug)]
pub(super) struct MemberSocket {
    pub(super) link: LinkId,
    /// Timer that runs while bytes are due and the socket takes none.
    pub(super) stall_timer: Option<TimerId>,
}

impl MemberSocket {
    pub(super) fn new(link: LinkId) -> Self {
        Self { link, stall_timer: None }
    }
}

impl Client {
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

    /// Returns the bytes of replies that are not handed to the operating system.
    pub(super) fn unsent_bytes(&self, connection: &Connection) -> usize {
        connection.output.len() + self.pending_replies.bytes() + self.list.len()
    }

    /// Moves a piece of the list to the output. All earlier replies are in the output before it.
    pub(super) fn unroll_list(&mut self, output: &mut BytesMut) {
        if self.pending_replies.bytes() == 0 && output.len() < LIST_PIECE_BYTES {
            let bytes = self.list.len().min(LIST_PIECE_BYTES);
            output.extend_from_slice(&self.list.split_to(bytes));
        }
    }
}

impl Peer {
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
