//! Lines of a message socket, and the change from one socket to the next.

use std::io::Read as _;
use std::os::fd::AsRawFd as _;

use groupcast::limits::TURN_DELIVERY_SOCKETS_MAX;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use support::coordinator::Coordinator;
use support::listener::{Listener, MessageSocket};
use support::member::Member;
use support::{DEADLINE, Timer, number};

#[test]
fn a_nonce_comes_back_first_as_it_was_written() {
    let coordinator = Coordinator::start(30, &[]);
    let nonce = "0aBcDeF9".repeat(8);
    let mut bob = coordinator.join("bob", &format!("nonce={nonce}"));
    let hello = format!("hello#{nonce}#{}", bob.epoch());
    bob.socket().expect(&hello);
    let mut alice = coordinator.join("alice", "acks=1");
    bob.disconnect();
    alice.msend("missed");
    bob.reconnect("nonce=F");
    let hello = format!("hello#F#{}", bob.epoch());
    bob.socket().expect(&hello);
    bob.socket().delivery(1, "alice", "missed");
    bob.msend("back");
    // No nonce was asked for, so no greeting comes before the first message.
    alice.socket().delivery(2, "bob", "back");
}

#[test]
fn all_see_one_order_with_holes_where_their_own_messages_stand() {
    let coordinator = Coordinator::start(30, &[]);
    let mut members = ["a", "b", "c"].map(|id| coordinator.join(id, ""));
    let senders = [0, 1, 2, 1, 1, 0, 2, 2, 0];
    for (at, sender) in senders.into_iter().enumerate() {
        assert_eq!(members[sender].msend(&format!("text {at}")), at as u64 + 1);
    }
    for (receiver, member) in members.iter_mut().enumerate() {
        for (at, sender) in senders.into_iter().enumerate() {
            if sender != receiver {
                let id = ["a", "b", "c"][sender];
                member.socket().delivery(at as u64 + 1, id, &format!("text {at}"));
            }
        }
    }
}

#[test]
fn a_text_arrives_byte_for_byte() {
    let coordinator = Coordinator::start(30, &[]);
    let mut bob = coordinator.join("bob", "");
    let mut alice = coordinator.join("alice", "");
    let longest = "x".repeat(65_536 - "alice#msend #127.0.0.1\n".len());
    let texts = ["#", " a # b#127.0.0.1 ", "\ttab\t", "größer 世界 🦀", "  ", "msend", &longest];
    for (at, text) in texts.into_iter().enumerate() {
        let seq = alice.msend(text);
        assert_eq!(seq, at as u64 + 1);
        let unix_ms = bob.socket().delivery(seq, "alice", text);
        assert!(unix_ms > 1_600_000_000_000, "{unix_ms} is not this century's time");
    }
}

#[test]
fn the_end_of_the_message_socket_makes_a_member_offline() {
    let coordinator = Coordinator::start(30, &[]);
    let mut alice = coordinator.join("alice", "");
    let mut bob = coordinator.join("bob", "");
    // A FIN of one direction is the end too.
    bob.socket().half_close();
    bob.until_offline();
    bob.socket().expect_closed();
    alice.msend("one");
    bob.reconnect("");
    bob.socket().delivery(1, "alice", "one");
    drop(bob.take_socket());
    bob.until_offline();
    bob.refused("msend hi", 409);
    bob.reconnect("");
    bob.msend("back");
    alice.socket().delivery(2, "bob", "back");
}

#[test]
fn a_new_socket_takes_over_and_what_the_old_one_left_comes_again() {
    let coordinator = Coordinator::start(30, &[]);
    let mut alice = coordinator.join("alice", "");
    let mut bob = coordinator.join("bob", "acks=1");
    for text in ["one", "two", "three"] {
        alice.msend(text);
    }
    let mut before = bob.take_socket();
    before.delivery(1, "alice", "one");
    before.ack(1);
    bob.until_acked(1);
    let reply = bob.reconnect("acks=1");
    assert_eq!((number(&reply, "next"), number(&reply, "missed")), (2, 2), "{reply}");
    alice.msend("four");
    bob.socket().delivery(2, "alice", "two");
    bob.socket().delivery(3, "alice", "three");
    bob.socket().delivery(4, "alice", "four");
    before.delivery(2, "alice", "two");
    before.delivery(3, "alice", "three");
    before.expect_bye(&format!("taken over by 127.0.0.1:{}", bob.listener.port()));
}

#[test]
fn a_takeover_that_fails_keeps_the_old_socket() {
    let coordinator = Coordinator::start(30, &["connect_timeout=0.3"]);
    let mut alice = coordinator.join("alice", "");
    let mut bob = coordinator.join("bob", "acks=1");
    let blocked = Listener::blocked(&coordinator.transcript, "127.0.0.1");
    alice.msend("before");
    bob.refused(&format!("reconnect {}", blocked.port()), 502);
    alice.msend("after");
    bob.socket().delivery(1, "alice", "before");
    bob.socket().delivery(2, "alice", "after");
    bob.socket().ack(2);
    bob.until_acked(2);
}

#[test]
fn missed_messages_come_before_live_ones_with_no_hole_between() {
    let coordinator = Coordinator::start(30, &[]);
    let mut alice = coordinator.join("alice", "");
    let mut bob = coordinator.join("bob", "");
    bob.disconnect();
    let count = 2000;
    let burst = |first: u64, last: u64| -> String {
        (first..=last).map(|n| format!("alice#msend {n}#127.0.0.1\n")).collect()
    };
    alice.command.write(burst(1, count).as_bytes());
    // Bob comes back in the middle of it.
    bob.reconnect("");
    alice.command.write(burst(count + 1, 2 * count).as_bytes());
    for seq in 1..=2 * count {
        bob.socket().delivery(seq, "alice", &seq.to_string());
        alice.command.expect(&format!("OK msend seq={seq}"));
    }
}

#[test]
fn a_message_is_carried_out_though_its_sender_is_gone() {
    let coordinator = Coordinator::start(30, &[]);
    let mut bob = coordinator.join("bob", "");
    coordinator.join("alice", "");
    // Her message socket is gone as well: she can be offline before she is read, and is back first.
    let listener = Listener::bind(&coordinator.transcript, "127.0.0.1");
    let mut client = coordinator.client();
    client.say(&format!("alice#reconnect {}#127.0.0.1", listener.port()));
    client.expect_start("OK reconnect ");
    let _socket = listener.accept();
    client.say("alice#msend farewell#127.0.0.1");
    drop(client);
    bob.socket().delivery(1, "alice", "farewell");
}

#[test]
fn one_that_never_reads_is_closed_and_nobody_else_waits_for_it() {
    let coordinator = Coordinator::start(30, &["stall_timeout=0.5"]);
    let mut alice = coordinator.join("alice", "");
    let mut bob = coordinator.join("bob", "");
    let listener = Listener::small(&coordinator.transcript, "127.0.0.1");
    let mut stuck = Member::join_at(&coordinator, "stuck", "127.0.0.1", listener, "acks=1");
    let text = "x".repeat(60_000);
    for seq in 1..=200 {
        assert_eq!(alice.msend(&text), seq);
        bob.socket().delivery(seq, "alice", &text);
    }
    stuck.until_offline();
    assert_eq!(number(&stuck.line(), "pending"), 200);
    alice.msend("on");
    bob.socket().delivery(201, "alice", "on");
}

#[test]
fn an_idle_message_socket_is_not_a_stalled_one() {
    let coordinator = Coordinator::start(30, &["stall_timeout=0.2"]);
    let mut bob = coordinator.join("bob", "acks=1");
    let mut alice = coordinator.join("alice", "");
    alice.msend("taken, not acknowledged");
    bob.socket().delivery(1, "alice", "taken, not acknowledged");
    let listener = Listener::small(&coordinator.transcript, "127.0.0.1");
    let mut stuck = Member::join_at(&coordinator, "stuck", "127.0.0.1", listener, "");
    let text = "x".repeat(60_000);
    for seq in 2..=150 {
        alice.msend(&text);
        bob.socket().delivery(seq, "alice", &text);
    }
    // Longer than the time-out must have passed for the others too.
    stuck.until_offline();
    alice.msend("still there");
    bob.socket().delivery(151, "alice", "still there");
}

/// A request right behind the reply to `msend` is carried out one turn after the first deliveries.
/// Now and then this test is slower than that, so it tries again.
#[test]
fn a_turn_delivers_to_so_many_members_and_the_others_get_theirs_in_the_next() {
    let coordinator = Coordinator::start(30, &[]);
    let mut alice = coordinator.join("alice", "");
    let mut client = coordinator.client();
    let listener = Listener::bind(&coordinator.transcript, "127.0.0.1");
    let count = TURN_DELIVERY_SOCKETS_MAX as u64 + 100;
    let mut sockets: Vec<MessageSocket> = (0..count)
        .map(|number| {
            client.say(&format!("m{number}#register {}#127.0.0.1", listener.port()));
            client.expect_start("OK register ");
            listener.accept()
        })
        .collect();
    let timer = Timer::start(DEADLINE);
    let (mut seq, mut was_seen) = (0, false);
    while !was_seen {
        assert!(timer.left().is_some(), "all {count} members were served at once {seq} times");
        seq = alice.msend("hi");
        let first = alice.command.stat("deliveries_out");
        was_seen = first == (seq - 1) * count + TURN_DELIVERY_SOCKETS_MAX as u64;
        while alice.command.stat("deliveries_out") < seq * count {
            assert!(timer.left().is_some(), "message {seq} does not go out");
        }
    }
    for socket in &mut sockets {
        (1..=seq).for_each(|seq| {
            socket.delivery(seq, "alice", "hi");
        });
    }
}

/// The poll reports sockets in the order in which something came on them.
#[cfg(target_os = "linux")]
#[test]
fn no_member_is_always_among_the_last_to_get_a_message() {
    let coordinator = Coordinator::start(30, &[]);
    let mut alice = coordinator.join("alice", "");
    let count: usize = 20;
    let mut members: Vec<Member> =
        (0..count).map(|number| coordinator.join(&format!("m{number}"), "")).collect();
    let (mut poll, mut events) = (Poll::new().unwrap(), Events::with_capacity(count));
    for (at, member) in members.iter_mut().enumerate() {
        let fd = member.socket().stream.as_raw_fd();
        poll.registry().register(&mut SourceFd(&fd), Token(at), Interest::READABLE).unwrap();
    }
    let (messages, mut ranks) = (100, vec![0; count]);
    for seq in 1..=messages {
        assert_eq!(alice.msend("hi"), seq);
        // A request behind the reply is carried out in a later turn than that of the deliveries.
        let timer = Timer::start(DEADLINE);
        while alice.command.stat("deliveries_out") < seq * count as u64 {
            assert!(timer.left().is_some(), "message {seq} does not go out");
        }
        // The system may bring the last ones a little later.
        let mut rank = 0;
        while rank < count {
            poll.poll(&mut events, Some(DEADLINE)).unwrap();
            assert!(!events.is_empty(), "message {seq} came to {rank} members");
            for event in &events {
                ranks[event.token().0] += rank;
                rank += 1;
            }
        }
    }
    for member in &mut members {
        (1..=messages).for_each(|seq| {
            member.socket().delivery(seq, "alice", "hi");
        });
    }
    let middle = (count as f64 - 1.0) / 2.0;
    for (at, rank) in ranks.iter().enumerate() {
        let mean = *rank as f64 / messages as f64;
        assert!((mean - middle).abs() <= 0.1 * count as f64, "member {at}: {mean} of {ranks:?}");
    }
}

#[test]
fn a_closed_message_socket_has_the_same_reason_for_the_member_the_log_and_the_counters() {
    let coordinator = Coordinator::start(30, &[]);
    let mut bob = coordinator.join("bob", "acks=1");
    let port = bob.listener.port();
    let at = format!("127.0.0.1:{port}");
    bob.disconnect();
    coordinator.until_said(&format!("bob: offline: disconnected ({at})"));

    bob.reconnect("acks=1");
    bob.socket().half_close();
    bob.take_socket().expect_bye("closed");
    coordinator.until_said(&format!("bob: offline: closed by the participant ({at})"));

    bob.reconnect("acks=1");
    bob.socket().say("ack ack");
    bob.take_socket().expect_bye("bad ack");
    coordinator.until_said("bob: offline: bad ack: ");

    bob.reconnect("acks=1");
    let mut before = bob.take_socket();
    bob.reconnect("acks=1");
    before.expect_bye(&format!("taken over by {at}"));
    coordinator.until_said(&format!("bob: reconnected at {at}, taken over from {at}"));

    bob.check("deregister", "OK deregister");
    bob.take_socket().expect_bye("deregistered");

    // One that does not acknowledge may be older than this line.
    let mut bob = coordinator.join("bob", "");
    bob.socket().half_close();
    bob.take_socket().expect_eof();

    let mut bob = coordinator.client();
    for (key, count) in [
        ("takeovers", 1),
        ("lost_closed", 2),
        ("lost_bad_ack", 1),
        ("lost_reset", 0),
        ("lost_timeout", 0),
        ("lost_stalled", 0),
        ("lost_error", 0),
    ] {
        assert_eq!(bob.stat(key), count, "{key}");
    }
    let mut eve = coordinator.join("eve", "acks=1");
    coordinator.terminate();
    eve.socket().expect_bye("shutting down");
}

#[test]
fn a_reset_is_not_reported_as_an_end() {
    let coordinator = Coordinator::start(30, &[]);
    let mut bob = coordinator.join("bob", "acks=1");
    let mut alice = coordinator.join("alice", "");
    alice.msend("unread");
    // Closing with bytes unread resets the connection.
    let socket = bob.take_socket();
    socket.stream.set_read_timeout(Some(DEADLINE)).unwrap();
    assert_eq!(socket.stream.peek(&mut [0]).unwrap(), 1);
    drop(socket);
    bob.until_offline();
    coordinator.until_said("bob: offline: connection reset (127.0.0.1:");
    assert_eq!(bob.command.stat("lost_reset"), 1);
}

/// A member with a small window leaves most of what is due unread, and is disconnected.
#[test]
fn a_bye_never_cuts_into_a_line_that_was_begun() {
    let coordinator = Coordinator::start(30, &["max_backlog=100m"]);
    let mut alice = coordinator.join("alice", "");
    let listener = Listener::small(&coordinator.transcript, "127.0.0.1");
    let mut bob = Member::join_at(&coordinator, "bob", "127.0.0.1", listener, "acks=1");
    let text = "x".repeat(65_000);
    for seq in 1..=200 {
        assert_eq!(alice.msend(&text), seq);
    }
    bob.check("disconnect", "OK disconnect");
    let (mut socket, mut bytes) = (bob.take_socket(), Vec::new());
    socket.stream.set_read_timeout(Some(DEADLINE)).unwrap();
    socket.stream.read_to_end(&mut bytes).unwrap();
    let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    let (last, whole) = lines.split_last().unwrap();
    for (at, line) in whole.iter().enumerate() {
        let is_bye = *line == b"bye#disconnected" && last.is_empty() && at + 1 == whole.len();
        let begin = format!("{}#alice#", at + 1);
        let is_delivery = line.starts_with(begin.as_bytes()) && line.ends_with(text.as_bytes());
        assert!(is_bye || is_delivery, "line {at} of {}: {} bytes", whole.len(), line.len());
    }
    assert!(!last.windows(4).any(|window| window == b"bye#"), "in the line that was cut off");
    assert!(whole.len() < 200, "all was taken: nothing was cut");
}

#[test]
fn a_stalled_member_is_logged_and_counted_as_that() {
    let coordinator = Coordinator::start(30, &["stall_timeout=1"]);
    let mut alice = coordinator.join("alice", "");
    let listener = Listener::small(&coordinator.transcript, "127.0.0.1");
    let mut stuck = Member::join_at(&coordinator, "stuck", "127.0.0.1", listener, "acks=1");
    let text = "x".repeat(60_000);
    for seq in 1..=200 {
        assert_eq!(alice.msend(&text), seq);
    }
    stuck.until_offline();
    let at = format!("127.0.0.1:{}", stuck.listener.port());
    coordinator
        .until_said(&format!("stuck: offline: stalled: the socket took no byte for 1 s ({at})"));
    assert_eq!(stuck.command.stat("lost_stalled"), 1);
}
