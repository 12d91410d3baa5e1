//! Every command in every state that an id can be in, over the command socket.

use support::coordinator::Coordinator;
use support::listener::Listener;
use support::member::Member;
use support::wire::Client;
use support::{field, number};

/// Sends a request whose connect-back never finishes, in one write with a request that is answered
/// at once, and waits for that answer: the first request was read then.
#[track_caller]
fn begin(client: &mut Client, request: &str) {
    client.write(format!("observer#ping#127.0.0.1\n{request}\n").as_bytes());
    client.expect("OK ping");
}

#[test]
fn an_unknown_id_may_register_or_look_and_nothing_else() {
    let coordinator = Coordinator::start(30, &[]);
    let mut client = coordinator.client();
    for command in ["reconnect 9001", "deregister", "disconnect", "msend hi"] {
        client.refused(&format!("bob#{command}#127.0.0.1"), 404, "");
    }
    client.check("bob#ping#127.0.0.1", "OK ping");
    client.check("bob#members#127.0.0.1", "OK members 0");
    assert!(!client.stats().is_empty());
    let bob = coordinator.join("bob", "");
    assert!(bob.epoch().len() == 16, "{}", bob.reply);
    assert_eq!(
        bob.reply,
        format!("OK register epoch={} next=1 ttl=30 max_line=65536 published=0", bob.epoch())
    );
}

#[test]
fn an_online_member_may_do_all_but_register() {
    let coordinator = Coordinator::start(30, &[]);
    let mut bob = coordinator.join("bob", "");
    let port = bob.listener.port();
    bob.refused(&format!("register {port}"), 409);
    bob.check("msend hi", "OK msend seq=1");
    bob.check("ping", "OK ping");
    let mut before = bob.take_socket();
    bob.reconnect("");
    before.expect_eof();
    bob.check("msend again", "OK msend seq=2");
    bob.disconnect();
    bob.reconnect("");
    bob.check("deregister", "OK deregister");
    bob.take_socket().expect_eof();
    bob.check("members", "OK members 0");
}

#[test]
fn an_offline_member_may_reconnect_or_deregister() {
    let coordinator = Coordinator::start(30, &[]);
    let mut bob = coordinator.join("bob", "");
    let port = bob.listener.port();
    bob.disconnect();
    for command in ["disconnect", "msend hi", &format!("register {port}")] {
        bob.refused(command, 409);
    }
    bob.check("ping", "OK ping");
    bob.reconnect("");
    bob.disconnect();
    bob.check("deregister", "OK deregister");
    bob.refused("deregister", 404);
}

#[test]
fn an_id_that_is_registering_is_taken_but_not_a_member_yet() {
    let coordinator = Coordinator::start(30, &[]);
    let mut blocked = Listener::blocked(&coordinator.transcript, "127.0.0.1");
    let open = Listener::bind(&coordinator.transcript, "127.0.0.1");
    let mut first = coordinator.client();
    begin(&mut first, &format!("bob#register {}#127.0.0.1", blocked.port()));
    let mut other = coordinator.client();
    other.refused(&format!("bob#register {}#127.0.0.1", open.port()), 409, "");
    for command in ["deregister", "disconnect", "msend hi", &format!("reconnect {}", open.port())] {
        other.refused(&format!("bob#{command}#127.0.0.1"), 404, "");
    }
    other.check("bob#members#127.0.0.1", "OK members 0");
    blocked.unblock();
    first.expect_start("OK register ");
    let _socket = blocked.accept();
    assert!(other.member("bob").unwrap().contains(" online "));
}

#[test]
fn a_member_that_is_reconnecting_is_as_online_as_it_was() {
    let coordinator = Coordinator::start(30, &[]);
    let mut bob = coordinator.join("bob", "");
    let mut alice = coordinator.join("alice", "");
    let blocked = Listener::blocked(&coordinator.transcript, "127.0.0.1");
    let mut waiting = coordinator.client();
    begin(&mut waiting, &format!("bob#reconnect {}#127.0.0.1", blocked.port()));
    bob.refused(&format!("register {}", blocked.port()), 409);
    assert_eq!(bob.msend("still here"), 1);
    alice.msend("to the old socket");
    bob.socket().delivery(2, "alice", "to the old socket");
    bob.check("disconnect", "OK disconnect");
    waiting.expect_start("ERR 409 cancelled");
    bob.socket().expect_eof();

    begin(&mut waiting, &format!("bob#reconnect {}#127.0.0.1", blocked.port()));
    bob.refused("msend offline", 409);
    assert!(bob.line().contains(" offline "));
    // Nothing to close, but something to cancel.
    bob.check("disconnect", "OK disconnect");
    waiting.expect_start("ERR 409 cancelled");
    bob.refused("disconnect", 409);
}

#[test]
fn deregister_cancels_a_reconnect_that_is_under_way() {
    let coordinator = Coordinator::start(30, &[]);
    let mut bob = coordinator.join("bob", "");
    bob.disconnect();
    let blocked = Listener::blocked(&coordinator.transcript, "127.0.0.1");
    let mut waiting = coordinator.client();
    begin(&mut waiting, &format!("bob#reconnect {}#127.0.0.1", blocked.port()));
    bob.check("deregister", "OK deregister");
    waiting.expect_start("ERR 409 cancelled");
    bob.refused("deregister", 404);
}

#[test]
fn the_second_reconnect_wins_over_the_first() {
    let coordinator = Coordinator::start(30, &[]);
    let mut bob = coordinator.join("bob", "");
    let blocked = Listener::blocked(&coordinator.transcript, "127.0.0.1");
    let mut waiting = coordinator.client();
    begin(&mut waiting, &format!("bob#reconnect {}#127.0.0.1", blocked.port()));
    let mut before = bob.take_socket();
    bob.reconnect("");
    waiting.expect_start("ERR 409 superseded");
    before.expect_eof();
    let mut alice = coordinator.join("alice", "");
    alice.msend("hi");
    bob.socket().delivery(1, "alice", "hi");
}

#[test]
fn a_reply_to_reconnect_says_what_was_missed() {
    let coordinator = Coordinator::start(30, &[]);
    let mut bob = coordinator.join("bob", "");
    let mut alice = coordinator.join("alice", "");
    alice.msend("one");
    bob.socket().delivery(1, "alice", "one");
    bob.until_acked(1);
    bob.disconnect();
    for text in ["two", "three", "four"] {
        alice.msend(text);
    }
    assert_eq!(number(&bob.line(), "pending"), 3);
    let reply = bob.reconnect("");
    let epoch = field(&reply, "epoch");
    assert_eq!(
        reply,
        format!(
            "OK reconnect epoch={epoch} next=2 ttl=30 missed=3 expired=0 max_line=65536 published=0"
        )
    );
    bob.socket().delivery(2, "alice", "two");
    bob.socket().delivery(3, "alice", "three");
    bob.socket().delivery(4, "alice", "four");
    bob.until_acked(4);
    let reply = bob.reconnect("");
    assert_eq!(
        reply,
        format!(
            "OK reconnect epoch={epoch} next=5 ttl=30 missed=0 expired=0 max_line=65536 published=0"
        )
    );
}

#[test]
fn a_reply_to_reconnect_says_what_expired() {
    let coordinator = Coordinator::start(1, &[]);
    let mut bob = coordinator.join("bob", "");
    let mut alice = coordinator.join("alice", "");
    bob.disconnect();
    alice.msend("one");
    alice.msend("two");
    bob.until_expired();
    bob.comes_back("", 0, 2);
    assert_eq!(number(&bob.reply, "ttl"), 1);
    alice.msend("three");
    bob.socket().delivery(3, "alice", "three");
}

#[test]
fn a_newcomer_gets_nothing_from_before_it_came() {
    let coordinator = Coordinator::start(30, &[]);
    let mut alice = coordinator.join("alice", "");
    coordinator.join("absent", "").disconnect();
    let mut bob = coordinator.join("bob", "");
    alice.msend("one");
    bob.socket().delivery(1, "alice", "one");
    bob.check("deregister", "OK deregister");
    alice.msend("two");
    let mut bob = coordinator.join("bob", "");
    assert_eq!(number(&bob.reply, "next"), 3);
    assert_eq!(bob.acked(), 2);
    alice.msend("three");
    bob.socket().delivery(3, "alice", "three");
}

#[test]
fn members_are_listed_by_the_bytes_of_their_ids() {
    let coordinator = Coordinator::start(30, &[]);
    let ids = ["b", "a", "B", "_", "0", ".", "-", "ab"];
    let mut members: Vec<_> = ids.iter().map(|id| coordinator.join(id, "")).collect();
    members[0].disconnect();
    members[1].msend("hi");
    members[2].socket().delivery(1, "a", "hi");
    members[2].until_acked(1);
    let mut client = coordinator.client();
    let port = |id: &str| {
        let at = ids.iter().position(|other| *other == id).unwrap();
        members[at].listener.port()
    };
    let lines = client.members();
    let listed: Vec<_> = lines.iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(listed, ["-", ".", "0", "B", "_", "a", "ab", "b"]);
    let line = |id: &str| lines.iter().find(|line| line.split(' ').next() == Some(id)).unwrap();
    for (id, state) in [("b", "offline"), ("a", "online"), ("B", "online")] {
        let is_missing = usize::from(id == "b");
        let (pending, acked) = (is_missing, 1 - is_missing);
        let expected =
            format!("{id} {state} 127.0.0.1:{} pending={pending} acked={acked} ", port(id));
        assert!(line(id).starts_with(&expected), "{}", line(id));
        let (seconds, oldest) = (number(line(id), "seconds"), number(line(id), "oldest"));
        assert!(oldest <= seconds && seconds <= 30, "{}", line(id));
    }
}

#[test]
fn stats_count_what_happened() {
    let coordinator = Coordinator::start(30, &["max_line=4k"]);
    let mut alice = coordinator.join("alice", "");
    let mut bob = coordinator.join("bob", "");
    coordinator.join("carol", "").disconnect();
    alice.msend("hi");
    bob.socket().delivery(1, "alice", "hi");
    bob.until_acked(1);
    let stats = alice.command.stats();
    for (key, expected) in [
        ("epoch", alice.epoch()),
        ("next_seq", "2"),
        ("ttl_s", "30"),
        ("max_line", "4096"),
        ("members", "3"),
        ("online", "2"),
        ("offline", "1"),
        ("history_messages", "1"),
        ("messages_in", "1"),
        ("deliveries_out", "1"),
        ("expired", "0"),
        ("gaps", "0"),
        ("errors", "0"),
        ("accept_pauses", "0"),
    ] {
        assert_eq!(stats.get(key).map(String::as_str), Some(expected), "{key} in {stats:?}");
    }
    for key in ["uptime_s", "connections", "history_bytes", "bytes_in", "bytes_out"] {
        let value: Option<u64> = stats.get(key).and_then(|value| value.parse().ok());
        assert!(value.is_some(), "{key} in {stats:?}");
    }
    alice.refused("register 9001", 409);
    assert_eq!(alice.command.stats().get("errors").map(String::as_str), Some("1"));
}

#[test]
fn a_member_that_is_offline_for_too_long_is_forgotten_and_one_that_is_online_is_not() {
    let coordinator = Coordinator::start(30, &["forget_after=0.25"]);
    let mut alice = coordinator.join("alice", "");
    let mut bob = coordinator.join("bob", "");
    bob.disconnect();
    alice.command.until_stat("forgotten", 1);
    bob.refused("reconnect 9001", 404);
    coordinator.until_said("bob: deregistered: offline for 0.250 s");
    assert_eq!(alice.command.members().len(), 1);
    assert_eq!(alice.msend("still here"), 1);
    coordinator.join("bob", "");
}

#[test]
fn options_hold_for_one_connection() {
    let coordinator = Coordinator::start(30, &[]);
    let mut alice = coordinator.join("alice", "");
    let mut bob = coordinator.join("bob", "nonce=aB acks=1");
    let hello = format!("hello#aB#{}", bob.epoch());
    bob.socket().expect(&hello);
    alice.msend("one");
    bob.socket().delivery(1, "alice", "one");
    assert_eq!(bob.acked(), 0);
    bob.reconnect("");
    bob.socket().delivery(1, "alice", "one");
    bob.until_acked(1);
    // Not an error on a connection that does not acknowledge.
    bob.socket().ack(77);
    alice.msend("two");
    bob.socket().delivery(2, "alice", "two");
}

#[test]
fn closing_the_command_socket_changes_nothing_about_membership() {
    let coordinator = Coordinator::start(30, &[]);
    let listener = Listener::bind(&coordinator.transcript, "127.0.0.1");
    let mut client = coordinator.client();
    client.say(&format!("bob#register {}#127.0.0.1", listener.port()));
    client.expect_start("OK register ");
    client.half_close();
    client.expect_eof();
    let mut socket = listener.accept();
    let mut alice = coordinator.join("alice", "");
    alice.msend("hi");
    socket.delivery(1, "alice", "hi");
    // Another socket may speak for the same id.
    coordinator.client().check("bob#disconnect#127.0.0.1", "OK disconnect");
    socket.expect_eof();
}

#[test]
fn an_ipv6_member_is_listed_with_brackets() {
    let coordinator = Coordinator::start(30, &["bind=::1"]);
    let mut bob = coordinator.join_from("::1", "bob", "");
    let port = bob.listener.port();
    assert!(bob.line().starts_with(&format!("bob online [::1]:{port} pending=0 ")));
    let mut alice = coordinator.join_from("::1", "alice", "");
    alice.msend("hi");
    bob.socket().delivery(1, "alice", "hi");
}

#[test]
fn an_ipv4_mapped_address_is_the_ipv4_address() {
    let mut coordinator = Coordinator::start(30, &["bind=::"]);
    coordinator.address.set_ip("127.0.0.1".parse().unwrap());
    let mut bob = coordinator.join("bob", "");
    let port = bob.listener.port();
    assert!(bob.line().starts_with(&format!("bob online 127.0.0.1:{port} pending=0 ")));
    bob.command.check("bob#disconnect#::ffff:127.0.0.1", "OK disconnect");
    let request = format!("bob#reconnect {port}#::ffff:127.0.0.1");
    bob.command.say(&request);
    bob.command.expect_start("OK reconnect ");
    let _socket = bob.listener.accept();
    assert!(bob.line().starts_with(&format!("bob online 127.0.0.1:{port} pending=0 ")));
}

#[test]
fn the_coordinator_comes_from_the_address_that_it_was_reached_by() {
    let mut coordinator = Coordinator::start(30, &["bind=0.0.0.0"]);
    for ip in ["127.0.0.1", "127.0.0.7"] {
        coordinator.address.set_ip(ip.parse().unwrap());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut client = coordinator.client_from("127.0.0.1");
        client.say(&format!("bob#register {port}#127.0.0.1"));
        client.expect_start("OK register ");
        let (_socket, peer) = listener.accept().unwrap();
        assert_eq!(peer.ip(), coordinator.address.ip());
        client.check("bob#deregister#127.0.0.1", "OK deregister");
    }
}

#[test]
fn a_numbered_text_is_accepted_once_also_by_the_next_coordinator() {
    for sync in ["sync=always", "sync=never"] {
        let first = Coordinator::start_with_data_dir(60, &[sync]);
        let mut alice = first.join("alice", "");
        let mut bob = first.join("bob", "acks=1");
        assert_eq!(alice.ask("send 1 one"), "OK send 1 seq=1");
        assert_eq!(alice.ask("send 1 one"), "OK send 1 duplicate=1");
        assert_eq!(alice.ask("send 3 three"), "ERR 409 send: expected 2");
        bob.socket().delivery(1, "alice", "one");
        first.kill();
        let second = first.start_again();
        let mut alice = Member::come_back(&second, "alice", "");
        assert_eq!(alice.ask("send 1 one"), "OK send 1 duplicate=1");
        assert_eq!(alice.ask("send 2 two"), "OK send 2 seq=2");
        let reply = alice.reconnect("");
        assert!(reply.ends_with(" published=2"), "{reply}");
        let mut bob = Member::come_back(&second, "bob", "acks=1");
        bob.socket().delivery(1, "alice", "one");
        bob.socket().delivery(2, "alice", "two");
    }
}
