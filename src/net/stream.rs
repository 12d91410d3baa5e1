//! A byte stream below a [`Connection`](super::Connection): a
//! [`Transport`](super::Transport), or what a simulation has instead.

use std::io::{self, Read, Write};
use std::net::SocketAddr;

use mio::event::Event;

use super::UnackedBytes;
use crate::limits::Keepalive;

/// A non-blocking byte stream. Reads and writes return `WouldBlock` instead of waiting.
///
/// A stream may hold bytes that `write` has taken, for example to encrypt them. `flush` passes them
/// to the operating system.
pub trait Stream: Read + Write {
    /// Continues a connection that was started, with the handshake of the transport. Returns true
    /// if the connection is established, and false if it is still in progress.
    ///
    /// # Errors
    ///
    /// The reason why the connection failed.
    fn connected(&mut self) -> io::Result<bool>;

    /// Returns true while a handshake of the transport is unfinished. Each of its steps may cost
    /// as much as a hundred requests.
    fn is_handshaking(&self) -> bool {
        false
    }

    /// Returns true if the stream holds written bytes, so that a `flush` is due.
    fn wants_write(&self) -> bool;

    /// Returns the bytes that the stream holds of both directions.
    fn held_bytes(&self) -> usize {
        0
    }

    /// Returns true if the stream holds a part of a record that the peer must finish.
    fn is_unfinished(&self) -> bool {
        false
    }

    /// Returns true if a read that did not fill its buffer has emptied the stream. Then an event
    /// reports the next bytes. The exceptions are [`Readiness::is_special`].
    fn short_read_drains(&self) -> bool;

    /// Closes our side. The peer learns that all bytes have arrived.
    ///
    /// # Errors
    ///
    /// The error of the connection.
    fn shutdown_write(&mut self) -> io::Result<()>;

    /// Tells the peer before a close that all bytes were sent, if the transport has more to say
    /// than the close itself. If the socket has no room, the peer does not learn it.
    fn notify_close(&mut self) {}

    /// Returns our address on this connection.
    ///
    /// # Errors
    ///
    /// The error of the operating system.
    fn local_addr(&self) -> io::Result<SocketAddr>;

    /// Turns the probes of a silent peer on, or off for `None`.
    ///
    /// # Errors
    ///
    /// The error of the socket's options.
    fn keep_alive(&self, keepalive: Option<Keepalive>) -> io::Result<()>;

    /// Returns the state of the written bytes.
    ///
    /// # Errors
    ///
    /// The error of the operating system.
    fn unacked(&self) -> io::Result<UnackedBytes>;
}

/// Readiness that an event reports.
#[derive(Clone, Copy, Debug, Default)]
pub struct Readiness {
    /// Bytes can be read.
    pub is_readable: bool,
    /// An end, an error or urgent data is there. A short read does not prove an empty stream then.
    pub is_special: bool,
    /// A write may succeed, or returns an error.
    pub is_writable: bool,
}

impl From<&Event> for Readiness {
    fn from(event: &Event) -> Self {
        Self {
            is_readable: event.is_readable(),
            is_special: event.is_read_closed() || event.is_error() || event.is_priority(),
            is_writable: event.is_writable() || event.is_write_closed() || event.is_error(),
        }
    }
}
