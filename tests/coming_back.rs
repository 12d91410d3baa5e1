//! Connections that break, replies that get lost, coordinators that forget, strangers at the door.

#![cfg(test)]

#[expect(dead_code, reason = "each test program uses its own part of it")]
mod support;

use support::coordinator::Coordinator;
use support::fake::Fake;
use support::participant::{Home, Running, texts, until};
use support::{field, number};

const EPOCH: &str = "00000000000000aa";

#[test]
fn a_coordinator_that_was_killed_and_started_anew_is_found_again() {
    let first = Coordinator::start(60, &[]);
    let home = Home::new("alice", first.address);
    let mut alice = Running::start(home.command(&["-f", "-e", "register 0"]));
    alice.expect("OK register");
    let mut bob = first.join("bob", "");
    bob.msend("before");
    let first_epoch = bob.epoch().to_owned();
    bob.command.until_member("alice", |line| line.contains("acked=1"));
    first.kill();
    alice.expect("* message connection lost: closed by the coordinator\n");
    alice.expect("* reconnecting in 0.");
    let second = first.start_again();
    alice.expect("* the coordinator does not know this participant: registering\n");
    alice.expect("* registered anew, messages may have been missed: OK register epoch=");
    let mut bob = second.join("bob", "");
    let second_epoch = bob.epoch().to_owned();
    bob.msend("after");
    alice.expect("1 bob: after\n");
    alice.write("quit\n");
    assert_eq!(alice.wait(), Some(0), "what broke by itself is no failed command: {}", alice.said);
    assert!(alice.said.contains(&format!("* epoch {second_epoch}: numbers begin anew\n")));
    let log = home.log();
    let (old, new) = log.split_once(&format!("\n# epoch {second_epoch}\n")).unwrap();
    assert!(old.starts_with(&format!("# id alice\n# epoch {first_epoch}\n# last 0\n")), "{log}");
    assert_eq!((texts(old), texts(new)), (vec!["before"], vec!["after"]));
}

#[test]
fn a_message_socket_cut_alone_is_replaced_and_the_last_number_is_named() {
    let fake = Fake::start();
    let home = Home::new("alice", fake.address);
    let mut alice = Running::start(home.command(&["-f", "-e", "register 0"]));
    let (mut commands, mut messages) = fake.join("register", EPOCH);
    alice.expect("OK register");
    messages.say("7#bob#0#seven");
    messages.expect("ack 7");
    drop(messages);
    alice.expect("* message connection lost: closed by the coordinator\n* reconnecting in 0.");
    let wish = commands.wish("reconnect");
    assert!(wish.line.contains(&format!(" since={EPOCH}:7#")), "{}", wish.line);
    let mut messages = wish.greet(EPOCH);
    let reply = format!("OK reconnect epoch={EPOCH} next=8 ttl=60 missed=0 expired=0");
    commands.say(&reply);
    alice.expect(&format!("* reconnected: {reply}\n"));
    messages.say("7#bob#0#seven");
    messages.say("8#bob#0#eight");
    messages.expect("ack 7");
    messages.expect("ack 8");
    assert_eq!(texts(&home.log()), ["seven", "eight"]);
}

#[test]
fn without_reconnecting_a_lost_connection_stays_lost() {
    let fake = Fake::start();
    let home = Home::new("alice", fake.address);
    let mut alice = Running::start(home.command(&["--no-reconnect", "-e", "register 0"]));
    let (mut commands, messages) = fake.join("register", EPOCH);
    alice.expect("OK register");
    drop(messages);
    alice.expect("* message connection lost: closed by the coordinator\n");
    alice.write("ping\nstatus\n");
    commands.expect("alice#ping#127.0.0.1"); // Nothing was asked before it.
    commands.say("OK ping");
    alice.expect("OK ping\nid alice\nstate offline\n");
    alice.write("quit\n");
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
    assert!(!alice.said.contains("reconnecting"), "{}", alice.said);
}

#[test]
fn a_text_whose_reply_is_lost_is_unknown_and_never_sent_again() {
    let fake = Fake::start();
    let home = Home::new("alice", fake.address);
    let mut alice = Running::start(home.command(&["-e", "register 0"]));
    let (mut commands, mut messages) = fake.join("register", EPOCH);
    alice.expect("OK register");
    alice.write("msend one\nmsend two\n");
    commands.expect("alice#msend one#127.0.0.1");
    drop(commands);
    let unknown = "error: msend: the reply is lost, so it is unknown whether this was accepted, \
                   and it is not sent again: ";
    alice.expect("* command connection lost: ");
    alice.expect(&format!("{unknown}one\n"));
    alice.write("msend three\n");
    let mut commands = fake.accept();
    let mut sent = vec![commands.line()];
    while !sent.last().unwrap().contains("three") {
        commands.say("OK msend seq=2");
        sent.push(commands.line());
    }
    commands.say("OK msend seq=3");
    alice.expect("OK msend seq=3\n");
    assert!(!sent.iter().any(|line| line.contains("one")), "{sent:?}");
    let is_unknown = alice.said.contains(&format!("{unknown}two\n"));
    let is_sent_later = sent.iter().any(|line| line.contains("two"));
    assert!(is_unknown != is_sent_later, "{sent:?}\n{}", alice.said);
    messages.say("4#bob#0#still here"); // The message socket is another matter.
    alice.expect("4 bob: still here\n");
    alice.write("quit\n");
    commands.expect("alice#disconnect#127.0.0.1");
    commands.say("OK disconnect");
    assert_eq!(alice.wait(), Some(1), "{}", alice.said);
}

#[test]
fn other_lost_replies_are_said_to_be_unknown() {
    let fake = Fake::start();
    let home = Home::new("alice", fake.address);
    for command in ["ping", "members", "stats", "deregister", "disconnect"] {
        let mut alice = Running::start(home.command(&["-e", command]));
        fake.accept().expect(&format!("alice#{command}#127.0.0.1"));
        alice.expect("* command connection lost: closed by the coordinator\n");
        alice.expect(&format!(
            "error: {command}: the reply is lost, so it is unknown whether it was done\n"
        ));
        alice.input = None;
        assert_eq!(alice.wait(), Some(1), "{}", alice.said);
    }
}

#[test]
fn after_a_lost_register_it_reconnects_and_registers_if_it_is_not_known() {
    let fake = Fake::start();
    for known in [true, false] {
        let home = Home::new("alice", fake.address);
        let mut alice = Running::start(home.command(&["-e", "register 0"]));
        let mut commands = fake.accept();
        let lost = commands.wish("register");
        drop(commands);
        alice.expect("* register failed: closed by the coordinator; trying again in 0.");
        let mut commands = fake.accept();
        let mut wish = commands.wish("reconnect");
        let mut command = "reconnect";
        assert_ne!(lost.nonce, wish.nonce);
        if !known {
            commands.say("ERR 404 not a member");
            alice.expect("* the coordinator does not know this participant: registering\n");
            wish = commands.wish("register");
            command = "register";
        }
        let mut messages = wish.greet(EPOCH);
        let reply = format!("OK {command} epoch={EPOCH} next=1 ttl=60");
        commands.say(&reply);
        alice.expect(&format!("{reply}\n"));
        messages.say("1#bob#0#hi");
        alice.expect("1 bob: hi\n");
        alice.write("quit\n");
        commands.expect("alice#disconnect#127.0.0.1");
        commands.say("OK disconnect");
        assert_eq!(alice.wait(), Some(0), "{}", alice.said);
    }
}

#[test]
fn a_stranger_at_the_door_does_not_take_the_place() {
    let fake = Fake::start();
    let home = Home::new("alice", fake.address);
    let mut alice = Running::start(home.command(&["-e", "register 0"]));
    let mut commands = fake.accept();
    let wish = commands.wish("register");
    let _silent = wish.connect();
    for greeting in [
        "1#eve#0#not a greeting".to_owned(),
        format!("hello#{}#{EPOCH}", "0".repeat(32)),
        format!("hello#{}#{EPOCH}", wish.nonce.to_uppercase() + "0"),
        format!("hello#{}", wish.nonce),
        "x".repeat(200),
    ] {
        let mut stranger = wish.connect();
        stranger.say(&greeting);
        stranger.say("1#eve#0#forged");
        stranger.expect_closed();
    }
    let mut messages = wish.greet(EPOCH);
    commands.say(&format!("OK register epoch={EPOCH} next=1 ttl=60"));
    messages.say("1#bob#0#true");
    alice.expect("1 bob: true\n");
    messages.expect("ack 1");
    assert_eq!(texts(&home.log()), ["true"]);
    let late = std::net::TcpStream::connect(("127.0.0.1", wish.port));
    assert!(late.is_err(), "the door is shut behind the coordinator");
    drop(alice);
}

#[test]
fn what_is_no_message_ends_the_connection_and_gets_nowhere() {
    let fake = Fake::start();
    for (number, bad) in [
        &b"1#bob#0#\xff\n"[..],
        b"1#bob#0#\n",
        b"0#bob#0#x\n",
        b"01#bob#0#x\n",
        b"1#b b#0#x\n",
        b"1#bob#x#x\n",
        b"hello#00#00000000000000aa\n",
        b"gap#0#1#2\n",
        b"\n",
    ]
    .into_iter()
    .enumerate()
    {
        let home = Home::new("alice", fake.address);
        let options = ["--no-reconnect", "-e", "register 0"];
        let mut alice = Running::start(home.command(&options));
        let (_commands, mut messages) = fake.join("register", EPOCH);
        messages.write(bad);
        alice.expect(
            "* message connection lost: the coordinator sent something that is no message\n",
        );
        until("the header", || home.log().lines().count() == 3);
        assert_eq!(texts(&home.log()), [""; 0], "{number}");
    }
}

#[test]
fn it_goes_to_a_coordinator_at_ipv6_too() {
    let coordinator = Coordinator::start(60, &["bind=::1"]);
    let home = Home::new("alice", coordinator.address);
    let mut alice = Running::start(home.command(&["-e", "register 0"]));
    alice.expect("OK register");
    let mut bob = coordinator.join_from("::1", "bob", "");
    bob.msend("hi");
    alice.expect("1 bob: hi\n");
    alice.write("members\nstatus\nquit\n");
    alice.expect("alice online [::1]:");
    alice.expect(&format!("coordinator [::1]:{}\n", coordinator.address.port()));
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
}

#[test]
fn a_reconnect_takes_over_from_itself_without_a_hole() {
    let coordinator = Coordinator::start(60, &[]);
    let home = Home::new("alice", coordinator.address);
    let mut alice = Running::start(home.command(&["-f", "-e", "register 0"]));
    alice.expect("OK register");
    let mut bob = coordinator.join("bob", "");
    for round in 0..20 {
        alice.write("reconnect 0\n");
        for number in 0..50 {
            bob.msend(&format!("{round} {number}"));
        }
        alice.expect("OK reconnect");
    }
    let last = bob.msend("last");
    alice.expect(&format!("{last} bob: last\n"));
    bob.command.until_member("alice", |line| number(line, "acked") == last);
    assert_eq!(texts(&home.log()).len() as u64, last);
    let member = bob.command.member("alice").unwrap();
    assert_eq!(field(&member, "pending"), "0");
    assert!(!alice.said.contains("lost"), "{}", alice.said);
}
