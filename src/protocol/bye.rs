//! The `bye` line: the reason for which the coordinator closes a message socket.

use std::fmt;
use std::net::SocketAddr;

/// Reason for which the coordinator closes a message socket: `bye#<reason>` on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bye {
    /// The id sent `disconnect`.
    Disconnected,
    /// The id sent `deregister`.
    Deregistered,
    /// The coordinator shuts down.
    ShuttingDown,
    /// A `reconnect` of the id replaced the socket with a connection to this address (takeover).
    TakenOver(SocketAddr),
    /// The socket took no byte for `stall_timeout`, although bytes were due.
    Stalled,
    /// The participant closed its sending direction.
    Closed,
    /// The participant wrote a line that is not an ack, or acknowledged a seq that this socket was
    /// not sent.
    BadAck,
    /// A new epoch begins.
    NewEpoch,
    /// The access file was changed: no line fits the member now.
    AccessRevoked,
    /// The certificate of the participant is no longer valid.
    CertificateExpired,
}

const TAKEN_OVER: &str = "taken over by ";

impl Bye {
    /// Parses a reason; `None` for a reason that this version does not know.
    #[must_use]
    pub fn parse(reason: &str) -> Option<Self> {
        if let Some(address) = reason.strip_prefix(TAKEN_OVER) {
            return address.parse().ok().map(Self::TakenOver);
        }
        let all = [
            Self::Disconnected,
            Self::Deregistered,
            Self::ShuttingDown,
            Self::Stalled,
            Self::Closed,
            Self::BadAck,
            Self::NewEpoch,
            Self::AccessRevoked,
            Self::CertificateExpired,
        ];
        all.into_iter().find(|bye| bye.to_string() == reason)
    }
}

impl fmt::Display for Bye {
    /// Writes the reason, without `bye#`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disconnected => f.write_str("disconnected"),
            Self::Deregistered => f.write_str("deregistered"),
            Self::ShuttingDown => f.write_str("shutting down"),
            Self::TakenOver(address) => write!(f, "{TAKEN_OVER}{address}"),
            Self::Stalled => f.write_str("stalled"),
            Self::Closed => f.write_str("closed"),
            Self::BadAck => f.write_str("bad ack"),
            Self::NewEpoch => f.write_str("new epoch"),
            Self::AccessRevoked => f.write_str("access revoked"),
            Self::CertificateExpired => f.write_str("certificate expired"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::BYE_REASON_BYTES_MAX;
    use crate::protocol::MessageLine;

    #[test]
    fn every_reason_reads_as_it_was_written() {
        for address in ["10.0.0.7:40211", "[2001:db8:1111:2222:3333:4444:5555:6666]:65535"] {
            let address = address.parse().unwrap();
            for bye in [
                Bye::Disconnected,
                Bye::Deregistered,
                Bye::ShuttingDown,
                Bye::TakenOver(address),
                Bye::Stalled,
                Bye::Closed,
                Bye::BadAck,
                Bye::NewEpoch,
                Bye::AccessRevoked,
                Bye::CertificateExpired,
            ] {
                let reason = bye.to_string();
                assert_eq!(Bye::parse(&reason), Some(bye));
                assert!(reason.len() <= BYE_REASON_BYTES_MAX, "{reason}");
                let line = format!("bye#{reason}");
                assert_eq!(MessageLine::parse(&line), Ok(MessageLine::Bye(&reason)));
            }
        }
        assert_eq!(
            Bye::TakenOver("[::1]:9000".parse().unwrap()).to_string(),
            "taken over by [::1]:9000"
        );
    }

    #[test]
    fn an_unknown_reason_is_text() {
        for reason in ["out of cheese", "taken over by", "taken over by bob", "New Epoch", "a#b"] {
            assert_eq!(Bye::parse(reason), None, "{reason}");
            let line = format!("bye#{reason}");
            assert_eq!(MessageLine::parse(&line), Ok(MessageLine::Bye(reason)), "{reason}");
        }
    }
}
