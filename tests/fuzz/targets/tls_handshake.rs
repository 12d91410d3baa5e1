//! The bytes of a TLS handshake in one of its directions.
//!
//! The first byte of an input says what the others are:
//!
//! ```text
//!   s bytes that a server gets       u changes of the bytes that a client sends to a server
//!   c bytes that a client gets       d changes of the bytes that a server sends to a client
//! ```
//!
//! A change is four bytes: its position (two bytes), its kind, and a value.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::rc::Rc;
use std::sync::LazyLock;

use groupcast::net::tls::{
    ClientSide, GeneratedKey, ServerSide, TlsContext, TlsError, TlsIdentity, TlsStream, Trust,
    Wire, generate_key,
};

/// Most bytes that one side answers to bytes that make no handshake: a flight of messages.
const ANSWER_BYTES_MAX: usize = 4096;

static KEYS: LazyLock<[GeneratedKey; 2]> =
    LazyLock::new(|| [(); 2].map(|()| generate_key().unwrap()));

/// One end of a wire: the bytes that arrive, and the bytes that leave.
#[derive(Default)]
struct WireEnd {
    incoming: Rc<RefCell<VecDeque<u8>>>,
    outgoing: Rc<RefCell<VecDeque<u8>>>,
}

impl Read for WireEnd {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.incoming.borrow_mut().read(buffer)? {
            0 => Err(ErrorKind::WouldBlock.into()),
            read => Ok(read),
        }
    }
}

impl Write for WireEnd {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.outgoing.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Wire for WireEnd {
    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Both sides, with the bytes on their way from and to each of them.
struct Sides {
    client: TlsStream<WireEnd>,
    server: TlsStream<WireEnd>,
    /// Into the client, out of the client, into the server, out of the server.
    lines: [Rc<RefCell<VecDeque<u8>>>; 4],
}

fn sides() -> Sides {
    thread_local! {
        static SIDES: (ClientSide, ServerSide) = {
            let context = TlsContext::new();
            let [client, server] = [0, 1].map(|index| {
                let pem = KEYS[index].certificate.clone() + &KEYS[index].private_key;
                TlsIdentity::from_pem(pem.as_bytes()).unwrap()
            });
            let trust = Trust::Keys(vec![server.key_name()]);
            (context.client(&client, trust).unwrap(), context.server(&server).unwrap())
        };
    }
    let ends = [(); 2].map(|()| WireEnd::default());
    let [near, far] = &ends;
    let lines = [&near.incoming, &near.outgoing, &far.incoming, &far.outgoing].map(Rc::clone);
    let [near, far] = ends;
    SIDES.with(|(client, server)| Sides {
        client: TlsStream::client(near, client).unwrap(),
        server: TlsStream::server(far, server).unwrap(),
        lines,
    })
}

/// Changes of a stream of bytes.
struct Changes<'a> {
    changes: &'a [[u8; 4]],
    position: usize,
}

impl Changes<'_> {
    fn pass(&mut self, bytes: impl Iterator<Item = u8>) -> Vec<u8> {
        let mut changed = Vec::new();
        for mut byte in bytes {
            let mut is_kept = true;
            for &[high, low, kind, value] in self.changes {
                if usize::from(high) * 256 + usize::from(low) == self.position {
                    match kind % 3 {
                        0 => byte ^= value,
                        1 => changed.push(value),
                        _ => is_kept = false,
                    }
                }
            }
            self.position += 1;
            changed.extend(is_kept.then_some(byte));
        }
        changed
    }
}

/// Carries out a handshake with changes in one direction.
fn check_changes(changes: &[u8], is_up: bool) {
    let mut sides = sides();
    let [up, down] = match (changes.as_chunks().0, is_up) {
        (changes, true) => [changes, &[]],
        (changes, false) => [&[], changes],
    };
    let [mut up, mut down] = [up, down].map(|changes| Changes { changes, position: 0 });
    let mut outcomes = [false; 2];
    for _ in 0..5 {
        outcomes[0] = sides.client.handshake().is_ok_and(|is_done| is_done);
        let sent = up.pass(sides.lines[1].borrow_mut().drain(..));
        sides.lines[2].borrow_mut().extend(sent);
        outcomes[1] = sides.server.handshake().is_ok_and(|is_done| is_done);
        let sent = down.pass(sides.lines[3].borrow_mut().drain(..));
        sides.lines[0].borrow_mut().extend(sent);
    }
    let names = [&KEYS[1], &KEYS[0]].map(|key| key.name);
    let keys = [sides.client.peer_key(), sides.server.peer_key()];
    for ((is_done, key), name) in outcomes.into_iter().zip(keys).zip(names) {
        assert_eq!(key, is_done.then_some(name), "a key is proved, or there is none");
    }
    if changes.is_empty() {
        assert_eq!(outcomes, [true; 2]);
    }
    if outcomes[0] {
        sides.client.write_all(b"text").unwrap();
        let sent = up.pass(sides.lines[1].borrow_mut().drain(..));
        sides.lines[2].borrow_mut().extend(sent);
        let mut buffer = [0; 100];
        if let Ok(read) = sides.server.read(&mut buffer) {
            assert_eq!(&buffer[..read], b"text");
        }
    }
}

/// Gives bytes to a side that knows nobody.
fn check_bytes(bytes: &[u8], is_server: bool) {
    let mut sides = sides();
    let (stream, incoming, outgoing) = match is_server {
        true => (&mut sides.server, &sides.lines[2], &sides.lines[3]),
        false => (&mut sides.client, &sides.lines[0], &sides.lines[1]),
    };
    assert!(!stream.handshake().unwrap());
    let sent = outgoing.borrow().len();
    incoming.borrow_mut().extend(bytes);
    let outcome = stream.handshake();
    assert!(!matches!(outcome, Ok(true)), "nobody has proved to hold a key");
    assert_eq!(stream.peer_key(), None);
    assert!(outgoing.borrow().len() - sent <= ANSWER_BYTES_MAX);
    let begins_tls = match bytes.first() {
        Some(0x16) | None => true,
        Some(0x15) => !is_server,
        Some(_) => false,
    };
    let is_plain_text = outcome.as_ref().is_err_and(|error| {
        let error = error.get_ref().and_then(|error| error.downcast_ref());
        matches!(error, Some(TlsError::PlainText))
    });
    assert_eq!(is_plain_text, !begins_tls);
    if outcome.is_err() {
        assert!(stream.handshake().is_err() && stream.read(&mut [0; 9]).is_err());
        assert!(!stream.wants_write());
    }
}

/// Checks an input.
pub fn check(bytes: &[u8]) {
    match bytes {
        [b'c', bytes @ ..] => check_bytes(bytes, false),
        [b'u', changes @ ..] => check_changes(changes, true),
        [b'd', changes @ ..] => check_changes(changes, false),
        [b's', bytes @ ..] | bytes => check_bytes(bytes, true),
    }
}
