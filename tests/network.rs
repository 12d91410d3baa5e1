//! What a network does to both programs, on machines of its own.

#![cfg(target_os = "linux")]

#[cfg(test)]
#[expect(dead_code, reason = "each test program uses its own part of it")]
mod support;

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use support::DEADLINE;
use support::netns::{Cable, Machine, Way};

#[test]
fn a_cable_of_the_tests_carries_bytes_both_ways_until_it_is_cut_or_pulled() {
    let (Some(left), Some(right)) = (Machine::new(), Machine::new()) else { return };
    let cable = Cable::lay(&left, &right, 1);
    let listener = right.within(|| TcpListener::bind((cable.right_ip(), 0))).unwrap();
    let address = listener.local_addr().unwrap();
    let mut caller = left.within(|| TcpStream::connect(address)).unwrap();
    let (mut called, peer) = listener.accept().unwrap();
    assert_eq!(peer.ip(), cable.left_ip());
    for stream in [&caller, &called] {
        stream.set_nodelay(true).unwrap();
    }
    let carries = |from: &mut TcpStream, to: &mut TcpStream, limit: Duration| {
        from.write_all(b"x").unwrap();
        to.set_read_timeout(Some(limit)).unwrap();
        match to.read(&mut [0]) {
            Ok(count) => count == 1,
            Err(error) if error.kind() == ErrorKind::WouldBlock => false,
            Err(error) => panic!("{error}"),
        }
    };
    let briefly = Duration::from_millis(300);
    assert!(carries(&mut caller, &mut called, DEADLINE));
    assert!(carries(&mut called, &mut caller, DEADLINE));
    cable.cut(Way::ToRight);
    assert!(!carries(&mut caller, &mut called, briefly));
    cable.mend();
    assert_eq!(called.read(&mut [0]).unwrap(), 1, "TCP sends it again");
    cable.cut(Way::ToLeft);
    assert!(!carries(&mut called, &mut caller, briefly));
    cable.mend();
    assert_eq!(caller.read(&mut [0]).unwrap(), 1, "TCP sends it again");
    cable.pull();
    assert!(!carries(&mut caller, &mut called, briefly));
    assert!(!carries(&mut called, &mut caller, briefly));
}
