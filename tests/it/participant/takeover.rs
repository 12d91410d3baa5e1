//! A message socket that the coordinator closes for a reason: two programs with one id, above all.

use support::coordinator::Coordinator;
use support::participant::{Home, Running};
use support::port::ReservedPort;

/// Neither takes the id back by itself, or each would for ever.
#[test]
fn of_two_participants_with_one_id_the_first_says_who_took_over_and_stays_offline() {
    let coordinator = Coordinator::start(60, &[]);
    let mut bob = coordinator.join("bob", "");
    let (first, second) =
        (Home::new("alice", coordinator.address), Home::new("alice", coordinator.address));
    let mut one = Running::start(first.command(&["-f", "-e", "register 0"]));
    one.expect("OK register");
    let mut two = Running::start(second.command(&["-f", "-e", "reconnect 0"]));
    two.expect("* listening on port ");
    let port = two.expect_line();
    two.expect("OK reconnect");
    one.expect(&format!("* taken over by 127.0.0.1:{port}: another program uses this id"));
    bob.msend("for the second");
    two.expect("1 bob: for the second\n");
    one.write("status\n");
    one.expect("state offline\n");
    assert_eq!(bob.command.stat("takeovers"), 1, "it is settled");

    // The user may take it back, and then the other one stays away, as long as both are there.
    one.write("reconnect 0\n");
    one.expect("OK reconnect");
    two.expect("* taken over by 127.0.0.1:");
    bob.msend("for the first");
    one.expect("2 bob: for the first\n");
    two.write("status\n");
    two.expect("state offline\n");
    assert_eq!(bob.command.stat("takeovers"), 2, "it is settled");
}

/// The listener is closed once the coordinator is connected, so another program may have its port.
#[test]
fn a_takeover_by_another_program_on_the_port_of_before_is_not_taken_for_ones_own() {
    let coordinator = Coordinator::start(60, &[]);
    let port = ReservedPort::new();
    let command = format!("register {port}");
    let (first, second) =
        (Home::new("alice", coordinator.address), Home::new("alice", coordinator.address));
    let mut one = Running::start(first.command(&["-f", "-e", &command]));
    one.expect("OK register");
    let command = format!("reconnect {port}");
    let mut two = Running::start(second.command(&["-f", "-e", &command]));
    two.expect("OK reconnect");
    one.expect(&format!("* taken over by 127.0.0.1:{port}: another program uses this id"));
}

#[test]
fn a_takeover_of_ones_own_is_no_news() {
    let coordinator = Coordinator::start(60, &[]);
    let home = Home::new("alice", coordinator.address);
    let mut alice = Running::start(home.command(&["-f", "-e", "register 0", "-e", "reconnect 0"]));
    alice.expect("OK register");
    alice.expect("OK reconnect");
    alice.write("reconnect 0\nquit\n");
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
    assert!(!alice.said.contains("taken over"), "{}", alice.said);
    assert!(!alice.said.contains("lost"), "{}", alice.said);
}

#[test]
fn the_reason_for_an_end_is_said_in_words() {
    let coordinator = Coordinator::start(60, &[]);
    let home = Home::new("alice", coordinator.address);
    let mut alice = Running::start(home.command(&["-f", "-e", "register 0"]));
    alice.expect("OK register");
    coordinator.client().check("alice#disconnect#127.0.0.1", "OK disconnect");
    alice.expect("* message socket lost: another program disconnected this id\n");
    alice.expect("* reconnected: ");
    coordinator.terminate();
    alice.expect("* message socket lost: the coordinator is shutting down\n");
}

/// No message can come for it, unless its user types `reconnect`.
#[test]
fn a_script_that_waits_for_messages_ends_when_its_id_is_taken_over() {
    let coordinator = Coordinator::start(60, &[]);
    let mut bob = coordinator.join("bob", "");
    for options in [&["--count", "2"][..], &["-f", "--join", "--count", "2"]] {
        let (first, second) =
            (Home::new("alice", coordinator.address), Home::new("alice", coordinator.address));
        let mut one = Running::start(first.command(options));
        one.expect("* new epoch");
        bob.msend("the first of two");
        one.expect(" bob: the first of two\n");
        let mut two = Running::start(second.command(&["-f", "-e", "reconnect 0"]));
        two.expect("OK reconnect");
        one.expect("* taken over by 127.0.0.1:");
        one.expect("error: --count: taken over, so 1 message has not come\n");
        assert_eq!(one.wait(), Some(1), "{}", one.said);
        bob.msend("the second program stays");
        two.expect(" bob: the second program stays\n");
        two.write("deregister\n");
        two.expect("OK deregister");
    }
}
