//! The dial of a command socket with TLS.

use std::io::Write as _;
use std::thread;

use super::*;
use crate::net::Acceptor;
use crate::participant::testing::{TestKey, TlsPeer};

/// Makes a dialer that trusts this key.
fn dialer_trusting(trusted: &TestKey, port: u16, event_loop: &EventLoop) -> Dialer {
    let pool = Pool::new(event_loop.registry()).unwrap();
    let security = PeerSecurity::trusting(&[trusted.name], &TestKey::new()).unwrap();
    Dialer::new(&Endpoints::of_test(&[("127.0.0.1", port)]), security, &pool).unwrap()
}

/// Dials a coordinator that is `coordinator`, on a thread of its own.
fn dial<T: Send + 'static>(
    trusted: &TestKey,
    coordinator: impl FnOnce(Acceptor) -> T + Send + 'static,
) -> (Result<DialedSocket, FailedDial>, T, SocketAddr) {
    let acceptor = Acceptor::bind((Ipv4Addr::LOCALHOST, 0).into(), 0).unwrap();
    let address = acceptor.local_addr().unwrap();
    let coordinator = thread::spawn(move || coordinator(acceptor));
    let mut event_loop = event_loop();
    let mut dialer = dialer_trusting(trusted, address.port(), &event_loop);
    assert_eq!(dialer.dial((OURS, 0), &mut event_loop, Millis::ZERO), None);
    let result = result(&mut event_loop, &mut dialer);
    drop(dialer);
    (result, coordinator.join().unwrap(), address)
}

#[test]
fn a_coordinator_with_the_key_is_connected_and_its_first_line_may_be_there_already() {
    let key = TestKey::new();
    let other = TestKey::new();
    let of_peer = key.clone();
    let (dialed, shown, _) = dial(&key, move |acceptor| {
        let mut peer = TlsPeer::accept(acceptor, &of_peer).unwrap();
        peer.write("first\n").unwrap();
        peer.peer_key().unwrap()
    });
    let dialed = dialed.unwrap();
    assert_eq!(dialed.connection.peer_key(), Some(key.name));
    assert!(dialed.connection.is_readable(), "a read follows without an event");
    assert!(shown != key.name && shown != other.name, "the coordinator sees our key");
}

#[test]
fn a_coordinator_with_another_key_gets_no_text_and_both_keys_are_named() {
    let (expected, found) = (TestKey::new(), TestKey::new());
    let of_peer = found.clone();
    let (dialed, is_refused, address) = dial(&expected, move |acceptor| {
        let peer = TlsPeer::accept(acceptor, &of_peer);
        peer.and_then(|mut peer| peer.read_line()).is_err()
    });
    let FailedDial { reason, .. } = dialed.unwrap_err();
    assert_eq!(
        reason,
        format!(
            "cannot connect to {address}: this is not the coordinator of test.keys: found the key \
             {}, expected {}; nothing was sent; ask the operator for the key",
            found.name, expected.name
        )
    );
    assert!(is_refused, "the coordinator gets an alert instead of a request");
}

#[test]
fn a_coordinator_without_tls_gets_no_request() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let peer = thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        peer.write_all(b"ERR 400 line: not UTF-8\n").unwrap();
        peer
    });
    let mut event_loop = event_loop();
    let mut dialer = dialer_trusting(&TestKey::new(), port, &event_loop);
    assert_eq!(dialer.dial((OURS, 0), &mut event_loop, Millis::ZERO), None);
    let FailedDial { reason, .. } = result(&mut event_loop, &mut dialer).unwrap_err();
    assert!(reason.contains("does not speak TLS, which test.keys asks for"), "{reason}");
    drop(peer.join().unwrap());
}

#[test]
fn a_handshake_that_does_not_end_fails_at_the_deadline() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let mut event_loop = event_loop();
    let mut dialer = dialer_trusting(&TestKey::new(), address.port(), &event_loop);
    assert_eq!(dialer.dial((OURS, 0), &mut event_loop, Millis::ZERO), None);
    let (mut peer, _) = listener.accept().unwrap();
    peer.write_all(&[0x16]).unwrap();
    let is_connected = |dialer: &Dialer| {
        let current = dialer.dial.as_ref().and_then(|dial| dial.current.as_ref());
        current.is_some_and(|current| current.connection.is_writable())
    };
    let on_event =
        |dialer: &mut Dialer, key: Option<Key>, event: &_| dialer.on_event(key.unwrap(), event);
    run(&mut event_loop, &mut dialer, on_event, |dialer, event_loop| {
        assert!(dialer.advance(event_loop, Millis::ZERO).is_none());
        is_connected(dialer).then_some(())
    });
    assert_eq!(dialer.expire(&mut event_loop, Millis::new(CONNECTING_MS_MAX - 1)), None);
    let failed = dialer.expire(&mut event_loop, Millis::new(CONNECTING_MS_MAX)).unwrap();
    let words = "no answer to the TLS handshake; a coordinator without TLS gives none";
    assert_eq!(failed.reason, format!("cannot connect to {address}: {words}"));
    assert!(dialer.close_marked());
}
