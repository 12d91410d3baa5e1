//! One TCP connection with what was read and not used, and what is still to be written.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Interest, Registry};
use rustix::net::sockopt;

use super::{Key, UnackedBytes, socket, unacked};
use crate::limits::Keepalive;
use crate::protocol::LineBuffer;

/// A non-blocking stream, registered once for both directions and never again.
///
/// An edge sets a flag, and `WouldBlock` takes it back. On Linux a short read does so too, as
/// epoll(7) promises that it has emptied a stream, and saves a call for each acknowledgement; but
/// not where an event has told of an end, of an error or of urgent data, before which a read stops.
/// What comes after that event brings one of its own. An idle connection owns no memory besides
/// itself.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    /// What was read and not used yet.
    pub input: LineBuffer,
    /// What [`Connection::flush`] writes.
    pub output: BytesMut,
    /// Bytes written, whose memory may still be held before the output.
    written: usize,
    /// An error that came right behind bytes: they are used first, then it is reported.
    failure: Option<io::Error>,
    readable: bool,
    /// Whether there may be something behind a short read.
    ignores_short_read: bool,
    writable: bool,
    input_ended: bool,
    /// Bytes were written of which no check has seen that the peer's machine took them.
    has_written: bool,
}

#[cfg(any(target_os = "linux", target_os = "android"))]
const INTEREST: Interest = Interest::READABLE.add(Interest::WRITABLE).add(Interest::PRIORITY);
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const INTEREST: Interest = Interest::READABLE.add(Interest::WRITABLE);
const SHORT_READ_EMPTIES: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// Where [`Connection::fill`] stopped, and how many bytes it brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// Nothing more is there; an edge will tell when there is.
    Drained(usize),
    /// There may be more, and no edge will tell: come back next turn.
    Yielded(usize),
    /// The peer ended its side; everything it sent is in the input.
    Eof(usize),
}

impl Fill {
    /// How many bytes it brought.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::Drained(bytes) | Self::Yielded(bytes) | Self::Eof(bytes) => bytes,
        }
    }
}

/// Where [`Connection::flush`] stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// All is written.
    Empty,
    /// The socket takes no more; an edge will tell when it does.
    Blocked,
    /// There is more to write, and no edge will tell: come back next turn.
    Yielded,
}

impl Connection {
    /// A connection that stands, as accepted.
    #[must_use]
    pub fn new(stream: TcpStream) -> Self {
        Self { writable: true, ..Self::unready(stream) }
    }

    /// Begins a connection. When it becomes writable, [`Connection::connected`] says what came
    /// of it.
    ///
    /// # Errors
    ///
    /// Those that the operating system knows at once, such as no route or no file left.
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        TcpStream::connect(address).map(Self::unready)
    }

    /// As [`Connection::connect`], from our address `from`, where that is of the same family: the
    /// peer may let in nobody else, and of several addresses the system might choose another.
    ///
    /// # Errors
    ///
    /// Those that the operating system knows at once.
    pub fn connect_from(from: IpAddr, address: SocketAddr) -> io::Result<Self> {
        let is_loopback =
            [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)].contains(&from);
        // A machine connects to itself from the address that it connects to.
        if is_loopback || from.is_ipv4() != address.is_ipv4() {
            return Self::connect(address);
        }
        socket::connect_from(from, address).map(Self::unready)
    }

    fn unready(stream: TcpStream) -> Self {
        // Where it fails the peer is gone already, which the first read will say.
        let _ = stream.set_nodelay(true);
        Self {
            stream,
            input: LineBuffer::default(),
            output: BytesMut::new(),
            written: 0,
            failure: None,
            readable: false,
            ignores_short_read: false,
            writable: false,
            input_ended: false,
            has_written: false,
        }
    }

    /// Whether a connection begun with [`Connection::connect`] stands; `false`: not yet.
    ///
    /// # Errors
    ///
    /// Why it could not be made. TCP lets a socket connect to itself on a free port of the range
    /// that the system draws from; that is an error as well.
    pub fn connected(&self) -> io::Result<bool> {
        if let Some(error) = self.stream.take_error()? {
            return Err(error);
        }
        match self.stream.peer_addr() {
            Ok(peer) if peer == self.stream.local_addr()? => {
                Err(io::Error::other("connected to itself"))
            }
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Has the edges of both directions reported under `key`. Dropping the connection ends that.
    ///
    /// # Errors
    ///
    /// Those of the poll.
    pub fn register(&mut self, registry: &Registry, key: Key) -> io::Result<()> {
        registry.register(&mut self.stream, key.into(), INTEREST)
    }

    /// Writes down what an event says.
    ///
    /// An end or an error is nothing to act on yet: bytes may stand before it. It makes the
    /// connection readable and writable, and the read or the write finds it in its place.
    pub fn on_event(&mut self, event: &Event) {
        let is_special = event.is_read_closed() || event.is_error() || event.is_priority();
        self.readable |= event.is_readable() || is_special;
        self.ignores_short_read |= is_special;
        self.writable |= event.is_writable() || event.is_write_closed() || event.is_error();
    }

    /// Has the next [`Connection::fill`] read though no event has come: one may be late.
    pub fn assume_readable(&mut self) {
        self.readable = true;
        self.ignores_short_read = true;
    }

    /// As [`Connection::assume_readable`], for the next write.
    pub fn assume_writable(&mut self) {
        self.writable = true;
    }

    /// Whether a read may bring something.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.readable && !self.input_ended
    }

    /// Whether a write may be taken.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.writable
    }

    /// Whether the peer has ended its side.
    #[must_use]
    pub fn is_input_ended(&self) -> bool {
        self.input_ended
    }

    /// Reads into the input, through `scratch`, until nothing is there or about `bytes_max` are.
    ///
    /// # Errors
    ///
    /// The connection's own, once all bytes before it were handed out by earlier calls.
    pub fn fill(&mut self, scratch: &mut [u8], bytes_max: usize) -> io::Result<Fill> {
        let mut bytes = 0;
        if self.input_ended {
            return Ok(Fill::Eof(bytes));
        }
        if let Some(error) = self.failure.take() {
            return Err(error);
        }
        while self.readable {
            let room = scratch.len().min(bytes_max.saturating_sub(bytes));
            let Some(piece) = scratch.get_mut(..room).filter(|piece| !piece.is_empty()) else {
                return Ok(Fill::Yielded(bytes));
            };
            match self.stream.read(piece) {
                Ok(0) => {
                    self.input_ended = true;
                    return Ok(Fill::Eof(bytes));
                }
                Ok(read) => {
                    self.input.extend(piece.get(..read).unwrap_or_default());
                    bytes = bytes.saturating_add(read);
                    self.readable = read == room || self.ignores_short_read || !SHORT_READ_EMPTIES;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.readable = false;
                    self.ignores_short_read = false;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if bytes == 0 => return Err(error),
                Err(error) => {
                    self.failure = Some(error);
                    return Ok(Fill::Yielded(bytes));
                }
            }
        }
        Ok(Fill::Drained(bytes))
    }

    /// Writes the output until all is written, the socket takes no more, or `bytes_max` are.
    ///
    /// The memory of what is written goes back, once it is more than what is left: so nothing is
    /// copied more often than it is written.
    ///
    /// # Errors
    ///
    /// The connection's own.
    pub fn flush(&mut self, bytes_max: usize) -> io::Result<Flush> {
        let flushed = self.write_output(bytes_max)?;
        if self.output.is_empty() {
            self.output = BytesMut::new();
            self.written = 0;
        } else if self.written > self.output.len() {
            self.output = BytesMut::from(&self.output[..]);
            self.written = 0;
        }
        Ok(flushed)
    }

    fn write_output(&mut self, bytes_max: usize) -> io::Result<Flush> {
        let mut left = bytes_max;
        while !self.output.is_empty() {
            if !self.writable {
                return Ok(Flush::Blocked);
            }
            let piece = self.output.get(..left).unwrap_or(&self.output);
            if piece.is_empty() {
                return Ok(Flush::Yielded);
            }
            match self.stream.write(piece) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => {
                    self.has_written = true;
                    self.output.advance(written);
                    self.written = self.written.saturating_add(written);
                    left = left.saturating_sub(written);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.writable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Flush::Empty)
    }

    /// Writes `slices`, which hold at least one byte, past the output; answers how many bytes were
    /// taken, and 0 when the socket takes no more.
    ///
    /// # Errors
    ///
    /// The connection's own.
    pub fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        while self.writable {
            let result = match slices {
                [slice] => self.stream.write(slice), // `send` is a little cheaper than `writev`.
                _ => self.stream.write_vectored(slices),
            };
            match result {
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.writable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => {
                    self.has_written = true;
                    return result;
                }
            }
        }
        Ok(0)
    }

    /// Ends our side; what the peer still sends can be read.
    ///
    /// # Errors
    ///
    /// The connection's own.
    pub fn shutdown_write(&self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }

    /// Has the operating system find out when the peer's machine has gone without a word.
    ///
    /// # Errors
    ///
    /// Those of the socket's options.
    pub fn keep_alive(&self, keepalive: Keepalive) -> io::Result<()> {
        let Keepalive { idle_s, interval_s, probes } = keepalive;
        sockopt::set_tcp_keepidle(&self.stream, Duration::from_secs(idle_s))?;
        sockopt::set_tcp_keepintvl(&self.stream, Duration::from_secs(interval_s))?;
        sockopt::set_tcp_keepcnt(&self.stream, probes)?;
        sockopt::set_socket_keepalive(&self.stream, true)?;
        Ok(())
    }

    /// Has the operating system end the connection when the peer's machine takes nothing of what
    /// was written for `timeout_ms`, also where that machine is there and its program does not
    /// read. Where the system has no such option, it keeps its own time.
    ///
    /// # Errors
    ///
    /// Those of the socket's option.
    pub fn give_up_after(&self, timeout_ms: u32) -> io::Result<()> {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        sockopt::set_tcp_user_timeout(&self.stream, timeout_ms)?;
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        let _ = timeout_ms;
        Ok(())
    }

    /// Returns true if [`Connection::check_peer`] may find unacknowledged bytes.
    #[must_use]
    pub fn has_written(&self) -> bool {
        self.has_written
    }

    /// Returns the state of the written bytes: acknowledged or not by the peer's machine.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn check_peer(&mut self) -> io::Result<UnackedBytes> {
        let outstanding = unacked::outstanding(&self.stream)?;
        self.has_written =
            matches!(outstanding, UnackedBytes::Pending | UnackedBytes::Unanswered { .. });
        Ok(outstanding)
    }

    /// The other end.
    ///
    /// # Errors
    ///
    /// `NotConnected` before and after the connection.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }

    /// This end.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.stream.local_addr()
    }

    /// The error that the operating system holds for this socket, which forgets it.
    ///
    /// # Errors
    ///
    /// Those of asking.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.stream.take_error()
    }
}

#[cfg(test)]
mod tests;
