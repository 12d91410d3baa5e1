//! A coordinator that stood still: stopped, suspended, or without a CPU. What its peers did in time
//! counts, though it only sees that later.

use std::time::Duration;

use support::Timer;
use support::coordinator::Coordinator;
use support::listener::Listener;
use support::member::Member;
use support::wire::{Client, Missing};

const PING: &str = "bob#ping#127.0.0.1\n";

/// A client with the beginning of a line, which the coordinator has read.
fn with_a_line_begun(coordinator: &Coordinator) -> Client {
    let mut client = coordinator.client();
    client.write(format!("{PING}bob#pi").as_bytes());
    client.expect("OK ping");
    client
}

#[test]
fn a_line_that_was_finished_during_a_standstill_is_carried_out() {
    let coordinator = Coordinator::start(30, &["line_timeout=0.3"]);
    let mut clients: Vec<Client> = (0..5).map(|_| with_a_line_begun(&coordinator)).collect();
    coordinator.stop();
    clients.iter_mut().for_each(|client| client.write(b"ng#127.0.0.1\n"));
    clients[0].expect_silence(Duration::from_millis(700));
    coordinator.go_on();
    clients.iter_mut().for_each(|client| client.expect("OK ping"));
}

#[test]
fn a_line_that_is_finished_right_after_a_standstill_is_carried_out() {
    let coordinator = Coordinator::start(30, &["line_timeout=0.3"]);
    let mut client = with_a_line_begun(&coordinator);
    let mut silent = with_a_line_begun(&coordinator);
    coordinator.stop();
    client.expect_silence(Duration::from_millis(1_700));
    coordinator.go_on();
    client.write(b"ng#127.0.0.1\n");
    client.expect("OK ping");
    // One that is not finished at all is refused as ever.
    silent.expect_start("ERR 408 ");
    silent.expect_eof();
}

#[test]
fn a_reader_that_took_what_was_due_during_a_standstill_keeps_its_socket() {
    // A busy machine needs some of this time for the messages.
    let coordinator = Coordinator::start(60, &["stall_timeout=4"]);
    let listener = Listener::small(&coordinator.transcript, "127.0.0.1");
    let mut bob = Member::join_at(&coordinator, "bob", "127.0.0.1", listener, "");
    let mut alice = coordinator.join("alice", "");
    let (text, count) = ("x".repeat(60_000), 100);
    for seq in 1..=count {
        assert_eq!(alice.msend(&text), seq);
    }
    // So it has nothing more to write that is taken.
    coordinator.until_quiet(alice.socket());
    let timer = Timer::start(Duration::from_millis(5_000));
    coordinator.stop();
    let mut seq = 0;
    loop {
        match bob.socket().line_within(Timer::start(Duration::from_millis(200))) {
            Ok(line) => {
                seq += 1;
                assert!(line.starts_with(&format!("{seq}#alice#")), "{seq}");
            }
            Err(Missing::Late) => break,
            Err(missing) => panic!("after {seq} messages: {missing:?}"),
        }
    }
    assert!((1..count).contains(&seq), "{seq} messages were under way");
    if let Some(left) = timer.left() {
        bob.socket().expect_silence(left);
    }
    coordinator.go_on();
    // The one that was cut goes on where it was.
    for seq in seq + 1..=count {
        bob.socket().delivery(seq, "alice", &text);
    }
    assert!(bob.line().contains(" online "));
}

#[test]
fn a_connect_back_that_came_about_during_a_standstill_has_succeeded() {
    let coordinator = Coordinator::start(30, &["connect_timeout=0.5"]);
    let mut blocked = Listener::blocked(&coordinator.transcript, "127.0.0.1");
    let mut client = coordinator.client();
    let port = blocked.port();
    client.write(format!("{PING}bob#register {port} acks=1#127.0.0.1\n").as_bytes());
    client.expect("OK ping");
    coordinator.stop();
    blocked.unblock();
    let _socket = blocked.accept();
    client.expect_silence(Duration::from_millis(700));
    coordinator.go_on();
    client.expect_start("OK register ");
    client.until_member("bob", |line| line.contains(" online "));
}

/// A table that grows later stops the loop for 8 to 27 ms at each doubling.
#[cfg(target_os = "linux")]
#[test]
fn the_table_of_open_files_has_room_for_many_clients_from_the_start() {
    let coordinator = Coordinator::start(30, &[]);
    assert!(coordinator.file_table_files() >= 4096, "{}", coordinator.file_table_files());
}
