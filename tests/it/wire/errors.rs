//! Every code of the error table, and which of two comes first.

use support::coordinator::Coordinator;
use support::listener::Listener;
use support::port::ReservedPort;
use support::wire::Client;

#[test]
fn a_malformed_request_gets_400_and_the_part_is_named() {
    let coordinator = Coordinator::start(30, &[]);
    let mut client = coordinator.client();
    let long = "x".repeat(65);
    for (request, part) in [
        ("", "line"),
        ("#", "id"),
        ("bob", "command"),
        ("bob#ping", "ip"),
        ("bob#ping#", "ip"),
        ("bob#ping#localhost", "ip"),
        ("bob#ping#fe80::1%lo", "ip"),
        ("b b#ping#127.0.0.1", "id"),
        (&format!("{long}#ping#127.0.0.1"), "id"),
        ("bob#PING#127.0.0.1", "command"),
        ("bob#ping #127.0.0.1", "ping"),
        ("bob#msend#127.0.0.1", "text"),
        ("bob#msend #127.0.0.1", "text"),
        ("bob#msend a\u{1b}b#127.0.0.1", "text"),
        ("bob#msend a\u{85}b#127.0.0.1", "text"),
        ("bob#register#127.0.0.1", "port"),
        ("bob#register 0#127.0.0.1", "port"),
        ("bob#register 09001#127.0.0.1", "port"),
        ("bob#register 65536#127.0.0.1", "port"),
        ("bob#register 9001 acks=0#127.0.0.1", "acks"),
        ("bob#register 9001 nonce=xyz#127.0.0.1", "nonce"),
        ("bob#register 9001 what=1#127.0.0.1", "option"),
        ("bob#register 9001 acks=1 acks=1#127.0.0.1", "option"),
        ("bob#register 9001 since=0000000000000000:1#127.0.0.1", "since"),
        ("bob#reconnect 9001 since=1#127.0.0.1", "since"),
        ("bob#register 9001 last=-1#127.0.0.1", "last"),
        ("bob#reconnect 9001 last=1#127.0.0.1", "last"),
    ] {
        client.refused(request, 400, part);
    }
    client.write(b"bob#msend \xff#127.0.0.1\n");
    client.expect_start("ERR 400 ");
    client.write(b"bob#msend a\0b#127.0.0.1\n");
    client.expect_start("ERR 400 ");
    client.check("bob#ping#127.0.0.1", "OK ping");
}

#[test]
fn a_request_may_name_only_the_address_it_comes_from() {
    let coordinator = Coordinator::start(30, &[]);
    let mut client = coordinator.client_from("127.0.0.1");
    let port = ReservedPort::new();
    let (register, reconnect) = (format!("register {port}"), format!("reconnect {port}"));
    for command in [&register, &reconnect, "deregister", "disconnect", "msend hi"] {
        client.refused(&format!("bob#{command}#127.0.0.2"), 403, "127.0.0.2");
    }
    for command in ["members", "stats"] {
        client.say(&format!("bob#{command}#192.0.2.1"));
        let reply = client.expect_start(&format!("OK {command} "));
        let count = reply.rsplit(' ').next().unwrap().parse().unwrap();
        (0..count).for_each(|_| drop(client.line()));
    }
    client.check("bob#ping#192.0.2.1", "OK ping");
}

#[test]
fn an_id_belongs_to_the_address_that_registered_it() {
    let coordinator = Coordinator::start(30, &[]);
    let mut bob = coordinator.join("bob", "");
    let mut stranger = coordinator.client_from("127.0.0.2");
    let port = ReservedPort::new();
    let (register, reconnect) = (format!("register {port}"), format!("reconnect {port}"));
    for command in [&register, &reconnect, "msend hi"] {
        stranger.refused(&format!("bob#{command}#127.0.0.2"), 403, "id");
    }
    stranger.check("bob#ping#127.0.0.2", "OK ping");
    assert!(bob.line().contains(" online "));
    bob.check("deregister", "OK deregister");
    coordinator.join_from("127.0.0.2", "bob", "");
}

#[test]
fn foreign_addresses_may_be_allowed_but_never_those_of_nobody() {
    let coordinator = Coordinator::start(30, &["allow_foreign_ip=yes"]);
    let mut client = coordinator.client_from("127.0.0.1");
    let listener = Listener::bind(&coordinator.transcript, "127.0.0.2");
    let port = listener.port();
    let shared = ["224.0.0.1", "ff02::1", "255.255.255.255", "fe80::1"];
    for ip in ["0.0.0.0", "::", "::ffff:0.0.0.0"].into_iter().chain(shared) {
        client.refused(&format!("bob#register {port}#{ip}"), 403, "ip");
    }
    client.say(&format!("bob#register {port}#127.0.0.2"));
    client.expect_start("OK register ");
    let _socket = listener.accept();
    // Another address may use the id too.
    coordinator.client_from("127.0.0.3").check("bob#disconnect#127.0.0.3", "OK disconnect");
}

#[test]
fn nobody_listens_below_1024_or_where_the_coordinator_does() {
    let coordinator = Coordinator::start(30, &[]);
    let own = coordinator.address.port();
    for ip in ["127.0.0.1", "127.0.0.2"] {
        let mut client = coordinator.client_from(ip);
        for port in [1, 80, 1023] {
            client.refused(&format!("bob#register {port}#{ip}"), 403, "port");
        }
        client.refused(&format!("bob#register {own}#{ip}"), 403, "port");
        client.refused(&format!("bob#reconnect {own}#{ip}"), 403, "port");
        client.check("bob#members#127.0.0.1", "OK members 0");
    }
}

#[test]
fn there_are_so_many_members_and_no_more() {
    let coordinator = Coordinator::start(30, &["max_members=2"]);
    let mut bob = coordinator.join("bob", "");
    let mut blocked = Listener::blocked(&coordinator.transcript, "127.0.0.1");
    let mut pending = coordinator.client();
    let request = format!("alice#register {}#127.0.0.1", blocked.port());
    pending.write(format!("alice#ping#127.0.0.1\n{request}\n").as_bytes());
    pending.expect("OK ping");
    let carol = Listener::bind(&coordinator.transcript, "127.0.0.1");
    let request = format!("carol#register {}#127.0.0.1", carol.port());
    // One that is registering counts.
    bob.command.refused(&request, 421, "2");
    blocked.unblock();
    pending.expect_start("OK register ");
    bob.command.refused(&request, 421, "2");
    bob.check("deregister", "OK deregister");
    bob.command.say(&request);
    bob.command.expect_start("OK register ");
}

#[test]
fn there_are_so_many_command_sockets_and_no_more() {
    let coordinator = Coordinator::start(30, &["max_connections=2"]);
    let mut first = coordinator.client();
    first.check("bob#ping#127.0.0.1", "OK ping");
    let mut second = coordinator.client();
    second.check("bob#ping#127.0.0.1", "OK ping");
    let mut third = coordinator.client();
    third.expect_start("ERR 421 ");
    third.expect_eof();
    // Those that are there are served as before, and room is room again.
    second.check("bob#ping#127.0.0.1", "OK ping");
    second.half_close();
    second.expect_eof();
    coordinator.client().check("bob#ping#127.0.0.1", "OK ping");
    // Message sockets do not count.
    let listener = Listener::bind(&coordinator.transcript, "127.0.0.1");
    first.say(&format!("bob#register {}#127.0.0.1", listener.port()));
    first.expect_start("OK register ");
}

#[test]
fn a_connect_back_that_fails_gets_502_and_leaves_no_trace() {
    let coordinator = Coordinator::start(30, &["connect_timeout=0.3"]);
    let mut client = coordinator.client();
    let closed = ReservedPort::new();
    client.refused(&format!("bob#register {closed}#127.0.0.1"), 502, "refused");
    let blocked = Listener::blocked(&coordinator.transcript, "127.0.0.1");
    client.refused(&format!("bob#register {}#127.0.0.1", blocked.port()), 502, "");
    client.check("bob#members#127.0.0.1", "OK members 0");

    let mut bob = coordinator.join("bob", "");
    let before = bob.line();
    for port in [closed.number(), blocked.port()] {
        bob.refused(&format!("reconnect {port}"), 502);
        assert_eq!(bob.line(), before, "neither its socket nor its address is another");
    }
    let mut alice = coordinator.join("alice", "");
    alice.msend("hi");
    bob.socket().delivery(1, "alice", "hi");
}

#[test]
fn a_full_backlog_gets_507_and_accepts_nothing() {
    let coordinator = Coordinator::start(30, &["max_line=512", "max_backlog=1024"]);
    let mut bob = coordinator.join("bob", "acks=1");
    let mut alice = coordinator.join("alice", "");
    let overhead = "1#alice#1700000000000#\n".len();
    let text = |bytes: usize| "x".repeat(bytes - overhead);
    alice.msend(&text(450));
    alice.msend(&text(450));
    alice.refused(&format!("msend {}", text(125)), 507);
    assert_eq!(alice.msend(&text(124)), 3, "to the byte, and no number was lost");
    let request = alice.request("msend x");
    alice.command.refused(&request, 507, "bob has not acked 1024 bytes: ");
    let warning = "messages are refused: bob has not acked 900 bytes";
    coordinator.until_said(warning);
    // Online or not: what is not acknowledged is still needed.
    bob.check("disconnect", "OK disconnect");
    alice.refused("msend x", 507);
    bob.reconnect("acks=1");
    bob.socket().delivery(1, "alice", &text(450));
    bob.socket().ack(1);
    bob.until_acked(1);
    assert_eq!(alice.msend("room again"), 4);
    assert_eq!(coordinator.said("backlog full"), 1, "the log is told once");
}

/// Two errors apply; the answer is the one that stands first in the table.
#[test]
fn of_two_refusals_the_first_in_the_table_is_given() {
    let options = ["max_members=2", "max_line=512", "max_backlog=1024"];
    let coordinator = Coordinator::start(30, &options);
    let mut bob = coordinator.join("bob", "");
    let mut alice = coordinator.join("alice", "");
    bob.disconnect();
    alice.msend(&"x".repeat(450));
    alice.msend(&"x".repeat(450));
    let closed = ReservedPort::new();
    let mut here = coordinator.client_from("127.0.0.1");
    let mut there = coordinator.client_from("127.0.0.2");
    let check = |client: &mut Client, request: String, code| client.refused(&request, code, "");
    // 400 before 403: the address is foreign, and the port is low.
    check(&mut here, "bob#register 80 acks=2#127.0.0.9".into(), 400);
    check(&mut here, "ghost#msend #127.0.0.9".into(), 400);
    // 403 for the address or the port before 404.
    check(&mut here, "ghost#msend hi#127.0.0.9".into(), 403);
    check(&mut here, "ghost#reconnect 80#127.0.0.1".into(), 403);
    // 404 before anything that needs a member.
    check(&mut here, format!("ghost#reconnect {closed}#127.0.0.1"), 404);
    check(&mut here, format!("ghost#msend {}#127.0.0.1", "x".repeat(450)), 404);
    // 403 for the id before 409.
    check(&mut there, format!("bob#register {closed}#127.0.0.2"), 403);
    check(&mut there, "bob#msend hi#127.0.0.2".into(), 403);
    // 409 before 421 and 502, and before 507.
    check(&mut here, format!("bob#register {closed}#127.0.0.1"), 409);
    check(&mut here, format!("bob#msend {}#127.0.0.1", "x".repeat(450)), 409);
    // 421 before 502.
    check(&mut here, format!("carol#register {closed}#127.0.0.1"), 421);
    // And the last two by themselves.
    check(&mut here, format!("alice#msend {}#127.0.0.1", "x".repeat(450)), 507);
    check(&mut here, format!("bob#reconnect {closed}#127.0.0.1"), 502);
}

#[test]
fn a_refused_request_changes_nothing() {
    let coordinator = Coordinator::start(30, &[]);
    let mut bob = coordinator.join("bob", "acks=1");
    let mut alice = coordinator.join("alice", "");
    alice.msend("one");
    let before = bob.command.members();
    let closed = ReservedPort::new();
    for request in [
        "bob#msend #127.0.0.1".to_owned(),
        "bob#deregister#127.0.0.9".to_owned(),
        "bob#reconnect 80#127.0.0.1".to_owned(),
        format!("bob#register {closed}#127.0.0.1"),
        format!("bob#reconnect {closed}#127.0.0.1"),
        format!("carol#register {closed}#127.0.0.1"),
        format!("bob#reconnect {closed} since={}:1#127.0.0.1", bob.epoch()),
    ] {
        bob.command.say(&request);
        bob.command.expect_start("ERR ");
        assert_eq!(bob.command.members(), before, "{request}");
    }
    assert_eq!(alice.msend("two"), 2);
    bob.socket().delivery(1, "alice", "one");
    bob.socket().delivery(2, "alice", "two");
}
