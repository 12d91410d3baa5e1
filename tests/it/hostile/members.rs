//! Participants that mean no good, and what the others notice of them.

use std::io::Write as _;
use std::time::Duration;

use groupcast::limits::{
    TURN_ACK_WORK_MAX, TURN_BYTES_MAX, TURN_DELIVERY_BYTES_MAX, WORK_ACK_BYTES,
};
use support::coordinator::Coordinator;
use support::listener::Listener;
use support::member::Member;
use support::port;
use support::{DEADLINE, Timer, number};

const MIB: usize = 1024 * 1024;

#[test]
fn who_never_reads_its_messages_delays_nobody_and_goes_when_its_time_is_over() {
    let coordinator = Coordinator::start(30, &["stall_timeout=1"]);
    let listener = Listener::small(&coordinator.transcript, "127.0.0.1");
    let mut stalled = Member::join_at(&coordinator, "a", "127.0.0.1", listener, "acks=1");
    let mut bob = coordinator.join("bob", "");
    let mut alice = coordinator.join("alice", "");
    let text = "x".repeat(60_000);
    let mut times: Vec<Duration> = (1..=200)
        .map(|seq| {
            let timer = Timer::start(DEADLINE);
            assert_eq!(alice.msend(&text), seq);
            bob.socket().delivery(seq, "alice", &text);
            timer.elapsed()
        })
        .collect();
    times.sort();
    let median = times.get(times.len() / 2).unwrap();
    assert!(*median < Duration::from_millis(50), "{median:?} from msend to delivery");

    stalled.until_offline();
    assert_eq!(stalled.acked(), 0, "it acknowledged nothing");
    stalled.listener = Listener::bind(&coordinator.transcript, "127.0.0.1");
    stalled.reconnect("acks=1");
    for seq in 1..=200 {
        stalled.socket().delivery(seq, "alice", &text);
    }
}

/// Nobody means harm here: there are only many of them, and all are owed much at once.
#[test]
fn what_is_owed_to_many_does_not_keep_requests_waiting_for_all_of_it() {
    let coordinator = Coordinator::start(30, &[]);
    let members: Vec<Member> =
        (0..100).map(|number| coordinator.join(&format!("m{number}"), "acks=1")).collect();
    let mut publishers: Vec<_> = (0..10).map(|_| coordinator.client()).collect();
    let mut observer = coordinator.client();
    observer.check("x#ping#127.0.0.1", "OK ping"); // All are accepted.
    coordinator.stop();
    let text = "x".repeat(20_000);
    for publisher in &mut publishers {
        publisher.say(&format!("m0#msend {text}#127.0.0.1"));
    }
    // Lists are handed out one a turn: the second one shows what the first turn has sent.
    observer.write(b"x#stats#127.0.0.1\n".repeat(2).as_slice());
    coordinator.go_on();
    let mut bytes_out = || -> usize {
        loop {
            if let Some(bytes) = observer.line().strip_prefix("bytes_out ") {
                return bytes.parse().unwrap();
            }
        }
    };
    let (before, after) = (bytes_out(), bytes_out());
    let sent = after - before;
    assert!(sent > 0, "the turn has sent nothing");
    let bound = TURN_DELIVERY_BYTES_MAX + TURN_BYTES_MAX;
    assert!(sent <= bound, "{sent} bytes, while a request waited");
    for mut member in members.into_iter().skip(1) {
        for seq in 1..=10 {
            member.socket().delivery(seq, "m0", &text);
        }
    }
}

#[test]
fn acknowledgements_without_end_delay_nobody_and_one_without_its_line_end_is_the_last() {
    let coordinator = Coordinator::start(30, &[]);
    let mut bob = coordinator.join("bob", "acks=1");
    let mut carol = coordinator.join("carol", "");
    let mut alice = coordinator.join("alice", "");
    assert_eq!(alice.msend("one"), 1);
    bob.socket().delivery(1, "alice", "one");
    carol.socket().delivery(1, "alice", "one");
    let rss_bytes = coordinator.rss_bytes();
    // Both write as fast as they can, for as long as they may.
    let flood = |member: &mut Member, piece: &str| {
        let (piece, mut stream) =
            (piece.repeat(10_000), member.socket().stream.try_clone().unwrap());
        std::thread::spawn(move || while stream.write_all(piece.as_bytes()).is_ok() {})
    };
    let floods = [flood(&mut bob, "ack 1\n"), flood(&mut carol, "no line and no end ")];
    let timer = Timer::start(DEADLINE);
    (0..100).for_each(|_| alice.check("ping", "OK ping"));
    assert!(timer.left().is_some(), "others had to wait");
    assert!(bob.line().contains(" online ") && carol.line().contains(" online "));
    while bob.acked() != 1 {
        assert!(timer.left().is_some(), "no acknowledgement of the flood has arrived");
    }
    let grown_bytes = coordinator.rss_bytes().saturating_sub(rss_bytes);
    assert!(grown_bytes < 8 * MIB as u64, "{grown_bytes} bytes more memory");
    for member in [&mut bob, &mut carol] {
        member.check("disconnect", "OK disconnect");
    }
    floods.into_iter().for_each(|flood| flood.join().unwrap());

    bob.reconnect("acks=1");
    let mut stream = bob.socket().stream.try_clone().unwrap();
    let flood = std::thread::spawn(move || {
        stream.write_all(b"ack 1").unwrap();
        let digits = vec![b'1'; 64 * 1024];
        (0..512).any(|_| stream.write_all(&digits).is_err())
    });
    bob.until_offline();
    assert!(flood.join().unwrap(), "32 MiB were read of one acknowledgement");
    assert_eq!(bob.acked(), 1);
}

/// No bytes cost more than acknowledgements, and there may be more members than anything else.
#[test]
fn a_turn_takes_so_many_acknowledgements_however_many_members_write_them() {
    let coordinator = Coordinator::start(30, &[]);
    let mut alice = coordinator.join("alice", "");
    let mut members: Vec<Member> =
        (0..100).map(|number| coordinator.join(&format!("m{number}"), "acks=1")).collect();
    let count: u64 = 1_000;
    let requests: String = (1..=count).map(|_| "alice#msend hi#127.0.0.1\n").collect();
    alice.command.write(requests.as_bytes());
    (1..=count).for_each(|seq| alice.command.expect(&format!("OK msend seq={seq}")));
    for member in &mut members {
        (1..=count).for_each(|seq| {
            member.socket().delivery(seq, "alice", "hi");
        });
    }
    let acks: String = (1..=count).map(|seq| format!("ack {seq}\n")).collect();
    let mut other = coordinator.client();
    other.check("x#ping#127.0.0.1", "OK ping");
    coordinator.stop();
    members.iter_mut().for_each(|member| member.socket().write(acks.as_bytes()));
    other.say("x#members#127.0.0.1");
    coordinator.go_on();
    other.expect("OK members 101");
    let lines: Vec<String> = (0..101).map(|_| other.line()).collect();
    let taken: u64 =
        lines.iter().filter(|line| line.starts_with('m')).map(|line| number(line, "acked")).sum();
    let bytes_max = TURN_ACK_WORK_MAX * WORK_ACK_BYTES;
    let bound = (bytes_max / "ack 1\n".len()) as u64;
    assert!(taken <= bound, "{taken} were taken while a request waited");
    for member in &mut members {
        let line = other.until_member(&member.id, |line| number(line, "acked") == count);
        assert!(line.contains(" online "), "{line}");
    }
}

/// TCP lets a socket connect to itself on a free port, if the system draws just that one. So this
/// asks until it does, or for so long that it should have.
#[test]
fn a_connection_of_the_coordinator_to_itself_is_502() {
    let coordinator = Coordinator::start(30, &[]);
    let mut client = coordinator.client();
    let request = format!("bob#register {}#127.0.0.1\n", port::drawn());
    let timer = Timer::start(DEADLINE);
    let mut came_about = false;
    while timer.left().is_some() && !came_about {
        client.write(request.repeat(100).as_bytes());
        for _ in 0..100 {
            // Any other word than 502 would be a member connected to nobody.
            came_about |= client.expect_start("ERR 502 ").contains("itself");
        }
    }
    client.check("bob#members#127.0.0.1", "OK members 0");
}

#[test]
fn what_comes_together_with_the_connection_is_noticed_too() {
    for bytes in [&b""[..], b"nonsense\n"] {
        let coordinator = Coordinator::start(30, &["connect_timeout=60"]);
        let mut blocked = Listener::blocked(&coordinator.transcript, "127.0.0.1");
        let mut client = coordinator.client();
        let register = format!("bob#register {} acks=1#127.0.0.1", blocked.port());
        client.write(format!("bob#ping#127.0.0.1\n{register}\n").as_bytes());
        client.expect("OK ping"); // So the other one is under way.
        coordinator.stop();
        blocked.unblock();
        let mut socket = blocked.accept();
        socket.write(bytes);
        if bytes.is_empty() {
            socket.half_close();
        }
        coordinator.go_on();
        client.expect_start("OK register ");
        client.until_member("bob", |line| line.contains(" offline "));
        socket.expect_bye(if bytes.is_empty() { "closed" } else { "bad ack" });
    }
}
