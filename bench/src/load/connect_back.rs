//! The listener of all lightweight members, and its connections without a hello.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read};

use anyhow::Result;
use mio::net::TcpListener;
use mio::{Interest, Registry, Token};

use crate::command::ConnectBack;
use crate::socket::Socket;
use crate::tls::Tls;

/// Longest first line of a connection: `hello#<nonce>#<epoch>`.
const HELLO_BYTES_MAX: usize = 128;

#[derive(Debug)]
pub(super) struct Listener {
    listener: TcpListener,
    tls: Option<Tls>,
    pub(super) port: u16,
    /// Epoch of the registrations.
    pub(super) epoch: String,
    /// Connections by token, and the beginning of the hello of each.
    pending: BTreeMap<usize, (Socket, Vec<u8>)>,
    next_token: usize,
}

impl Listener {
    /// Watches the listener with `token`, and new connections with tokens from `first` on.
    pub(super) fn new(
        listener: ConnectBack,
        epoch: String,
        registry: &Registry,
        (token, first): (Token, usize),
    ) -> Result<Self> {
        let ConnectBack { listener, port, tls } = listener;
        let mut listener = TcpListener::from_std(listener);
        registry.register(&mut listener, token, Interest::READABLE)?;
        Ok(Self { listener, tls, port, epoch, pending: BTreeMap::new(), next_token: first })
    }

    pub(super) fn accept(&mut self, registry: &Registry) {
        while let Ok((stream, _)) = self.listener.accept() {
            if let Ok(mut socket) = Socket::server(stream.into(), self.tls.as_ref())
                && socket.watch(registry, Token(self.next_token)).is_ok()
            {
                self.pending.insert(self.next_token, (socket, Vec::new()));
                self.next_token += 1;
            }
        }
    }

    /// Reads and returns the hello of a connection, once it is whole, and the connection. Bytes
    /// behind the hello stay unread.
    pub(super) fn read_hello(&mut self, token: usize) -> Option<(String, Socket)> {
        let (mut socket, mut hello) = self.pending.remove(&token)?;
        match socket.handshake() {
            Ok(true) => (),
            Ok(false) => {
                self.pending.insert(token, (socket, hello));
                return None;
            }
            Err(_) => return None, // A later takeover closed it.
        }
        let mut byte = [0];
        while hello.len() < HELLO_BYTES_MAX && !hello.ends_with(b"\n") {
            match socket.read(&mut byte) {
                Ok(1) => hello.extend_from_slice(&byte),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.pending.insert(token, (socket, hello));
                    return None;
                }
                Ok(_) | Err(_) => return None, // A later takeover closed it.
            }
        }
        Some((String::from_utf8_lossy(&hello).trim_end().to_owned(), socket))
    }
}
