//! Both sides in memory, over a wire that the test cuts, holds and reads.

mod certificates;
mod ends;
mod handshake;
mod hostile;
mod identities;
#[cfg(target_os = "linux")]
mod memory;
mod peers;
mod records;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::rc::Rc;
use std::sync::LazyLock;

use super::*;
use crate::time::UnixMillis;

/// The time of all tests: 2026-01-01T00:00:00Z.
pub(super) const NOW: UnixMillis = UnixMillis(1_767_225_600_000);

/// One direction of a wire.
#[derive(Debug)]
pub(super) struct Line {
    /// Bytes on their way.
    bytes: VecDeque<u8>,
    /// Bytes that may still arrive. The others are held.
    arriving: usize,
    /// Bytes that the wire takes until it is full.
    room: usize,
    /// Bytes of each write that was taken.
    writes: Vec<usize>,
    /// Number of the writes that announced further bytes.
    announced: usize,
    /// The last write announced further bytes.
    is_unfinished: bool,
    is_closed: bool,
    /// Most bytes of one read or one write.
    piece: usize,
}

impl Default for Line {
    fn default() -> Self {
        let (bytes, writes, most) = (VecDeque::new(), Vec::new(), usize::MAX);
        Self {
            bytes,
            arriving: most,
            room: most,
            writes,
            announced: 0,
            is_unfinished: false,
            is_closed: false,
            piece: most,
        }
    }
}

/// One end of a wire.
#[derive(Debug)]
pub(super) struct End {
    incoming: Rc<RefCell<Line>>,
    outgoing: Rc<RefCell<Line>>,
}

impl Read for End {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let line = &mut *self.incoming.borrow_mut();
        let count = buffer.len().min(line.bytes.len()).min(line.arriving).min(line.piece);
        if count == 0 && !(line.is_closed && line.bytes.is_empty()) {
            return Err(ErrorKind::WouldBlock.into());
        }
        line.arriving -= count;
        buffer.iter_mut().zip(line.bytes.drain(..count)).for_each(|(to, from)| *to = from);
        Ok(count)
    }
}

impl Write for End {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = &mut *self.outgoing.borrow_mut();
        assert!(!line.is_closed, "a write after the end");
        let count = bytes.len().min(line.room).min(line.piece);
        if count == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        line.room -= count;
        line.bytes.extend(&bytes[..count]);
        line.writes.push(count);
        line.is_unfinished = false;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Wire for End {
    fn write_more(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.write(bytes)?;
        let line = &mut *self.outgoing.borrow_mut();
        line.announced += 1;
        line.is_unfinished = true;
        Ok(written)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.outgoing.borrow_mut().is_closed = true;
        Ok(())
    }
}

/// Returns both ends of a new wire, with its lines: from the client, and from the server.
pub(super) fn wire() -> ([End; 2], [Rc<RefCell<Line>>; 2]) {
    let lines = [(); 2].map(|()| Rc::new(RefCell::new(Line::default())));
    let end = |from: usize, to: usize| End {
        incoming: Rc::clone(&lines[from]),
        outgoing: Rc::clone(&lines[to]),
    };
    ([end(1, 0), end(0, 1)], lines)
}

/// Keys of the two sides, and of somebody else.
pub(super) static ALICE: LazyLock<GeneratedKey> = LazyLock::new(|| generate_key().unwrap());
pub(super) static COORDINATOR: LazyLock<GeneratedKey> = LazyLock::new(|| generate_key().unwrap());
pub(super) static MALLORY: LazyLock<GeneratedKey> = LazyLock::new(|| generate_key().unwrap());

pub(super) fn identity(key: &GeneratedKey) -> TlsIdentity {
    let pem = format!("{}{}", key.certificate, key.private_key);
    TlsIdentity::from_pem(pem.as_bytes()).unwrap()
}

/// A client and a server that know each other.
pub(super) struct Pair {
    client: TlsStream<End>,
    server: TlsStream<End>,
    context: Rc<TlsContext>,
    /// Bytes from the client.
    up: Rc<RefCell<Line>>,
    /// Bytes from the server.
    down: Rc<RefCell<Line>>,
}

impl Pair {
    pub(super) fn new(client: &TlsIdentity, server: &TlsIdentity, trust: Trust) -> Self {
        let context = TlsContext::new();
        context.set_time(NOW);
        Self::within(&context, client, server, trust)
    }

    /// A pair in the loop of `context`.
    pub(super) fn within(
        context: &Rc<TlsContext>,
        client: &TlsIdentity,
        server: &TlsIdentity,
        trust: Trust,
    ) -> Self {
        let ([near, far], [up, down]) = wire();
        let client = TlsStream::client(near, &context.client(client, trust).unwrap()).unwrap();
        let server = TlsStream::server(far, &context.server(server).unwrap()).unwrap();
        Self { client, server, context: Rc::clone(context), up, down }
    }

    /// Alice and the coordinator, before their handshake.
    pub(super) fn strangers() -> Self {
        let trust = Trust::Keys(vec![MALLORY.name, COORDINATOR.name]);
        Self::new(&identity(&ALICE), &identity(&COORDINATOR), trust)
    }

    /// Alice and the coordinator, after their handshake.
    pub(super) fn open() -> Self {
        let mut pair = Self::strangers();
        assert_eq!(pair.shake(), [Ok(true), Ok(true)]);
        pair
    }

    /// Continues the handshake until both sides are done, have failed or wait for bytes.
    pub(super) fn shake(&mut self) -> [Result<bool, String>; 2] {
        let text = |done: io::Result<bool>| done.map_err(|error| error.to_string());
        loop {
            let before = (self.client.handshake(), self.server.handshake());
            let writes = || self.up.borrow().writes.len() + self.down.borrow().writes.len();
            let count = writes();
            let after = [text(self.client.handshake()), text(self.server.handshake())];
            if writes() == count || before.0.is_err() || before.1.is_err() {
                return after;
            }
        }
    }
}

/// Reads until the stream has no more.
pub(super) fn read_all(stream: &mut TlsStream<End>) -> (Vec<u8>, io::Result<()>) {
    let (mut text, mut buffer) = (Vec::new(), vec![0; 70_000]);
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return (text, Ok(())),
            Ok(read) => text.extend_from_slice(&buffer[..read]),
            Err(error) => return (text, Err(error)),
        }
    }
}

/// Returns the text that can be read now. The stream must stay open.
pub(super) fn read_now(stream: &mut TlsStream<End>) -> Vec<u8> {
    let (text, end) = read_all(stream);
    assert_eq!(end.unwrap_err().kind(), ErrorKind::WouldBlock);
    text
}

/// Returns the reason for which a handshake, a read or a write has failed.
pub(super) fn reason<T: std::fmt::Debug>(result: io::Result<T>) -> TlsError {
    let error = result.unwrap_err();
    error.downcast::<TlsError>().unwrap_or_else(|error| panic!("no TLS error: {error}"))
}

/// Returns the lengths of the records in `bytes`, with their headers.
pub(super) fn record_lengths(bytes: &VecDeque<u8>) -> Vec<usize> {
    let (mut start, mut lengths) = (0, Vec::new());
    while start < bytes.len() {
        let length = 5 + usize::from(bytes[start + 3]) * 256 + usize::from(bytes[start + 4]);
        lengths.push(length);
        start += length;
    }
    assert_eq!(start, bytes.len(), "records are whole");
    lengths
}
