//! One connection with its read buffer and its write buffer.

mod outcome;
#[cfg(feature = "tls")]
mod tls;

use std::io::{self, ErrorKind, IoSlice};
use std::net::{IpAddr, SocketAddr};

use bytes::{Buf, BytesMut};
use mio::{Interest, Registry};

pub use self::outcome::{Fill, Flush};
use super::{Key, Readiness, Scratch, Stream, Transport, UnackedBytes};
use crate::limits::Keepalive;
use crate::protocol::LineBuffer;

/// A non-blocking stream. It is registered once for both directions.
///
/// An edge sets a flag, and `WouldBlock` clears the flag. A short read clears it, too, if it proves
/// that the stream is empty ([`Stream::short_read_drains`]). This saves one call for each
/// acknowledgement. The exception is a read after an event of an end, an error or urgent data: such
/// a read stops before that position. The buffers of an idle connection own no memory.
#[derive(Debug)]
pub struct Connection<S = Transport> {
    stream: S,
    /// Bytes that were read and not used yet.
    pub input: LineBuffer,
    /// Bytes that [`Connection::flush`] writes.
    pub output: BytesMut,
    /// Bytes written since `output` was last allocated. `output` may still own their memory.
    written: usize,
    /// Error of a read that followed bytes. The next `fill` returns it, after the bytes were used.
    failure: Option<io::Error>,
    readable: bool,
    /// True if a short read does not prove that the stream is empty.
    ignores_short_read: bool,
    writable: bool,
    input_ended: bool,
    /// True if no check has confirmed that the peer's machine received all written bytes.
    has_written: bool,
}

#[cfg(any(target_os = "linux", target_os = "android"))]
const INTEREST: Interest = Interest::READABLE.add(Interest::WRITABLE).add(Interest::PRIORITY);
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const INTEREST: Interest = Interest::READABLE.add(Interest::WRITABLE);

impl Connection {
    /// Starts a connection. Once it is writable, [`Connection::connected`] returns the outcome.
    ///
    /// # Errors
    ///
    /// An error that the operating system reports at once, such as no route or no free file.
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        Transport::connect(address).map(Self::over)
    }

    /// Starts a connection from our address `from`, if that address is of the same family. The peer
    /// may accept no other address of ours.
    ///
    /// # Errors
    ///
    /// An error that the operating system reports at once.
    pub fn connect_from(from: IpAddr, address: SocketAddr) -> io::Result<Self> {
        Transport::connect_from(from, address).map(Self::over)
    }

    /// Registers both directions with `registry` under `key`. Dropping the connection removes it.
    ///
    /// # Errors
    ///
    /// The error of the poll.
    pub fn register(&mut self, registry: &Registry, key: Key) -> io::Result<()> {
        registry.register(&mut self.stream, key.into(), INTEREST)
    }

    /// Registers both directions under another `key`. The poll reports the present readiness again.
    ///
    /// # Errors
    ///
    /// The error of the poll.
    pub fn reregister(&mut self, registry: &Registry, key: Key) -> io::Result<()> {
        registry.reregister(&mut self.stream, key.into(), INTEREST)
    }

    /// Sets `TCP_USER_TIMEOUT`: the system ends the connection if the peer's machine takes none of
    /// the written bytes for `timeout_ms`. This includes a peer whose program does not read. A
    /// system without this option uses its own timeout.
    ///
    /// # Errors
    ///
    /// The error of the socket's option.
    pub fn set_user_timeout(&self, timeout_ms: u32) -> io::Result<()> {
        self.stream.set_user_timeout(timeout_ms)
    }

    /// Returns the address of the peer.
    ///
    /// # Errors
    ///
    /// `NotConnected` before and after the connection.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }

    /// Returns the pending error of this socket, and clears it.
    ///
    /// # Errors
    ///
    /// The error of the query.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.stream.take_error()
    }
}

impl<S: Stream> Connection<S> {
    /// Wraps an accepted stream, which is writable.
    #[must_use]
    pub fn new(stream: S) -> Self {
        Self { writable: true, ..Self::over(stream) }
    }

    /// Wraps a stream that is not ready yet.
    #[must_use]
    pub fn over(stream: S) -> Self {
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

    /// Returns the stream.
    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// Continues a connection that was started. Returns true if it is established, and false if it
    /// is still in progress.
    ///
    /// # Errors
    ///
    /// The reason why the connection failed.
    pub fn connected(&mut self) -> io::Result<bool> {
        self.stream.connected()
    }

    /// Returns true while a handshake of the transport is unfinished.
    pub fn is_handshaking(&self) -> bool {
        self.stream.is_handshaking()
    }

    /// Returns our address on this connection.
    ///
    /// # Errors
    ///
    /// The error of the operating system.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.stream.local_addr()
    }

    /// Records an event.
    ///
    /// An end or an error is not handled here, because unread bytes may come before it. It makes
    /// the connection readable and writable, and the read or the write finds it in its position.
    pub fn on_event(&mut self, event: impl Into<Readiness>) {
        let Readiness { is_readable, is_special, is_writable } = event.into();
        self.readable |= is_readable || is_special;
        self.ignores_short_read |= is_special;
        self.writable |= is_writable;
    }

    /// Makes the next [`Connection::fill`] read without an event, because an event may be late.
    pub fn assume_readable(&mut self) {
        self.readable = true;
        self.ignores_short_read = true;
    }

    /// Makes the next write try without an event, because an event may be late.
    pub fn assume_writable(&mut self) {
        self.writable = true;
    }

    /// Returns true if a read may return bytes.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.readable && !self.input_ended
    }

    /// Returns true if a write may succeed.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.writable
    }

    /// Returns true if the peer has closed its side.
    #[must_use]
    pub fn is_input_ended(&self) -> bool {
        self.input_ended
    }

    /// Reads into the input, through `scratch`, until the stream is empty or about `bytes_max` are
    /// in.
    ///
    /// # Errors
    ///
    /// The error of the connection, after earlier calls returned all bytes before it.
    pub fn fill(&mut self, scratch: &mut Scratch, bytes_max: usize) -> io::Result<Fill> {
        let ((memory, spare), mut bytes) = (scratch.parts(), 0);
        if self.input_ended {
            return Ok(Fill::Eof(bytes));
        }
        if let Some(error) = self.failure.take() {
            return Err(error);
        }
        while self.readable {
            let room = memory.len().min(bytes_max.saturating_sub(bytes));
            let Some(piece) = memory.get_mut(..room).filter(|piece| !piece.is_empty()) else {
                return Ok(Fill::Yielded(bytes));
            };
            match self.stream.read(piece) {
                Ok(0) => {
                    self.input_ended = true;
                    return Ok(Fill::Eof(bytes));
                }
                Ok(read) => {
                    self.input.extend_with(piece.get(..read).unwrap_or_default(), spare);
                    bytes = bytes.saturating_add(read);
                    self.readable =
                        read == room || self.ignores_short_read || !self.stream.short_read_drains();
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

    /// Writes the output until it is empty, the socket is full, or `bytes_max` bytes are written.
    ///
    /// The output is reallocated when the written bytes outnumber the remaining bytes. So each byte
    /// is copied at most once more.
    ///
    /// # Errors
    ///
    /// The error of the connection.
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
        self.flush_stream()
    }

    /// Writes the bytes that the stream holds. Fails as [`Connection::flush`] does.
    #[inline]
    pub fn flush_stream(&mut self) -> io::Result<Flush> {
        while self.stream.wants_write() {
            if !self.writable {
                return Ok(Flush::Blocked);
            }
            match self.stream.flush() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.writable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                flushed => flushed?,
            }
        }
        Ok(Flush::Empty)
    }

    /// Returns true if the stream holds bytes that [`Connection::flush_stream`] writes.
    #[inline]
    #[must_use]
    pub fn wants_write(&self) -> bool {
        self.stream.wants_write()
    }

    /// Writes `slices`, which hold at least one byte, and not the output. Returns the number of
    /// bytes written, and 0 when the socket buffer is full.
    ///
    /// # Errors
    ///
    /// The error of the connection.
    #[inline]
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

    /// Closes our side. Bytes that the peer still sends can be read.
    ///
    /// # Errors
    ///
    /// The error of the connection.
    pub fn shutdown_write(&mut self) -> io::Result<()> {
        self.stream.shutdown_write()
    }

    /// Tells the peer before a close that all bytes were sent, as far as the socket has room.
    pub fn notify_close(&mut self) {
        self.stream.notify_close();
    }

    /// Turns keepalive on, or off for `None`. It detects that the peer's machine is gone while
    /// nothing is sent.
    ///
    /// # Errors
    ///
    /// The error of the socket's options.
    pub fn keep_alive(&self, keepalive: Option<Keepalive>) -> io::Result<()> {
        self.stream.keep_alive(keepalive)
    }

    /// Returns true if [`Connection::check_peer`] may find unacknowledged bytes.
    #[must_use]
    pub fn has_written(&self) -> bool {
        self.has_written
    }

    /// Asks the system whether the peer's machine has acknowledged the written bytes.
    ///
    /// # Errors
    ///
    /// The error of the operating system.
    pub fn check_peer(&mut self) -> io::Result<UnackedBytes> {
        let outstanding = self.stream.unacked()?;
        self.has_written =
            matches!(outstanding, UnackedBytes::Pending | UnackedBytes::Unanswered { .. });
        Ok(outstanding)
    }
}

#[cfg(test)]
mod tests;
