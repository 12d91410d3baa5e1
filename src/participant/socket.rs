//! One connection of the participant, and what it is for.

use std::fmt::Write as _;
use std::io;

use crate::net::{Connection, Flush};
use crate::protocol::{Ack, Seq};
use crate::session::{CommandSocket, MessageSocket};

/// A connection and what it is for.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) connection: Connection,
    pub(super) role: SocketRole,
    /// Left with lines that the session did not want: no event will tell when it does.
    pub(super) paused: bool,
    /// The last acknowledgement that is not yet on its way: a later one stands for it.
    pub(super) ack: Option<Seq>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SocketRole {
    /// Not yet connected.
    Dialer(CommandSocket),
    Commands(CommandSocket),
    Messages(MessageSocket),
}

impl Socket {
    pub(super) fn new(connection: Connection, role: SocketRole) -> Self {
        Self { connection, role, paused: false, ack: None }
    }

    /// Writes what is due, the acknowledgement behind the rest.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        loop {
            if self.connection.output.is_empty()
                && let Some(seq) = self.ack.take()
            {
                // A buffer takes everything.
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
