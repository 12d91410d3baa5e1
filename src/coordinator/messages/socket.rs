//! One message socket, or the connect-back that it comes from.

use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};

use rustix::io::Errno;

use crate::coordinator::ready::Queued;
use crate::group::{LinkId, SocketEnd};
use crate::net::{Acceptor, Connection, TimerId};

/// A connect-back or a message socket.
#[derive(Debug)]
pub(super) struct MemberSocket {
    pub(super) connection: Connection,
    pub(super) link: LinkId,
    pub(super) queued: Queued,
    pub(super) phase: MessagePhase,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum MessagePhase {
    /// A connect-back in progress, with its deadline.
    Connecting { deadline: TimerId },
    /// A message socket, with the timer that runs while bytes are due and it takes none.
    Open { stall_timer: Option<TimerId> },
}

impl MemberSocket {
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

/// Starts a connection. If no file is free, one file of the reserve is released for it.
pub(super) fn connection_to(
    (from, address): (Option<IpAddr>, SocketAddr),
    acceptor: Option<&mut Acceptor>,
) -> io::Result<Connection> {
    let connect = || match from {
        Some(from) => Connection::connect_from(from, address),
        None => Connection::connect(address),
    };
    let begun = connect();
    let errno = begun.as_ref().err().and_then(Errno::from_io_error);
    let is_out_of_files = matches!(errno, Some(Errno::MFILE | Errno::NFILE));
    let is_freed = is_out_of_files && acceptor.is_some_and(Acceptor::release_one);
    if is_freed { connect() } else { begun }
}

/// Writes as many of `bytes` as the socket takes at once. Ignores an error, because the connection
/// is closed next.
pub(super) fn write_last(connection: &mut Connection, bytes: &[u8]) {
    if !bytes.is_empty() {
        let _ = connection.write_vectored(&[IoSlice::new(bytes)]);
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
