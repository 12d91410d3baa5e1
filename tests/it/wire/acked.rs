//! A member's `acked`: the events that move it, those that do not, and the point where delivery
//! resumes.

use support::coordinator::Coordinator;
use support::listener::Listener;
use support::member::Member;
use support::number;

/// Alice, who sends, and bob, who was there for `count` messages and acknowledged none.
#[track_caller]
fn alice_and_bob(coordinator: &Coordinator, count: u64) -> (Member, Member) {
    let mut alice = coordinator.join("alice", "");
    let mut bob = coordinator.join("bob", "acks=1");
    for seq in 1..=count {
        assert_eq!(alice.msend(&format!("text {seq}")), seq);
    }
    take(&mut bob, 1, count);
    (alice, bob)
}

/// Sees texts of alice come.
#[track_caller]
fn take(member: &mut Member, first: u64, last: u64) {
    for seq in first..=last {
        member.socket().delivery(seq, "alice", &format!("text {seq}"));
    }
}

#[test]
fn with_acks_acked_is_the_last_seq_acknowledged() {
    let coordinator = Coordinator::start(30, &[]);
    let (_alice, mut bob) = alice_and_bob(&coordinator, 3);
    assert_eq!(bob.acked(), 0, "taking is not acknowledging");
    bob.socket().ack(2);
    bob.until_acked(2);
    bob.disconnect();
    let line = bob.line();
    assert_eq!((number(&line, "pending"), number(&line, "acked")), (1, 2), "{line}");
    bob.reconnect("acks=1");
    take(&mut bob, 3, 3);
}

#[test]
fn without_acks_acked_is_the_last_seq_handed_over() {
    let coordinator = Coordinator::start(30, &[]);
    let mut alice = coordinator.join("alice", "");
    let mut bob = coordinator.join("bob", "");
    alice.msend("text 1");
    take(&mut bob, 1, 1);
    bob.until_acked(1);
    bob.reconnect("");
    alice.msend("text 2");
    take(&mut bob, 2, 2);
}

#[test]
fn an_ack_at_or_below_acked_is_ignored() {
    let coordinator = Coordinator::start(30, &[]);
    let (mut alice, mut bob) = alice_and_bob(&coordinator, 3);
    bob.socket().ack(2);
    bob.socket().ack(2);
    bob.socket().ack(1);
    bob.socket().ack(0);
    bob.socket().write(b"ack 3\r\n");
    bob.until_acked(3);
    alice.msend("text 4");
    take(&mut bob, 4, 4);
}

#[test]
fn an_ack_above_what_was_sent_ends_the_connection() {
    let coordinator = Coordinator::start(30, &[]);
    let (mut alice, mut bob) = alice_and_bob(&coordinator, 2);
    bob.socket().ack(1);
    bob.socket().ack(3);
    bob.take_socket().expect_bye("bad ack");
    let line = bob.line();
    assert!(line.contains(" offline "), "{line}");
    assert_eq!((number(&line, "pending"), number(&line, "acked")), (1, 1), "{line}");
    alice.msend("text 3");
    bob.reconnect("acks=1");
    take(&mut bob, 2, 3);
}

#[test]
fn a_malformed_ack_ends_the_connection_at_the_last_good_one() {
    let coordinator = Coordinator::start(30, &[]);
    let endless = [b'a'; 1000];
    for bad in [
        &b"\n"[..],
        b"ack\n",
        b"ack \n",
        b"ack 02\n",
        b"ack +2\n",
        b"ack 2 \n",
        b"ACK 2\n",
        b"ack 18446744073709551616\n",
        b"ack \xff\n",
        b"nack 2\n",
        b"ack 2\r\r\n",
        &endless,
    ] {
        let (_alice, mut bob) = alice_and_bob(&coordinator, 0);
        let mut carol = coordinator.join("carol", "");
        let first = carol.msend("one");
        carol.msend("two");
        bob.socket().delivery(first, "carol", "one");
        bob.socket().delivery(first + 1, "carol", "two");
        bob.socket().write(&[format!("ack {first}\n").as_bytes(), bad].concat());
        bob.take_socket().expect_bye("bad ack");
        let line = bob.line();
        assert!(line.contains(" offline "), "{line} after {:?}", bad.escape_ascii().to_string());
        assert_eq!(number(&line, "acked"), first, "{line}");
        for id in ["alice", "bob", "carol"] {
            let request = format!("{id}#deregister#127.0.0.1");
            bob.command.check(&request, "OK deregister");
        }
    }
}

#[test]
fn an_unfinished_ack_counts_for_nothing() {
    let coordinator = Coordinator::start(30, &[]);
    let (_alice, mut bob) = alice_and_bob(&coordinator, 2);
    bob.socket().write(b"ack 1\nack 2");
    bob.socket().half_close();
    bob.until_offline();
    assert_eq!(bob.acked(), 1);
}

#[test]
fn without_acks_whatever_a_member_writes_is_thrown_away() {
    let coordinator = Coordinator::start(30, &[]);
    let mut alice = coordinator.join("alice", "");
    let mut bob = coordinator.join("bob", "");
    bob.socket().write(b"ack 77\nrubbish\n\0\xff\n");
    bob.socket().write(&vec![b'x'; 1024 * 1024]);
    bob.socket().write(b"\nack -1\n");
    alice.msend("text 1");
    take(&mut bob, 1, 1);
    assert!(bob.line().contains(" online "));
}

#[test]
fn acks_that_have_arrived_count_before_the_socket_is_closed() {
    let coordinator = Coordinator::start(30, &[]);
    let (mut alice, mut bob) = alice_and_bob(&coordinator, 3);
    bob.socket().ack(1);
    bob.disconnect();
    assert_eq!(bob.acked(), 1, "before disconnect");
    bob.reconnect("acks=1");
    take(&mut bob, 2, 3);
    bob.socket().ack(2);
    let mut before = bob.take_socket();
    let reply = bob.reconnect("acks=1");
    assert_eq!((number(&reply, "next"), number(&reply, "missed")), (3, 1), "before a takeover");
    before.expect_bye(&format!("taken over by 127.0.0.1:{}", bob.listener.port()));
    take(&mut bob, 3, 3);
    bob.socket().ack(3);
    drop(bob.take_socket());
    bob.until_offline();
    assert_eq!(bob.acked(), 3, "before the participant's own end");
    alice.msend("text 4");
    bob.reconnect("acks=1");
    take(&mut bob, 4, 4);
}

#[test]
fn an_ack_counts_though_the_coordinator_sees_the_end_first() {
    let coordinator = Coordinator::start(30, &[]);
    let (_alice, mut bob) = alice_and_bob(&coordinator, 3);
    coordinator.stop();
    let disconnect = bob.request("disconnect");
    bob.command.say(&disconnect);
    bob.socket().ack(2);
    coordinator.go_on();
    bob.command.expect("OK disconnect");
    bob.take_socket().expect_bye("disconnected");
    assert_eq!(bob.acked(), 2);
}

#[test]
fn an_ack_counts_though_the_coordinator_sees_the_takeover_first() {
    let coordinator = Coordinator::start(30, &[]);
    let (_alice, mut bob) = alice_and_bob(&coordinator, 3);
    let mut blocked = Listener::blocked(&coordinator.transcript, "127.0.0.1");
    let reconnect = bob.request(&format!("reconnect {} acks=1", blocked.port()));
    bob.command.write(format!("bob#ping#127.0.0.1\n{reconnect}\n").as_bytes());
    bob.command.expect("OK ping");
    coordinator.stop();
    blocked.unblock();
    // The operating system connects without the coordinator's help.
    let mut socket = blocked.accept();
    bob.socket().ack(2);
    coordinator.go_on();
    let reply = bob.command.expect_start("OK reconnect ");
    assert_eq!((number(&reply, "next"), number(&reply, "missed")), (3, 1), "{reply}");
    bob.take_socket().expect_bye(&format!("taken over by 127.0.0.1:{}", blocked.port()));
    socket.delivery(3, "alice", "text 3");
}

#[test]
fn acked_moves_over_own_messages_right_after_it() {
    let coordinator = Coordinator::start(30, &[]);
    let mut alice = coordinator.join("alice", "acks=1");
    let mut bob = coordinator.join("bob", "acks=1");
    bob.msend("1: own");
    bob.msend("2: own");
    bob.until_acked(2);
    alice.msend("3: other");
    bob.msend("4: own");
    bob.socket().delivery(3, "alice", "3: other");
    assert_eq!(bob.acked(), 2, "not over the message of another");
    bob.socket().ack(3);
    bob.until_acked(4);
    alice.msend("5: other");
    bob.msend("6: own");
    alice.msend("7: other");
    bob.socket().delivery(5, "alice", "5: other");
    bob.socket().delivery(7, "alice", "7: other");
    // Its own, passed over on the way to the seventh, is a number that may be named.
    bob.socket().ack(6);
    bob.until_acked(6);
    assert_eq!(number(&bob.line(), "pending"), 1);
}

#[test]
fn since_at_or_above_acked_acknowledges() {
    let coordinator = Coordinator::start(30, &[]);
    let (mut alice, mut bob) = alice_and_bob(&coordinator, 4);
    bob.socket().ack(1);
    bob.disconnect();
    let epoch = bob.epoch().to_owned();
    let reply = bob.reconnect(&format!("acks=1 since={epoch}:1"));
    assert_eq!((number(&reply, "next"), number(&reply, "missed")), (2, 3), "at: {reply}");
    take(&mut bob, 2, 4);
    let reply = bob.reconnect(&format!("acks=1 since={epoch}:3"));
    assert_eq!((number(&reply, "next"), number(&reply, "missed")), (4, 1), "above: {reply}");
    assert_eq!(bob.acked(), 3);
    take(&mut bob, 4, 4);
    let reply = bob.reconnect(&format!("since={epoch}:4"));
    assert_eq!((number(&reply, "next"), number(&reply, "missed")), (5, 0), "the last: {reply}");
    alice.msend("text 5");
    take(&mut bob, 5, 5);
}

#[test]
fn since_below_acked_goes_back_as_far_as_messages_are_kept() {
    let coordinator = Coordinator::start(30, &[]);
    let (mut alice, mut bob) = alice_and_bob(&coordinator, 2);
    // Somebody who is away keeps what follows.
    coordinator.join("absent", "").disconnect();
    for seq in 3..=5 {
        alice.msend(&format!("text {seq}"));
    }
    take(&mut bob, 3, 5);
    bob.socket().ack(5);
    bob.disconnect();
    let epoch = bob.epoch().to_owned();
    let reply = bob.reconnect(&format!("acks=1 since={epoch}:3"));
    let counts = ["next", "missed", "expired"].map(|key| number(&reply, key));
    assert_eq!(counts, [4, 2, 0], "{reply}");
    take(&mut bob, 4, 5);
    bob.socket().ack(5);
    bob.until_acked(5);
    // The first two are gone, but he had acknowledged them: they are not lost.
    alice.msend("text 6");
    let reply = bob.reconnect(&format!("acks=1 since={epoch}:0"));
    assert_eq!(number(&reply, "expired"), 0, "{reply}");
    take(&mut bob, number(&reply, "next"), 6);
}

#[test]
fn since_never_goes_back_before_the_registration() {
    let coordinator = Coordinator::start(30, &[]);
    let mut alice = coordinator.join("alice", "");
    coordinator.join("absent", "").disconnect();
    alice.msend("text 1");
    alice.msend("text 2");
    let mut bob = coordinator.join("bob", "acks=1");
    alice.msend("text 3");
    take(&mut bob, 3, 3);
    bob.socket().ack(3);
    bob.disconnect();
    let since = format!("acks=1 since={}:0", bob.epoch());
    let reply = bob.reconnect(&since);
    let counts = ["next", "missed", "expired"].map(|key| number(&reply, key));
    assert_eq!(counts, [3, 1, 0], "{reply}");
    take(&mut bob, 3, 3);
}

#[test]
fn since_in_another_epoch_is_ignored() {
    let coordinator = Coordinator::start(30, &[]);
    let (_alice, mut bob) = alice_and_bob(&coordinator, 3);
    bob.socket().ack(1);
    bob.until_acked(1);
    let other = if bob.epoch().starts_with('0') { "1" } else { "0" }.repeat(16);
    for seq in [0, 3, u64::MAX] {
        let reply = bob.reconnect(&format!("acks=1 since={other}:{seq}"));
        assert_eq!((number(&reply, "next"), number(&reply, "missed")), (2, 2), "{reply}");
        take(&mut bob, 2, 3);
    }
}
