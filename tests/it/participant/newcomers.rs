//! `last=N` at the participant: the conversation so far, each message once in the log.

use rustix::process::Signal;
use support::coordinator::Coordinator;
use support::fake::Fake;
use support::member::Member;
use support::participant::{Home, Running, texts};

fn send(bob: &mut Member, texts: &[&str]) {
    for text in texts {
        bob.msend(text);
    }
}

#[test]
fn a_service_gets_the_last_messages_once_over_all_restarts() {
    let first = Coordinator::start_with_data_dir(60, &[]);
    let mut bob = first.join("bob", "");
    send(&mut bob, &["one", "two", "three"]);
    let home = Home::new("alice", first.address);
    let service = ["-f", "--join", "--last", "2"];
    let mut alice = Running::start(home.command_as_is(&service));
    alice.expect("bob: three");
    alice.signal(Signal::TERM);
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
    let mut alice = Running::start(home.command_as_is(&service));
    alice.expect("OK reconnect ");
    first.kill();
    let second = first.start_again();
    let mut bob = Member::come_back(&second, "bob", "");
    send(&mut bob, &["four"]);
    alice.expect("bob: four");
    // The coordinator forgets alice, who registers again: her log is not new.
    alice.signal(Signal::TERM);
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
    second.client().check("alice#deregister#127.0.0.1", "OK deregister");
    let mut alice = Running::start(home.command_as_is(&service));
    alice.expect("* registered as a new member, messages may have been missed: OK");
    send(&mut bob, &["five"]);
    alice.expect("bob: five");
    alice.signal(Signal::TERM);
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
    assert_eq!(texts(&home.log()), ["two", "three", "four", "five"]);
    assert!(!alice.said.contains("last="), "{}", alice.said);
}

#[test]
fn the_prompt_asks_for_the_last_messages() {
    let coordinator = Coordinator::start(60, &[]);
    let mut bob = coordinator.join("bob", "");
    send(&mut bob, &["one", "two", "three"]);
    for (id, command, expected) in [
        ("alice", "register 0 last=1", &["three"][..]),
        ("carol", "join last=2", &["two", "three"]),
    ] {
        let home = Home::new(id, coordinator.address);
        let mut participant = Running::start(home.command(&["-e", command]));
        participant.expect("bob: three");
        participant.write("deregister\n");
        participant.expect("OK deregister");
        participant.write("register 0 last=1\n");
        participant.expect("* last= is left out: the message log is not new");
        participant.expect("OK register ");
        participant.write("quit\n");
        assert_eq!(participant.wait(), Some(0), "{}", participant.said);
        assert_eq!(texts(&home.log()), expected);
    }
}

#[test]
fn an_older_coordinator_is_asked_without_the_option() {
    let fake = Fake::start();
    let home = Home::new("alice", fake.address);
    let mut alice = Running::start(home.command(&["-e", "register 0 last=5"]));
    let mut commands = fake.accept();
    let wish = commands.wish("register");
    assert!(wish.line.contains(" last=5#"), "{}", wish.line);
    commands.say("ERR 400 option: expected acks=1, nonce=<hex> or since=<epoch>:<number>");
    alice.expect("* the coordinator is older than last=: earlier messages do not come");
    let wish = commands.wish("register");
    assert!(!wish.line.contains("last="), "{}", wish.line);
    let _messages = wish.greet("00000000000000aa");
    commands.say("OK register epoch=00000000000000aa next=1 ttl=60");
    alice.expect("OK register ");
}
