//! A coordinator that speaks TLS, on a thread of the test's own.

use std::io;
use std::net::SocketAddr;

use mio::{Events, Poll, Token};

use super::WAIT;
use crate::net::tls::{TlsContext, TlsIdentity, Trust, generate_key};
use crate::net::{Accept, Acceptor, Connection, Fill, Flush, Key, Scratch};
use crate::protocol::KeyName;
use crate::time::Millis;

/// A key, and its certificate, in PEM.
#[derive(Clone, Debug)]
pub(in crate::participant) struct TestKey {
    pub(in crate::participant) name: KeyName,
    pem: String,
}

impl TestKey {
    pub(in crate::participant) fn new() -> Self {
        let key = generate_key().unwrap();
        Self { name: key.name, pem: key.private_key + &key.certificate }
    }

    pub(in crate::participant) fn identity(&self) -> TlsIdentity {
        TlsIdentity::from_pem(self.pem.as_bytes()).unwrap()
    }
}

/// An established connection, or an error of its handshake.
pub(in crate::participant) struct TlsPeer {
    poll: Poll,
    connection: Connection,
    scratch: Scratch,
}

const CONNECTION: Token = Token(1);

impl TlsPeer {
    /// Connects to a listener, with this key.
    pub(in crate::participant) fn connect(to: SocketAddr, key: &TestKey) -> io::Result<Self> {
        let side = TlsContext::new().client(&key.identity(), Trust::AnyKey).unwrap();
        let connection = Connection::connect(to)?.tls_client(&side)?;
        Self::established(Poll::new()?, connection)
    }

    /// Accepts one connection, with this key.
    pub(in crate::participant) fn accept(
        mut acceptor: Acceptor,
        key: &TestKey,
    ) -> io::Result<Self> {
        let side = TlsContext::new().server(&key.identity()).unwrap();
        let mut poll = Poll::new()?;
        acceptor.register(poll.registry(), Token(0))?;
        let stream = loop {
            match acceptor.accept(Millis::ZERO) {
                Accept::Accepted(stream, _) => break stream,
                Accept::Drained | Accept::Yielded | Accept::Paused => {
                    poll.poll(&mut Events::with_capacity(8), Some(WAIT))?;
                    acceptor.on_event();
                }
                Accept::OutOfFiles(error) => return Err(error),
            }
        };
        Self::established(poll, Connection::new(stream).tls_server(&side)?)
    }

    fn established(poll: Poll, mut connection: Connection) -> io::Result<Self> {
        connection.register(poll.registry(), Key::from(CONNECTION))?;
        let mut peer = Self { poll, connection, scratch: Scratch::new(4096) };
        while !(peer.connection.is_writable() && peer.connection.connected()?) {
            peer.wait()?;
        }
        peer.connection.assume_readable();
        Ok(peer)
    }

    fn wait(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(8);
        self.poll.poll(&mut events, Some(WAIT))?;
        if events.is_empty() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        for event in events.iter().filter(|event| event.token() == CONNECTION) {
            self.connection.on_event(event);
        }
        Ok(())
    }

    /// Returns the key of the other side.
    pub(in crate::participant) fn peer_key(&self) -> Option<KeyName> {
        self.connection.peer_key()
    }

    pub(in crate::participant) fn write(&mut self, text: &str) -> io::Result<()> {
        self.connection.output.extend_from_slice(text.as_bytes());
        while self.connection.flush(usize::MAX)? != Flush::Empty {
            self.wait()?;
        }
        Ok(())
    }

    /// Returns the next line; `None` at an end with `close_notify`.
    pub(in crate::participant) fn read_line(&mut self) -> io::Result<Option<String>> {
        loop {
            if let Ok(Some(line)) = self.connection.input.next_line(1000) {
                return Ok(Some(String::from_utf8(line.to_vec()).unwrap()));
            }
            match self.connection.fill(&mut self.scratch, usize::MAX)? {
                Fill::Eof(0) => return Ok(None),
                Fill::Drained(0) => self.wait()?,
                Fill::Eof(_) | Fill::Drained(_) | Fill::Yielded(_) => (),
            }
        }
    }

    /// Ends our side with a `close_notify`.
    pub(in crate::participant) fn end(&mut self) {
        self.connection.shutdown_write().unwrap();
    }
}
