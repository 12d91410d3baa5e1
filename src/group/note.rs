//! What the log is told of a member: it comes, goes offline, and comes back.

use std::fmt;
use std::net::SocketAddr;

use super::{Effect, Group};
use crate::protocol::{Bye, Epoch, Seq, Since};

/// What became of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Which member.
    pub id: Box<str>,
    /// What.
    pub change: Change,
}

/// What can become of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is a member now, at this address.
    Registered(SocketAddr),
    /// It is back, at this address.
    Reconnected(SocketAddr),
    /// A new message socket replaced the one that it had.
    TakenOver {
        /// Address of the new one.
        by: SocketAddr,
        /// Address of the one that was closed.
        from: SocketAddr,
    },
    /// It has no message socket any more.
    Offline {
        /// Address of the one that it had.
        address: SocketAddr,
        /// Why.
        cause: Cause,
    },
    /// It has named a number of this epoch that was never given out: a new epoch begins.
    NumberNotGivenOut {
        /// The number and its epoch.
        named: Since,
        /// The last number that was given out.
        last: Seq,
        /// The new epoch.
        begins: Epoch,
    },
    /// It is no member any more.
    Deregistered,
    /// It is no member any more, as it was offline for so long.
    Forgotten {
        /// `forget_after`.
        after_ms: u64,
    },
}

/// Why a member has no message socket any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Its id said `disconnect`.
    Disconnected,
    /// The numbers begin a new life: it is to come back in that one.
    NewEpoch,
    /// It wrote what is no acknowledgement, or acknowledged what was not sent.
    BadAck,
    /// The socket ended, or was given up.
    SocketEnded(SocketEnd),
}

/// How a message socket came to its end, as the operating system or a timer tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SocketEnd {
    /// The participant ended its direction.
    Closed,
    /// The connection was reset.
    Reset,
    /// TCP got no answer in time.
    TimedOut,
    /// The socket took nothing of what was due for so many milliseconds.
    Stalled {
        /// `stall_timeout`.
        timeout_ms: u64,
    },
    /// Another error, in the operating system's words.
    Failed(Box<str>),
}

impl Cause {
    /// The reason that the member is told, if its socket may still take one.
    pub(super) fn bye(&self) -> Option<Bye> {
        match self {
            Self::Disconnected => Some(Bye::Disconnected),
            Self::NewEpoch => Some(Bye::NewEpoch),
            Self::BadAck => Some(Bye::BadAck),
            Self::SocketEnded(SocketEnd::Closed) => Some(Bye::Closed),
            Self::SocketEnded(SocketEnd::Stalled { .. }) => Some(Bye::Stalled),
            Self::SocketEnded(SocketEnd::Reset | SocketEnd::TimedOut | SocketEnd::Failed(_)) => {
                None
            }
        }
    }
}

impl Group {
    pub(super) fn note(&mut self, id: Box<str>, change: Change) {
        self.effects.push_back(Effect::Note(Note { id, change }));
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disconnected => f.write_str("disconnected"),
            Self::NewEpoch => f.write_str("new epoch"),
            Self::BadAck => f.write_str(
                "bad ack: it wrote something that is no acknowledgement of what it was sent",
            ),
            Self::SocketEnded(how) => how.fmt(f),
        }
    }
}

impl fmt::Display for SocketEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("closed by the participant"),
            Self::Reset => f.write_str("connection reset"),
            Self::TimedOut => f.write_str("timed out: its machine does not answer"),
            Self::Stalled { timeout_ms } if timeout_ms % 1000 == 0 => {
                write!(f, "stalled: took nothing for {} s", timeout_ms / 1000)
            }
            Self::Stalled { timeout_ms } => {
                write!(f, "stalled: took nothing for {timeout_ms} ms")
            }
            Self::Failed(words) => write!(f, "connection failed: {words}"),
        }
    }
}
