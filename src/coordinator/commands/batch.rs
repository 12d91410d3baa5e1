//! The requests of one command socket in one turn.

use std::mem;
use std::rc::Rc;

use super::client::{Addresses, ClientSocket};
use super::replies::conn_of;
use crate::access::Credentials;
use crate::coordinator::ready::Share;
use crate::group::{ConnId, Origin};
use crate::limits::CLIENT_BYTES_SHARE;
use crate::net::{Fill, Key, Scratch, Stream};
use crate::protocol::{LastRequest, LineBuffer, Request};

/// Requests of one command socket in one turn.
#[derive(Debug)]
pub(in crate::coordinator) struct RequestBatch {
    pub(super) key: Key,
    pub(super) left: Share,
    pub(super) input: LineBuffer,
    pub(super) last_request: Box<LastRequest>,
    /// True if no whole line is in `input`.
    pub(super) needs_bytes: bool,
    /// True if the bytes before the end of the stream come next.
    pub(super) is_last: bool,
    share: Share,
    may_be_more: bool,
}

/// Limits of a request line.
#[derive(Clone, Copy, Debug)]
pub(super) struct LineLimits {
    pub(super) bytes_max: usize,
    pub(super) timeout_ms: u64,
}

/// Origin of all requests of a batch, with credentials of its own.
#[derive(Debug)]
pub(in crate::coordinator) struct OwnedOrigin {
    conn: ConnId,
    addresses: Addresses,
    credentials: Option<Rc<Credentials>>,
}

/// Next line of a batch.
#[derive(Debug)]
pub(in crate::coordinator) enum Next<'a> {
    Request(Request<'a>),
    /// The line was answered with an error.
    Answered,
    /// No whole line is there.
    Nothing,
}

impl OwnedOrigin {
    pub(super) fn new<S>(key: Key, socket: &ClientSocket<S>) -> Self {
        let (addresses, credentials) = (socket.client.addresses, socket.credentials.clone());
        Self { conn: conn_of(key), addresses, credentials }
    }

    /// Returns the origin of the requests.
    pub(in crate::coordinator) fn origin(&self) -> Origin<'_> {
        let Addresses { peer, peer_port, local } = self.addresses;
        let credentials = self.credentials.as_deref().unwrap_or(Origin::PLAIN);
        Origin { conn: self.conn, peer, peer_port, local, credentials }
    }
}

impl RequestBatch {
    pub(super) fn new<S>(key: Key, share: Share, socket: &mut ClientSocket<S>) -> Self {
        Self {
            key,
            left: share,
            input: mem::take(&mut socket.connection.input),
            last_request: socket.last_request.take().unwrap_or_default(),
            needs_bytes: false,
            is_last: false,
            share,
            may_be_more: true,
        }
    }

    /// Returns true if more may be there than the share allows.
    pub(super) fn is_share_used(&self) -> bool {
        (self.left.requests == 0 && !self.input.is_empty()) || self.may_be_more
    }

    /// Returns the key of the socket.
    #[cfg(feature = "engine")]
    pub(super) fn key(&self) -> Key {
        self.key
    }

    /// Returns the next line, and leaves it there.
    #[cfg(feature = "engine")]
    pub(super) fn peek_line(&mut self) -> Option<&[u8]> {
        self.input.peek_line()
    }

    /// Returns the used part of the share.
    pub(super) fn used(&self) -> Share {
        let requests = self.share.requests - self.left.requests;
        Share { requests, bytes: self.share.bytes - self.left.bytes }
    }

    /// Reads a piece. Returns false if there is nothing to be read, or the share is used up.
    ///
    /// A piece is short, so that few bytes are buffered of requests that are not executed in this
    /// turn. Only a long line is read in larger pieces.
    pub(super) fn read<S: Stream>(
        &mut self,
        socket: &mut ClientSocket<S>,
        read_bytes: usize,
        scratch: &mut Scratch,
    ) -> bool {
        if !self.may_be_more || self.left.bytes == 0 {
            return false;
        }
        let piece_bytes =
            self.input.len().clamp(CLIENT_BYTES_SHARE, read_bytes).min(self.left.bytes);
        socket.connection.input = mem::take(&mut self.input);
        let filled = socket.connection.fill(scratch, piece_bytes);
        self.input = mem::take(&mut socket.connection.input);
        self.needs_bytes = false;
        self.may_be_more = match filled {
            Ok(filled) => {
                self.left.bytes = self.left.bytes.saturating_sub(filled.bytes());
                matches!(filled, Fill::Yielded(_))
            }
            Err(error) => {
                log::debug!("{}: {error}", socket.client.addresses.peer);
                socket.client.has_failed = true;
                socket.client.write_closed = true;
                false
            }
        };
        true
    }
}
