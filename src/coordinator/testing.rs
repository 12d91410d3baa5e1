//! A byte stream in memory, to drive a part of the coordinator alone.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
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
    /// True if written bytes are held until a flush.
    holds: bool,
    held: Vec<u8>,
    is_connected: bool,
    handshake: TestHandshake,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum TestHandshake {
    #[default]
    Absent,
    Unfinished,
    Finished,
    Failed,
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

    /// Returns an accepted connection that begins with a handshake.
    pub(super) fn with_handshake(&self) -> Connection<Self> {
        self.0.borrow_mut().handshake = TestHandshake::Unfinished;
        Connection::new(self.clone())
    }

    /// Lets the handshake finish or fail with the next step.
    pub(super) fn end_handshake(&self, succeeds: bool) {
        let end = if succeeds { TestHandshake::Finished } else { TestHandshake::Failed };
        self.0.borrow_mut().handshake = end;
    }

    pub(super) fn send(&self, text: &str) {
        self.0.borrow_mut().incoming.extend(text.as_bytes());
    }

    pub(super) fn end(&self) {
        self.0.borrow_mut().is_ended = true;
    }

    /// Makes the stream hold written bytes until a flush, as an encrypting transport does.
    pub(super) fn hold(&self) {
        self.0.borrow_mut().holds = true;
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
        if state.handshake == TestHandshake::Unfinished {
            return Err(ErrorKind::NotConnected.into());
        }
        if state.holds {
            state.held.extend_from_slice(bytes);
            return Ok(bytes.len());
        }
        let count = bytes.len().min(state.room);
        if count == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        state.room -= count;
        state.outgoing.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut state = self.0.borrow_mut();
        let count = state.held.len().min(state.room);
        state.room -= count;
        let passed: Vec<u8> = state.held.drain(..count).collect();
        state.outgoing.extend_from_slice(&passed);
        if state.held.is_empty() { Ok(()) } else { Err(ErrorKind::WouldBlock.into()) }
    }
}

impl Stream for TestStream {
    fn connected(&mut self) -> io::Result<bool> {
        let state = self.0.borrow();
        match state.handshake {
            TestHandshake::Absent => Ok(state.is_connected),
            TestHandshake::Unfinished => Ok(false),
            TestHandshake::Finished => Ok(true),
            TestHandshake::Failed => Err(ErrorKind::InvalidData.into()),
        }
    }

    fn is_handshaking(&self) -> bool {
        self.0.borrow().handshake != TestHandshake::Absent
    }

    fn wants_write(&self) -> bool {
        !self.0.borrow().held.is_empty()
    }

    fn held_bytes(&self) -> usize {
        self.0.borrow().held.len()
    }

    fn short_read_drains(&self) -> bool {
        false
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(SocketAddr::from(([127, 0, 0, 1], 5000)))
    }

    fn keep_alive(&self, _: Option<Keepalive>) -> io::Result<()> {
        Ok(())
    }

    fn unacked(&self) -> io::Result<UnackedBytes> {
        Ok(UnackedBytes::Unknown)
    }
}
