//! Messages that are lost, the time of the loss, and the report to the member.

use support::coordinator::Coordinator;
use support::member::Member;
use support::number;

/// Alice, who sends, and bob, who acknowledges and is away.
#[track_caller]
fn alice_and_absent_bob(coordinator: &Coordinator) -> (Member, Member) {
    let (alice, mut bob) = (coordinator.join("alice", ""), coordinator.join("bob", "acks=1"));
    bob.disconnect();
    (alice, bob)
}

#[test]
fn what_expired_is_a_gap_and_what_did_not_follows_it() {
    let coordinator = Coordinator::start(2, &[]);
    let (mut alice, mut bob) = alice_and_absent_bob(&coordinator);
    alice.msend("one");
    alice.msend("two");
    bob.until_expired();
    alice.msend("three");
    bob.comes_back("acks=1", 1, 2);
    bob.socket().gap(2, 1, 2);
    bob.socket().delivery(3, "alice", "three");
    bob.socket().ack(3);
    bob.until_acked(3);
    let stats = bob.command.stats();
    assert_ne!(stats.get("expired").map(String::as_str), Some("0"), "{stats:?}");
    assert_ne!(stats.get("gaps").map(String::as_str), Some("0"), "{stats:?}");
}

#[test]
fn a_member_that_does_not_acknowledge_gets_no_gap() {
    let coordinator = Coordinator::start(1, &[]);
    let mut alice = coordinator.join("alice", "");
    let mut bob = coordinator.join("bob", "");
    bob.disconnect();
    alice.msend("one");
    bob.until_expired();
    bob.comes_back("", 0, 1);
    alice.msend("two");
    bob.socket().delivery(2, "alice", "two");
}

#[test]
fn a_gap_comes_again_until_its_last_number_is_acknowledged() {
    let coordinator = Coordinator::start(1, &[]);
    let (mut alice, mut bob) = alice_and_absent_bob(&coordinator);
    for text in ["one", "two", "three"] {
        alice.msend(text);
    }
    bob.until_expired();
    for _ in 0..2 {
        bob.comes_back("acks=1", 0, 3);
        bob.socket().gap(3, 1, 3);
    }
    bob.socket().ack(3);
    bob.until_acked(3);
    bob.comes_back("acks=1", 0, 0);
    alice.msend("four");
    bob.socket().delivery(4, "alice", "four");
}

#[test]
fn a_number_inside_a_gap_was_never_brought_and_may_not_be_named() {
    let coordinator = Coordinator::start(1, &[]);
    let (mut alice, mut bob) = alice_and_absent_bob(&coordinator);
    for text in ["one", "two", "three"] {
        alice.msend(text);
    }
    bob.until_expired();
    bob.reconnect("acks=1");
    bob.socket().gap(3, 1, 3);
    bob.socket().ack(2);
    bob.take_socket().expect_bye("bad ack");
    assert_eq!(bob.acked(), 0);
}

#[test]
fn own_messages_are_never_counted_as_lost() {
    let coordinator = Coordinator::start(1, &[]);
    let mut alice = coordinator.join("alice", "");
    let mut bob = coordinator.join("bob", "acks=1");
    alice.msend("1: other");
    bob.msend("2: own");
    alice.msend("3: other");
    bob.msend("4: own");
    bob.socket().delivery(1, "alice", "1: other");
    bob.socket().delivery(3, "alice", "3: other");
    bob.disconnect();
    alice.msend("5: other");
    bob.until_expired();
    bob.comes_back("acks=1", 0, 3);
    bob.socket().gap(3, 1, 5);
    // Numbers below the one that `since` names count as delivered.
    let since = format!("acks=1 since={}:1", bob.epoch());
    bob.comes_back(&since, 0, 2);
    assert_eq!(bob.acked(), 2, "and over the own message right after it");
    bob.socket().gap(2, 3, 5);
}

#[test]
fn what_was_acknowledged_and_is_gone_is_no_gap() {
    let coordinator = Coordinator::start(1, &[]);
    let mut alice = coordinator.join("alice", "");
    let mut bob = coordinator.join("bob", "acks=1");
    alice.msend("one");
    alice.msend("two");
    bob.socket().delivery(1, "alice", "one");
    bob.socket().delivery(2, "alice", "two");
    bob.socket().ack(2);
    bob.disconnect();
    alice.msend("three");
    bob.until_expired();
    let since = format!("acks=1 since={}:0", bob.epoch());
    bob.comes_back(&since, 0, 1);
    bob.socket().gap(1, 3, 3);
}

#[test]
fn with_ttl_0_a_message_is_for_those_who_are_there() {
    let coordinator = Coordinator::start(0, &[]);
    let mut alice = coordinator.join("alice", "");
    let mut bob = coordinator.join("bob", "");
    let mut carol = coordinator.join("carol", "acks=1");
    assert_eq!(number(&carol.reply, "ttl"), 0);
    carol.disconnect();
    alice.msend("one");
    bob.socket().delivery(1, "alice", "one");
    alice.msend("two");
    bob.socket().delivery(2, "alice", "two");
    carol.comes_back("acks=1", 0, 2);
    carol.socket().gap(2, 1, 2);
    alice.msend("three");
    carol.socket().delivery(3, "alice", "three");
    bob.socket().delivery(3, "alice", "three");
}

#[test]
fn the_oldest_make_room_where_the_operator_said_so() {
    let options = ["max_line=512", "max_backlog=1024", "overflow=drop-oldest"];
    let coordinator = Coordinator::start(30, &options);
    let mut alice = coordinator.join("alice", "");
    let mut bob = coordinator.join("bob", "acks=1");
    let mut carol = coordinator.join("carol", "");
    bob.disconnect();
    let text = "x".repeat(400);
    for seq in 1..=5 {
        assert_eq!(alice.msend(&text), seq);
        carol.socket().delivery(seq, "alice", &text);
    }
    bob.comes_back("acks=1", 2, 3);
    bob.socket().gap(3, 1, 3);
    bob.socket().delivery(4, "alice", &text);
    bob.socket().delivery(5, "alice", &text);
}

#[test]
fn a_slow_member_online_gets_gaps_for_dropped_messages_too() {
    let options = ["max_line=512", "max_backlog=1024", "overflow=drop-oldest"];
    let coordinator = Coordinator::start(30, &options);
    let mut alice = coordinator.join("alice", "");
    let mut bob = coordinator.join("bob", "acks=1");
    let text = "x".repeat(400);
    for seq in 1..=5 {
        alice.msend(&text);
        bob.socket().delivery(seq, "alice", &text);
    }
    // All came, none was acknowledged: what was dropped since is known to be taken once named.
    let since = format!("acks=1 since={}:5", bob.epoch());
    bob.comes_back(&since, 0, 0);
    alice.msend("six");
    bob.socket().delivery(6, "alice", "six");
    // Without `since`, `acked` is the last number acknowledged.
    for _ in 0..5 {
        alice.msend(&text);
    }
    bob.comes_back("acks=1", 2, 4);
    bob.socket().gap(4, 6, 9);
    bob.socket().delivery(10, "alice", &text);
}

#[test]
fn a_time_to_live_not_yet_over_loses_nothing() {
    let coordinator = Coordinator::start(31_536_000, &[]);
    let (mut alice, mut bob) = alice_and_absent_bob(&coordinator);
    for seq in 1..=50 {
        alice.msend(&format!("text {seq}"));
    }
    bob.comes_back("acks=1", 50, 0);
    for seq in 1..=50 {
        bob.socket().delivery(seq, "alice", &format!("text {seq}"));
    }
}
