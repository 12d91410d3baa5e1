//! `register here` and `reconnect here`: the command socket becomes the message socket.

use support::coordinator::Coordinator;
use support::listener::Listener;
use support::number;
use support::wire::Client;

/// Sends a request with `here` for an id, and returns the connection with its reply.
#[track_caller]
fn here(coordinator: &Coordinator, request: &str) -> (Client, String) {
    let mut client = coordinator.client();
    let word = request.split(['#', ' ']).nth(1).unwrap().to_owned();
    client.say(request);
    let reply = client.expect_start(&format!("OK {word} "));
    (client, reply)
}

#[track_caller]
fn delivery(client: &mut Client, seq: u64, sender: &str, text: &str) {
    let line = client.expect_start(&format!("{seq}#{sender}#"));
    assert_eq!(line.splitn(4, '#').nth(3), Some(text), "{line}");
}

/// Returns the address that `members` shows for an id.
#[track_caller]
fn address(observer: &mut Client, id: &str) -> String {
    observer.member(id).unwrap().split(' ').nth(2).unwrap().to_owned()
}

#[test]
fn a_plain_client_gets_its_messages_on_the_connection_of_its_request() {
    let coordinator = Coordinator::start(30, &[]);
    let mut observer = coordinator.client();
    let (mut bob, reply) = here(&coordinator, "bob#register here#-");
    assert_eq!((number(&reply, "next"), number(&reply, "published")), (1, 0), "{reply}");
    assert_eq!(address(&mut observer, "bob"), bob.stream.local_addr().unwrap().to_string());
    let mut alice = coordinator.join("alice", "");
    alice.msend("hi # all");
    delivery(&mut bob, 1, "alice", "hi # all");
    observer.check("bob#msend hello#-", "OK msend seq=2");
    alice.socket().delivery(2, "bob", "hello");
    // Without acks all that it writes is discarded.
    bob.write(b"bob#msend not a request#-\nack 99\nnonsense");
    alice.msend("more");
    delivery(&mut bob, 3, "alice", "more");
    observer.until_member("bob", |line| line.contains(" acked=3 "));
    assert_eq!(observer.stat("messages_in"), 3, "no request behind the OK");
    drop(bob);
    observer.until_member("bob", |line| line.contains(" offline "));
}

#[test]
fn hello_comes_first_and_acks_move_the_cursor() {
    let coordinator = Coordinator::start(30, &["keep=10"]);
    let mut observer = coordinator.client();
    let mut alice = coordinator.join("alice", "");
    for text in ["one", "two"] {
        alice.msend(text);
    }
    let (mut bob, reply) = here(&coordinator, "bob#register here acks=1 nonce=aB last=1#-");
    assert_eq!((number(&reply, "next"), number(&reply, "last")), (2, 1), "{reply}");
    let epoch = alice.epoch().to_owned();
    bob.expect(&format!("hello#aB#{epoch}"));
    delivery(&mut bob, 2, "alice", "two");
    bob.say("ack 2");
    observer.until_member("bob", |line| line.contains(" acked=2 "));
    alice.msend("three");
    delivery(&mut bob, 3, "alice", "three");
    bob.half_close();
    bob.expect("bye#closed");
    bob.expect_eof();
    observer.until_member("bob", |line| line.contains(" offline "));
    let (mut bob, reply) =
        here(&coordinator, &format!("bob#reconnect here acks=1 since={epoch}:2#127.0.0.1"));
    assert_eq!((number(&reply, "next"), number(&reply, "missed")), (3, 1), "{reply}");
    delivery(&mut bob, 3, "alice", "three");
    bob.say("ack 4");
    bob.expect("bye#bad ack");
}

#[test]
fn an_error_leaves_a_command_socket_and_what_is_behind_it_are_requests() {
    let coordinator = Coordinator::start(30, &[]);
    let mut alice = coordinator.join("alice", "");
    let mut client = coordinator.client();
    client.write(
        b"bob#ping#-\nbob#reconnect here#-\nalice#register here#-\nbob#register here 1#-\n\
          alice#register here#192.0.2.1\nbob#register Here#-\nbob#ping#-\n\
          bob#register here#-\nbob#ping#-\n",
    );
    client.expect("OK ping");
    for start in ["ERR 404 ", "ERR 409 ", "ERR 400 option", "ERR 403 ip", "ERR 400 port: "] {
        client.expect_start(start);
    }
    client.expect("OK ping");
    client.expect_start("OK register ");
    alice.msend("first");
    delivery(&mut client, 1, "alice", "first");
}

#[test]
fn every_split_of_a_request_and_the_acks_behind_it_is_read_alike() {
    let coordinator = Coordinator::start(30, &["keep=10"]);
    let mut observer = coordinator.client();
    let mut alice = coordinator.join("alice", "");
    alice.msend("one");
    // The first ack is below the cursor. The second one is not a number that was sent.
    let bytes = b"bob#ping#-\nbob#register here acks=1#-\nack 1\nack 9\n";
    for cut in 1..bytes.len() {
        let mut bob = coordinator.client();
        bob.write(&bytes[..cut]);
        if cut % 3 == 0 {
            observer.check("x#ping#-", "OK ping"); // So that the parts arrive apart.
        }
        bob.write(&bytes[cut..]);
        bob.expect("OK ping");
        bob.expect_start("OK register ");
        bob.expect("bye#bad ack");
        bob.expect_closed();
        observer.check("bob#deregister#-", "OK deregister");
    }
}

#[test]
fn a_client_that_ends_its_direction_at_once_is_registered_and_offline() {
    let coordinator = Coordinator::start(30, &[]);
    let mut observer = coordinator.client();
    for (id, options, lf) in [("a", "", ""), ("b", " acks=1", "\n"), ("c", " acks=1 nonce=1", "")] {
        let mut client = coordinator.client();
        client.write(format!("{id}#register here{options}#-{lf}").as_bytes());
        client.half_close();
        client.expect_start("OK register ");
        if options.contains("nonce") {
            client.expect_start("hello#1#");
        }
        if !options.is_empty() {
            client.expect("bye#closed");
        }
        client.expect_eof();
        observer.until_member(id, |line| line.contains(" offline "));
    }
    // An error leaves a command socket, and this one has ended.
    let mut client = coordinator.client();
    client.write(b"a#register here#-");
    client.half_close();
    client.expect_start("ERR 409 ");
    client.expect_eof();
}

#[test]
fn each_kind_of_message_socket_takes_over_from_the_other() {
    let coordinator = Coordinator::start(30, &[]);
    let mut alice = coordinator.join("alice", "");
    let mut bob = coordinator.join("bob", "acks=1");
    alice.msend("one");
    let mut first = bob.take_socket();
    first.delivery(1, "alice", "one");
    first.ack(1); // It counts although it is read only when the other one takes over.
    let (mut second, reply) = here(&coordinator, "bob#reconnect here acks=1 nonce=2#-");
    assert_eq!((number(&reply, "next"), number(&reply, "missed")), (2, 0), "{reply}");
    first.expect_bye(&format!("taken over by {}", second.stream.local_addr().unwrap()));
    second.expect_start("hello#2#");
    alice.msend("two");
    delivery(&mut second, 2, "alice", "two");
    let (mut third, reply) = here(&coordinator, "bob#reconnect here acks=1#-");
    assert_eq!((number(&reply, "next"), number(&reply, "missed")), (2, 1), "{reply}");
    second.expect(&format!("bye#taken over by {}", third.stream.local_addr().unwrap()));
    second.expect_eof();
    delivery(&mut third, 2, "alice", "two");
    third.say("ack 2");
    bob.comes_back("acks=1", 0, 0);
    third.expect(&format!("bye#taken over by 127.0.0.1:{}", bob.listener.port()));
    alice.msend("three");
    bob.socket().delivery(3, "alice", "three");
}

#[test]
fn a_reconnect_here_supersedes_a_pending_connect_back() {
    let coordinator = Coordinator::start(30, &[]);
    let bob = coordinator.join("bob", "");
    let blocked = Listener::blocked(&coordinator.transcript, "127.0.0.1");
    let mut waiting = coordinator.client();
    waiting.write(format!("x#ping#-\nbob#reconnect {}#-\nx#ping#-\n", blocked.port()).as_bytes());
    waiting.expect("OK ping");
    let (mut socket, _) = here(&coordinator, "bob#reconnect here#-");
    waiting.expect_start("ERR 409 superseded");
    waiting.expect("OK ping");
    drop(bob);
    let mut alice = coordinator.join("alice", "");
    alice.msend("one");
    delivery(&mut socket, 1, "alice", "one");
}

#[test]
fn disconnect_and_deregister_end_a_message_socket_that_was_a_command_socket() {
    let coordinator = Coordinator::start(30, &[]);
    let mut other = coordinator.client();
    let (mut bob, _) = here(&coordinator, "bob#register here acks=1#-");
    other.check("bob#disconnect#-", "OK disconnect");
    bob.expect("bye#disconnected");
    bob.expect_eof();
    let (mut bob, _) = here(&coordinator, "bob#reconnect here acks=1#-");
    other.check("bob#deregister#-", "OK deregister");
    bob.expect("bye#deregistered");
    bob.expect_eof();
    let (mut bob, _) = here(&coordinator, "bob#register here acks=1#-");
    coordinator.terminate();
    bob.expect("bye#shutting down");
    bob.expect_eof();
    assert!(coordinator.wait().success());
}

#[test]
fn after_its_ok_a_connection_no_longer_counts_as_a_command_socket() {
    let coordinator = Coordinator::start(30, &["max_connections=2"]);
    let mut observer = coordinator.client();
    observer.check("x#ping#-", "OK ping");
    let mut members: Vec<Client> =
        (0..5).map(|at| here(&coordinator, &format!("m{at}#register here#-")).0).collect();
    assert_eq!((observer.stat("connections"), observer.stat("online")), (1, 5));
    observer.check("m0#msend to all#-", "OK msend seq=1");
    for member in &mut members[1..] {
        delivery(member, 1, "m0", "to all");
    }
    // Before the OK it counts.
    let mut second = coordinator.client();
    second.check("x#ping#-", "OK ping");
    coordinator.client().expect_start("ERR 421 ");
}

#[test]
fn a_member_that_reads_nothing_is_closed_when_it_stalls() {
    let coordinator = Coordinator::start(30, &["stall_timeout=0.3"]);
    let mut alice = coordinator.join("alice", "");
    let (bob, _) = here(&coordinator, "bob#register here#-");
    let text = "x".repeat(60_000);
    while coordinator.client().member("bob").unwrap().contains(" online ") {
        alice.msend(&text);
    }
    assert!(coordinator.client().stat("lost_stalled") >= 1);
    drop(bob);
}

#[test]
fn nine_thousand_members_need_one_address_and_no_listener() {
    const MEMBERS: usize = 9_000;
    let coordinator = Coordinator::start(60, &["max_connections=100"]);
    let mut observer = coordinator.client();
    let mut members: Vec<Client> = (0..MEMBERS)
        .map(|at| here(&coordinator, &format!("m{at}#register here acks=1#-")).0)
        .collect();
    let counts = [observer.stat("online"), observer.stat("connections")];
    assert_eq!(counts, [MEMBERS as u64, 1]);
    observer.check("m0#msend to all#-", "OK msend seq=1");
    for member in &mut members[1..] {
        delivery(member, 1, "m0", "to all");
        member.say("ack 1");
    }
    observer.until_stat("history_messages", 0);
    drop(members);
    observer.until_stat("online", 0);
}
