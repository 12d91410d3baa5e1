#[cfg(feature = "tls")]
mod tls;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream as Peer};
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Events, Poll};
use rustix::net::{AddressFamily, SocketType, sockopt};

use super::*;
use crate::limits::Keepalive;
use crate::net::{Clock, Slots, SocketTable, wait};
use crate::time::Millis;

const LOOPBACK: &str = "127.0.0.1:0";
const WAIT_MS: u64 = 10_000;

struct TestLoop {
    poll: Poll,
    connections: Slots<Connection>,
}

impl TestLoop {
    fn new() -> Self {
        Self { poll: Poll::new().unwrap(), connections: Slots::new(SocketTable::Command) }
    }

    fn add(&mut self, mut connection: Connection) -> Key {
        self.connections.insert_with(|key| {
            connection.register(self.poll.registry(), key).unwrap();
            connection
        })
    }

    /// Returns a connection and its peer, which blocks.
    fn pair(&mut self) -> (Key, Peer) {
        let listener = TcpListener::bind(LOOPBACK).unwrap();
        let peer = Peer::connect(listener.local_addr().unwrap()).unwrap();
        peer.set_read_timeout(Some(Duration::from_millis(WAIT_MS))).unwrap();
        let (stream, _) = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        (self.add(Connection::new(Transport::plain(TcpStream::from_std(stream)))), peer)
    }

    fn of(&mut self, key: Key) -> &mut Connection {
        self.connections.get_mut(key).unwrap()
    }

    /// Handles events until `done` returns true.
    fn until(&mut self, key: Key, mut done: impl FnMut(&mut Connection) -> bool) {
        let clock = Clock::start();
        let mut events = Events::with_capacity(16);
        while !done(self.of(key)) {
            let now = clock.now().steady;
            assert!(now < Millis::new(WAIT_MS), "no edge came: {:?}", self.of(key));
            wait(&mut self.poll, &mut events, now, Some(Millis::new(WAIT_MS))).unwrap();
            for event in &events {
                self.connections.get_mut(event.token().into()).unwrap().on_event(event);
            }
        }
    }

    /// Reads as the loops do, until the end or an error.
    fn read_all(&mut self, key: Key) -> (Vec<u8>, io::Result<()>) {
        let (mut result, mut total) = (None, 0);
        self.until(key, |connection| {
            let mut scratch = Scratch::new(1000);
            while result.is_none() && connection.is_readable() {
                match connection.fill(&mut scratch, 2500) {
                    Ok(Fill::Drained(bytes) | Fill::Yielded(bytes)) => total += bytes,
                    Ok(Fill::Eof(bytes)) => {
                        total += bytes;
                        result = Some(Ok(()));
                    }
                    Err(error) => result = Some(Err(error)),
                }
            }
            result.is_some()
        });
        let bytes = self.of(key).input.last_line().unwrap_or_default().to_vec();
        assert_eq!(bytes.len(), total, "all bytes were reported before the end");
        (bytes, result.unwrap())
    }
}

#[test]
fn reading_stops_at_its_limit_and_remembers_that_there_is_more() {
    let mut test_loop = TestLoop::new();
    let (key, mut peer) = test_loop.pair();
    peer.write_all(&[b'x'; 2048]).unwrap();
    let mut total = 0;
    test_loop.until(key, |connection| {
        while connection.is_readable() {
            match connection.fill(&mut Scratch::new(64), 200).unwrap() {
                Fill::Yielded(bytes) => {
                    assert_eq!(bytes, 200);
                    assert!(connection.is_readable(), "no edge reports the other bytes");
                    total += bytes;
                }
                Fill::Drained(bytes) => {
                    assert!(!connection.is_readable());
                    total += bytes;
                }
                Fill::Eof(_) => unreachable!("the peer is still there"),
            }
        }
        total == 2048
    });
    assert_eq!(test_loop.of(key).input.len(), 2048);
    assert_eq!(test_loop.of(key).fill(&mut Scratch::new(64), 200).unwrap(), Fill::Drained(0));
}

#[test]
fn bytes_that_came_before_the_end_are_read_before_the_end() {
    for half_closed in [false, true] {
        let mut test_loop = TestLoop::new();
        let (key, mut peer) = test_loop.pair();
        if half_closed {
            test_loop.of(key).shutdown_write().unwrap(); // The FIN then comes as a hang-up.
        }
        peer.write_all(&[b'x'; 70_001]).unwrap();
        drop(peer);
        let (bytes, end) = test_loop.read_all(key);
        assert_eq!(bytes.len(), 70_001);
        assert!(end.is_ok());
        assert!(!test_loop.of(key).is_readable());
        assert!(test_loop.of(key).is_input_ended());
    }
}

#[test]
fn bytes_that_came_before_a_reset_are_read_before_the_error() {
    let mut test_loop = TestLoop::new();
    let (key, mut peer) = test_loop.pair();
    peer.write_all(&[b'x'; 5101]).unwrap();
    sockopt::set_socket_linger(&peer, Some(Duration::ZERO)).unwrap();
    drop(peer);
    let (bytes, end) = test_loop.read_all(key);
    assert_eq!(bytes.len(), 5101);
    assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

fn send_urgent(peer: &Peer) {
    rustix::net::send(peer, b"!", rustix::net::SendFlags::OOB).unwrap();
}

#[test]
fn a_read_that_ends_at_urgent_data_goes_on_behind_it() {
    for has_event_first in [false, true] {
        let mut test_loop = TestLoop::new();
        let (key, mut peer) = test_loop.pair();
        peer.write_all(b"before").unwrap();
        if has_event_first {
            test_loop.until(key, |connection| connection.is_readable());
        }
        send_urgent(&peer);
        peer.write_all(b"after").unwrap();
        test_loop.until(key, |connection| {
            if connection.is_readable() {
                connection.fill(&mut Scratch::new(64), 200).unwrap();
            }
            connection.input.len() == "beforeafter".len()
        });
    }
}

#[test]
fn an_end_that_comes_between_an_event_and_its_read_is_found() {
    let mut test_loop = TestLoop::new();
    let (key, mut peer) = test_loop.pair();
    peer.write_all(b"last").unwrap();
    test_loop.until(key, |connection| connection.is_readable());
    drop(peer);
    let (bytes, end) = test_loop.read_all(key);
    assert_eq!((bytes.as_slice(), end.is_ok()), (b"last".as_slice(), true));
}

#[test]
fn output_that_a_peer_does_not_take_waits_for_an_edge_and_then_frees_its_memory() {
    let mut test_loop = TestLoop::new();
    let (key, mut peer) = test_loop.pair();
    let sent = vec![b'x'; 16 * 1024 * 1024];
    let connection = test_loop.of(key);
    connection.output.extend_from_slice(&sent);
    assert_eq!(connection.flush(10).unwrap(), Flush::Yielded);
    assert_eq!(connection.output.len(), sent.len() - 10);
    assert_eq!(connection.flush(usize::MAX).unwrap(), Flush::Blocked);
    assert!(!connection.is_writable());
    let reader = std::thread::spawn(move || {
        let mut received = Vec::new();
        peer.read_to_end(&mut received).unwrap();
        received.len()
    });
    test_loop.until(key, |connection| connection.flush(usize::MAX).unwrap() == Flush::Empty);
    assert!(!test_loop.of(key).output.try_reclaim(1), "no memory is left to be used again");
    test_loop.of(key).shutdown_write().unwrap();
    assert_eq!(reader.join().unwrap(), sent.len());
}

#[test]
fn memory_is_freed_as_output_is_written() {
    let mut test_loop = TestLoop::new();
    let (key, mut peer) = test_loop.pair();
    let (piece, count) = (vec![b'x'; 64 * 1024], 40);
    test_loop.of(key).output.extend_from_slice(&piece.repeat(count));
    let mut received = piece.clone();
    for _ in 1..count {
        test_loop.until(key, |connection| connection.flush(piece.len()).unwrap() != Flush::Blocked);
        let output = &mut test_loop.of(key).output;
        let left = output.len();
        assert!(!output.try_reclaim(left + 1), "it owns more than twice the {left} bytes left");
        peer.read_exact(&mut received).unwrap();
    }
}

#[test]
fn a_vectored_write_returns_zero_until_an_edge_comes() {
    let mut test_loop = TestLoop::new();
    let (key, mut peer) = test_loop.pair();
    let piece = [b'x'; 60_000];
    let mut written = 0;
    loop {
        let slices = [IoSlice::new(&piece), IoSlice::new(&piece)];
        match test_loop.of(key).write_vectored(&slices).unwrap() {
            0 => break,
            bytes => written += bytes,
        }
    }
    assert!(!test_loop.of(key).is_writable());
    let mut received = vec![0; written];
    peer.read_exact(&mut received).unwrap();
    test_loop.until(key, |connection| connection.is_writable());
    assert_eq!(test_loop.of(key).write_vectored(&[IoSlice::new(b"rest")]).unwrap(), 4);
}

#[test]
fn writing_to_a_peer_that_is_gone_is_an_error_and_no_signal() {
    let mut test_loop = TestLoop::new();
    let (key, peer) = test_loop.pair();
    sockopt::set_socket_linger(&peer, Some(Duration::ZERO)).unwrap();
    drop(peer);
    let (_, end) = test_loop.read_all(key);
    assert!(end.is_err());
    assert!(test_loop.of(key).write_vectored(&[IoSlice::new(b"late")]).is_err());
    test_loop.of(key).output.extend_from_slice(b"late");
    assert!(test_loop.of(key).flush(100).is_err());
}

#[test]
fn connecting_succeeds_or_fails_with_the_reason() {
    let mut test_loop = TestLoop::new();
    let listener = TcpListener::bind(LOOPBACK).unwrap();
    let open = listener.local_addr().unwrap();
    let key = test_loop.add(Connection::connect(open).unwrap());
    test_loop.until(key, |connection| connection.connected().unwrap());
    assert_eq!(test_loop.of(key).peer_addr().unwrap(), open);
    drop(listener);
    let refused = Connection::connect(open).and_then(|connection| {
        let key = test_loop.add(connection);
        test_loop.until(key, |connection| connection.is_writable());
        test_loop.of(key).connected()
    });
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn a_connection_to_itself_is_an_error() {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    rustix::net::bind(&socket, &LOOPBACK.parse::<SocketAddr>().unwrap()).unwrap();
    let stream = Peer::from(socket);
    rustix::net::connect(&stream, &stream.local_addr().unwrap()).unwrap();
    let mut connection = Connection::new(Transport::plain(TcpStream::from_std(stream)));
    assert_eq!(connection.connected().unwrap_err().to_string(), "connected to itself");
}

#[test]
fn keepalive_is_set_and_turned_off() {
    let mut test_loop = TestLoop::new();
    let (key, _peer) = test_loop.pair();
    let connection = test_loop.of(key);
    let expected = Keepalive { idle_s: 20, interval_s: 6, probes: 3 };
    assert_eq!(Keepalive::after(20), Some(expected));
    connection.keep_alive(Some(expected)).unwrap();
    let socket = connection.stream.socket();
    assert!(sockopt::socket_keepalive(socket).unwrap());
    let idle_s = sockopt::tcp_keepidle(socket).unwrap().as_secs();
    let interval_s = sockopt::tcp_keepintvl(socket).unwrap().as_secs();
    let probes = sockopt::tcp_keepcnt(socket).unwrap();
    assert_eq!(Keepalive { idle_s, interval_s, probes }, expected);
    connection.keep_alive(None).unwrap();
    assert!(!sockopt::socket_keepalive(connection.stream.socket()).unwrap());
    assert!(socket.nodelay().unwrap());
}

#[test]
fn a_connection_needs_at_most_128_bytes() {
    assert!(size_of::<Connection>() <= 128, "{}", size_of::<Connection>());
}

/// A transport that needs a handshake, and holds written bytes until a flush. A short read does not
/// empty it.
#[derive(Default)]
struct Holding {
    handshakes_left: usize,
    incoming: Vec<Vec<u8>>,
    held: Vec<u8>,
    room: usize,
    sent: Vec<u8>,
}

impl Read for Holding {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let piece = self.incoming.pop().ok_or(ErrorKind::WouldBlock)?;
        buffer[..piece.len()].copy_from_slice(&piece);
        Ok(piece.len())
    }
}

impl Write for Holding {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.held.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let count = self.held.len().min(self.room);
        self.room -= count;
        self.sent.extend(self.held.drain(..count));
        if self.held.is_empty() { Ok(()) } else { Err(ErrorKind::WouldBlock.into()) }
    }
}

impl Stream for Holding {
    fn connected(&mut self) -> io::Result<bool> {
        self.handshakes_left = self.handshakes_left.saturating_sub(1);
        Ok(self.handshakes_left == 0)
    }

    fn wants_write(&self) -> bool {
        !self.held.is_empty()
    }

    fn short_read_drains(&self) -> bool {
        false
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(LOOPBACK.parse().unwrap())
    }

    fn keep_alive(&self, _: Option<Keepalive>) -> io::Result<()> {
        Ok(())
    }

    fn unacked(&self) -> io::Result<UnackedBytes> {
        Ok(UnackedBytes::Unknown)
    }
}

#[test]
fn bytes_that_the_transport_holds_are_unwritten_output() {
    let mut connection = Connection::new(Holding { room: 3, ..Holding::default() });
    connection.output.extend_from_slice(b"output");
    assert_eq!(connection.flush(100).unwrap(), Flush::Blocked, "the transport has bytes left");
    assert!(connection.output.is_empty() && connection.wants_write());
    assert!(!connection.is_writable());
    connection.stream.room = 100;
    assert_eq!(connection.flush(100).unwrap(), Flush::Blocked, "no event reported room");
    connection.assume_writable();
    assert_eq!(connection.flush(100).unwrap(), Flush::Empty);
    assert_eq!(
        (connection.stream.sent.as_slice(), connection.wants_write()),
        (&b"output"[..], false)
    );
}

#[test]
fn a_transport_decides_whether_a_short_read_has_emptied_it() {
    let incoming = vec![b"b".to_vec(), b"a".to_vec()];
    let mut connection = Connection::new(Holding { incoming, ..Holding::default() });
    connection.on_event(Readiness { is_readable: true, ..Readiness::default() });
    assert_eq!(connection.fill(&mut Scratch::new(10), 100).unwrap(), Fill::Drained(2));
    assert_eq!(connection.input.last_line(), Some(&b"ab"[..]));
}

#[test]
fn a_connection_is_established_after_the_handshake_of_its_transport() {
    let stream = Holding { handshakes_left: 2, ..Holding::default() };
    let mut connection = Connection::over(stream);
    assert_eq!([(); 2].map(|()| connection.connected().unwrap()), [false, true]);
}
