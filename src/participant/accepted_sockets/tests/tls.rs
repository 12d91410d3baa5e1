//! Connections to the listener with TLS: the coordinator's, and those of strangers.

use std::net::Shutdown;
use std::thread;

use super::*;
use crate::participant::testing::{TestKey, TlsPeer};

/// A listener that trusts a key, with a connection of this `peer`, on a thread of its own.
fn accepted<T: Send + 'static>(
    trusted: &TestKey,
    peer: impl FnOnce(SocketAddr) -> T + Send + 'static,
) -> (EventLoop, AcceptedSockets, thread::JoinHandle<T>) {
    let mut event_loop = event_loop();
    let security = PeerSecurity::trusting(&[trusted.name], &TestKey::new()).unwrap();
    let localhost = Endpoints::of_test(&[("127.0.0.1", 5000)]);
    let mut part = AcceptedSockets::new(&localhost, None, security);
    let (port, _) = part.listen(0, &event_loop).unwrap();
    let peer = thread::spawn(move || peer((Ipv4Addr::LOCALHOST, port).into()));
    until(&mut event_loop, &mut part, |part, event_loop| part.accept(event_loop, Millis::ZERO));
    (event_loop, part, peer)
}

/// Runs turns until the socket has a line or its end.
fn next(event_loop: &mut EventLoop, part: &mut AcceptedSockets) -> Result<String, String> {
    let key = part.keys()[0];
    until(event_loop, part, |part, event_loop| {
        part.begin_turn(key);
        assert_eq!(part.flush(key), None);
        step(part, key, event_loop)
    })
}

#[test]
fn the_coordinator_brings_lines_and_gets_acknowledgements() {
    let key = TestKey::new();
    let of_peer = key.clone();
    let (mut event_loop, mut part, peer) = accepted(&key, move |address| {
        let mut peer = TlsPeer::connect(address, &of_peer).unwrap();
        peer.write("one\n").unwrap();
        let ack = peer.read_line().unwrap();
        peer.write("two\n").unwrap();
        peer.end();
        (ack, peer.read_line())
    });
    assert_eq!(next(&mut event_loop, &mut part), Ok("one".to_owned()));
    part.ack(MessageSocket(1), Seq::new(1));
    assert_eq!(next(&mut event_loop, &mut part), Ok("two".to_owned()));
    let reason = next(&mut event_loop, &mut part).unwrap_err();
    assert_eq!(reason, "closed by the coordinator");
    let key = part.keys()[0];
    assert_eq!(part.untrusted(key), None);
    assert!(part.end(key, reason).is_some() && part.close_marked());
    let (ack, end) = peer.join().unwrap();
    assert_eq!(ack.as_deref(), Some("ack 1"));
    assert_eq!(end.unwrap(), None, "a close_notify");
}

#[test]
fn a_stream_that_is_cut_in_the_middle_of_a_line_has_no_such_line() {
    let key = TestKey::new();
    let of_peer = key.clone();
    let (mut event_loop, mut part, peer) = accepted(&key, move |address| {
        let mut peer = TlsPeer::connect(address, &of_peer).unwrap();
        peer.write("one\n2#bob#0#pay 10").unwrap();
    });
    assert_eq!(next(&mut event_loop, &mut part), Ok("one".to_owned()));
    let reason = next(&mut event_loop, &mut part).unwrap_err();
    assert_eq!(reason, "the connection ended without a TLS close_notify");
    peer.join().unwrap();
}

#[test]
fn a_stranger_with_another_key_brings_no_line() {
    let (trusted, stranger) = (TestKey::new(), TestKey::new());
    let of_peer = stranger.clone();
    let (mut event_loop, mut part, peer) = accepted(&trusted, move |address| {
        let mut peer = TlsPeer::connect(address, &of_peer).unwrap();
        // The listener may have ended the connection already.
        let _ = peer.write("hello#00#00000000000000aa\n");
        peer.read_line()
    });
    let reason = next(&mut event_loop, &mut part).unwrap_err();
    assert_eq!(reason, "the peer shows no key of the coordinator");
    let key = part.keys()[0];
    assert_eq!(part.untrusted(key), Some(Some(stranger.name)));
    assert!(part.end(key, reason).is_some() && part.close_marked());
    assert_ne!(peer.join().unwrap().ok().flatten(), Some("ack 1".to_owned()));
}

#[test]
fn strangers_without_tls_bring_no_line() {
    for (bytes, words) in [
        (&b"hello#00#00000000000000aa\n"[..], "does not speak TLS"),
        (&[0x16], "closed during the TLS handshake"),
        (b"", "closed during the TLS handshake"),
        (&[0x16, 3, 1, 0xff, 0xff, 0, 0], "TLS"),
    ] {
        let (mut event_loop, mut part, peer) = accepted(&TestKey::new(), move |address| {
            let mut peer = TcpStream::connect(address).unwrap();
            peer.write_all(bytes).unwrap();
            peer.shutdown(Shutdown::Write).unwrap();
            peer
        });
        let reason = next(&mut event_loop, &mut part).unwrap_err();
        assert!(reason.contains(words), "{bytes:?}: {reason}");
        assert_eq!(part.untrusted(part.keys()[0]), Some(None));
        drop(peer.join().unwrap());
    }
}

#[test]
fn a_handshake_that_does_not_end_keeps_nobody_waiting() {
    let (mut event_loop, mut part, peer) = accepted(&TestKey::new(), |address| {
        let mut peer = TcpStream::connect(address).unwrap();
        peer.write_all(&[0x16, 3]).unwrap();
        peer
    });
    let _peer = peer.join().unwrap();
    let key = part.keys()[0];
    for _ in 0..3 {
        part.begin_turn(key);
        assert_eq!(step(&mut part, key, &mut event_loop), None);
    }
    // The session gives up a connection without a hello.
    part.close(MessageSocket(1));
    assert!(part.close_marked());
    assert_eq!(part.keys(), []);
}
