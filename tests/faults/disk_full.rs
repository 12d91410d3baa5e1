//! A disk that is full, and has room again later: the behaviour of a coordinator with a journal.
//!
//! The limit on the size of files stands in for the full disk: writes fail in the same call and the
//! same way, but only those of one process.

use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use support::coordinator::{Coordinator, until_written_down};
use support::member::Member;
use support::port::ReservedPort;
use support::transcript::lock;
use support::wire::{Client, Missing};
use support::{DEADLINE, Timer, number};

/// Limits the size of a coordinator's files.
fn limit_files(coordinator: &Coordinator, bytes: Option<u64>) {
    let pid = Pid::from_child(&lock(&coordinator.transcript.child));
    prlimit(Some(pid), Resource::Fsize, Rlimit { current: bytes, maximum: None }).unwrap();
}

/// Sends registrations that cannot succeed until one is refused for this reason.
#[track_caller]
fn until_refused(client: &mut Client, code: u16) {
    let closed = ReservedPort::new();
    let timer = Timer::start(DEADLINE);
    while timer.left().is_some() {
        let reply = client.ask(&format!("zed#register {closed}#127.0.0.1"));
        if reply.starts_with(&format!("ERR {code} ")) {
            return;
        }
    }
    client.fail(&format!("never {code}"));
}

#[test]
fn a_full_disk_confirms_nothing_stops_no_delivery_and_is_over_when_there_is_room() {
    for sync in ["sync=always", "sync=50ms", "sync=never"] {
        let first = Coordinator::start_with_data_dir(600, &[sync]);
        let mut alice = first.join("alice", "acks=1");
        let mut bob = first.join("bob", "acks=1");
        let mut carol = first.join("carol", "acks=1");
        let mut observer = first.client();
        carol.disconnect();
        assert_eq!(alice.msend("one"), 1);
        bob.socket().delivery(1, "alice", "one");
        bob.socket().ack(1);
        bob.until_acked(1);
        assert_eq!(alice.msend("two"), 2);
        until_written_down(&first.data_dir(), "bob", 1);
        bob.socket().delivery(2, "alice", "two");

        limit_files(&first, Some(0));
        alice.command.say("alice#msend three#127.0.0.1");
        until_refused(&mut observer, 506);
        bob.refused("msend refused", 506);
        bob.refused("deregister", 506);
        // Reading and delivering go on; of what is not written down nothing is sent.
        assert_eq!(observer.stat("members"), 3);
        bob.socket().ack(2);
        bob.until_acked(2);
        let mut carol = Member::come_back(&first, "carol", "acks=1");
        carol.socket().delivery(1, "alice", "one");
        carol.socket().delivery(2, "alice", "two");
        carol.socket().expect_silence(Duration::from_millis(100));

        limit_files(&first, None);
        // The request was in flight when the disk was found full, unless a cursor was written
        // before it.
        let mut reply = alice.command.line();
        while reply.starts_with("ERR 506 ") {
            alice.command.say("alice#msend three#127.0.0.1"); // The next try is a second away.
            reply = alice.command.line();
        }
        assert_eq!(reply, "OK msend seq=3");
        bob.socket().delivery(3, "alice", "three");
        carol.socket().delivery(3, "alice", "three");
        assert_eq!(bob.msend("four"), 4);
        carol.socket().delivery(4, "bob", "four");
        let epoch = bob.epoch().to_owned();

        first.kill();
        let second = first.start_again();
        let mut carol = Member::come_back(&second, "carol", "acks=1");
        assert_eq!(carol.epoch(), epoch, "{sync}");
        for (seq, text) in (1..).zip(["one", "two", "three"]) {
            carol.socket().delivery(seq, "alice", text);
        }
        carol.socket().delivery(4, "bob", "four");
        let mut bob = Member::come_back(&second, "bob", "acks=1");
        assert!(number(&bob.reply, "missed") <= 3 && number(&bob.reply, "expired") == 0);
        assert_eq!(bob.msend("five"), 5);
    }
}

#[test]
fn a_coordinator_killed_while_the_disk_is_full_has_all_that_it_confirmed() {
    let first = Coordinator::start_with_data_dir(600, &[]);
    let mut alice = first.join("alice", "");
    let mut bob = first.join("bob", "acks=1");
    bob.disconnect();
    let size = first.data_dir().join("0000000000000001.journal").metadata().unwrap().len();
    // Some of what follows fits, and then a record is torn.
    limit_files(&first, Some(size + 2000));
    let requests: String =
        (1..=200).map(|number| format!("alice#msend text {number}#127.0.0.1\n")).collect();
    let chunk = requests.len() / 50;
    let mut confirmed = 0;
    for bytes in requests.as_bytes().chunks(chunk) {
        alice.command.write(bytes);
        while let Ok(line) = alice.command.line_within(Timer::start(Duration::from_millis(5))) {
            if line.starts_with("OK ") {
                confirmed += 1;
                assert_eq!(line, format!("OK msend seq={confirmed}"));
            }
        }
    }
    limit_files(&first, Some(0));
    alice.command.say("alice#msend text 201#127.0.0.1");
    until_refused(&mut first.client(), 506);
    while let Ok(line) = alice.command.line_within(Timer::start(Duration::from_millis(5))) {
        confirmed += u64::from(line.starts_with("OK "));
    }
    first.kill();
    loop {
        match alice.command.line_within(Timer::start(DEADLINE)) {
            Ok(line) => confirmed += u64::from(line.starts_with("OK ")),
            Err(Missing::End | Missing::Broken(_)) => break,
            Err(missing) => alice.command.fail(&format!("{missing:?}")),
        }
    }
    assert!(confirmed > 0);
    let second = first.start_again();
    let mut bob = Member::come_back(&second, "bob", "acks=1");
    let missed = number(&bob.reply, "missed");
    assert!(missed >= confirmed, "{confirmed} confirmed: {}", bob.reply);
    for seq in 1..=missed {
        bob.socket().line().starts_with(&format!("{seq}#alice#")).then_some(()).unwrap();
    }
}

/// A disk may be full of what has expired: nobody else makes room.
#[test]
fn segments_that_have_expired_are_removed_also_while_nothing_can_be_written() {
    let first = Coordinator::start_with_data_dir(2, &[]);
    let mut alice = first.join("alice", "");
    let mut bob = first.join("bob", "acks=1");
    bob.disconnect();
    let text = "x".repeat(60_000);
    let mut observer = first.client();
    while observer.stat("journal_segments") < 3 {
        alice.msend(&text);
    }
    let last = alice.msend(&text);
    limit_files(&first, Some(0));
    alice.command.say("alice#msend in flight#127.0.0.1");
    until_refused(&mut observer, 506);
    let timer = Timer::start(DEADLINE);
    while observer.stat("journal_segments") > 1 {
        assert!(timer.left().is_some(), "they are still there");
    }
    // The remaining segment holds the whole state.
    first.kill();
    let second = first.start_again();
    let bob = Member::come_back(&second, "bob", "acks=1");
    assert!(number(&bob.reply, "expired") >= last, "{}", bob.reply);
    let alice = Member::come_back(&second, "alice", "");
    assert_eq!(alice.epoch(), bob.epoch());
}

#[test]
fn a_directory_that_is_deleted_is_a_disk_that_fails_until_there_is_one_again() {
    let first = Coordinator::start_with_data_dir(600, &[]);
    let mut alice = first.join("alice", "");
    let mut bob = first.join("bob", "acks=1");
    assert_eq!(alice.msend("one"), 1);
    bob.socket().delivery(1, "alice", "one");
    bob.socket().ack(1);
    bob.until_acked(1);
    bob.disconnect();
    std::fs::remove_dir_all(first.data_dir()).unwrap();
    alice.command.say("alice#msend two#127.0.0.1");
    until_refused(&mut first.client(), 506);

    std::fs::create_dir(first.data_dir()).unwrap();
    let mut reply = alice.command.line();
    while reply.starts_with("ERR 506 ") {
        alice.command.say("alice#msend two#127.0.0.1");
        reply = alice.command.line();
    }
    assert_eq!(reply, "OK msend seq=2");
    first.kill();
    let second = first.start_again();
    let mut bob = Member::come_back(&second, "bob", "acks=1");
    bob.socket().delivery(2, "alice", "two");
}

/// As a limit on the size of files that is there from the start.
fn start_limited(coordinator: &Coordinator) -> (Option<i32>, String) {
    let output = Command::new("sh")
        .args(["-c", "ulimit -f 1; exec \"$0\" \"$1\"", env!("CARGO_BIN_EXE_coordinator")])
        .arg(coordinator.config())
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_start_without_room_fails_and_costs_nothing() {
    let first = Coordinator::start_with_data_dir(600, &[]);
    let ids: Vec<String> = (0..40).map(|number| format!("{number:060}")).collect();
    let members: Vec<Member> = ids.iter().map(|id| first.join(id, "acks=1")).collect();
    let mut alice = first.join("alice", "");
    assert_eq!(alice.msend("one"), 1);
    let epoch = alice.epoch().to_owned();
    first.kill();
    drop(members);
    let (code, said) = start_limited(&first);
    assert_eq!(code, Some(1), "{said}");
    let needed = said.split_once("a new segment of ").and_then(|(_, it)| it.split_once(" bytes"));
    let needed: u64 = needed.unwrap_or_else(|| panic!("{said}")).0.parse().unwrap();
    assert!(said.contains("File too large"), "{said}");
    let second = first.start_again();
    let begun = first.data_dir().join("0000000000000002.journal").metadata().unwrap().len();
    assert_eq!(begun, needed, "what the failed start asked for");
    for id in &ids {
        let mut member = Member::come_back(&second, id, "acks=1");
        assert_eq!(member.epoch(), epoch);
        member.socket().delivery(1, "alice", "one");
    }
}

#[test]
fn a_fresh_segment_that_came_to_nothing_hides_nothing_of_the_one_before() {
    let first = Coordinator::start_with_data_dir(600, &["sync=never"]);
    let mut alice = first.join("alice", "");
    let mut bob = first.join("bob", "acks=1");
    bob.disconnect();
    let text = "x".repeat(100);
    for seq in 1..=100 {
        assert_eq!(alice.msend(&text), seq);
    }
    limit_files(&first, Some(1000)); // Nowhere is room for all of it.
    alice.command.say("alice#msend 101#127.0.0.1");
    let mut observer = first.client();
    until_refused(&mut observer, 506);
    // The write, a fresh segment at once, and another one after a pause have failed.
    while observer.stat("journal_failures") < 3 {}
    assert_eq!(observer.stat("journal_segments"), 1);
    first.kill();
    let second = first.start_again();
    let mut bob = Member::come_back(&second, "bob", "acks=1");
    for seq in 1..=100 {
        bob.socket().delivery(seq, "alice", &text);
    }
}

#[test]
fn who_is_refused_while_its_reply_waits_for_the_disk_gets_both_and_is_forgotten_whole() {
    for leaves in [false, true] {
        let first = Coordinator::start_with_data_dir(600, &["line_timeout=0.1"]);
        let mut alice = first.join("alice", "");
        let mut observer = first.client();
        limit_files(&first, Some(0));
        alice.command.write(b"alice#msend one#127.0.0.1\nalice#ms");
        until_refused(&mut observer, 506);
        observer.until_stat("input_bytes", 0); // The refusal dropped the begun line.
        if leaves {
            drop(alice); // Its replies still wait, as those of each client that closes its side.
            limit_files(&first, None);
        } else {
            limit_files(&first, None);
            alice.command.expect("OK msend seq=1");
            alice.command.expect_start("ERR 408 ");
            alice.command.expect_eof();
        }
        let timer = Timer::start(DEADLINE);
        while observer.stat("client_bytes") > 0 || observer.stat("connections") > 1 {
            assert!(timer.left().is_some(), "{} bytes are kept", observer.stat("client_bytes"));
        }
    }
}
