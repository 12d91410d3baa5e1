//! Participants with several coordinators, which are tried in turn.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use support::coordinator::Coordinator;
use support::fake::Fake;
use support::participant::{Home, Running, texts, until};
use support::port::ReservedPort;

const EPOCH: &str = "00000000000000aa";

fn at(port: &ReservedPort) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port.number()).into()
}

/// The end of a coordinator.
type End = fn(&Coordinator);

#[test]
fn a_member_comes_back_at_the_next_coordinator_when_its_own_ends() {
    let ends: [End; 2] = [Coordinator::kill, Coordinator::terminate];
    for (end, options) in ends.into_iter().zip([&["--join"][..], &["--join", "--passive"]]) {
        let (first, second) = (Coordinator::start(60, &[]), Coordinator::start(60, &[]));
        let home = Home::with_coordinators("alice", &[first.address, second.address]);
        let mut alice = Running::start(home.command(options));
        alice.expect(&format!("* connected to {}\n", first.address));
        alice.expect("OK register");
        let mut bob = first.join("bob", "");
        bob.msend("before");
        alice.expect("1 bob: before\n");
        end(&first);
        alice.expect(&format!("* connected to {}\n", second.address));
        alice.expect("* registered as a new member, messages may have been missed: OK register");
        let mut bob = second.join("bob", "");
        bob.msend("after");
        alice.expect("1 bob: after\n");
        alice.write("status\n");
        alice.expect(&format!("\ncoordinator {}, 2 of 2\n", second.address));
        alice.write("quit\n");
        assert_eq!(alice.wait(), Some(0), "{}", alice.said);
        let log = home.log();
        assert_eq!((texts(&log), log.matches("# epoch ").count()), (vec!["before", "after"], 2));
    }
}

#[test]
fn a_coordinator_that_refuses_is_followed_by_the_next_one_at_once() {
    let port = ReservedPort::new();
    let second = Coordinator::start(60, &[]);
    let home = Home::with_coordinators("alice", &[at(&port), second.address]);
    for command in ["register 0", "join", "ping", "members"] {
        let (code, said) = home.script(&["-e", command], "");
        assert_eq!(code, Some(0), "{command}: {said}");
        let left = format!("* coordinator {0}: cannot connect to {0}: ", at(&port));
        assert!(said.contains(&left), "{command}: {said}");
        let next = format!("; going on with {0}\n* connected to {0}\n", second.address);
        assert!(said.contains(&next), "{command}: {said}");
        assert!(said.contains("\nOK "), "{command}: {said}");
    }
    let (code, said) = home.script(&["--send", "hello"], "");
    assert_eq!((code, said.contains("OK msend seq=1\n")), (Some(0), true), "{said}");
}

#[test]
fn when_all_coordinators_refuse_the_command_fails_and_a_join_keeps_trying() {
    let ports = [ReservedPort::new(), ReservedPort::new()];
    let home = Home::with_coordinators("alice", &[at(&ports[0]), at(&ports[1])]);
    let (code, said) = home.script(&["-e", "ping"], "");
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains(&format!("error: ping: cannot connect to {}: ", at(&ports[1]))),
        "{said}"
    );
    let mut alice = Running::start(home.command(&["--join"]));
    alice.expect(&format!("* join failed: cannot connect to {}: ", at(&ports[1])));
    alice.expect(&format!("; trying {} in 0.", at(&ports[0])));
    let [first, _] = ports;
    let fake = Coordinator::start_on(first, 60);
    alice.expect(&format!("* connected to {}\n", fake.address));
    alice.expect("OK register");
}

#[test]
fn a_text_in_flight_keeps_its_number_at_the_next_coordinator_of_the_group() {
    let (first, second) = (Fake::start(), Fake::start());
    let home = Home::with_coordinators("alice", &[first.address, second.address]);
    let mut alice = Running::start(home.command(&["-e", "register 0"]));
    let (mut commands, mut messages) = first.join_published("register", EPOCH, 0);
    alice.expect("OK register");
    messages.say("7#bob#0#seven");
    messages.expect("ack 7");
    alice.write("msend one\n");
    commands.expect("alice#send 1 one#127.0.0.1");
    drop((first, commands, messages));
    let mut commands = second.accept();
    let wish = commands.wish("reconnect");
    assert!(wish.line.contains(&format!(" since={EPOCH}:7#")), "{}", wish.line);
    let _messages = wish.greet(EPOCH);
    commands.say(&format!("OK reconnect epoch={EPOCH} next=9 ttl=60 max_line=65536 published=1"));
    commands.expect("alice#send 1 one#127.0.0.1");
    commands.say("OK send 1 duplicate=1");
    alice.expect("OK msend duplicate=1\n");
    alice.write("quit\n");
    commands.expect("alice#disconnect#127.0.0.1");
    commands.say("OK disconnect");
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
}

/// The same journal comes up at the second address.
#[test]
fn lines_of_a_script_arrive_once_although_the_coordinator_is_killed_in_between() {
    const LINES: usize = 400;
    let first = Coordinator::start_with_data_dir(600, &[]);
    let port = Arc::new(ReservedPort::new());
    let coordinators = [first.address, at(&port)];
    let homes = ["bob", "alice"].map(|id| Home::with_coordinators(id, &coordinators));
    let mut bob = Running::start(homes[0].command(&["--join", "--quiet"]));
    bob.expect("OK register");
    let mut alice = Running::start(homes[1].command_as_is(&["--lines"]));
    let lines = |numbers: std::ops::Range<usize>| -> Vec<String> {
        numbers.map(|number| format!("line {number}")).collect()
    };
    alice.write(&(lines(0..LINES / 2).join("\n") + "\n"));
    until("the first lines", || texts(&homes[0].log()).len() > 20);
    first.kill();
    alice.write(&(lines(LINES / 2..LINES).join("\n") + "\n"));
    alice.input = None;
    let second = first.start_at(port);
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
    until("the last line", || homes[0].log().ends_with(&format!("line {}\n", LINES - 1)));
    assert_eq!(texts(&homes[0].log()), lines(0..LINES));
    assert_eq!(second.client().member("alice"), None, "it leaves as found");
    bob.write("quit\n");
    assert_eq!(bob.wait(), Some(0), "{}", bob.said);
}

#[test]
fn check_and_top_name_the_coordinators() {
    let port = ReservedPort::new();
    let second = Coordinator::start(60, &[]);
    let home = Home::with_coordinators("alice", &[at(&port), second.address]);
    let (code, said) = home.script(&["--check"], "");
    let line = format!("coordinators, tried in turn: {}, {}", at(&port), second.address);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.ends_with(&format!(": valid\n{line}\n")), "{said}");
    let mut top = Running::start(home.command_as_is(&["--top", "--count", "1"]));
    assert_eq!(top.wait(), Some(0), "{}", top.said);
    assert!(top.said.ends_with(&format!(" coordinator={}\n", second.address)), "{}", top.said);
}
