//! One TCP connection of the participant, with its role and its pending acknowledgement.

use std::fmt::Write as _;
use std::io;

use crate::net::{Connection, Flush};
use crate::protocol::{Ack, Seq};
use crate::session::{CommandSocket, MessageSocket};

/// A connection and its role.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) connection: Connection,
    pub(super) role: SocketRole,
    /// True if unread lines were left because the session did not want them. No event comes when it
    /// wants them again.
    pub(super) paused: bool,
    /// Acknowledgement to write; a later one replaces it.
    pub(super) ack: Option<Seq>,
}

/// The purpose of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SocketRole {
    /// A command socket that is not connected yet.
    Dialer(CommandSocket),
    Commands(CommandSocket),
    Messages(MessageSocket),
}

impl Socket {
    pub(super) fn new(connection: Connection, role: SocketRole) -> Self {
        Self { connection, role, paused: false, ack: None }
    }

    /// Writes the output buffer, then the acknowledgement.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        loop {
            if self.connection.output.is_empty()
                && let Some(seq) = self.ack.take()
            {
                // Writing to a buffer cannot fail.
                let _ = writeln!(self.connection.output, "{}", Ack { seq });
            }
            match self.connection.flush(usize::MAX)? {
                Flush::Empty if self.ack.is_none() => return Ok(()),
                Flush::Blocked => return Ok(()),
                Flush::Empty | Flush::Yielded => (),
            }
        }
    }
}
