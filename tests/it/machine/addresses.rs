//! Limits for one address, and an operator's rights on the coordinator's own machine.

use std::net::{IpAddr, TcpListener, TcpStream};

use support::coordinator::Coordinator;
use support::listener::Listener;
use support::member::Member;
use support::netns::Machine;
#[cfg(feature = "participant")]
use support::participant::{Home, Running};
use support::wire::Client;
use support::{DEADLINE, Timer};

const PING: &str = "me#ping#127.0.0.1";
const HERE: &str = "10.9.0.1";
const THERE: &str = "10.9.0.2";

/// A machine with addresses that are not loopback, and a coordinator on it.
fn machine(options: &[&str]) -> Option<(Machine, Coordinator)> {
    let machine = Machine::new()?;
    for ip in [HERE, THERE] {
        machine.ip(&format!("addr add {ip}/32 dev lo"));
    }
    for ip in ["fd09::1", "fd09::2", "fd09:0:0:1::1"] {
        machine.ip(&format!("addr add {ip}/128 dev lo nodad"));
        machine.within(|| until_routed(ip));
    }
    let options: Vec<&str> = ["bind=::"].iter().chain(options).copied().collect();
    let mut coordinator = machine.within(|| Coordinator::start(60, &options));
    coordinator.address.set_ip("127.0.0.1".parse().unwrap());
    Some((machine, coordinator))
}

/// Waits until Linux has a way to an address that was added: for IPv6 that takes a moment.
#[track_caller]
fn until_routed(ip: &str) {
    let (ip, timer) = (ip.parse::<IpAddr>().unwrap(), Timer::start(DEADLINE));
    let connect = || TcpStream::connect(TcpListener::bind((ip, 0))?.local_addr()?);
    while connect().is_err() {
        assert!(timer.left().is_some(), "no way to {ip}");
        std::thread::yield_now();
    }
}

/// A command socket from `ip`.
fn client(machine: &Machine, coordinator: &mut Coordinator, ip: &str) -> Client {
    let family = if ip.contains(':') { "::1" } else { "127.0.0.1" };
    let to = if ip.contains(':') && ip != "::1" { ip } else { family };
    coordinator.address.set_ip(to.parse().unwrap());
    machine.within(|| coordinator.client_from(ip))
}

#[test]
fn one_address_has_so_many_command_sockets_and_the_others_have_theirs() {
    let Some((machine, mut coordinator)) = machine(&["max_connections_per_address=3"]) else {
        return;
    };
    for (ip, network) in [(HERE, HERE), ("fd09::1", "fd09::/64")] {
        let mut clients: Vec<Client> =
            (0..3).map(|_| client(&machine, &mut coordinator, ip)).collect();
        clients.iter_mut().for_each(|client| client.check(PING, "OK ping"));
        let mut refused = client(&machine, &mut coordinator, ip);
        let reply = refused.expect_start("ERR 421 too many connections from ");
        assert!(reply.contains(&format!(" from {network}: 3 is the limit ")), "{reply}");
        refused.expect_eof();
        // One that is closed makes room for one.
        let mut first = clients.remove(0);
        first.half_close();
        first.expect_eof();
        client(&machine, &mut coordinator, ip).check(PING, "OK ping");
        for other in [THERE, "fd09:0:0:1::1", "127.0.0.1", "::1"] {
            client(&machine, &mut coordinator, other).check(PING, "OK ping");
        }
    }
    client(&machine, &mut coordinator, "::1").until_stat("connections", 1); // All are closed.
    // All addresses of one IPv6 network are one, and the machine itself is not counted.
    let mut clients: Vec<Client> = ["fd09::1", "fd09::2", "fd09::2", "::1", "::1", "::1", "::1"]
        .iter()
        .map(|ip| client(&machine, &mut coordinator, ip))
        .collect();
    clients.iter_mut().for_each(|client| client.check(PING, "OK ping"));
    client(&machine, &mut coordinator, "fd09::1").expect_start("ERR 421 too many connections from");
    assert_eq!(clients[6].stat("connections_refused"), 3);
}

#[test]
fn one_address_has_so_many_members_and_the_others_have_theirs() {
    let Some((machine, mut coordinator)) = machine(&["max_members_per_address=2"]) else { return };
    let join = |coordinator: &mut Coordinator, id: &str, ip: &str| {
        coordinator.address.set_ip(if ip.contains(':') { ip } else { HERE }.parse().unwrap());
        machine.within(|| coordinator.join_from(ip, id, ""))
    };
    let mut ann = join(&mut coordinator, "ann", HERE);
    let _bob = join(&mut coordinator, "bob", HERE);
    let listener = machine.within(|| Listener::bind(&coordinator.transcript, HERE));
    let request = format!("eve#register {}#{HERE}", listener.port());
    ann.command.refused(&request, 421, "too many members at 10.9.0.1: 2 is the limit");
    let _dan = join(&mut coordinator, "dan", THERE);
    ann.disconnect();
    ann.command.refused(&request, 421, "at 10.9.0.1");
    ann.check("deregister", "OK deregister");
    let _eve = join(&mut coordinator, "eve", HERE);
    let _six = [("a6", "fd09::1"), ("b6", "fd09::2")].map(|it| join(&mut coordinator, it.0, it.1));
    let mut client = client(&machine, &mut coordinator, "fd09::1");
    let listener = machine.within(|| Listener::bind(&coordinator.transcript, "fd09::1"));
    let request = format!("c6#register {}#fd09::1", listener.port());
    client.refused(&request, 421, "at fd09::/64");
    // The machine itself has as many as there is room for.
    let members: Vec<Member> =
        ["m1", "m2", "m3"].iter().map(|id| join(&mut coordinator, id, "127.0.0.1")).collect();
    assert_eq!(members.len(), 3);
}

#[test]
fn an_operator_on_the_coordinators_machine_takes_any_member_away_and_nobody_else_does() {
    let Some((machine, mut coordinator)) = machine(&[]) else { return };
    coordinator.address.set_ip(HERE.parse().unwrap());
    let mut ann = machine.within(|| coordinator.join_from(THERE, "ann", ""));
    // The member's address has changed: it gets an error that says so.
    let mut moved = client(&machine, &mut coordinator, HERE);
    for command in ["reconnect 9001", "disconnect", "deregister", "msend hi", "register 9001"] {
        let words = "id: registered from 10.9.0.2, not from 10.9.0.1";
        moved.refused(&format!("ann#{command}#{HERE}"), 403, words);
    }
    let mut operator = client(&machine, &mut coordinator, "127.0.0.1");
    operator.check("ann#disconnect#127.0.0.1", "OK disconnect");
    ann.take_socket().expect_eof();
    operator.check("ann#deregister#127.0.0.1", "OK deregister");
    operator.refused("ann#deregister#127.0.0.1", 404, "register first");
    coordinator.address.set_ip(HERE.parse().unwrap());
    let _ann = machine.within(|| coordinator.join_from(HERE, "ann", ""));
    client(&machine, &mut coordinator, "::1").check("ann#deregister#::1", "OK deregister");
}

#[test]
fn an_operator_cancels_a_reconnect_that_is_under_way() {
    let Some((machine, mut coordinator)) = machine(&[]) else { return };
    coordinator.address.set_ip(HERE.parse().unwrap());
    let mut ann = machine.within(|| coordinator.join_from(THERE, "ann", ""));
    ann.disconnect();
    let blocked = machine.within(|| Listener::blocked(&coordinator.transcript, THERE));
    let request = ann.request(&format!("reconnect {}", blocked.port()));
    ann.command.write(format!("{PING}\n{request}\n").replace("127.0.0.1", THERE).as_bytes());
    ann.command.expect("OK ping");
    let mut operator = client(&machine, &mut coordinator, "127.0.0.1");
    operator.check("ann#deregister#127.0.0.1", "OK deregister");
    ann.command.expect_start("ERR 409 cancelled by a later disconnect or deregister");
}

/// As after a new lease of DHCP.
#[cfg(feature = "participant")]
#[test]
fn a_participant_whose_address_has_changed_says_so_and_what_to_do() {
    let Some(machine) = Machine::new() else { return };
    for ip in [HERE, THERE, "10.9.0.3"] {
        machine.ip(&format!("addr add {ip}/32 dev lo"));
    }
    // The address that programs on this machine come from.
    let come_from = |ip: &str| {
        let route = "dev lo table local proto kernel scope host src";
        machine.ip(&format!("route change local {HERE} {route} {ip}"));
    };
    come_from(THERE);
    let mut coordinator =
        machine.within(|| Coordinator::start_with_data_dir(60, &["bind=0.0.0.0"]));
    coordinator.address.set_ip(HERE.parse().unwrap());
    let home = Home::new("alice", coordinator.address);
    let mut alice = machine.within(|| Running::start(home.command(&["-f", "-e", "register 0"])));
    alice.expect("OK register");
    come_from("10.9.0.3");
    coordinator.kill();
    let mut coordinator = machine.within(|| coordinator.start_again());
    alice.expect("reconnect failed: alice is registered from another address, and the address of ");
    let said = alice.expect_line();
    assert!(said.contains("this participant is 10.9.0.3 now: have the operator send "), "{said}");
    assert!(said.contains("ERR 403 id: registered from 10.9.0.2, not from 10.9.0.3"), "{said}");
    let pause = said.rsplit(' ').nth(1).unwrap().parse::<f32>().unwrap();
    assert!(pause >= 15.0, "{said}");
    let mut operator = client(&machine, &mut coordinator, "127.0.0.1");
    operator.check("alice#deregister#127.0.0.1", "OK deregister");
    alice.write("register 0\n");
    alice.expect("OK register");
    assert!(operator.member("alice").unwrap().contains(" online 10.9.0.3:"));
}
