//! `send` of the client in Python: each text once and in order, over lost replies and kills.

use support::coordinator::Coordinator;
use support::fake::Fake;
use support::participant::texts;

use super::{EPOCH, Python};

#[test]
fn texts_of_the_client_in_python_come_once_and_in_order_over_kills_of_the_coordinator() {
    let mut coordinator = Coordinator::start_with_data_dir(60, &[]);
    let Some(home) = Python::new(coordinator.address) else { return };
    let Some(other) = Python::of(coordinator.address, "bob") else { return };
    let mut bob = other.start();
    bob.expect("OK register");
    let mut alice = home.start();
    alice.expect("OK register");
    for kills in 1..=3 {
        let texts = (kills - 1) * 300..kills * 300;
        alice.write(&texts.map(|number| format!("send {number}\n")).collect::<String>());
        // Anywhere within the time that they take.
        other.until_logged((kills - 1) * 300 + kills * 30);
        coordinator.kill();
        coordinator = coordinator.start_again();
    }
    other.until_logged(900);
    alice.input = None;
    alice.expect("OK disconnect\n");
    assert_eq!(alice.said.matches("\nOK send seq=").count(), 900, "{}", alice.said);
    let expected: Vec<String> = (0..900).map(|number| number.to_string()).collect();
    assert_eq!(texts(&other.log()), expected);
}

#[test]
fn the_client_in_python_sends_a_text_again_with_its_number_and_tells_of_unknown_numbers() {
    let fake = Fake::start();
    let Some(home) = Python::new(fake.address) else { return };
    let mut alice = home.start();
    let (mut commands, messages) = fake.join_published("reconnect", EPOCH, 4);
    alice.write("send one\nsend two\n");
    commands.expect("alice#send 5 one#127.0.0.1");
    drop((commands, messages));

    // It was accepted, and its reply was lost.
    let (mut commands, messages) = fake.join_published("reconnect", EPOCH, 5);
    commands.expect("alice#send 5 one#127.0.0.1");
    commands.say("OK send 5 duplicate=1");
    alice.expect("OK send seq=0\n");
    for refusal in [
        "ERR 507 the backlog is full",
        "ERR 506 the journal cannot be written",
        "ERR 429 rate: at most 1 a second: try again in 10 ms",
    ] {
        commands.expect("alice#send 6 two#127.0.0.1");
        commands.say(refusal);
    }
    commands.expect("alice#send 6 two#127.0.0.1");
    commands.say("ERR 409 offline: reconnect");
    drop((commands, messages));

    let (mut commands, messages) = fake.join_published("reconnect", EPOCH, 9);
    alice.expect("* new numbers: published=9, not 5\n");
    commands.expect("alice#send 10 two#127.0.0.1");
    commands.say("OK send 10 duplicate=1"); // Of another program: this text had no such number.
    drop((commands, messages));

    let mut commands = fake.accept();
    let _ = commands.wish("reconnect");
    commands.say("ERR 404 not a member: register first");
    let wish = commands.wish("register");
    let _messages = wish.greet(EPOCH);
    commands.say(&format!("OK register epoch={EPOCH} next=1 ttl=60 published=0"));
    alice.expect("* registered anew: earlier messages may be missing\n");
    commands.expect("alice#send 1 two#127.0.0.1");
    commands.say("OK send 1 seq=12");
    alice.expect("OK send seq=12\n");
    alice.write("send \x1b\n");
    commands.expect("alice#send 2 \x1b#127.0.0.1");
    commands.say("ERR 400 text: control character");
    alice.expect("error: ERR 400 text: control character\n");
}

#[test]
fn the_client_in_python_sends_to_an_older_coordinator() {
    let fake = Fake::start();
    let Some(home) = Python::new(fake.address) else { return };
    let mut alice = home.start_with(&["last=3"]);
    let mut commands = fake.accept();
    let _ = commands.wish("reconnect");
    commands.say("ERR 404 not a member: register first");
    let wish = commands.wish("register");
    assert!(wish.line.contains(" last=3#"), "{}", wish.line);
    commands.say("ERR 400 option: expected acks=1");
    alice.expect("too old for last=");
    let wish = commands.wish("register");
    assert!(!wish.line.contains(" last="), "{}", wish.line);
    let messages = wish.greet(EPOCH);
    commands.say(&format!("OK register epoch={EPOCH} next=1 ttl=60"));
    alice.write("send one\nsend two\n");
    commands.expect("alice#msend one#127.0.0.1");
    commands.say("OK msend seq=1");
    alice.expect("OK send seq=1\n");
    commands.expect("alice#msend two#127.0.0.1");
    drop((commands, messages));
    alice.expect("* not known whether it was carried out: send two\n");
}
