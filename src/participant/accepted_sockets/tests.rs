//! The listener and its sockets, on the loopback interface.

#[cfg(feature = "tls")]
mod tls;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use super::*;
use crate::participant::testing::{WAIT, event_loop, read_line, run};

/// The part with one accepted connection, and its peer.
struct Accepted {
    event_loop: EventLoop,
    part: AcceptedSockets,
    number: MessageSocket,
    peer: TcpStream,
}

impl Accepted {
    fn new() -> Self {
        let mut event_loop = event_loop();
        let mut part = AcceptedSockets::new(
            &Endpoints::of_test(&[("127.0.0.1", 5000)]),
            None,
            PeerSecurity::default(),
        );
        let (port, _) = part.listen(0, &event_loop).unwrap();
        let peer = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        peer.set_read_timeout(Some(WAIT)).unwrap();
        let (number, ip) = until(&mut event_loop, &mut part, |part, event_loop| {
            part.accept(event_loop, Millis::ZERO)
        });
        assert_eq!(ip, peer.local_addr().unwrap().ip());
        Self { event_loop, part, number, peer }
    }

    fn key(&self) -> Key {
        self.part.keys()[0]
    }

    /// Runs turns until the socket has a line or its end.
    fn next(&mut self) -> Result<String, String> {
        let key = self.key();
        until(&mut self.event_loop, &mut self.part, |part, event_loop| {
            part.begin_turn(key);
            step(part, key, event_loop)
        })
    }
}

/// Takes steps up to a line, an end or a pause.
fn step(
    part: &mut AcceptedSockets,
    key: Key,
    event_loop: &mut EventLoop,
) -> Option<Result<String, String>> {
    loop {
        let step = match part.next(key, |_| Some(100)) {
            SocketStep::Read => part.read(key, event_loop),
            step @ (SocketStep::Line(..) | SocketStep::Pause | SocketStep::End(_)) => step,
        };
        match step {
            SocketStep::Line(_, line) => {
                return Some(Ok(String::from_utf8(line.to_vec()).unwrap()));
            }
            SocketStep::Read => (),
            SocketStep::Pause => return None,
            SocketStep::End(reason) => return Some(Err(reason)),
        }
    }
}

fn until<T>(
    event_loop: &mut EventLoop,
    part: &mut AcceptedSockets,
    turn: impl FnMut(&mut AcceptedSockets, &mut EventLoop) -> Option<T>,
) -> T {
    let on_event = |part: &mut AcceptedSockets, key: Option<Key>, event: &_| match key {
        Some(key) => part.on_event(key, event),
        None => part.on_listener_event(),
    };
    run(event_loop, part, on_event, turn)
}

#[test]
fn lines_come_before_the_end_and_a_socket_that_ended_is_closed_with_the_turn() {
    let mut test = Accepted::new();
    test.peer.write_all(b"one\r\ntwo\nunfinished").unwrap();
    test.peer.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(test.next(), Ok("one".to_owned()));
    assert_eq!(test.next(), Ok("two".to_owned()));
    let reason = test.next().unwrap_err();
    assert_eq!(reason, "closed by the coordinator");
    let key = test.key();
    let ended = test.part.end(key, reason.clone()).unwrap();
    assert_eq!(ended, EndedSocket { socket: test.number, reason, unsent: 0 });
    assert_eq!(step(&mut test.part, key, &mut test.event_loop), None, "it is marked");
    test.part.ack(test.number, Seq::new(1));
    assert_eq!(test.part.flush(key), None);
    assert!(test.part.close_marked());
    assert_eq!(test.peer.read(&mut [0]).unwrap(), 0, "no acknowledgement, and the end");
    assert_eq!(test.part.keys(), []);
    assert!(!test.part.close_marked());
}

#[test]
fn a_line_that_is_not_wanted_stays_and_is_read_again_once_it_is_wanted() {
    let mut test = Accepted::new();
    test.peer.write_all(b"one\ntwo\n").unwrap();
    assert_eq!(test.next(), Ok("one".to_owned()));
    assert!(!test.part.must_read_again(|_| true));
    let key = test.key();
    assert!(matches!(test.part.next(key, |_| None), SocketStep::Pause));
    assert!(!test.part.must_read_again(|_| false));
    assert!(test.part.must_read_again(|number| number == test.number));
    assert_eq!(test.next(), Ok("two".to_owned()));
    assert!(!test.part.must_read_again(|_| true));
}

#[test]
fn an_acknowledgement_replaces_the_one_before() {
    let mut test = Accepted::new();
    test.part.ack(test.number, Seq::new(1));
    test.part.ack(MessageSocket(99), Seq::new(2));
    test.part.ack(test.number, Seq::new(3));
    assert_eq!(test.part.flush(test.key()), None);
    assert_eq!(read_line(&test.peer), "ack 3\n");
    test.part.close(test.number);
    assert!(test.part.close_marked());
    assert_eq!(test.peer.read(&mut [0]).unwrap(), 0, "no other line");
}

#[test]
fn the_listener_is_open_to_other_machines_unless_all_coordinators_are_on_this_one() {
    for (coordinators, expected) in [
        (&["127.0.0.2"][..], "127.0.0.1"),
        (&["192.0.2.1"], "0.0.0.0"),
        (&["::1"], "::1"),
        (&["2001:db8::1"], "::"),
        (&["localhost"], "::"),
        (&["127.0.0.1", "127.0.0.2"], "127.0.0.1"),
        (&["127.0.0.1", "192.0.2.1"], "0.0.0.0"),
        (&["192.0.2.1", "127.0.0.1"], "0.0.0.0"),
        (&["::1", "127.0.0.1"], "::"),
        (&["127.0.0.1", "192.0.2.1", "hub"], "::"),
    ] {
        let endpoints: Vec<_> = coordinators.iter().map(|host| (*host, 5000)).collect();
        let ip = listening_ip(&Endpoints::of_test(&endpoints));
        assert_eq!(ip, expected.parse::<IpAddr>().unwrap(), "{coordinators:?}");
    }
}
