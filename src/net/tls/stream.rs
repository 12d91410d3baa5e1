//! A TLS connection over a socket: its handshake, and its peer.

mod traffic;

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::rc::Rc;

use super::context::{ClientSide, ServerSide, TlsContext};
use super::error::TlsError;
use super::session::TlsSession;
use super::verifiers::key_name;
use crate::limits::tls::TEXT_BYTES_MAX;
use crate::protocol::KeyName;

/// First byte of a record with a handshake message.
const HANDSHAKE: u8 = 0x16;
/// First byte of a record with an alert.
const ALERT: u8 = 0x15;

/// Socket below a [`TlsStream`].
pub trait Wire: Read + Write {
    /// Writes bytes which others follow at once, so that they need not leave before those.
    ///
    /// # Errors
    ///
    /// The error of the connection.
    fn write_more(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write(bytes)
    }

    /// Closes our side.
    ///
    /// # Errors
    ///
    /// The error of the connection.
    fn shutdown_write(&mut self) -> io::Result<()>;
}

/// A TLS connection. Reads and writes fail with `NotConnected` until [`TlsStream::handshake`] has
/// returned true.
///
/// Written text is sealed as records. Those of one write may wait for the socket, and their text
/// counts as written. A connection without traffic holds no buffer.
pub struct TlsStream<W> {
    wire: W,
    session: TlsSession,
    context: Rc<TlsContext>,
    phase: TlsPhase,
    /// Part of a record or of a handshake message, whose rest has not arrived.
    partial: Vec<u8>,
    /// Text that arrived and was not read.
    text: Backlog,
    /// Records that the socket has not taken.
    sealed: Backlog,
    /// Bytes of `sealed` that [`TlsContext::waiting_bytes`] counts.
    counted_bytes: usize,
    /// Most bytes of text in the next record.
    text_bytes_max: usize,
    peer: Option<KeyName>,
    ends: Ends,
}

#[derive(Debug)]
enum TlsPhase {
    /// True after the first byte of the peer.
    Handshake(bool),
    /// The peer has sent this number of bytes in records without text, since the last text.
    Open(usize),
    Failed(TlsError),
    /// Reads and writes go to the socket.
    PlainText,
}

/// Ends of the two directions.
#[derive(Debug, Default)]
struct Ends {
    /// The peer sent a `close_notify`.
    is_input_closed: bool,
    /// Our `close_notify` is sealed, or a write has failed.
    is_output_closed: bool,
    /// Our side of the socket is closed, or a write has failed.
    is_wire_closed: bool,
}

/// Bytes that wait, without memory if there are none.
#[derive(Default)]
struct Backlog {
    bytes: Vec<u8>,
    start: usize,
}

impl Backlog {
    fn waiting(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn advance(&mut self, count: usize) {
        self.start = self.start.saturating_add(count);
        if self.start >= self.bytes.len() {
            *self = Self::default();
        }
    }
}

impl<W> Drop for TlsStream<W> {
    fn drop(&mut self) {
        self.sealed = Backlog::default();
        self.count_waiting();
    }
}

impl<W> TlsStream<W> {
    /// Counts the records that wait, after a change of their number.
    fn count_waiting(&mut self) {
        let (all, own) = (self.context.waiting_bytes.get(), self.sealed.waiting().len());
        self.context.waiting_bytes.set(all.saturating_sub(self.counted_bytes).saturating_add(own));
        self.counted_bytes = own;
    }
}

impl<W: Wire> TlsStream<W> {
    /// Wraps an accepted socket. The peer speaks first.
    ///
    /// # Errors
    ///
    /// An error of the cryptography, which no peer causes.
    pub fn server(wire: W, side: &ServerSide) -> Result<Self, TlsError> {
        Ok(Self::new(wire, TlsSession::server(side)?, &side.context))
    }

    /// Wraps a socket that is connected, or still to be connected.
    ///
    /// # Errors
    ///
    /// An error of the cryptography, which no peer causes.
    pub fn client(wire: W, side: &ClientSide) -> Result<Self, TlsError> {
        let mut stream = Self::new(wire, TlsSession::client(side)?, &side.context);
        stream.session.encode_due(&mut stream.sealed.bytes)?;
        Ok(stream)
    }

    fn new(wire: W, session: TlsSession, context: &Rc<TlsContext>) -> Self {
        Self {
            wire,
            session,
            context: Rc::clone(context),
            phase: TlsPhase::Handshake(false),
            partial: Vec::new(),
            text: Backlog::default(),
            sealed: Backlog::default(),
            counted_bytes: 0,
            text_bytes_max: TEXT_BYTES_MAX,
            peer: None,
            ends: Ends::default(),
        }
    }

    /// Returns the socket.
    pub fn wire(&self) -> &W {
        &self.wire
    }

    /// Returns the socket, for its registration.
    pub fn wire_mut(&mut self) -> &mut W {
        &mut self.wire
    }

    /// Returns the name of the key that the peer has shown and proved to hold. Returns `None`
    /// before the end of the handshake, and for a client without a certificate.
    #[must_use]
    pub fn peer_key(&self) -> Option<KeyName> {
        self.peer
    }

    /// Returns the certificates that the peer has shown in DER, its own one first.
    pub fn peer_certificates(&self) -> impl Iterator<Item = &[u8]> {
        self.session.peer_chain().iter().map(|certificate| &**certificate)
    }

    /// Makes reads and writes go to the socket without TLS, if the handshake of this server has
    /// failed with [`TlsError::PlainText`]. So the peer can read an answer. Returns true if so.
    pub fn answer_in_plain_text(&mut self) -> bool {
        let is_plain_text = matches!(self.phase, TlsPhase::Failed(TlsError::PlainText));
        if is_plain_text && self.session.is_server() {
            self.phase = TlsPhase::PlainText;
            self.ends = Ends::default();
        }
        matches!(self.phase, TlsPhase::PlainText)
    }

    /// Returns the bytes of records and text that wait here.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        let waiting = self.text.waiting().len().saturating_add(self.sealed.waiting().len());
        self.partial.len().saturating_add(waiting)
    }

    /// Returns true while the rest of a record is missing.
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        !self.partial.is_empty()
    }

    /// Returns true before the end of the handshake.
    #[must_use]
    pub fn is_handshaking(&self) -> bool {
        matches!(self.phase, TlsPhase::Handshake(_))
    }

    /// Continues the handshake with all bytes that have arrived. Returns true when it is done, and
    /// false when an event of the socket must come first. Text may have arrived behind the
    /// handshake, so a read is due after true.
    ///
    /// # Errors
    ///
    /// The error of the socket, or the [`TlsError`] with which the handshake has failed.
    pub fn handshake(&mut self) -> io::Result<bool> {
        loop {
            match &self.phase {
                TlsPhase::Open(_) => return Ok(true),
                TlsPhase::PlainText => return Err(TlsError::PlainText.into()),
                TlsPhase::Failed(error) => return Err(error.clone().into()),
                TlsPhase::Handshake(_) => {}
            }
            match self.advance_handshake() {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends what is due, and ends the handshake or receives the next bytes.
    fn advance_handshake(&mut self) -> io::Result<()> {
        self.flush_sealed()?;
        if !self.session.is_handshaking() {
            let own = self.session.peer_chain().first();
            self.peer = own.map(key_name).transpose().map_err(TlsError::from)?;
            self.phase = TlsPhase::Open(0);
            return Ok(());
        }
        let context = Rc::clone(&self.context);
        let memory = &mut *context.scratch.borrow_mut().first;
        let Some(filled) = self.receive(memory)? else {
            return Err(self.fail(TlsError::ClosedInHandshake));
        };
        if !self.begins_tls(memory.first().copied()) {
            return Err(self.fail(TlsError::PlainText));
        }
        self.take_records(memory, filled, &mut []).map(drop)
    }

    /// Checks the first byte of all. Servers may begin with an alert.
    fn begins_tls(&mut self, first: Option<u8>) -> bool {
        if matches!(self.phase, TlsPhase::Handshake(true)) {
            return true;
        }
        self.phase = TlsPhase::Handshake(true);
        first == Some(HANDSHAKE) || first == Some(ALERT) && !self.session.is_server()
    }
}

/// Sizes that tests look at.
#[cfg(test)]
impl<W> TlsStream<W> {
    pub(super) fn partial_bytes(&self) -> usize {
        self.partial.len()
    }

    pub(super) fn text_bytes(&self) -> usize {
        self.text.waiting().len()
    }

    pub(super) fn sealed_bytes(&self) -> usize {
        self.sealed.waiting().len()
    }

    /// Returns the bytes of memory of all buffers.
    pub(super) fn kept_capacity(&self) -> usize {
        self.partial.capacity() + self.text.bytes.capacity() + self.sealed.bytes.capacity()
    }

    pub(super) fn suite(&self) -> Option<rustls::CipherSuite> {
        self.session.suite()
    }
}

impl<W: fmt::Debug> fmt::Debug for TlsStream<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { wire, phase, ends, peer, .. } = self;
        let mut text = f.debug_struct("TlsStream");
        text.field("wire", wire).field("phase", phase).field("ends", ends).field("peer", peer);
        text.finish_non_exhaustive()
    }
}
