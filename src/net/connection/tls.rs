//! TLS on a connection of the programs.

use std::io;

use super::Connection;
use crate::net::tls::{ClientSide, ServerSide, TlsStream};
use crate::protocol::KeyName;

impl Connection {
    /// Speaks TLS as the client. This comes before the first [`Connection::connected`], which
    /// continues the handshake.
    ///
    /// # Errors
    ///
    /// An error of the cryptography, which no peer causes.
    pub fn tls_client(self, side: &ClientSide) -> io::Result<Self> {
        Ok(Self { stream: self.stream.tls_client(side)?, ..self })
    }

    /// Speaks TLS as the server. [`Connection::connected`] continues the handshake.
    ///
    /// # Errors
    ///
    /// An error of the cryptography, which no peer causes.
    pub fn tls_server(self, side: &ServerSide) -> io::Result<Self> {
        Ok(Self { stream: self.stream.tls_server(side)?, ..self })
    }

    /// Returns the name of the key that the peer has shown and proved to hold in the handshake.
    #[must_use]
    pub fn peer_key(&self) -> Option<KeyName> {
        self.stream.tls().and_then(TlsStream::peer_key)
    }

    /// Returns the certificates that the peer has shown in DER, its own one first.
    pub fn peer_certificates(&self) -> impl Iterator<Item = &[u8]> {
        self.stream.tls().into_iter().flat_map(TlsStream::peer_certificates)
    }

    /// Reads and writes without TLS from now on, if the handshake of this server has failed because
    /// the peer speaks no TLS. Returns true if the peer can read an answer.
    pub fn answer_in_plain_text(&mut self) -> bool {
        self.stream.answer_in_plain_text()
    }
}
