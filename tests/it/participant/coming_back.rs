//! Connections that break, replies that are lost, coordinators that lost their members, and
//! strangers at the listener.

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
    alice.expect("* message socket lost: closed by the coordinator\n");
    alice.expect("* reconnecting in 0.");
    let second = first.start_again();
    alice.expect("* the coordinator does not know this participant: registering\n");
    alice.expect("* registered as a new member, messages may have been missed: OK register epoch=");
    let mut bob = second.join("bob", "");
    let second_epoch = bob.epoch().to_owned();
    bob.msend("after");
    alice.expect("1 bob: after\n");
    alice.write("quit\n");
    assert_eq!(alice.wait(), Some(0), "what broke by itself is no failed command: {}", alice.said);
    assert!(alice.said.contains(&format!("* new epoch {second_epoch}\n")));
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
    alice.expect("* message socket lost: closed by the coordinator\n* reconnecting in 0.");
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
    alice.expect("* message socket lost: closed by the coordinator\n");
    alice.write("ping\nstatus\n");
    alice.expect("id alice\nstate offline\n"); // Before the reply.
    commands.expect("alice#ping#127.0.0.1"); // Nothing was asked before it.
    commands.say("OK ping");
    alice.expect("OK ping\n");
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
    let unknown = "error: msend: the reply is lost: the message may or may not be accepted, \
                   and is not sent again: ";
    alice.expect("* command socket lost: ");
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
        alice.expect("* command socket lost: closed by the coordinator\n");
        alice.expect(&format!(
            "error: {command}: the reply is lost: the command may or may not have been \
             carried out\n"
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
fn a_stranger_at_the_listener_does_not_become_the_message_socket() {
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
    alice.expect("a connection from 127.0.0.1 to the listener was dropped: its first line is not ");
    let mut foreign = wish.connect_from("127.0.0.2");
    foreign.expect_closed();
    alice.expect(
        "a connection from 127.0.0.2 to the listener was dropped: it does not come from 127.0.0.1, \
         the coordinator's address; ",
    );
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
        alice.expect("* message socket lost: the coordinator sent a line that is not a message\n");
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
    alice.write("members\n");
    alice.expect("alice online [::1]:");
    alice.write("status\nquit\n");
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

/// Returns the outcome of each text, in the order of typing.
fn outcomes(said: &str) -> Vec<&str> {
    let is_outcome = |line: &&str| {
        line.starts_with("OK msend ")
            || line.starts_with("ERR ")
            || line.starts_with("error: msend")
    };
    let is_of_register = |line: &&str| line.starts_with("ERR 409 already a member");
    said.lines().filter(|line| is_outcome(line) && !is_of_register(line)).collect()
}

/// Returns true if the participant waits longer than a second before it tries again.
fn is_long_pause(line: &str) -> bool {
    let pause = ["reconnecting in ", "trying again in "].map(|words| line.rsplit_once(words));
    let seconds = pause.into_iter().flatten().filter_map(|(_, end)| end.strip_suffix(" s"));
    seconds.filter_map(|seconds| seconds.parse::<f64>().ok()).any(|seconds| seconds > 1.0)
}

/// A participant that sends while its coordinator is killed and started eight times. It comes back
/// by itself, and when the pauses have become long, as no connection has lasted, by `join`.
fn send_over_eight_restarts(mut coordinator: Coordinator) -> (Running, Home, Vec<usize>) {
    let [mut alice, mut bob] = ["alice", "bob"].map(|id| {
        let home = Home::new(id, coordinator.address);
        let running = Running::start(home.command(&["-f", "-e", "register 0"]));
        (running, home)
    });
    alice.0.expect("* new epoch ");
    bob.0.expect("* new epoch ");
    let mut typed = 0;
    for _ in 0..8 {
        for is_down in [false, true] {
            let texts: String =
                (typed..typed + 100).map(|text| format!("msend {text}\n")).collect();
            alice.0.write(&texts);
            typed += 100;
            if is_down {
                coordinator = coordinator.start_again();
                // The pause that was announced before the start can be a long one, too.
                alice.0.take_output();
                if alice.0.unexpected().lines().any(is_long_pause) {
                    alice.0.write("join\n");
                }
            } else {
                alice.0.expect("OK msend ");
                coordinator.kill();
                alice.0.expect("* message socket lost: ");
            }
        }
        while outcomes(&alice.0.said).len() < typed {
            if is_long_pause(&alice.0.expect_line()) {
                alice.0.write("join\n");
            }
        }
    }
    let mut confirmed = Vec::new();
    let mut unknown = 0;
    for (text, outcome) in outcomes(&alice.0.said).into_iter().enumerate() {
        if outcome.starts_with("OK msend ") {
            confirmed.push(text);
        } else {
            assert!(outcome.contains("the reply is lost"), "{text}: {outcome}");
            assert!(outcome.ends_with(&format!(": {text}")), "{text}: {outcome}");
            unknown += 1;
        }
    }
    println!("{typed} texts, {} confirmed, {unknown} unknown", confirmed.len());
    assert!(confirmed.len() > typed / 2, "{} of {typed}", confirmed.len());
    bob.0.write("join\n"); // It may be in a long pause.
    coordinator.client().until_member("bob", |line| line.contains(" online "));
    alice.0.write("msend the end\n");
    bob.0.expect(" alice: the end\n");
    until("the last text", || bob.1.log().ends_with("\tthe end\n"));
    alice.0.signal(rustix::process::Signal::TERM);
    assert_eq!(alice.0.wait(), Some(u8::from(unknown > 0).into()), "{}", alice.0.said);
    (bob.0, bob.1, confirmed)
}

/// The texts, which are numbers, in order and none twice.
fn numbers(log: &str) -> Vec<usize> {
    let texts = texts(log).into_iter().filter(|text| *text != "the end");
    let numbers: Vec<usize> = texts.map(|text| text.parse().unwrap()).collect();
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
    numbers
}

#[test]
fn what_is_sent_over_eight_restarts_is_confirmed_or_unknown_and_comes_once_in_order() {
    let coordinator = Coordinator::start_with_data_dir(600, &[]);
    let (_bob, home, confirmed) = send_over_eight_restarts(coordinator);
    let arrived = numbers(&home.log());
    let lost: Vec<&usize> = confirmed.iter().filter(|text| !arrived.contains(text)).collect();
    assert!(lost.is_empty(), "confirmed, and not there: {lost:?}");
}

/// Members that register anew get nothing from before, so not all that is confirmed comes.
#[test]
fn what_is_sent_over_eight_restarts_without_a_journal_comes_once_in_order_too() {
    let coordinator = Coordinator::start(600, &[]);
    let (_bob, home, _) = send_over_eight_restarts(coordinator);
    numbers(&home.log());
}

#[test]
fn what_waits_at_the_end_is_named_and_makes_the_exit_code_1() {
    for end in ["quit", "end", "TERM"] {
        let coordinator = Coordinator::start(60, &[]);
        let home = Home::new("alice", coordinator.address);
        let mut alice = Running::start(home.command(&["-e", "register 0"]));
        alice.expect("* new epoch ");
        alice.write("msend zero\n");
        alice.expect("OK msend seq=1\n");
        coordinator.kill();
        alice.expect("* message socket lost: ");
        alice.write("msend one\nmsend two\nstatus\n");
        alice.expect("* not online: messages wait up to 120 s and are sent when online again\n");
        alice.expect("\nwaiting 2\n");
        match end {
            "quit" => alice.write("quit\n"),
            "end" => alice.input = None,
            _ => alice.signal(rustix::process::Signal::TERM),
        }
        alice.expect("error: msend: not sent: the participant shuts down: one\n");
        alice.expect("error: msend: not sent: the participant shuts down: two\n");
        assert_eq!(alice.wait(), Some(1), "{end}: {}", alice.said);
    }
}
