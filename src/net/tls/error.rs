//! Reasons for which a TLS connection ends.

use std::{fmt, io};

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage};

use super::chain::ChainFault;
use crate::protocol::KeyName;

/// Reason for which a TLS connection fails. No text of the peer is in it.
#[derive(Clone, Debug, PartialEq)]
pub enum TlsError {
    /// The first byte of the peer begins no handshake.
    PlainText,
    /// The peer closed before the end of the handshake.
    ClosedInHandshake,
    /// The peer closed without a `close_notify`, so that bytes may be missing.
    Truncated,
    /// The handshake or one of its messages is longer than its limit.
    TooLong,
    /// The server shows a key that is not one of the expected keys.
    WrongKey(KeyName),
    /// The server's certificate is not what the client's CA and name ask for.
    Chain(ChainFault),
    /// The peer sent an alert.
    Alert(AlertDescription),
    /// The peer broke the protocol, or has nothing in common with us.
    Protocol(Error),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PlainText => f.write_str("the peer does not speak TLS"),
            Self::ClosedInHandshake => f.write_str("the peer closed during the TLS handshake"),
            Self::Truncated => f.write_str("the connection ended without a TLS close_notify"),
            Self::TooLong => f.write_str("a TLS message exceeds its limit"),
            Self::WrongKey(shown) => write!(f, "the peer shows another key: {shown}"),
            Self::Chain(fault) => write!(f, "the peer's certificate: {fault}"),
            Self::Alert(alert) => write!(f, "the peer ended TLS with the alert {alert:?}"),
            Self::Protocol(Error::InvalidCertificate(CertificateError::BadSignature)) => {
                f.write_str("the peer does not hold the key of its certificate")
            }
            // The texts of other certificate errors may quote names of the certificate.
            Self::Protocol(Error::InvalidCertificate(_)) => {
                f.write_str("the peer's certificate is not readable, or of a kind that is not used")
            }
            Self::Protocol(error) => write!(f, "TLS error: {error}"),
        }
    }
}

impl std::error::Error for TlsError {}

impl From<Error> for TlsError {
    #[expect(clippy::wildcard_enum_match_arm, reason = "all other errors are of the protocol")]
    fn from(error: Error) -> Self {
        match error {
            Error::AlertReceived(alert) => Self::Alert(alert),
            Error::InvalidMessage(InvalidMessage::MessageTooLarge)
            | Error::InvalidMessage(InvalidMessage::HandshakePayloadTooLarge)
            | Error::PeerSentOversizedRecord => Self::TooLong,
            Error::InvalidCertificate(CertificateError::Other(ref other)) => {
                other.0.downcast_ref().cloned().unwrap_or(Self::Protocol(error))
            }
            error => Self::Protocol(error),
        }
    }
}

impl From<TlsError> for io::Error {
    fn from(error: TlsError) -> Self {
        let kind = match error {
            TlsError::ClosedInHandshake | TlsError::Truncated => io::ErrorKind::UnexpectedEof,
            TlsError::PlainText
            | TlsError::TooLong
            | TlsError::WrongKey(_)
            | TlsError::Chain(_)
            | TlsError::Alert(_)
            | TlsError::Protocol(_) => io::ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}
