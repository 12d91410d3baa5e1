//! Sites and servers that are stopped, go on, and find that the others have not waited.

use std::net::TcpListener;

use support::Timer;
use support::listener::Listener;
use support::member::Member;

use crate::group::{eventually, founded, later, msend, send_undecided, start, stderr_of};
use crate::servers::{LONG, Servers};

#[test]
fn a_site_that_was_stopped_reads_what_it_missed_before_a_member_goes_on_there() {
    let Some(servers) = founded(1) else { return };
    let (oslo, cairo) = (start(&servers, "oslo"), start(&servers, "cairo"));
    let (mut ann, mut bob) = (oslo.join("ann", "acks=1"), cairo.join("bob", "acks=1"));
    let epoch = bob.epoch().to_owned();
    let mut late = oslo.client();
    let listener = Listener::bind(&oslo.transcript, "127.0.0.1");
    oslo.stop();
    let mut moved = Member::come_back(&cairo, "ann", &format!("acks=1 since={epoch}:0"));
    let count = 600;
    for seq in 1..=count {
        assert_eq!(bob.msend(&format!("t{seq}")), seq);
        moved.socket().delivery(seq, "bob", &format!("t{seq}"));
    }
    // This request waits at the stopped site, before all that the site has not read.
    let port = listener.port();
    let request = format!("ann#reconnect {port} acks=1 since={epoch}:{count}#127.0.0.1");
    late.say(&request);
    oslo.go_on();
    let timer = Timer::start(LONG);
    let reply = loop {
        let reply = late.line();
        if !reply.starts_with("ERR 506 the last message here is ") {
            break reply;
        }
        assert!(timer.left().is_some(), "{reply}");
        late.say(&request);
    };
    let next = count + 1;
    assert!(reply.starts_with(&format!("OK reconnect epoch={epoch} next={next} ")), "{reply}");
    let address = format!("taken over by 127.0.0.1:{}", moved.listener.port());
    ann.take_socket().expect_bye(&address);
    moved.take_socket().expect_bye(&format!("taken over by 127.0.0.1:{port}"));
    let mut socket = listener.accept();
    assert_eq!(bob.msend("after"), next);
    socket.delivery(next, "bob", "after");
}

#[test]
fn a_process_that_was_stopped_ends_if_another_one_has_taken_its_name() {
    let Some(servers) = founded(1) else { return };
    let (oslo, cairo) = (start(&servers, "oslo"), start(&servers, "cairo"));
    let (mut ann, mut bob) = (oslo.join("ann", "acks=1"), cairo.join("bob", "acks=1"));
    ann.msend("one");
    bob.socket().delivery(1, "ann", "one");
    oslo.stop();
    let other = start(&servers, "oslo");
    ann.command.say("ann#msend to the first oslo#127.0.0.1");
    oslo.go_on();
    let reply = ann.command.line_within(Timer::start(LONG));
    assert!(!reply.as_ref().is_ok_and(|reply| reply.starts_with("OK ")), "{reply:?}");
    assert_eq!(oslo.wait().code(), Some(1));
    let text = stderr_of(&oslo);
    assert!(text.contains("another process has begun to serve as site oslo"), "{text}");
    let since = format!("acks=1 since={}:0", bob.epoch());
    let mut back = Member::come_back(&other, "ann", &since);
    assert_eq!(back.msend("two"), 2, "nothing of the first oslo stands between");
    bob.socket().delivery(2, "ann", "two");
}

/// Two sites without an engine, which comes back: what was refused meanwhile is in no log.
fn outage(count: usize, begin: impl Fn(&mut Servers), end: impl Fn(&mut Servers)) {
    let Some(mut servers) = founded(count) else { return };
    let (oslo, cairo) = (start(&servers, "oslo"), start(&servers, "cairo"));
    let (mut ann, mut bob) = (oslo.join("ann", "acks=1"), cairo.join("bob", "acks=1"));
    ann.msend("before");
    begin(&mut servers);
    // Known messages are delivered and acknowledged.
    bob.socket().delivery(1, "ann", "before");
    bob.socket().ack(1);
    cairo.client().until_member("bob", |line| support::number(line, "acked") == 1);
    send_undecided(&mut ann, &mut oslo.client());
    end(&mut servers);
    let undecided = later(&mut ann);
    let next = msend(&mut bob, "after");
    if undecided.starts_with("OK msend seq=") {
        bob.socket().delivery(2, "ann", "undecided");
    } else {
        assert!(undecided.starts_with("ERR 506"), "{undecided}");
    }
    ann.socket().delivery(next, "bob", "after");
}

#[test]
fn requests_wait_for_a_killed_engine_and_what_is_refused_is_in_no_log() {
    let restart = |servers: &mut Servers| servers.all.iter_mut().for_each(|it| it.restart());
    outage(1, |servers| servers.all[0].kill(), restart);
    outage(3, |servers| servers.all.iter_mut().for_each(|it| it.kill()), restart);
}

#[test]
fn requests_wait_for_a_stopped_majority_and_what_is_refused_is_in_no_log() {
    outage(
        3,
        |servers| servers.all[1..].iter().for_each(|it| it.pause()),
        |servers| servers.all[1..].iter().for_each(|it| it.resume()),
    );
}

#[test]
fn each_reason_of_an_outage_is_reported_once_and_its_end_too() {
    let Some(mut servers) = founded(1) else { return };
    let oslo = start(&servers, "oslo");
    servers.all[0].kill();
    // Attempts to connect that end in the same way.
    let listener = TcpListener::bind(("127.0.0.1", servers.all[0].port())).unwrap();
    for _ in 0..8 {
        drop(listener.accept().unwrap());
    }
    drop(listener);
    servers.all[0].restart();
    eventually("connected again", || stderr_of(&oslo).matches("engine: connected").count() == 2);
    let text = stderr_of(&oslo);
    let reasons =
        text.lines().filter_map(|line| Some(line.split_once("engine: not connected: ")?.1));
    let mut reasons: Vec<&str> = reasons.collect();
    let count = reasons.len();
    reasons.sort_unstable();
    reasons.dedup();
    assert!(count > 0 && reasons.len() == count, "{text}");
}
