//! One message socket, or the connect-back that it comes from.

use std::io::{self, IoSlice};

use rustix::io::Errno;

use crate::coordinator::ready::Queued;
use crate::group::{Group, LinkId, SocketEnd};
use crate::net::{Connection, Stream, TimerId};
use crate::time::UnixMillis;

/// A connect-back or a message socket.
#[derive(Debug)]
pub(super) struct MemberSocket<S> {
    pub(super) connection: Connection<S>,
    pub(super) link: LinkId,
    pub(super) queued: Queued,
    pub(super) phase: MessagePhase,
    /// Time at which the certificate with which the socket was asked for no longer counts.
    pub(super) certified_until: Option<UnixMillis>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum MessagePhase {
    /// A connect-back in progress, with its deadline.
    Connecting { deadline: TimerId },
    /// A message socket, with the timer that runs while bytes are due and it takes none.
    Open { stall_timer: Option<TimerId> },
}

impl<S: Stream> MemberSocket<S> {
    /// Returns true if a delivery is due, or the rest of one that was written.
    pub(super) fn is_due(&self, group: &Group) -> bool {
        group.is_due(self.link) || self.connection.wants_write()
    }
}

impl<S> MemberSocket<S> {
    pub(super) fn new(connection: Connection<S>, link: LinkId, phase: MessagePhase) -> Self {
        Self { connection, link, queued: Queued::No, phase, certified_until: None }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.phase, MessagePhase::Open { .. })
    }

    pub(super) fn timer(&self) -> Option<TimerId> {
        match self.phase {
            MessagePhase::Connecting { deadline } => Some(deadline),
            MessagePhase::Open { stall_timer } => stall_timer,
        }
    }

    pub(super) fn stall_timer(&mut self) -> Option<&mut Option<TimerId>> {
        match &mut self.phase {
            MessagePhase::Connecting { .. } => None,
            MessagePhase::Open { stall_timer } => Some(stall_timer),
        }
    }
}

/// Writes as many of `bytes` as the socket takes at once. Ignores an error, because the connection
/// is closed next.
pub(super) fn write_last<S: Stream>(connection: &mut Connection<S>, bytes: &[u8]) {
    if !bytes.is_empty() {
        let _ = connection.write_vectored(&[IoSlice::new(bytes)]);
        let _ = connection.flush_stream();
    }
}

impl From<io::Error> for SocketEnd {
    fn from(error: io::Error) -> Self {
        match Errno::from_io_error(&error) {
            Some(Errno::CONNRESET | Errno::PIPE | Errno::CONNABORTED) => Self::Reset,
            Some(Errno::TIMEDOUT | Errno::HOSTUNREACH | Errno::NETUNREACH) => Self::TimedOut,
            Some(_) | None => Self::Failed(error.to_string().into()),
        }
    }
}
