//! A message socket of a member: deliveries in, acknowledgements out.

use std::io::{self, ErrorKind, Read};

use crate::socket::Socket;
use crate::stream::{Output, WholeLines};

#[derive(Debug)]
pub(super) struct MessageSocket {
    pub(super) socket: Socket,
    pub(super) lines: WholeLines,
    pub(super) acks: Output,
    pub(super) acked: u64,
}

impl MessageSocket {
    pub(super) fn new(socket: Socket) -> Self {
        Self { socket, lines: WholeLines::default(), acks: Output::default(), acked: 0 }
    }

    /// Writes as many acknowledgements as the socket takes.
    pub(super) fn write(&mut self) -> io::Result<()> {
        self.acks.write_to(&mut self.socket)
    }
}

/// Reads everything that `stream` has; returns false at its end.
pub(super) fn read_all(
    stream: &mut impl Read,
    scratch: &mut [u8],
    has_ended: bool,
    mut take: impl FnMut(&[u8]),
) -> bool {
    loop {
        match stream.read(scratch) {
            Ok(0) => return false,
            Ok(read) => {
                take(scratch.get(..read).unwrap_or_default());
                // A short read empties the socket: more bytes bring an event, an end does not.
                if read < scratch.len() && !has_ended {
                    return true;
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
            Err(error) if error.kind() == ErrorKind::Interrupted => (),
            Err(_) => return false,
        }
    }
}
