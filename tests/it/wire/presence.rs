//! Announcements: `presence=yes`, over real sockets, journals and clients.

use std::fs;

use support::coordinator::{Coordinator, inspect};
use support::member::Member;

#[test]
fn each_change_of_a_member_is_announced_to_all() {
    let coordinator = Coordinator::start(30, &["presence=yes", "presence_delay=0.2"]);
    let mut alice = coordinator.join("alice", "acks=1");
    alice.socket().delivery(1, "@", "alice registered");
    let mut bob = coordinator.join("bob", "");
    bob.socket().delivery(2, "@", "bob registered");
    alice.socket().delivery(2, "@", "bob registered");
    alice.socket().ack(2);
    alice.until_acked(2);
    assert_eq!(alice.msend("hi"), 3);
    bob.socket().delivery(3, "alice", "hi");
    bob.disconnect();
    let offline = alice.socket().delivery(4, "@", "bob offline");
    assert!(bob.line().contains(" offline ") && bob.line().contains(" pending=1 "));
    bob.comes_back("", 1, 0);
    bob.socket().delivery(4, "@", "bob offline");
    let online = bob.socket().delivery(5, "@", "bob online");
    // The pause is on the steady clock, the times are on the wall clock: both are rounded.
    assert!(online + 1 >= offline + 200, "the next one too early: {offline}, {online}");
    alice.socket().delivery(5, "@", "bob online");
    bob.check("deregister", "OK deregister");
    alice.socket().delivery(6, "@", "bob deregistered");
    let refused = "ERR 400 id: expected 1 to 64 of A-Z a-z 0-9 . _ -";
    alice.command.check("@#msend alice offline#127.0.0.1", refused);
}

#[test]
fn a_member_that_comes_back_in_time_was_never_away() {
    let coordinator = Coordinator::start(30, &["presence=yes", "presence_delay=60"]);
    let mut alice = coordinator.join("alice", "");
    let mut bob = coordinator.join("bob", "");
    for _ in 0..3 {
        bob.check("disconnect", "OK disconnect");
        bob.reconnect("");
    }
    bob.reconnect(""); // A takeover.
    assert_eq!(alice.msend("the third message"), 3);
}

#[test]
fn without_a_ttl_announcements_go_to_the_members_that_are_online() {
    let coordinator = Coordinator::start(0, &["presence=yes", "presence_delay=0"]);
    let mut alice = coordinator.join("alice", "acks=1");
    alice.socket().delivery(1, "@", "alice registered");
    let mut bob = coordinator.join("bob", "acks=1");
    bob.socket().delivery(2, "@", "bob registered");
    bob.socket().ack(2);
    alice.socket().delivery(2, "@", "bob registered");
    bob.disconnect();
    alice.socket().delivery(3, "@", "bob offline");
    bob.reconnect("acks=1");
    bob.socket().gap(1, 3, 3);
    bob.socket().delivery(4, "@", "bob online");
    alice.socket().delivery(4, "@", "bob online");
}

#[test]
fn a_restart_with_a_journal_tells_only_who_stays_away() {
    let options = ["presence=yes", "presence_delay=1.5"];
    let first = Coordinator::start_with_data_dir(600, &options);
    first.join("alice", "");
    first.join("bob", "acks=1");
    let mut carol = first.join("carol", "acks=1");
    carol.socket().delivery(3, "@", "carol registered");
    carol.check("deregister", "OK deregister");
    first.kill();

    let second = first.start_again();
    let mut alice = Member::come_back(&second, "alice", "acks=1");
    for (seq, text) in (1..).zip(["alice registered", "bob registered", "carol registered"]) {
        alice.socket().delivery(seq, "@", text);
    }
    alice.socket().delivery(4, "@", "carol deregistered");
    alice.socket().delivery(5, "@", "bob offline");
    alice.socket().ack(5);
    alice.until_acked(5);
    second.terminate();
    assert_eq!(second.wait().code(), Some(0));

    let report = inspect(&first.data_dir());
    let report = String::from_utf8(report.stdout).unwrap();
    assert!(report.contains("\nmembers 2\n") && !report.contains("damage"), "{report}");
    let third = first.start_again();
    let mut alice = Member::come_back(&third, "alice", "acks=1");
    let mut bob = Member::come_back(&third, "bob", "acks=1");
    bob.socket().delivery(2, "@", "bob registered");
    alice.socket().delivery(6, "@", "bob online");
    bob.check("deregister", "OK deregister");
    alice.socket().delivery(7, "@", "bob deregistered");
}

#[test]
fn members_of_a_journal_without_presence_count_as_announced() {
    let first = Coordinator::start_with_data_dir(600, &[]);
    first.join("alice", "acks=1");
    first.join("bob", "");
    first.kill();
    let config = fs::read_to_string(first.config()).unwrap();
    fs::write(first.config(), format!("{config}\npresence=yes\npresence_delay=0.5\n")).unwrap();
    let second = first.start_again();
    let mut alice = Member::come_back(&second, "alice", "acks=1");
    alice.socket().delivery(1, "@", "bob offline");
}
