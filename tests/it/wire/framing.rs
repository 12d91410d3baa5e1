//! Lines over the command socket, whole and broken, early and late.

use std::time::Duration;

use support::coordinator::Coordinator;
use support::listener::Listener;
use support::wire::Missing;
use support::{DEADLINE, Timer};

const PING: &str = "bob#ping#127.0.0.1";

#[test]
fn one_cr_before_the_lf_is_dropped_and_no_more() {
    let coordinator = Coordinator::start(30, &[]);
    let mut client = coordinator.client();
    client.write(b"bob#ping#127.0.0.1\r\n");
    client.expect("OK ping");
    client.write(b"bob#ping#127.0.0.1\r\r\n");
    client.expect_start("ERR 400 ");
    client.write(b"\r\n");
    client.expect_start("ERR 400 ");
    client.check(PING, "OK ping");
}

#[test]
fn the_end_of_the_stream_ends_the_last_request() {
    let coordinator = Coordinator::start(30, &[]);
    let mut client = coordinator.client();
    client.write(format!("{PING}\n{PING}").as_bytes());
    client.half_close();
    client.expect("OK ping");
    client.expect("OK ping");
    client.expect_eof();
    let mut client = coordinator.client();
    client.write(b"bob#pi");
    client.half_close();
    client.expect_start("ERR 400 ");
    client.expect_eof();
    let mut client = coordinator.client();
    client.half_close();
    client.expect_eof();
}

#[test]
fn a_request_may_come_one_byte_at_a_time() {
    let coordinator = Coordinator::start(30, &[]);
    let mut bob = coordinator.join("bob", "");
    let mut alice = coordinator.join("alice", "");
    for byte in "alice#msend größer#127.0.0.1\r\n".bytes() {
        alice.command.write(&[byte]);
    }
    alice.command.expect("OK msend seq=1");
    bob.socket().delivery(1, "alice", "größer");
}

#[test]
fn requests_in_one_write_are_answered_in_order() {
    let coordinator = Coordinator::start(30, &[]);
    let mut bob = coordinator.join("bob", "");
    let alice = Listener::bind(&coordinator.transcript, "127.0.0.1");
    let mut client = coordinator.client();
    let requests = [
        format!("alice#register {}#127.0.0.1", alice.port()),
        "alice#msend one#127.0.0.1".to_owned(),
        "nonsense".to_owned(),
        "alice#disconnect#127.0.0.1".to_owned(),
        "alice#msend two#127.0.0.1".to_owned(),
        PING.to_owned(),
        String::new(),
    ];
    client.write(requests.join("\n").as_bytes());
    client.expect_start("OK register ");
    client.expect("OK msend seq=1");
    client.expect_start("ERR 400 ");
    client.expect("OK disconnect");
    client.expect_start("ERR 409 ");
    client.expect("OK ping");
    bob.socket().delivery(1, "alice", "one");
    alice.accept().expect_eof();
}

#[test]
fn many_requests_in_one_write_are_all_answered() {
    let coordinator = Coordinator::start(30, &[]);
    let mut client = coordinator.client();
    let mut reader = client.stream.try_clone().unwrap();
    let count = 20_000;
    let requests = format!("{PING}\n").repeat(count);
    let expected = "OK ping\n".repeat(count);
    let reading = std::thread::spawn(move || {
        reader.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut replies = vec![0; "OK ping\n".len() * count];
        std::io::Read::read_exact(&mut reader, &mut replies).map(|()| replies)
    });
    client.write(requests.as_bytes());
    match reading.join().unwrap() {
        Ok(replies) => assert!(replies == expected.as_bytes(), "{count} times OK ping"),
        Err(error) => client.fail(&format!("{count} times OK ping: {error}")),
    }
}

#[test]
fn other_sockets_do_not_wait_for_a_connect_back() {
    let coordinator = Coordinator::start(30, &[]);
    let mut blocked = Listener::blocked(&coordinator.transcript, "127.0.0.1");
    let mut waiting = coordinator.client();
    let register = format!("bob#register {}#127.0.0.1", blocked.port());
    waiting.write(format!("{PING}\n{register}\nbob#msend hi#127.0.0.1\n").as_bytes());
    waiting.expect("OK ping");
    let mut alice = coordinator.join("alice", "");
    assert_eq!(alice.msend("while he waits"), 1);
    blocked.unblock();
    waiting.expect_start("OK register ");
    waiting.expect("OK msend seq=2");
    alice.socket().delivery(2, "bob", "hi");
}

#[test]
fn replies_still_due_come_after_a_half_close() {
    let coordinator = Coordinator::start(30, &[]);
    let mut blocked = Listener::blocked(&coordinator.transcript, "127.0.0.1");
    let mut client = coordinator.client();
    let register = format!("bob#register {}#127.0.0.1", blocked.port());
    client.write(format!("{register}\nbob#msend hi#127.0.0.1\n{PING}").as_bytes());
    client.half_close();
    coordinator.client().check(PING, "OK ping");
    blocked.unblock();
    client.expect_start("OK register ");
    client.expect("OK msend seq=1");
    client.expect("OK ping");
    client.expect_eof();
}

#[test]
fn a_line_of_max_line_bytes_is_served_and_a_longer_one_gets_413() {
    let coordinator = Coordinator::start(30, &["max_line=512"]);
    let mut alice = coordinator.join("alice", "");
    let around = "alice#msend #127.0.0.1\n".len();
    let fits = "x".repeat(512 - around);
    assert_eq!(alice.msend(&fits), 1);
    let exceeds = format!("msend {fits}x");
    alice.refused(&exceeds, 413);
    alice.command.expect_eof();
    assert!(coordinator.client().member("alice").unwrap().contains(" online "));

    // Without an LF it is too long as soon as it has that many bytes.
    let mut client = coordinator.client();
    client.write(format!("{PING}\n{}", "x".repeat(512)).as_bytes());
    client.expect("OK ping");
    client.expect_start("ERR 413 ");
    client.expect_eof();
}

#[test]
fn the_reply_gets_through_though_more_was_on_its_way() {
    let coordinator = Coordinator::start(30, &[]);
    let mut client = coordinator.client();
    client.write(&vec![b'x'; 512 * 1024]);
    client.expect_start("ERR 413 ");
    client.expect_eof();
    coordinator.client().check(PING, "OK ping");
    // One that is still writing is listened to for a second more.
    client.write(&vec![b'x'; 128 * 1024]);
    client.half_close();
}

#[test]
fn a_line_begun_must_be_finished_in_time() {
    let coordinator = Coordinator::start(30, &["line_timeout=0.3"]);
    let mut idle = coordinator.client();
    let mut served = coordinator.client();
    served.check(PING, "OK ping");
    let mut slow = coordinator.client();
    slow.write(format!("{PING}\nbob#pi").as_bytes());
    slow.expect("OK ping");
    slow.expect_start("ERR 408 ");
    slow.expect_eof();
    // Those that had begun nothing have been there for longer.
    idle.check(PING, "OK ping");
    served.check(PING, "OK ping");
}

#[test]
fn further_bytes_do_not_give_a_line_more_time() {
    let coordinator = Coordinator::start(30, &["line_timeout=0.5"]);
    let mut slow = coordinator.client();
    for _ in 0..200 {
        slow.write(b"x");
        // A pause that ends early when a reply comes.
        match slow.line_within(Timer::start(Duration::from_millis(50))) {
            Ok(line) => {
                assert!(line.starts_with("ERR 408 "), "{line}");
                return slow.expect_eof();
            }
            Err(Missing::Late) => (),
            Err(missing) => slow.fail(&format!("expected ERR 408, got {missing:?}")),
        }
    }
    slow.fail("each byte gave the line more time");
}

#[test]
fn the_time_in_which_the_coordinator_does_not_read_is_not_counted() {
    let coordinator = Coordinator::start(30, &["line_timeout=0.5", "connect_timeout=1.5"]);
    let blocked = Listener::blocked(&coordinator.transcript, "127.0.0.1");
    let mut client = coordinator.client();
    let register = format!("bob#register {}#127.0.0.1", blocked.port());
    client.write(format!("{register}\nbob#pi").as_bytes());
    client.expect_start("ERR 502 ");
    client.write(b"ng#127.0.0.1\n");
    client.expect("OK ping");
}

#[test]
fn bad_bytes_cost_their_own_request_only() {
    let coordinator = Coordinator::start(30, &[]);
    let mut client = coordinator.client();
    for bad in [&b"\0\n"[..], b"\x1b[2J\n", b"\xff\xfe\n", b"#\n", b"##\n", b"###\n", b"bob##::\n"]
    {
        client.write(bad);
        client.expect_start("ERR 400 ");
    }
    client.check(PING, "OK ping");
}
