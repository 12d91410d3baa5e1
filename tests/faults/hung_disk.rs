//! A disk that does not answer: the memory that a coordinator with a journal uses meanwhile, and
//! its end.

use std::fs;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use support::coordinator::Coordinator;
use support::member::Member;
use support::participant::{Running, until};
use support::preload::{Action, Kind, Plan, Preload};
use support::{DEADLINE, Timer, files_in};

/// Bytes of records that may wait for the disk.
const WAITING_BYTES: u64 = 32 << 20;

/// From its `call`th call of a kind on, a coordinator waits.
fn hang(preload: &Preload, kind: Kind, call: u64) {
    preload.plan(Plan { action: Action::HangFrom, kind, call, errno: 0, part: 0 });
}

/// A coordinator whose first sync hangs: it is asked for by alice's "one".
fn with_hung_sync(preload: &Preload) -> (Coordinator, Member) {
    let coordinator = Coordinator::start_under(preload, &[]);
    let mut alice = coordinator.join("alice", "");
    hang(preload, Kind::Sync, 1);
    alice.command.say("alice#msend one#127.0.0.1");
    until("the hung sync", || preload.fired() > 0);
    (coordinator, alice)
}

#[test]
fn a_start_that_is_asked_to_end_does_so_and_leaves_the_journal_as_it_was() {
    for signal in [Signal::TERM, Signal::INT] {
        let preload = Preload::new();
        let first = Coordinator::start_under(&preload, &[]);
        let mut alice = first.join("alice", "");
        first.join("bob", "acks=1").disconnect();
        assert_eq!(alice.msend("one"), 1);
        first.kill();
        let data = preload.root().join("data");
        let segment = data.join("0000000000000001.journal");
        let torn = [fs::read(&segment).unwrap(), vec![0xff]].concat();
        fs::write(&segment, torn).unwrap();
        let before = files_in(&data);
        hang(&preload, Kind::Read, 3); // It is opened, and then it is read.
        let mut command = Command::new(env!("CARGO_BIN_EXE_coordinator"));
        preload.put_under(command.arg(first.config()));
        let mut second = Running::start(command);
        until("the start", || preload.fired() > 0);
        second.signal(signal);
        preload.clear();
        assert_eq!(second.wait(), Some(0), "{}", second.said);
        assert!(second.said.contains("ended by a signal before the journal"), "{}", second.said);
        assert!(!second.said.contains("listening on"), "{}", second.said);
        assert_eq!(files_in(&data), before);
        let third = Coordinator::start_under(&preload, &[]);
        let mut bob = Member::come_back(&third, "bob", "acks=1");
        bob.socket().delivery(1, "alice", "one");
    }
}

#[test]
fn what_waits_for_a_disk_that_hangs_is_bounded_and_what_is_more_is_refused() {
    const TEXT_BYTES: u64 = 60_000;
    const COUNT: u64 = 5 * WAITING_BYTES / TEXT_BYTES;
    let preload = Preload::new();
    let coordinator = Coordinator::start_under(&preload, &[]);
    let mut alice = coordinator.join("alice", "");
    let mut observer = coordinator.client();
    let before = coordinator.rss_bytes();
    hang(&preload, Kind::Sync, 1);
    let request = alice.request(&format!("msend {}", "x".repeat(TEXT_BYTES.try_into().unwrap())));
    (0..COUNT).for_each(|_| alice.command.say(&request));
    let timer = Timer::start(DEADLINE);
    while observer.stat("messages_in") + observer.stat("errors") < COUNT {
        assert!(timer.left().is_some(), "{:?}", observer.stats());
    }
    let accepted = observer.stat("messages_in");
    let waiting = observer.stat("journal_waiting_bytes");
    let expected = WAITING_BYTES..WAITING_BYTES + 2 * TEXT_BYTES;
    assert!(expected.contains(&waiting), "{waiting} bytes of {accepted} messages");
    let grown = coordinator.rss_bytes().saturating_sub(before);
    assert!(grown < 3 * WAITING_BYTES, "{grown} bytes more for {waiting} that wait");
    coordinator.until_said("the disk is slow");
    preload.clear();
    (1..=accepted).for_each(|seq| alice.command.expect(&format!("OK msend seq={seq}")));
    (accepted..COUNT).for_each(|_| drop(alice.command.expect_start("ERR 506 ")));
    assert_eq!(alice.msend("as before"), accepted + 1);
    assert_eq!(observer.stat("journal_waiting_bytes"), 0);
}

#[test]
fn a_coordinator_whose_disk_hangs_ends_within_two_seconds_and_says_what_is_missing() {
    let preload = Preload::new();
    let (coordinator, mut alice) = with_hung_sync(&preload);
    let timer = Timer::start(DEADLINE);
    coordinator.terminate();
    assert_eq!(coordinator.wait().code(), Some(1));
    let took = timer.elapsed();
    assert!(took > Duration::from_millis(1_900), "{took:?}: the disk has its time");
    assert!(took < Duration::from_millis(4_000), "{took:?}");
    coordinator.until_said("the end could not be written");
    assert!(alice.command.line_within(Timer::start(DEADLINE)).is_err(), "nothing is confirmed");
}

#[test]
fn a_second_signal_ends_a_coordinator_that_waits_for_its_disk_at_once() {
    let preload = Preload::new();
    let coordinator = Coordinator::start_under(&preload, &[]);
    let mut alice = coordinator.join("alice", "");
    assert_eq!(alice.msend("one"), 1);
    hang(&preload, Kind::Sync, 1);
    coordinator.terminate();
    until("the last sync", || preload.fired() > 0);
    coordinator.terminate();
    assert_eq!(coordinator.wait().code(), Some(1));
    coordinator.until_said("ended at once, by a second signal");
}

#[test]
fn a_disk_that_comes_back_in_time_is_waited_for() {
    let preload = Preload::new();
    let (coordinator, mut alice) = with_hung_sync(&preload);
    coordinator.terminate();
    coordinator.until_said("shutting down");
    preload.clear();
    alice.command.expect("OK msend seq=1");
    assert_eq!(coordinator.wait().code(), Some(0));
}

#[test]
fn an_ok_to_here_waits_for_the_disk_and_the_messages_wait_for_the_ok() {
    let preload = Preload::new();
    let (coordinator, mut alice) = with_hung_sync(&preload);
    let mut bob = coordinator.client();
    bob.say("bob#register here acks=1 nonce=1#-");
    let mut observer = coordinator.client();
    observer.until_member("bob", |line| line.contains(" online "));
    alice.command.say("alice#msend two#127.0.0.1");
    observer.until_stat("messages_in", 2);
    bob.expect_silence(Duration::from_millis(200));
    // Until its OK it counts as a command socket: with alice's and the observer's.
    assert_eq!(observer.stat("connections"), 3);
    preload.clear();
    bob.expect_start("OK register ");
    bob.expect_start("hello#1#");
    bob.expect_start("2#alice#");
    alice.command.expect("OK msend seq=1");
    alice.command.expect("OK msend seq=2");
    bob.say("ack 2");
    observer.until_member("bob", |line| line.contains(" acked=2 "));
    assert_eq!(observer.stat("connections"), 2);
}

#[test]
fn what_happens_to_a_member_while_its_ok_waits_for_the_disk_comes_behind_the_ok() {
    for request in ["bob#disconnect#-", "bob#reconnect here#-"] {
        let preload = Preload::new();
        let (coordinator, _alice) = with_hung_sync(&preload);
        let (mut bob, mut other) = (coordinator.client(), coordinator.client());
        bob.say("bob#register here acks=1 nonce=1#-");
        other.until_member("bob", |line| line.contains(" online "));
        other.say(request);
        other.expect_start("OK ");
        bob.expect_silence(Duration::from_millis(200));
        preload.clear();
        bob.expect_start("OK register ");
        bob.expect_start("hello#1#");
        bob.expect_start("bye#");
        bob.expect_eof();
    }
}
