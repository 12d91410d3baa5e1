//! A non-blocking socket with a protocol on it: whole frames in, whole messages out.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use super::wire::{Frame, Wire};
use crate::command::DEADLINE;
use crate::cores::gone_when_closed;
use crate::failure::{Failure, Result};

/// Connects, blocking, for the handshake.
///
/// # Errors
///
/// Those of connecting.
pub fn connect(address: SocketAddr) -> Result<std::net::TcpStream> {
    let connected = std::net::TcpStream::connect(address).and_then(|stream| {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        Ok(stream)
    });
    connected.map_err(Failure::system(format!("cannot connect to {address}")))
}

/// One end of a connection.
#[derive(Debug)]
pub struct Link {
    stream: TcpStream,
    wire: Box<dyn Wire>,
    /// The beginning of a frame whose end has not come.
    part: Vec<u8>,
    output: Vec<u8>,
    written: usize,
    published: u64,
    replies: u64,
}

impl Link {
    /// Goes on with a socket that was set up.
    ///
    /// # Errors
    ///
    /// Those of the socket.
    pub fn new(stream: std::net::TcpStream, wire: Box<dyn Wire>) -> Result<Self> {
        let ready = stream.set_nonblocking(true).and_then(|()| gone_when_closed(&stream));
        ready.map_err(Failure::system("cannot go on with a socket"))?;
        let (stream, part, output) = (TcpStream::from_std(stream), Vec::new(), Vec::new());
        Ok(Self { stream, wire, part, output, written: 0, published: 0, replies: 0 })
    }

    /// Has events of the socket come under `token`.
    ///
    /// # Errors
    ///
    /// Those of the poll.
    pub fn watch(&mut self, registry: &Registry, token: Token) -> Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        let watched = registry.register(&mut self.stream, token, interest);
        watched.map_err(Failure::system("cannot watch a socket"))
    }

    /// Has a text go out with the next write.
    pub fn publish(&mut self, text: &[u8]) {
        self.wire.publish(text, &mut self.output);
        self.published += 1;
    }

    /// Whether all that was published was answered, where answers come.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        !self.wire.replies() || self.unanswered() == 0
    }

    /// How many messages were published and are not answered yet, where answers come.
    #[must_use]
    pub fn unanswered(&self) -> u64 {
        self.published.saturating_sub(self.replies)
    }

    /// How many messages were answered.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.replies
    }

    /// Writes what the socket takes.
    ///
    /// # Errors
    ///
    /// Those of the socket.
    pub fn write(&mut self) -> Result<()> {
        while let Some(piece) = self.output.get(self.written..).filter(|piece| !piece.is_empty()) {
            match self.stream.write(piece) {
                Ok(written) => self.written += written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(Failure::System("cannot write".to_owned(), error)),
            }
        }
        self.output.clear();
        self.written = 0;
        Ok(())
    }

    /// Reads what is there, and hands on each text; [`Link::answer`] comes when all were read.
    ///
    /// # Errors
    ///
    /// What does not belong to the protocol, what `taken` does not like, those of the socket.
    pub fn read(
        &mut self,
        scratch: &mut [u8],
        taken: &mut dyn FnMut(&[u8]) -> std::result::Result<(), String>,
    ) -> Result<()> {
        loop {
            let kept = self.part.len();
            let Some((head, free)) = scratch.split_at_mut_checked(kept) else {
                return Err(Failure::Wrong(format!("a frame of more than {kept} bytes")));
            };
            let (free_bytes, read) = (free.len(), self.stream.read(free));
            let read = match read {
                Ok(0) => return Err(Failure::Wrong("a connection was closed".to_owned())),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(Failure::System("cannot read".to_owned(), error)),
            };
            head.copy_from_slice(&self.part);
            let bytes = scratch.get(..kept + read).unwrap_or_default();
            let rest = self.take(bytes, taken).map_err(Failure::Wrong)?;
            self.part.clear();
            self.part.extend_from_slice(rest);
            if read < free_bytes {
                break; // That was all; more brings an event of its own.
            }
        }
        Ok(())
    }

    /// Writes what is owed for what was read, and what the socket did not take before.
    ///
    /// # Errors
    ///
    /// Those of the socket.
    pub fn answer(&mut self) -> Result<()> {
        self.wire.answer(&mut self.output);
        self.write()
    }

    fn take<'a>(
        &mut self,
        bytes: &'a [u8],
        taken: &mut dyn FnMut(&[u8]) -> std::result::Result<(), String>,
    ) -> std::result::Result<&'a [u8], String> {
        let mut rest = bytes;
        loop {
            let used = match self.wire.frame(rest)? {
                Frame::Part => return Ok(rest),
                Frame::Text(text, used) => {
                    taken(text)?;
                    used
                }
                Frame::Reply(used) => {
                    self.replies += 1;
                    if self.replies > self.published {
                        return Err(format!("{} replies to {}", self.replies, self.published));
                    }
                    used
                }
                Frame::Other(used) => used,
            };
            rest = rest.get(used..).unwrap_or_default();
        }
    }
}
