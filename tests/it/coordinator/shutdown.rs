//! Effects of SIGTERM on clients and members.

use std::time::Duration;

use support::coordinator::Coordinator;
use support::listener::Listener;
use support::member::Member;
use support::wire::Client;
use support::{DEADLINE, Timer};

/// A member that reads nothing, with more due to it than the operating system takes: the
/// coordinator cannot finish at once.
#[track_caller]
fn stuck_member(coordinator: &Coordinator) -> Member {
    let mut alice = coordinator.join("alice", "");
    let listener = Listener::small(&coordinator.transcript, "127.0.0.1");
    let stuck = Member::join_at(coordinator, "stuck", "127.0.0.1", listener, "");
    let text = "x".repeat(60_000);
    for _ in 0..200 {
        alice.msend(&text);
    }
    alice.disconnect();
    stuck
}

/// Asks until the coordinator has taken notice of the signal.
#[track_caller]
fn until_503(client: &mut Client) {
    let timer = Timer::start(DEADLINE);
    while timer.left().is_some() {
        let reply = client.ask("bob#ping#127.0.0.1");
        if reply.starts_with("ERR 503 ") {
            return;
        }
        assert_eq!(reply, "OK ping");
    }
    client.fail("no end in sight");
}

/// A coordinator that has been asked to end and cannot yet, and a client that knows.
#[track_caller]
fn draining() -> (Coordinator, Client, Member) {
    let coordinator = Coordinator::start(30, &[]);
    let mut client = coordinator.client();
    client.check("bob#ping#127.0.0.1", "OK ping");
    let stuck = stuck_member(&coordinator);
    coordinator.terminate();
    until_503(&mut client);
    (coordinator, client, stuck)
}

#[test]
fn an_idle_coordinator_ends_well_at_once() {
    let coordinator = Coordinator::start(30, &[]);
    let mut bob = coordinator.join("bob", "");
    coordinator.terminate();
    assert_eq!(coordinator.wait().code(), Some(0));
    bob.command.expect_eof();
    bob.socket().expect_eof();
}

#[test]
fn a_connect_back_under_way_is_given_up_with_503() {
    let coordinator = Coordinator::start(30, &["connect_timeout=60"]);
    let blocked = Listener::blocked(&coordinator.transcript, "127.0.0.1");
    let mut client = coordinator.client();
    let register = format!("bob#register {}#127.0.0.1", blocked.port());
    client.write(format!("bob#ping#127.0.0.1\n{register}\nbob#ping#127.0.0.1\n").as_bytes());
    client.expect("OK ping");
    coordinator.terminate();
    client.expect_start("ERR 503 ");
    client.expect_start("ERR 503 ");
    client.expect_eof();
    assert_eq!(coordinator.wait().code(), Some(0));
}

#[test]
fn what_was_accepted_is_delivered_before_the_end() {
    let coordinator = Coordinator::start(30, &[]);
    let mut bob = coordinator.join("bob", "acks=1");
    let mut alice = coordinator.join("alice", "");
    let text = "x".repeat(60_000);
    for seq in 1..=100 {
        assert_eq!(alice.msend(&text), seq);
    }
    coordinator.terminate();
    // No acknowledgement is waited for.
    for seq in 1..=100 {
        bob.socket().delivery(seq, "alice", &text);
    }
    bob.socket().expect_bye("shutting down");
    assert_eq!(coordinator.wait().code(), Some(0));
}

#[test]
fn while_it_drains_every_good_request_gets_503_and_nobody_new_is_let_in() {
    let (coordinator, mut client, _stuck) = draining();
    // 400 takes precedence over 503, and 503 over all other errors.
    client.refused("nonsense", 400, "");
    client.refused("bob#register 80#127.0.0.1", 503, "");
    client.refused("ghost#msend hi#127.0.0.9", 503, "");
    client.refused("bob#members#127.0.0.1", 503, "");
    let newcomer = std::net::TcpStream::connect(coordinator.address);
    assert!(newcomer.is_err(), "the coordinator still listens");
    // The one that never reads is not waited for without end.
    assert_eq!(coordinator.wait().code(), Some(0));
    client.expect_closed();
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let (coordinator, _client, _stuck) = draining();
    let timer = Timer::start(Duration::from_millis(1500));
    coordinator.terminate();
    coordinator.wait();
    assert!(timer.left().is_some(), "the drain of 2 s was waited for");
}
