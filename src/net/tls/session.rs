//! One side of a TLS connection without its socket: rustls, which turns records into text and back.

use std::sync::Arc;

use rustls::Error;
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};

use super::context::{ClientSide, ServerSide};
use super::error::TlsError;

/// Name of every server for rustls. It is not sent, and no certificate is compared with it.
const SERVER_NAME: &str = "groupcast";

/// State of one side: of its handshake, and then of its keys.
pub(super) enum TlsSession {
    Client(UnbufferedClientConnection),
    Server(UnbufferedServerConnection),
}

/// Outcome of [`TlsSession::process`], with the number of bytes at the front that are used up.
#[derive(Debug)]
pub(super) struct Processed {
    pub(super) used: usize,
    pub(super) step: Result<Step, TlsError>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// More may be there.
    Again,
    /// The rest of the bytes is a part of a record.
    Idle,
    /// The peer sent a `close_notify`.
    Closed,
}

impl TlsSession {
    pub(super) fn client(side: &ClientSide) -> Result<Self, TlsError> {
        let name = ServerName::try_from(SERVER_NAME).map_err(|_| Error::UnsupportedNameType)?;
        Ok(Self::Client(UnbufferedClientConnection::new(Arc::clone(&side.config), name)?))
    }

    pub(super) fn server(side: &ServerSide) -> Result<Self, TlsError> {
        Ok(Self::Server(UnbufferedServerConnection::new(Arc::clone(&side.config))?))
    }

    pub(super) fn is_server(&self) -> bool {
        matches!(self, Self::Server(_))
    }

    pub(super) fn is_handshaking(&self) -> bool {
        match self {
            Self::Client(client) => client.is_handshaking(),
            Self::Server(server) => server.is_handshaking(),
        }
    }

    #[cfg(test)]
    pub(super) fn suite(&self) -> Option<rustls::CipherSuite> {
        let suite = match self {
            Self::Client(client) => client.negotiated_cipher_suite(),
            Self::Server(server) => server.negotiated_cipher_suite(),
        };
        suite.map(|suite| suite.suite())
    }

    /// Returns the certificates that the peer has shown, its own one first.
    pub(super) fn peer_chain(&self) -> &[CertificateDer<'static>] {
        let chain = match self {
            Self::Client(client) => client.peer_certificates(),
            Self::Server(server) => server.peer_certificates(),
        };
        chain.unwrap_or_default()
    }

    /// Appends to `sealed` the records that are due without further bytes of the peer: the first
    /// message of a client, and alerts.
    pub(super) fn encode_due(&mut self, sealed: &mut Vec<u8>) -> Result<(), TlsError> {
        // Without due records rustls would look for bytes that it has seen.
        while self.has_due() {
            self.process(&mut [], &mut |_| {}, sealed).step?;
        }
        Ok(())
    }

    fn has_due(&self) -> bool {
        match self {
            Self::Client(client) => client.wants_write(),
            Self::Server(server) => server.wants_write(),
        }
    }

    /// Processes the next record or message of `records`, which begin where the last call stopped.
    /// Gives `text` the text of a record, and appends records that are due to `sealed`.
    pub(super) fn process(
        &mut self,
        records: &mut [u8],
        text: &mut impl FnMut(&[u8]),
        sealed: &mut Vec<u8>,
    ) -> Processed {
        match self {
            Self::Client(client) => process(client.process_tls_records(records), text, sealed),
            Self::Server(server) => process(server.process_tls_records(records), text, sealed),
        }
    }

    /// Writes a record with `text` to the front of `sealed` and returns its length. `records` is
    /// the rest that the last call of [`TlsSession::process`] left.
    pub(super) fn seal(
        &mut self,
        records: &mut [u8],
        text: &[u8],
        sealed: &mut [u8],
    ) -> Result<usize, TlsError> {
        match self {
            Self::Client(client) => seal(client.process_tls_records(records), text, sealed),
            Self::Server(server) => seal(server.process_tls_records(records), text, sealed),
        }
    }

    /// Writes a `close_notify` to the front of `sealed` and returns its length. `records` is as in
    /// [`TlsSession::seal`].
    pub(super) fn seal_close(
        &mut self,
        records: &mut [u8],
        sealed: &mut [u8],
    ) -> Result<usize, TlsError> {
        match self {
            Self::Client(client) => seal_close(client.process_tls_records(records), sealed),
            Self::Server(server) => seal_close(server.process_tls_records(records), sealed),
        }
    }
}

fn process<D>(
    status: UnbufferedStatus<'_, '_, D>,
    text: &mut impl FnMut(&[u8]),
    sealed: &mut Vec<u8>,
) -> Processed {
    let UnbufferedStatus { discard: mut used, state, .. } = status;
    let step = match state {
        Ok(ConnectionState::ReadTraffic(mut traffic)) => loop {
            match traffic.next_record() {
                Some(Ok(record)) => {
                    used = used.saturating_add(record.discard);
                    text(record.payload);
                }
                Some(Err(error)) => break Err(error.into()),
                None => break Ok(Step::Again),
            }
        },
        Ok(ConnectionState::EncodeTlsData(mut data)) => {
            encode(sealed, |room| data.encode(room)).map(|()| Step::Again)
        }
        Ok(ConnectionState::TransmitTlsData(data)) => {
            data.done(); // They are in `sealed`.
            Ok(Step::Again)
        }
        Ok(ConnectionState::PeerClosed) => Ok(Step::Closed),
        Ok(
            ConnectionState::BlockedHandshake
            | ConnectionState::WriteTraffic(_)
            | ConnectionState::Closed,
        ) => Ok(Step::Idle),
        Ok(ConnectionState::ReadEarlyData(_) | _) => Err(unexpected()),
        Err(error) => Err(error.into()),
    };
    Processed { used, step }
}

/// Appends a record that rustls has made.
fn encode(
    sealed: &mut Vec<u8>,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, EncodeError>,
) -> Result<(), TlsError> {
    let Err(EncodeError::InsufficientSize(size)) = write(&mut []) else {
        return Err(unexpected());
    };
    let start = sealed.len();
    sealed.resize(start.saturating_add(size.required_size), 0);
    let room = sealed.get_mut(start..).unwrap_or_default();
    write(room).map(drop).map_err(|_| unexpected())
}

fn seal<D>(
    status: UnbufferedStatus<'_, '_, D>,
    text: &[u8],
    sealed: &mut [u8],
) -> Result<usize, TlsError> {
    match (status.discard, status.state?) {
        (0, ConnectionState::WriteTraffic(mut traffic)) => {
            traffic.encrypt(text, sealed).map_err(of_encrypt)
        }
        _ => Err(unexpected()),
    }
}

fn seal_close<D>(
    status: UnbufferedStatus<'_, '_, D>,
    sealed: &mut [u8],
) -> Result<usize, TlsError> {
    match (status.discard, status.state?) {
        (0, ConnectionState::WriteTraffic(mut traffic)) => {
            traffic.queue_close_notify(sealed).map_err(of_encrypt)
        }
        _ => Err(unexpected()),
    }
}

fn of_encrypt(_: EncryptError) -> TlsError {
    Error::EncryptError.into()
}

/// Returns the error for a state of rustls that does not fit ours.
fn unexpected() -> TlsError {
    Error::HandshakeNotComplete.into()
}
