//! The protocol inside TLS: the same lines, on sockets of all kinds.

use std::thread;

use support::tls::{Identity, TlsPeer};

use super::{TlsCoordinator, expect_text, listener};

#[test]
fn the_lines_are_the_same_inside_tls() {
    let coordinator = TlsCoordinator::start(&[]);
    let (alice, bob) = (Identity::new("alice"), Identity::new("bob"));
    let mut bob = coordinator.here("bob", &bob);
    let mut commands = coordinator.connect(&alice);
    assert_eq!(commands.ask("x#ping#-"), "OK ping");
    let (listener, address) = listener();
    commands.say(&format!("alice#register {} acks=1 nonce=ab#-", address.port()));
    let mut messages = TlsPeer::accept(&listener, &alice).unwrap();
    let shown = messages.peer_certificate().unwrap();
    assert_eq!(shown, coordinator.identity.certificate(), "the key of the port");
    commands.expect_start("OK register ");
    messages.expect_start("hello#ab#");
    for number in 0..100 {
        commands.say(&format!("alice#msend {number}#-"));
        bob.say(&format!("not a request {number}"));
    }
    for number in 0..100 {
        assert_eq!(commands.line(), format!("OK msend seq={}", number + 1));
        expect_text(&mut bob, "alice", &number.to_string());
    }
    let long = "x".repeat(60_000);
    commands.say(&format!("alice#msend {long}#-"));
    expect_text(&mut bob, "alice", &long);
    commands.expect_start("OK msend ");
    assert_eq!(commands.ask("alice#disconnect#-"), "OK disconnect");
    assert_eq!(messages.line(), "bye#disconnected");
}

#[test]
fn a_member_goes_from_a_port_to_here_and_back_over_tls() {
    let coordinator = TlsCoordinator::start(&[]);
    let alice = Identity::new("alice");
    let mut commands = coordinator.connect(&alice);
    let (listener, address) = listener();
    let mut here = coordinator.here("alice", &alice);
    for _ in 0..3 {
        commands.say(&format!("alice#reconnect {}#-", address.port()));
        let mut messages = TlsPeer::accept(&listener, &alice).unwrap();
        commands.expect_start("OK reconnect ");
        assert!(here.read_line().is_ok_and(|line| line.is_none()), "closed with a close_notify");
        here = coordinator.connect(&alice);
        here.say("alice#reconnect here#-");
        here.expect_start("OK reconnect ");
        assert!(messages.read_line().is_ok_and(|line| line.is_none()));
    }
}

#[test]
fn an_id_belongs_to_its_key_from_every_address() {
    let coordinator = TlsCoordinator::start(&[]);
    let (alice, other) = (Identity::new("alice"), Identity::new("other"));
    let _here = coordinator.here("alice", &alice);
    let mut moved = coordinator.connect_from("127.0.0.2", &alice);
    moved.say("alice#msend from elsewhere#-");
    moved.expect_start("OK msend ");
    moved.say("alice#reconnect here#-");
    moved.expect_start("OK reconnect ");
    let mut thief = coordinator.connect(&other);
    let reply = thief.ask("alice#msend not mine#-");
    let reason = format!("ERR 403 id: belongs to another client, not to {}", other.name());
    assert!(reply.starts_with(&reason), "{reply}");
}

#[test]
fn without_a_certificate_a_client_may_ask_but_not_act() {
    let coordinator = TlsCoordinator::start(&[]);
    let mut nobody = TlsPeer::connect(coordinator.address, None);
    assert_eq!(nobody.ask("x#ping#-"), "OK ping");
    assert_eq!(nobody.ask("x#members#-"), "OK members 0");
    for command in ["register here", "register 9000", "reconnect here", "msend x", "send 1 x"] {
        let reply = nobody.ask(&format!("x#{command}#-"));
        assert!(reply.starts_with("ERR 401 certificate: this connection shows none"), "{reply}");
    }
}

#[test]
fn a_client_that_ends_its_direction_gets_every_reply() {
    let coordinator = TlsCoordinator::start(&[]);
    let mut client = TlsPeer::connect(coordinator.address, None);
    client.write(b"x#ping#-\nx#ping#-\nx#ping#-").unwrap();
    client.close_notify();
    for _ in 0..3 {
        assert_eq!(client.line(), "OK ping");
    }
    assert!(client.read_line().is_ok_and(|line| line.is_none()));
}

#[test]
fn a_hundred_members_get_everything_in_order_while_others_come() {
    let coordinator = TlsCoordinator::start(&["max_connections_per_address=1000"]);
    let address = coordinator.address;
    let sender = Identity::new("sender");
    let _sends = coordinator.here("sender", &sender);
    let members: Vec<_> = (0..100)
        .map(|number| {
            let mut peer = coordinator.here(&format!("m{number}"), &Identity::new("member"));
            thread::spawn(move || {
                (0..200).for_each(|text| expect_text(&mut peer, "sender", &text.to_string()));
            })
        })
        .collect();
    let mut commands = coordinator.connect(&sender);
    for text in 0..200 {
        assert_eq!(
            commands.ask(&format!("sender#msend {text}#-")),
            format!("OK msend seq={}", text + 1)
        );
        if text % 20 == 0 {
            drop(TlsPeer::connect(address, None));
        }
    }
    members.into_iter().for_each(|member| member.join().unwrap());
}
