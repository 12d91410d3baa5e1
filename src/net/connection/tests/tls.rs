//! TLS over real sockets, driven by events.

use super::*;
use crate::limits::TURN_BYTES_MAX;
use crate::net::tls::{TlsContext, TlsError, TlsIdentity, Trust, generate_key};

struct Ends {
    test_loop: TestLoop,
    client: Key,
    server: Key,
}

fn identity() -> TlsIdentity {
    let key = generate_key().unwrap();
    TlsIdentity::from_pem((key.certificate + &key.private_key).as_bytes()).unwrap()
}

/// Returns our two ends of a connection, before the handshake.
fn ends() -> Ends {
    let (mut test_loop, context) = (TestLoop::new(), TlsContext::new());
    let (own, other) = (identity(), identity());
    let trust = Trust::Keys(vec![other.key_name()]);
    let listener = TcpListener::bind(LOOPBACK).unwrap();
    let client = Connection::connect(listener.local_addr().unwrap()).unwrap();
    let client = client.tls_client(&context.client(&own, trust).unwrap()).unwrap();
    let client = test_loop.add(client);
    let (stream, _) = listener.accept().unwrap();
    stream.set_nonblocking(true).unwrap();
    let server = Connection::new(Transport::plain(TcpStream::from_std(stream)));
    let server = server.tls_server(&context.server(&other).unwrap()).unwrap();
    let server = test_loop.add(server);
    Ends { test_loop, client, server }
}

impl Ends {
    /// Handles events until `done` returns true for both ends.
    fn until(&mut self, mut done: impl FnMut(&mut Connection, bool) -> bool) {
        let clock = Clock::start();
        let mut events = Events::with_capacity(16);
        let mut are_done = [false; 2];
        loop {
            for (end, key) in [self.client, self.server].into_iter().enumerate() {
                are_done[end] |= done(self.test_loop.of(key), key == self.client);
            }
            if are_done == [true; 2] {
                return;
            }
            let now = clock.now().steady;
            assert!(now < Millis::new(WAIT_MS), "no edge came: {are_done:?}");
            wait(&mut self.test_loop.poll, &mut events, now, Some(Millis::new(WAIT_MS))).unwrap();
            for event in &events {
                let key = event.token().into();
                self.test_loop.connections.get_mut(key).unwrap().on_event(event);
            }
        }
    }

    fn open() -> Self {
        let mut ends = ends();
        ends.until(|connection, _| connection.connected().unwrap());
        ends
    }
}

#[test]
fn a_handshake_needs_no_event_but_those_of_the_socket() {
    let mut ends = Ends::open();
    let keys = [ends.client, ends.server].map(|key| ends.test_loop.of(key).peer_key());
    assert!(keys[0].is_some() && keys[1].is_some() && keys[0] != keys[1]);
}

#[test]
fn both_directions_carry_more_than_the_socket_buffers_by_edges_alone() {
    const BYTES: usize = 8 * 1024 * 1024;
    let mut ends = Ends::open();
    for key in [ends.client, ends.server] {
        let text: Vec<u8> = (0..BYTES).map(|index| (index / 7 % 250) as u8).collect();
        ends.test_loop.of(key).output.extend_from_slice(&text);
    }
    let mut read = [0; 2];
    let mut scratch = Scratch::new(64 * 1024);
    ends.until(|connection, is_client| {
        let count = &mut read[usize::from(is_client)];
        loop {
            // Each `Yielded` is a note to come back in the next turn.
            let flushed = connection.flush(TURN_BYTES_MAX).unwrap();
            let filled = connection.fill(&mut scratch, TURN_BYTES_MAX).unwrap();
            let input = std::mem::take(&mut connection.input).last_line().unwrap_or(b"").to_vec();
            for byte in input {
                assert_eq!(byte, (*count / 7 % 250) as u8, "{count}");
                *count += 1;
            }
            if flushed != Flush::Yielded && !matches!(filled, Fill::Yielded(_)) {
                break;
            }
        }
        assert!(*count <= BYTES);
        *count == BYTES && connection.output.is_empty() && !connection.wants_write()
    });
    // The ends of both directions arrive as ends.
    for key in [ends.client, ends.server] {
        ends.test_loop.of(key).shutdown_write().unwrap();
    }
    for key in [ends.client, ends.server] {
        let (text, end) = ends.test_loop.read_all(key);
        assert_eq!((text.len(), end.is_ok()), (0, true));
    }
}

#[test]
fn a_record_waits_while_the_peer_reads_nothing_and_an_edge_continues_it() {
    let mut ends = Ends::open();
    let (client, server) = (ends.client, ends.server);
    let line = [b'x'; 30_000];
    let slices = [IoSlice::new(&line), IoSlice::new(&line)];
    let mut written = 0;
    loop {
        match ends.test_loop.of(client).write_vectored(&slices).unwrap() {
            0 => break,
            count => written += count,
        }
    }
    assert!(ends.test_loop.of(client).wants_write() && !ends.test_loop.of(client).is_writable());
    assert_eq!(ends.test_loop.of(client).flush_stream().unwrap(), Flush::Blocked);
    let (mut read, mut scratch) = (0, Scratch::new(64 * 1024));
    ends.until(|connection, is_client| {
        if is_client {
            return connection.flush_stream().unwrap() == Flush::Empty;
        }
        while connection.is_readable() {
            read += connection.fill(&mut scratch, TURN_BYTES_MAX).unwrap().bytes();
            connection.input = LineBuffer::default();
        }
        read == written
    });
    assert!(ends.test_loop.of(server).peer_key().is_some());
}

#[test]
fn a_peer_that_speaks_no_tls_can_be_answered() {
    let (mut test_loop, context) = (TestLoop::new(), TlsContext::new());
    let (key, mut peer) = test_loop.pair();
    let side = context.server(&identity()).unwrap();
    let connection = test_loop.connections.remove(key).unwrap().tls_server(&side).unwrap();
    let key = test_loop.connections.insert_with(|_| connection);
    peer.write_all(b"members#alice\n").unwrap();
    let error = loop {
        match test_loop.of(key).connected() {
            Ok(is_done) => assert!(!is_done),
            Err(error) => break error,
        }
    };
    assert_eq!(error.downcast::<TlsError>().unwrap(), TlsError::PlainText);
    assert!(test_loop.of(key).answer_in_plain_text());
    test_loop.of(key).output.extend_from_slice(b"ERR 401 tls\n");
    assert_eq!(test_loop.of(key).flush(100).unwrap(), Flush::Empty);
    test_loop.of(key).shutdown_write().unwrap();
    let mut answer = String::new();
    peer.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "ERR 401 tls\n");
}
