//! What a network does to both programs, on machines of its own.

#![cfg(target_os = "linux")]

#[cfg(test)]
#[expect(dead_code, reason = "each test program uses its own part of it")]
mod support;

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use support::DEADLINE;
use support::coordinator::Coordinator;
use support::listener::Listener;
use support::netns::{Cable, Machine, Way};
use support::wire::Client;

const PING: &str = "me#ping#127.0.0.1";

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

#[test]
fn two_colons_are_every_address_however_the_system_is_configured() {
    let Some(machine) = Machine::new() else { return };
    machine.set("ipv6/bindv6only", "1");
    machine.within(|| {
        let coordinator = Coordinator::start(30, &["bind=::"]);
        let port = coordinator.address.port();
        for ip in ["::1", "127.0.0.1"] {
            let ip: IpAddr = ip.parse().unwrap();
            let mut client = Client::connect(&coordinator.scene, SocketAddr::new(ip, port), None);
            client.check(PING, "OK ping");
        }
    });
}

#[test]
fn an_address_that_no_interface_has_yet_is_listened_on_and_said_once() {
    let Some(machine) = Machine::new() else { return };
    for (ip, bits) in [("10.9.7.1", 24), ("fd09:7::1", 64)] {
        let bind = format!("bind={ip}");
        let coordinator = machine.within(|| Coordinator::start(30, &[&bind]));
        coordinator.until_said(&format!("no interface of this machine has the address {ip}"));
        let nodad = if ip.contains(':') { " nodad" } else { "" };
        machine.ip(&format!("addr add {ip}/{bits} dev lo{nodad}"));
        machine.within(|| coordinator.client().check(PING, "OK ping"));
        assert_eq!(coordinator.said("no interface"), 1);
    }
}

/// What members cost on addresses that are not the loopback's:
/// `cargo test --release --test network a_member_costs -- --nocapture`.
#[test]
fn a_member_costs_the_same_with_nine_thousand_as_with_a_thousand() {
    const LISTENERS: usize = 90;
    const MEMBERS: usize = 9_000;
    let Some(machine) = Machine::new() else { return };
    machine.ip("link set lo up");
    for host in 1..=10 {
        machine.ip(&format!("addr add 10.9.0.{host}/24 dev lo"));
    }
    machine.within(|| {
        let coordinator = Coordinator::start(60, &["bind=10.9.0.1"]);
        let listeners: Vec<Listener> = (0..LISTENERS)
            .map(|at| Listener::bind(&coordinator.scene, &format!("10.9.0.{}", 2 + at % 9)))
            .collect();
        let mut clients: Vec<Client> =
            (0..9).map(|at| coordinator.client_from(&format!("10.9.0.{}", 2 + at))).collect();
        let mut sockets = Vec::new();
        let mut us_each = Vec::new();
        for thousand in 0..MEMBERS / 1000 {
            let before = coordinator.cpu_ms();
            for member in thousand * 1000..(thousand + 1) * 1000 {
                let at = member % LISTENERS;
                let (host, port) = (at % 9, listeners[at].port());
                clients[host].say(&format!("m{member}#register {port}#10.9.0.{}", 2 + host));
                clients[host].expect_start("OK register ");
                sockets.push(listeners[at].accept());
            }
            us_each.push(coordinator.cpu_ms() - before); // Milliseconds for a thousand of them.
        }
        println!("µs of processor time for each member, by thousands: {us_each:?}");
        let (first, last) = (us_each[0], us_each[us_each.len() - 1]);
        // Half as much again, and two ticks of the clock that it is measured with.
        assert!(last <= first + first / 2 + 20, "{us_each:?}");
    });
}
