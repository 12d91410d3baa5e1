//! The receiving end: every text, each once, in order.

use std::io::{ErrorKind, Read, Write};

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use crate::failure::{Failure, Result};
use crate::texts::Checker;

/// A non-blocking receiver.
#[derive(Debug)]
pub struct Receiver {
    stream: TcpStream,
    checker: Checker,
    acks: bool,
    acked: u64,
    bytes: u64,
}

impl Receiver {
    /// Goes on with a socket that was set up. With `acks` the text numbered n is taken to be
    /// message n + 1, as it is in an epoch that has seen no other.
    ///
    /// # Errors
    ///
    /// Those of the socket and the poll.
    pub fn new(
        stream: std::net::TcpStream,
        checker: Checker,
        acks: bool,
        registry: &Registry,
        token: Token,
    ) -> Result<Self> {
        let registered = stream.set_nonblocking(true).and_then(|()| {
            let mut stream = TcpStream::from_std(stream);
            registry.register(&mut stream, token, Interest::READABLE)?;
            Ok(stream)
        });
        let stream = registered.map_err(Failure::system("cannot watch a message socket"))?;
        Ok(Self { stream, checker, acks, acked: 0, bytes: 0 })
    }

    /// The number that is expected next.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.checker.next()
    }

    /// Bytes that came, whatever stood in them.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reads all that is there, and acknowledges it if it is to.
    ///
    /// # Errors
    ///
    /// Another text than expected, and those of the socket.
    pub fn read(&mut self, scratch: &mut [u8]) -> Result<()> {
        loop {
            match self.stream.read(scratch) {
                Ok(0) => return Err(Failure::Wrong("a receiver was closed".to_owned())),
                Ok(read) => {
                    self.bytes += read as u64;
                    let bytes = scratch.get(..read).unwrap_or_default();
                    self.checker.take(bytes).map_err(Failure::Wrong)?;
                    if read < scratch.len() {
                        break; // That was all; more brings an event of its own.
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(Failure::System("no deliveries".to_owned(), error)),
            }
        }
        self.acknowledge()
    }

    fn acknowledge(&mut self) -> Result<()> {
        let next = self.checker.next();
        if !self.acks || next == self.acked {
            return Ok(());
        }
        self.acked = next;
        let line = format!("ack {next}\n");
        match self.stream.write(line.as_bytes()) {
            Ok(written) if written == line.len() => Ok(()),
            Ok(_) => Err(Failure::Wrong("the coordinator takes no acknowledgements".to_owned())),
            Err(error) => Err(Failure::System("cannot acknowledge".to_owned(), error)),
        }
    }
}
