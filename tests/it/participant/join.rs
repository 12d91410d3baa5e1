//! `join` and `--join`: online the first time, every time, whatever the coordinator does.

use rustix::process::Signal;

use support::coordinator::Coordinator;
use support::fake::Fake;
use support::participant::{Home, Running, texts};

/// The command line of a service.
const SERVICE: [&str; 2] = ["-f", "--join"];

#[test]
fn a_service_starts_before_its_coordinator_and_survives_all_restarts() {
    for is_durable in [false, true] {
        let start = if is_durable { Coordinator::start_with_data_dir } else { Coordinator::start };
        let first = start(60, &[]);
        first.kill();
        let home = Home::new("alice", first.address);
        let mut alice = Running::start(home.command_as_is(&SERVICE));
        alice.expect("* join failed: cannot connect to 127.0.0.1:");
        let second = first.start_again();
        alice.expect("OK register epoch=");
        let mut bob = second.join("bob", "");
        bob.msend("to a new member");
        alice.expect("bob: to a new member");
        bob.command.until_member("alice", |line| line.contains("acked=1"));
        second.kill();
        alice.expect("* message socket lost: ");
        let third = second.start_again();
        let (found, mut bob) = match is_durable {
            true => (
                "* reconnected: OK reconnect",
                support::member::Member::come_back(&third, "bob", ""),
            ),
            false => (
                "* registered as a new member, messages may have been missed: OK",
                third.join("bob", ""),
            ),
        };
        alice.expect(found);
        bob.msend("after the restart");
        alice.expect("bob: after the restart");
        alice.signal(Signal::TERM);
        assert_eq!(alice.wait(), Some(0), "{}", alice.said);
        assert_eq!(texts(&home.log()), ["to a new member", "after the restart"]);
        assert!(!alice.said.contains("error:"), "{}", alice.said);
    }
}

#[test]
fn a_service_ends_with_code_0_at_a_signal_while_nobody_is_there() {
    let coordinator = Coordinator::start(60, &[]);
    coordinator.kill();
    let home = Home::new("alice", coordinator.address);
    let mut alice = Running::start(home.command_as_is(&SERVICE));
    alice.expect("* join failed: ");
    alice.signal(Signal::TERM);
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
}

#[test]
fn join_comes_back_as_the_member_of_before() {
    let coordinator = Coordinator::start(60, &[]);
    let home = Home::new("alice", coordinator.address);
    let (code, said) = home.script(&[], "join\nstatus\nquit\n");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("OK register epoch="), "{said}");
    let mut bob = coordinator.join("bob", "");
    bob.msend("while alice was away");
    let mut alice = Running::start(home.command(&["-e", "join"]));
    alice.expect("OK reconnect epoch=");
    alice.expect("1 bob: while alice was away");
    alice.write("quit\n");
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
    assert!(!alice.said.contains("missed:"), "{}", alice.said);
}

#[test]
fn a_text_behind_join_is_sent_in_a_script() {
    let coordinator = Coordinator::start(60, &[]);
    let mut bob = coordinator.join("bob", "");
    let home = Home::new("alice", coordinator.address);
    let (code, said) = home.script(&[], "join\nmsend from a script\nquit\n");
    assert_eq!(code, Some(0), "{said}");
    bob.socket().delivery(1, "alice", "from a script");
}

#[test]
fn a_join_that_never_succeeds_is_a_failure_at_the_end_of_the_commands() {
    let coordinator = Coordinator::start(60, &[]);
    coordinator.kill();
    let home = Home::new("alice", coordinator.address);
    let mut alice = Running::start(home.command_as_is(&["-e", "join"]));
    assert_eq!(alice.wait(), Some(1), "{}", alice.said);
    assert!(alice.said.contains("error: quit: 1 command was not finished\n"), "{}", alice.said);
}

#[test]
fn a_service_that_is_no_coordinator_is_named_once() {
    let fake = Fake::start();
    let home = Home::new("alice", fake.address);
    let mut alice = Running::start(home.command_as_is(&SERVICE));
    for _ in 0..3 {
        let mut commands = fake.accept();
        commands.wish("reconnect");
        commands.say("220 mail.example.org");
        commands.expect_closed(); // A request on its way would be awaited at the end.
    }
    alice.signal(Signal::TERM);
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
    assert_eq!(
        alice.said.matches("a line that is not a reply: check its port").count(),
        1,
        "{}",
        alice.said
    );
}
