//! A TCP connection that carries lines, with the limit of bytes that one turn reads from it.

use std::fmt::Write as _;
use std::io;

use mio::Registry;

use super::event_loop::EventLoop;
use super::security::{PeerSecurity, UntrustedPeer};
use crate::limits::{READ_BYTES, TURN_BYTES_MAX};
use crate::net::{Connection, Fill, Flush, Key, Readiness};
use crate::protocol::Ack;

/// Reason of an end of stream.
const ENDED: &str = "closed by the coordinator";

/// A connection, and the bytes that were read from it in this turn.
#[derive(Debug)]
pub(super) struct LineSocket {
    connection: Connection,
    turn_bytes: usize,
}

/// The next step for a socket.
#[derive(Debug)]
pub(super) enum SocketStep<'a, N> {
    /// The session gets a line of this socket.
    Line(N, &'a [u8]),
    /// No complete line is in the buffer: read.
    Read,
    /// Nothing is left for this turn.
    Pause,
    /// The socket has ended for this reason. The caller closes it.
    End(String),
}

/// A socket that has ended, with the reason.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct EndedSocket<N> {
    pub(super) socket: N,
    pub(super) reason: String,
    /// Number of bytes that the operating system has not taken.
    pub(super) unsent: usize,
}

/// Sets the TCP timeouts of a connection, and registers it.
pub(super) fn watch(
    connection: &mut Connection,
    event_loop: &EventLoop,
    key: Key,
) -> io::Result<()> {
    let timeouts = event_loop.peer_timeouts();
    let watched = connection
        .keep_alive(timeouts.keepalive())
        .and_then(|()| connection.set_user_timeout(timeouts.user_ms));
    if let Err(error) = watched {
        log::warn!(
            "cannot set the TCP timeouts, so the loss of the coordinator's machine may be \
             noticed late: {error}"
        );
    }
    connection.register(event_loop.registry(), key)
}

impl LineSocket {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, turn_bytes: 0 }
    }

    /// Registers the connection under another key.
    pub(super) fn reregister(&mut self, registry: &Registry, key: Key) -> io::Result<()> {
        self.connection.reregister(registry, key)
    }

    pub(super) fn on_event(&mut self, event: impl Into<Readiness>) {
        self.connection.on_event(event);
    }

    /// Continues the handshake of an accepted connection. Returns true if it is done.
    pub(super) fn accept(&mut self, security: &PeerSecurity) -> Result<bool, UntrustedPeer> {
        security.accept(&mut self.connection)
    }

    /// Begins the reads of a turn.
    pub(super) fn begin_turn(&mut self) {
        self.turn_bytes = 0;
    }

    /// Returns the next line in the buffer; `None` if the buffer has no complete line.
    #[inline]
    pub(super) fn next_line(&mut self, bytes_max: usize) -> Result<Option<&[u8]>, String> {
        self.connection.input.next_line(bytes_max).map_err(|too_long| too_long.to_string())
    }

    /// Reads bytes. Returns false if the socket has no more bytes for this turn.
    pub(super) fn read(&mut self, event_loop: &mut EventLoop) -> Result<bool, String> {
        if self.turn_bytes >= TURN_BYTES_MAX {
            event_loop.come_back();
            return Ok(false);
        }
        let scratch = event_loop.scratch();
        let fill = self.connection.fill(scratch, READ_BYTES).map_err(|error| error.to_string())?;
        self.turn_bytes = self.turn_bytes.saturating_add(fill.bytes());
        match fill {
            Fill::Drained(0) => {
                scratch.settle(&mut self.connection.input);
                Ok(false)
            }
            Fill::Eof(0) => Err(ENDED.to_owned()),
            Fill::Drained(_) | Fill::Yielded(_) | Fill::Eof(_) => Ok(true),
        }
    }

    /// Adds a line, which has its line feed, to the output.
    pub(super) fn push(&mut self, line: &str) {
        self.connection.output.extend_from_slice(line.as_bytes());
    }

    /// Adds an acknowledgement to the output.
    pub(super) fn push_ack(&mut self, ack: Ack) {
        // Writing to a buffer cannot fail.
        let _ = writeln!(self.connection.output, "{ack}");
    }

    /// Writes the output. Returns false if the socket takes no more bytes now.
    pub(super) fn flush(&mut self) -> io::Result<bool> {
        loop {
            match self.connection.flush(usize::MAX)? {
                Flush::Empty => return Ok(true),
                Flush::Blocked => return Ok(false),
                Flush::Yielded => (),
            }
        }
    }

    /// Returns true if all output is written.
    pub(super) fn is_flushed(&self) -> bool {
        self.connection.output.is_empty()
    }

    /// Closes the connection.
    pub(super) fn close(mut self) {
        PeerSecurity::end(&mut self.connection);
    }

    /// Describes the end of this socket.
    pub(super) fn end<N>(&self, socket: N, reason: String) -> EndedSocket<N> {
        EndedSocket { socket, reason, unsent: self.connection.output.len() }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::{Ipv4Addr, TcpListener};

    use mio::{Events, Token};

    use super::*;
    use crate::participant::testing::event_loop;

    #[test]
    fn a_turn_reads_up_to_its_share_and_the_next_turn_begins_without_an_event() {
        let mut event_loop = event_loop();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut connection = Connection::connect(listener.local_addr().unwrap()).unwrap();
        watch(&mut connection, &event_loop, Key::from(Token(1))).unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        peer.write_all(b"one\n").unwrap();
        connection.assume_readable();
        let mut socket = LineSocket::new(connection);
        // The first turn of a loop never sleeps.
        event_loop.sleep(&mut Events::with_capacity(8)).unwrap();
        socket.turn_bytes = TURN_BYTES_MAX;
        assert_eq!(socket.read(&mut event_loop), Ok(false));
        assert_eq!(socket.next_line(100), Ok(None));
        assert!(event_loop.must_come_back(), "the next turn does not sleep");
        socket.begin_turn();
        assert_eq!(socket.read(&mut event_loop), Ok(true));
        assert_eq!(socket.next_line(100), Ok(Some(&b"one"[..])));
    }
}
