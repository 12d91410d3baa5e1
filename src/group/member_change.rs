//! Changes of members for the coordinator's log, and the causes that end a message socket.

use std::fmt;
use std::net::SocketAddr;

use crate::protocol::{Bye, Epoch, Seq, Since};

/// A change of a member, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberChange {
    /// Id of the member.
    pub id: Box<str>,
    /// Kind of the change.
    pub change: ChangeKind,
}

/// Kinds of changes of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// The id became a member, at this address.
    Registered(SocketAddr),
    /// The member came back, at this address.
    Reconnected(SocketAddr),
    /// A new message socket replaced the one that it had.
    TakenOver {
        /// Address of the new one.
        by: SocketAddr,
        /// Address of the one that was closed.
        from: SocketAddr,
    },
    /// The member lost its message socket.
    Offline {
        /// Address of the lost socket.
        address: SocketAddr,
        /// Cause of the end.
        cause: OfflineCause,
    },
    /// The member named a number of this epoch that was never given out: a new epoch begins.
    NumberNotGivenOut {
        /// The number and its epoch.
        named: Since,
        /// The last number that was given out.
        last: Seq,
        /// The new epoch.
        begins: Epoch,
    },
    /// The id ceased to be a member.
    Deregistered,
    /// The id ceased to be a member, because it was offline for `forget_after`.
    Forgotten {
        /// `forget_after` in milliseconds.
        after_ms: u64,
    },
}

/// Cause for the end of a message socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OfflineCause {
    /// The member sent `disconnect`.
    Disconnected,
    /// A new epoch begins: the member must reconnect.
    NewEpoch,
    /// The member wrote a line that is not an ack, or acknowledged a seq that it was not sent.
    BadAck,
    /// The access file was changed: no line fits the member now.
    AccessRevoked,
    /// The certificate of the member is no longer valid.
    CertificateExpired,
    /// The socket ended, or the coordinator gave the socket up.
    SocketEnded(SocketEnd),
}

/// End of a message socket, as the operating system or a timer reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SocketEnd {
    /// The participant closed its sending direction.
    Closed,
    /// The connection was reset.
    Reset,
    /// TCP got no answer in time.
    TimedOut,
    /// The socket took no byte for `stall_timeout`, although bytes were due.
    Stalled {
        /// `stall_timeout` in milliseconds.
        timeout_ms: u64,
    },
    /// Another error, with the text of the operating system.
    Failed(Box<str>),
}

impl OfflineCause {
    /// Returns the reason for the `bye` line; `None` if the socket cannot take one.
    pub(super) fn bye(&self) -> Option<Bye> {
        match self {
            Self::Disconnected => Some(Bye::Disconnected),
            Self::NewEpoch => Some(Bye::NewEpoch),
            Self::BadAck => Some(Bye::BadAck),
            Self::AccessRevoked => Some(Bye::AccessRevoked),
            Self::CertificateExpired => Some(Bye::CertificateExpired),
            Self::SocketEnded(SocketEnd::Closed) => Some(Bye::Closed),
            Self::SocketEnded(SocketEnd::Stalled { .. }) => Some(Bye::Stalled),
            Self::SocketEnded(SocketEnd::Reset | SocketEnd::TimedOut | SocketEnd::Failed(_)) => {
                None
            }
        }
    }
}

impl fmt::Display for OfflineCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disconnected => f.write_str("disconnected"),
            Self::NewEpoch => f.write_str("new epoch"),
            Self::BadAck => f.write_str(
                "bad ack: the participant wrote a line that is not an ack, or acked a message that \
                 it was not sent",
            ),
            Self::AccessRevoked => {
                f.write_str("access revoked: no line of the access file fits this member now")
            }
            Self::CertificateExpired => f.write_str("certificate expired"),
            Self::SocketEnded(how) => how.fmt(f),
        }
    }
}

impl fmt::Display for SocketEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("closed by the participant"),
            Self::Reset => f.write_str("connection reset"),
            Self::TimedOut => f.write_str("timed out: the participant's machine does not answer"),
            Self::Stalled { timeout_ms } if timeout_ms % 1000 == 0 => {
                write!(f, "stalled: the socket took no byte for {} s", timeout_ms / 1000)
            }
            Self::Stalled { timeout_ms } => {
                write!(f, "stalled: the socket took no byte for {timeout_ms} ms")
            }
            Self::Failed(words) => write!(f, "message socket failed: {words}"),
        }
    }
}
