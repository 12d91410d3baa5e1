//! One command socket, and the state of its client.

use std::collections::VecDeque;
use std::mem;
use std::net::IpAddr;
use std::rc::Rc;

use bytes::Bytes;

use super::handshakes::ClientHandshake;
use super::pending::PendingReplies;
use crate::access::Credentials;
use crate::coordinator::ready::Queued;
use crate::group::LinkId;
use crate::limits::{LINGER_BYTES_MAX, LIST_PIECE_BYTES};
use crate::net::{Connection, Key, Stream, TimerId};
use crate::protocol::{LastRequest, ReplyEncoder};
use crate::time::UnixMillis;

/// A command socket.
#[derive(Debug)]
pub(super) struct ClientSocket<S> {
    pub(super) connection: Connection<S>,
    /// Queue in which the socket waits to be served.
    pub(super) queued: Queued,
    pub(super) client: Client,
    /// `None` before the first request, and while requests are served.
    pub(super) last_request: Option<Box<LastRequest>>,
    pub(super) encoder: ReplyEncoder,
    /// Unfinished handshake. No request is read and nothing is written before its end.
    pub(super) handshake: Option<Box<ClientHandshake>>,
    /// Credentials after a handshake. `None` without TLS.
    pub(super) credentials: Option<Rc<Credentials>>,
}

/// State of a client.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) addresses: Addresses,
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
    pub(super) line_deadline: LineDeadline,
    /// True if the client is in the queue of clients with replies to be written.
    pub(super) is_unflushed: bool,
    /// Replies that wait for the journal.
    pub(super) pending_replies: PendingReplies,
    /// Part of a long list that is not in the output yet.
    pub(super) list: Bytes,
    pub(super) charged: Charged,
}

/// Both addresses of a command socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::coordinator) struct Addresses {
    /// Address of the client.
    pub(in crate::coordinator) peer: IpAddr,
    /// Port of the client.
    pub(in crate::coordinator) peer_port: u16,
    /// Our address.
    pub(in crate::coordinator) local: IpAddr,
}

/// Deadline of an unfinished line.
#[derive(Debug, Default)]
pub(super) struct LineDeadline {
    /// Timer that runs while a line is unfinished.
    pub(super) timer: Option<TimerId>,
    /// True if the timer has expired. If the next read does not end the line, it is refused.
    pub(super) is_overdue: bool,
}

/// Bytes that the budget counts for a client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Charged {
    pub(super) kept_bytes: usize,
    /// Input bytes among `kept_bytes`.
    pub(super) input_bytes: usize,
}

/// Phase of a command socket.
///
/// ```text
///   serving ◄──► waiting         one request at a time
///      │            └──► upgrading    OK to `here`: when it is written, the socket leaves
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
    /// The `OK` to a request with `here` is due. When all replies are written, the socket becomes a
    /// message socket.
    Upgrading(Upgrade),
    /// All requests have their replies, and no more requests will come.
    Ended,
    /// The client was refused and gets no more replies. The same holds if its message socket ended
    /// before its `OK` was written.
    Refused(Refused),
}

/// State of a command socket that becomes a message socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Upgrade {
    /// Link of the message socket.
    pub(super) link: LinkId,
    /// Output bytes when the timer was set, with no reply waiting for a commit; else the highest
    /// number. The timer is set again while the output is less.
    unsent_bytes: usize,
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

impl Client {
    pub(super) fn new(addresses: Addresses) -> Self {
        Self {
            addresses,
            phase: ClientPhase::Serving,
            silent: None,
            has_failed: false,
            write_closed: false,
            has_list: false,
            is_throttled: false,
            line_deadline: LineDeadline::default(),
            is_unflushed: false,
            pending_replies: PendingReplies::default(),
            list: Bytes::new(),
            charged: Charged::default(),
        }
    }

    pub(super) fn is_refused(&self) -> bool {
        matches!(self.phase, ClientPhase::Refused(_))
    }

    /// Continues with the next request, if the request before it waited for its reply. Then returns
    /// true.
    pub(super) fn has_waited(&mut self) -> bool {
        let has_waited = self.phase == ClientPhase::Waiting && self.list.is_empty();
        if has_waited {
            self.phase = ClientPhase::Serving;
        }
        has_waited
    }
}

impl<S: Stream> ClientSocket<S> {
    pub(super) fn new(connection: Connection<S>, client: Client) -> Self {
        let encoder = ReplyEncoder::default();
        Self {
            connection,
            queued: Queued::No,
            client,
            last_request: None,
            encoder,
            handshake: None,
            credentials: None,
        }
    }

    /// Returns the time at which the certificate of the client no longer counts.
    pub(super) fn certified_until(&self) -> Option<UnixMillis> {
        self.credentials.as_ref()?.certified_until()
    }

    /// Returns the bytes of replies that are not handed to the operating system.
    pub(super) fn unsent_bytes(&self) -> usize {
        self.connection.output.len() + self.client.pending_replies.bytes() + self.client.list.len()
    }

    /// Returns true if a request is read now, with a limit of unsent bytes.
    pub(super) fn may_be_served(&self, unread_bytes_max: usize) -> bool {
        self.client.phase == ClientPhase::Serving
            && self.unsent_bytes() < unread_bytes_max
            && !self.client.has_list
    }

    /// Returns true if the client will send no more bytes.
    pub(super) fn has_ended(&self) -> bool {
        self.client.has_failed || self.connection.is_input_ended()
    }

    /// Returns the bytes that the budget counts.
    pub(super) fn charge(&self) -> Charged {
        let input_bytes = self.connection.input.len();
        let kept_bytes = input_bytes + self.unsent_bytes() + self.connection.stream().held_bytes();
        Charged { kept_bytes, input_bytes }
    }

    /// Moves a piece of the list to the output. All earlier replies are in the output before it.
    pub(super) fn unroll_list(&mut self) {
        let (output, client) = (&mut self.connection.output, &mut self.client);
        if client.pending_replies.bytes() == 0 && output.len() < LIST_PIECE_BYTES {
            let bytes = client.list.len().min(LIST_PIECE_BYTES);
            output.extend_from_slice(&client.list.split_to(bytes));
        }
    }

    /// Begins the end of a command socket that gets no more replies.
    pub(super) fn refuse(&mut self, over_limit: bool) {
        self.connection.input.clear();
        self.client.phase = ClientPhase::Refused(Refused {
            discard_bytes: LINGER_BYTES_MAX,
            unsent_bytes: self.unsent_bytes(),
            is_shut_down: false,
            over_limit,
        });
    }

    /// Stops reading requests: the `OK` comes next. Returns false if the client takes no replies.
    pub(super) fn upgrade(&mut self, link: LinkId) -> bool {
        if !self.client.write_closed {
            self.client.phase = ClientPhase::Upgrading(Upgrade { link, unsent_bytes: usize::MAX });
        }
        !self.client.write_closed
    }

    /// Returns the link of the message socket that this socket becomes.
    pub(super) fn upgrade_link(&self) -> Option<LinkId> {
        match self.client.phase {
            ClientPhase::Upgrading(Upgrade { link, .. }) => Some(link),
            ClientPhase::Serving
            | ClientPhase::Waiting
            | ClientPhase::Ended
            | ClientPhase::Refused(_) => None,
        }
    }

    /// Returns true if a client that could take its `OK` took no byte since the last call.
    pub(super) fn is_upgrade_stalled(&mut self) -> bool {
        let waits = self.client.pending_replies.bytes() > 0;
        let due = if waits { usize::MAX } else { self.connection.output.len() };
        let ClientPhase::Upgrading(upgrade) = &mut self.client.phase else { return false };
        let before = mem::replace(&mut upgrade.unsent_bytes, due);
        !waits && due >= before
    }

    /// Drops all replies, because the client takes none.
    pub(super) fn close_write(&mut self) {
        self.client.write_closed = true;
        self.connection.output.clear();
    }

    /// Puts the socket into the queue of sockets to be flushed, if it is not there.
    pub(super) fn schedule_flush(&mut self, key: Key, unflushed: &mut VecDeque<Key>) {
        if !mem::replace(&mut self.client.is_unflushed, true) {
            unflushed.push_back(key);
        }
    }
}
