//! The dialer, on sockets of the loopback interface.

#[cfg(feature = "tls")]
mod tls;

use std::net::{Ipv4Addr, TcpListener};

use super::*;
use crate::participant::testing::{event_loop, run};

const OURS: CommandSocket = CommandSocket(1);

/// Makes a dialer of a host on this machine.
fn dialer(host: &str, port: u16, event_loop: &EventLoop) -> Dialer {
    let pool = Pool::new(event_loop.registry()).unwrap();
    Dialer::new(&Endpoints::of_test(&[(host, port)]), PeerSecurity::default(), &pool).unwrap()
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Runs turns until the dial has a result.
fn result(event_loop: &mut EventLoop, dialer: &mut Dialer) -> Result<DialedSocket, FailedDial> {
    let on_event = |dialer: &mut Dialer, key: Option<Key>, event: &_| {
        dialer.on_event(key.unwrap(), event);
    };
    run(event_loop, dialer, on_event, |dialer, event_loop| {
        let failed = dialer.take_addresses(event_loop, Millis::ZERO);
        failed.map(Err).or_else(|| dialer.advance(event_loop, Millis::ZERO))
    })
}

#[test]
fn an_address_that_refuses_is_followed_by_the_next_one() {
    let mut event_loop = event_loop();
    let (closed, refusing) = listener();
    let (open, address) = listener();
    drop(closed);
    let mut dialer = dialer("127.0.0.1", refusing.port(), &event_loop);
    assert_eq!(dialer.dial((OURS, 0), &mut event_loop, Millis::ZERO), None);
    dialer.dial.as_mut().unwrap().addresses.push_back(address);
    let dialed = result(&mut event_loop, &mut dialer).unwrap();
    let (_, peer) = open.accept().unwrap();
    assert_eq!((dialed.socket, dialed.coordinator, dialed.ip), (OURS, address, peer.ip()));
    assert_eq!(dialed.key.table(), crate::net::SocketTable::Command);
    assert!(dialer.close_marked(), "the connection that was refused");
    assert!(dialer.advance(&mut event_loop, Millis::ZERO).is_none(), "it is told once");
    assert_eq!(dialer.expire(&mut event_loop, Millis::new(CONNECTING_MS_MAX)), None);
}

#[test]
fn a_dial_fails_with_the_reasons_of_all_addresses() {
    let mut event_loop = event_loop();
    let (closed, first) = listener();
    let (also_closed, second) = listener();
    drop((closed, also_closed));
    let mut dialer = dialer("127.0.0.1", first.port(), &event_loop);
    assert_eq!(dialer.dial((OURS, 0), &mut event_loop, Millis::ZERO), None);
    dialer.dial.as_mut().unwrap().addresses.push_back(second);
    let FailedDial { socket, reason } = result(&mut event_loop, &mut dialer).unwrap_err();
    assert_eq!(socket, OURS);
    assert!(reason.starts_with(&format!("cannot connect to {first}: ")), "{reason}");
    assert!(reason.contains(&format!("; {second}: ")), "{reason}");
}

#[test]
fn each_address_has_its_share_of_the_time() {
    let mut event_loop = event_loop();
    let (_open, address) = listener();
    let mut dialer = dialer("127.0.0.1", address.port(), &event_loop);
    assert_eq!(dialer.dial((OURS, 0), &mut event_loop, Millis::ZERO), None);
    assert_eq!(dialer.expire(&mut event_loop, Millis::new(CONNECTING_MS_MAX - 1)), None);
    let failed = dialer.expire(&mut event_loop, Millis::new(CONNECTING_MS_MAX));
    let reason = format!("cannot connect to {address}: no answer");
    assert_eq!(failed, Some(FailedDial { socket: OURS, reason }));
    assert!(dialer.close_marked());
}

#[test]
fn a_dial_that_is_closed_has_no_result() {
    let mut event_loop = event_loop();
    let (_open, address) = listener();
    let mut dialer = dialer("127.0.0.1", address.port(), &event_loop);
    assert_eq!(dialer.dial((OURS, 0), &mut event_loop, Millis::ZERO), None);
    dialer.close(CommandSocket(2));
    assert!(!dialer.close_marked(), "the number of another socket");
    dialer.close(OURS);
    assert!(dialer.close_marked());
    assert!(dialer.advance(&mut event_loop, Millis::ZERO).is_none());
    assert_eq!(dialer.expire(&mut event_loop, Millis::new(CONNECTING_MS_MAX)), None);
}

#[test]
fn a_name_is_resolved_within_its_limit_of_time() {
    let mut event_loop = event_loop();
    let mut dialer = dialer("localhost", 1, &event_loop);
    assert_eq!(dialer.dial((OURS, 0), &mut event_loop, Millis::ZERO), None);
    assert_eq!(dialer.expire(&mut event_loop, Millis::new(RESOLVING_MS_MAX - 1)), None);
    let failed = dialer.expire(&mut event_loop, Millis::new(RESOLVING_MS_MAX)).unwrap();
    let seconds = RESOLVING_MS_MAX / 1000;
    let reason = format!("localhost:1: cannot be resolved: no answer in {seconds} s");
    assert_eq!(failed, FailedDial { socket: OURS, reason });
}
