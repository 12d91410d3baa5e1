//! A byte stream in memory, to drive a part of the coordinator alone.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::rc::Rc;

use crate::limits::Keepalive;
use crate::net::{Connection, Readiness, Stream, UnackedBytes};

/// One end of a stream. Its clones are the same end.
#[derive(Clone, Debug, Default)]
pub(super) struct TestStream(Rc<RefCell<StreamState>>);

#[derive(Debug, Default)]
struct StreamState {
    incoming: VecDeque<u8>,
    /// True if no more bytes come.
    is_ended: bool,
    outgoing: Vec<u8>,
    /// Bytes that the peer still takes.
    room: usize,
    is_connected: bool,
}

/// An event that reports everything.
pub(super) const ALL: Readiness =
    Readiness { is_readable: true, is_special: true, is_writable: true };

impl TestStream {
    pub(super) fn connection(&self) -> Connection<Self> {
        Connection::over(self.clone())
    }

    pub(super) fn connect(&self) {
        self.0.borrow_mut().is_connected = true;
    }

    pub(super) fn send(&self, text: &str) {
        self.0.borrow_mut().incoming.extend(text.as_bytes());
    }

    pub(super) fn end(&self) {
        self.0.borrow_mut().is_ended = true;
    }

    pub(super) fn make_room(&self, bytes: usize) {
        self.0.borrow_mut().room = bytes;
    }

    /// Returns all bytes that were written since the last call.
    pub(super) fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut self.0.borrow_mut().outgoing)).unwrap()
    }
}

impl Read for TestStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.0.borrow_mut();
        if state.incoming.is_empty() && !state.is_ended {
            return Err(ErrorKind::WouldBlock.into());
        }
        state.incoming.read(buffer)
    }
}

impl Write for TestStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.0.borrow_mut();
        let count = bytes.len().min(state.room);
        if count == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        state.room -= count;
        state.outgoing.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for TestStream {
    fn connected(&self) -> io::Result<bool> {
        Ok(self.0.borrow().is_connected)
    }

    fn shutdown_write(&self) -> io::Result<()> {
        Ok(())
    }

    fn keep_alive(&self, _: Keepalive) -> io::Result<()> {
        Ok(())
    }

    fn unacked(&self) -> io::Result<UnackedBytes> {
        Ok(UnackedBytes::Unknown)
    }
}
