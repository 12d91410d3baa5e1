//! The listener of all lightweight members, and connections whose hello has not come yet.

use std::io::{ErrorKind, Read};

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};

use crate::command::Door;
use crate::failure::{Failure, Result};

/// Events that are watched for on every socket.
pub(super) const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);
/// Longest first line of a connection: `hello#<nonce>#<epoch>`.
const HELLO_BYTES_MAX: usize = 128;

#[derive(Debug)]
pub(super) struct Listener {
    listener: TcpListener,
    pub(super) port: u16,
    /// Epoch of the registrations.
    pub(super) epoch: String,
    /// Token of the first slot.
    base: usize,
    /// Connections, and the beginning of the hello of each.
    slots: Vec<Option<(TcpStream, Vec<u8>)>>,
}

impl Listener {
    /// Watches the listener with `token`, and new connections with tokens from `base` on.
    pub(super) fn new(
        door: Door,
        epoch: String,
        registry: &Registry,
        (token, base): (Token, usize),
    ) -> Result<Self> {
        let port = door.port();
        let mut listener = TcpListener::from_std(door.into_listener());
        let watched = registry.register(&mut listener, token, Interest::READABLE);
        watched.map_err(Failure::system("cannot watch the listener"))?;
        Ok(Self { listener, port, epoch, base, slots: Vec::new() })
    }

    pub(super) fn accept(&mut self, registry: &Registry) {
        while let Ok((mut stream, _)) = self.listener.accept() {
            let free = self.slots.iter().position(Option::is_none);
            let slot = free.unwrap_or(self.slots.len());
            if registry.register(&mut stream, Token(self.base + slot), BOTH).is_ok() {
                self.slots.resize_with(self.slots.len().max(slot + 1), || None);
                if let Some(free) = self.slots.get_mut(slot) {
                    *free = Some((stream, Vec::new()));
                }
            }
        }
    }

    /// Reads the hello of the connection behind `token`; once it is whole, the connection leaves
    /// its slot. Bytes behind the hello stay unread.
    pub(super) fn read_hello(&mut self, token: usize) -> Option<(String, TcpStream)> {
        let slot = self.slots.get_mut(token.checked_sub(self.base)?)?;
        let (mut stream, mut hello) = slot.take()?;
        let mut byte = [0];
        while hello.len() < HELLO_BYTES_MAX && !hello.ends_with(b"\n") {
            match stream.read(&mut byte) {
                Ok(1) => hello.extend_from_slice(&byte),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    *slot = Some((stream, hello));
                    return None;
                }
                Ok(_) | Err(_) => return None, // A later takeover closed it.
            }
        }
        Some((String::from_utf8_lossy(&hello).trim_end().to_owned(), stream))
    }
}
