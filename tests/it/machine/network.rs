//! Networks around the coordinator and its participants, each machine a network namespace.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::thread;

use support::coordinator::Coordinator;
use support::listener::Listener;
use support::netns::Machine;
use support::wire::Client;
use support::{DEADLINE, Timer};

const PING: &str = "me#ping#127.0.0.1";

#[test]
fn two_colons_are_every_address_however_the_system_is_configured() {
    let Some(machine) = Machine::new() else { return };
    machine.set("ipv6/bindv6only", "1");
    machine.within(|| {
        let coordinator = Coordinator::start(30, &["bind=::"]);
        let port = coordinator.address.port();
        for ip in ["::1", "127.0.0.1"] {
            let ip: IpAddr = ip.parse().unwrap();
            let mut client =
                Client::connect(&coordinator.transcript, SocketAddr::new(ip, port), None);
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
        machine.within(|| {
            // An address of IPv6 can be used a little after it was added.
            let timer = Timer::start(DEADLINE);
            while TcpStream::connect(coordinator.address).is_err() {
                assert!(timer.left().is_some(), "no connection to {ip}");
                thread::yield_now();
            }
            coordinator.client().check(PING, "OK ping");
        });
        assert_eq!(coordinator.said("no interface"), 1);
    }
}

/// Measures the cost of members whose addresses are not loopback: `cargo test --release --test it
/// a_member_costs -- --nocapture`.
#[test]
fn a_member_costs_the_same_with_nine_thousand_as_with_a_thousand() {
    const LISTENERS: usize = 90;
    const MEMBERS: usize = 9_000;
    let Some(machine) = Machine::new() else { return };
    for host in 1..=10 {
        machine.ip(&format!("addr add 10.9.0.{host}/24 dev lo"));
    }
    machine.within(|| {
        let coordinator =
            Coordinator::start(60, &["bind=10.9.0.1", "max_members_per_address=10000"]);
        let listeners: Vec<Listener> = (0..LISTENERS)
            .map(|at| Listener::bind(&coordinator.transcript, &format!("10.9.0.{}", 2 + at % 9)))
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
        // A cost that follows the number of members would be nine times as high. Caches that other
        // programs use make it up to twice as high.
        assert!(last <= 4 * first + 20, "{us_each:?}");
    });
}
