//! The coordinator's end of a connection on the simulated network.

use std::cell::Cell;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::SocketAddr;

use groupcast::limits::Keepalive;
use groupcast::net::{Stream, UnackedBytes};
use rustix::io::Errno;

use crate::access::model::Shown;
use crate::coordinator::HUB;
use crate::net::{CloseKind, End};
use crate::outside::{Lent, Outside};

/// Most bytes that one call takes.
const CALL_BYTES: usize = 20_000;

/// The coordinator's end of a connection. It is closed when it is dropped.
#[derive(Debug)]
pub(crate) struct SimStream {
    pub(crate) end: End,
    pub(crate) is_handshaking: Cell<bool>,
    pub(crate) outside: Outside,
}

impl Drop for SimStream {
    fn drop(&mut self) {
        // A process that is killed runs nothing more: its ends are abandoned.
        if std::thread::panicking() || self.outside.0.borrow().0.is_none() {
            return;
        }
        let end = self.end;
        self.outside.with(|Lent { environment, model }, sockets| {
            if let Some(key) = sockets.keys.remove(&end) {
                sockets.ends.remove(&key);
            }
            let takes_nothing = sockets.blocked.remove(&end);
            sockets.messages.on_closed(end);
            if sockets.handshaking.remove(&end) {
                sockets.replies.on_failed(end); // It was late, or the oldest one.
            }
            sockets.replies.on_closed(end, takes_nothing, model);
            environment.close(end);
        });
    }
}

impl Read for SimStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let end = self.end;
        if self.is_handshaking.get() {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.outside.with(|Lent { environment, .. }, sockets| {
            let (bytes, close_kind) = environment.read(end, buffer.len());
            buffer[..bytes.len()].copy_from_slice(&bytes);
            sockets.replies.on_read(end, &bytes, close_kind.filter(|_| bytes.is_empty()));
            match close_kind {
                _ if !bytes.is_empty() => Ok(bytes.len()),
                None => Err(ErrorKind::WouldBlock.into()),
                Some(CloseKind::Closed) => Ok(0),
                Some(CloseKind::Reset) => Err(Errno::CONNRESET.into()),
            }
        })
    }
}

impl Write for SimStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let end = self.end;
        if self.is_handshaking.get() {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.outside.with(|lent, sockets| {
            let bytes = &bytes[..bytes.len().min(CALL_BYTES)];
            match lent.environment.write(end, bytes) {
                Ok(0) => {
                    sockets.blocked.insert(end);
                    if lent.model.is_shutting_down {
                        sockets.full_at_end.insert(end);
                    }
                    Err(ErrorKind::WouldBlock.into())
                }
                Ok(count) => {
                    let bytes = &bytes[..count];
                    if end.side == 1 && !sockets.messages.is_upgraded(end) {
                        sockets.replies.on_written(end, bytes, lent);
                    } else {
                        sockets.messages.on_written(end, bytes);
                    }
                    Ok(count)
                }
                Err(_) => {
                    sockets.replies.on_failed(end);
                    Err(Errno::PIPE.into())
                }
            }
        })
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let bytes: Vec<u8> =
            slices.iter().flat_map(|slice| slice.iter()).take(CALL_BYTES).copied().collect();
        self.write(&bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for SimStream {
    fn connected(&mut self) -> io::Result<bool> {
        let Self { end, is_handshaking, outside } = &*self;
        let is_client = end.side == 1;
        let outcome = outside.with(|Lent { environment, .. }, sockets| {
            if !is_client {
                return environment.dialed(*end);
            }
            let outcome = environment.handshake(*end);
            if outcome.is_some() {
                sockets.handshaking.remove(end);
            }
            if outcome == Some(false) && environment.client(*end).shown != Shown::Plain {
                sockets.replies.on_failed(*end); // Its client is gone.
            }
            outcome
        });
        is_handshaking.set(is_handshaking.get() && outcome.is_none());
        match outcome {
            None => Ok(false),
            Some(true) => Ok(true),
            Some(false) if is_client => Err(ErrorKind::InvalidData.into()),
            Some(false) => Err(Errno::CONNREFUSED.into()),
        }
    }

    fn is_handshaking(&self) -> bool {
        self.is_handshaking.get()
    }

    fn wants_write(&self) -> bool {
        false
    }

    /// Both are true of it: an end that comes later is an event.
    fn short_read_drains(&self) -> bool {
        self.end.conn.is_multiple_of(2)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.outside.with(|lent, _| lent.environment.shut_down(self.end));
        Ok(())
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(HUB)
    }

    fn keep_alive(&self, _: Option<Keepalive>) -> io::Result<()> {
        Ok(())
    }

    fn unacked(&self) -> io::Result<UnackedBytes> {
        let end = self.end;
        Ok(self.outside.with(|Lent { environment, .. }, sockets| {
            let unacked = environment.unacked(end);
            if matches!(unacked, UnackedBytes::Unanswered { .. }) {
                sockets.replies.on_failed(end); // Its machine may count as gone.
            }
            unacked
        }))
    }
}
