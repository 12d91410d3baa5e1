//! Command sockets that mean no good, and what the others notice of them.

use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::time::Duration;

use groupcast::limits::FRESH_REQUESTS_MAX;
use support::coordinator::Coordinator;
use support::listener::Listener;
use support::member::Member;
use support::port::ReservedPort;
use support::wire::Client;
use support::{DEADLINE, Timer};

const PING: &str = "bob#ping#127.0.0.1";
const MIB: usize = 1024 * 1024;

#[test]
fn an_endless_line_gets_413_and_is_read_no_further_than_the_rules_say() {
    let coordinator = Coordinator::start(30, &[]);
    let mut other = coordinator.client();
    other.check(PING, "OK ping");
    let files = coordinator.files();
    let mut client = coordinator.client();
    client.write(&vec![b'x'; MIB]);
    client.expect_start("ERR 413 ");
    client.expect_eof();
    // Closed with bytes unread, or still to come, it would be reset, which may overtake the reply.
    client.until_taken();
    coordinator.until_files(files); // Though our side still stands.

    let mut client = coordinator.client();
    client.stream.set_write_timeout(Some(DEADLINE)).unwrap();
    let (piece, mut taken) = (vec![b'x'; 64 * 1024], 0);
    let error = loop {
        match client.stream.write(&piece) {
            Ok(count) => taken += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => (),
            Err(error) => break error,
        }
        assert!(taken < 32 * MIB, "{taken} bytes and no end");
    };
    let is_closed = [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset].contains(&error.kind());
    assert!(is_closed, "after {taken} bytes: {error}");
    coordinator.until_files(files);
    other.check(PING, "OK ping");
}

#[test]
fn no_byte_that_is_not_text_gets_through_wherever_it_stands() {
    let coordinator = Coordinator::start(30, &[]);
    let mut bob = coordinator.join("bob", "");
    let mut alice = coordinator.join("alice", "");
    let bad: [&[u8]; 9] = [
        b"\0",
        b"\x1b[2J",
        b"\x07",
        b"\x7f",
        b"\xff",
        b"\xc3",             // Cut off.
        b"\xc0\xaf",         // Longer than it need be.
        b"\xed\xa0\x80",     // A surrogate.
        "\u{9b}".as_bytes(), // ESC [ in one character.
    ];
    let parts: [(&[u8], &[u8]); 5] = [
        (b"", b"alice#msend hi#127.0.0.1\n"),
        (b"al", b"ice#msend hi#127.0.0.1\n"),
        (b"alice#ms", b"end hi#127.0.0.1\n"),
        (b"alice#msend h", b"i#127.0.0.1\n"),
        (b"alice#msend hi#127.0", b".0.1\n"),
    ];
    for bytes in bad {
        for (before, behind) in parts {
            alice.command.write(&[before, bytes, behind].concat());
            alice.command.expect_start("ERR 400 ");
        }
    }
    assert_eq!(alice.msend("clean"), 1);
    bob.socket().delivery(1, "alice", "clean");
}

#[test]
fn twenty_thousand_messages_in_one_write_are_all_numbered_and_delivered_in_order() {
    let coordinator = Coordinator::start(30, &[]);
    let mut bob = coordinator.join("bob", "acks=1");
    let mut alice = coordinator.join("alice", "");
    let count = 20_000;
    let requests: String =
        (1..=count).map(|number| format!("alice#msend text {number}#127.0.0.1\n")).collect();
    let mut writer = alice.command.stream.try_clone().unwrap();
    let writing = std::thread::spawn(move || writer.write_all(requests.as_bytes()));
    for number in 1..=count {
        alice.command.expect(&format!("OK msend seq={number}"));
    }
    for number in 1..=count {
        bob.socket().delivery(number, "alice", &format!("text {number}"));
    }
    writing.join().unwrap().unwrap();
}

#[test]
fn who_does_not_read_its_replies_is_not_read_from_and_gets_them_all_in_the_end() {
    let coordinator = Coordinator::start(30, &[]);
    let mut bob = coordinator.join("bob", "");
    let mut alice = coordinator.join("alice", "");
    let mut client = coordinator.client();
    alice.msend("before");
    bob.socket().delivery(1, "alice", "before");
    let rss_bytes = coordinator.rss_bytes();

    // So long that what Linux holds is not too many of them.
    let round = format!("x#stats#127.0.0.1\nalice#msend {}#127.0.0.1\n", "x".repeat(1000));
    let round = round.as_bytes();
    let taken = client.write_until_stuck(round);
    // Bytes that Linux may buffer for one direction are not counted.
    let most = |name: &str| {
        let sizes = std::fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).unwrap();
        sizes.split_whitespace().next_back().unwrap().parse::<usize>().unwrap()
    };
    let taken_most = most("tcp_wmem") + most("tcp_rmem") + MIB;
    assert!(taken < taken_most, "{taken} bytes were taken");
    let grown_bytes = coordinator.rss_bytes().saturating_sub(rss_bytes);
    assert!(grown_bytes < 16 * MIB as u64, "{grown_bytes} bytes more memory");
    let timer = Timer::start(Duration::from_secs(5));
    (0..200).for_each(|_| bob.check("ping", "OK ping"));
    assert!(timer.left().is_some(), "others had to wait");

    // The one that it was in the middle of, and then its end.
    let mut writer = client.stream.try_clone().unwrap();
    writer.set_write_timeout(Some(DEADLINE)).unwrap();
    let rest = round[taken % round.len()..].to_vec(); // All of it if nothing of it was taken.
    let writing = std::thread::spawn(move || {
        writer.write_all(&rest)?;
        writer.shutdown(std::net::Shutdown::Write)
    });
    client.stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut replies = BufReader::new(&client.stream).lines().map(Result::unwrap);
    for number in 0..=taken / round.len() {
        let first = replies.next().unwrap();
        let lines: usize = first.strip_prefix("OK stats ").unwrap().parse().unwrap();
        let expected = format!("OK msend seq={}", number + 2);
        assert_eq!(replies.nth(lines), Some(expected));
    }
    assert_eq!(replies.next(), None);
    writing.join().unwrap().unwrap();
}

/// A list costs as much as there are members, and asking for one next to nothing.
#[test]
fn who_asks_for_many_lists_gets_one_a_turn() {
    let coordinator = Coordinator::start(30, &[]);
    let (mut greedy, mut other) = (coordinator.client(), coordinator.client());
    for list in ["members", "stats"] {
        for client in [&mut greedy, &mut other] {
            client.check(PING, "OK ping");
        }
        let before = other.stat("errors");
        coordinator.stop();
        greedy.write(format!("x#{list}#127.0.0.1\nmistake\n").repeat(100).as_bytes());
        other.say("x#stats#127.0.0.1");
        coordinator.go_on();
        let first = other.expect_start("OK stats ");
        let count: usize = first.rsplit(' ').next().unwrap().parse().unwrap();
        let lines: Vec<String> = (0..count).map(|_| other.line()).collect();
        let errors = lines.iter().find_map(|line| line.strip_prefix("errors ")).unwrap();
        let served = errors.parse::<u64>().unwrap() - before;
        assert!(served <= 2, "{served} requests behind a list were served in one turn");
        for _ in 0..100 {
            while !greedy.line().starts_with("ERR 400 ") {}
        }
    }
}

/// Each of them could be served for long, and all of them for very long.
#[test]
fn a_turn_carries_out_so_many_requests_however_many_sockets_have_them() {
    let coordinator = Coordinator::start(30, &[]);
    let crowd = 200;
    let mut greedy: Vec<_> = (0..crowd).map(|_| coordinator.client()).collect();
    let mut other = coordinator.client();
    for client in greedy.iter_mut().chain([&mut other]) {
        client.check(PING, "OK ping");
    }
    coordinator.stop();
    let count = 2_000;
    let mistakes = "x\n".repeat(count);
    greedy.iter_mut().for_each(|client| client.write(mistakes.as_bytes()));
    other.say("x#stats#127.0.0.1");
    coordinator.go_on();
    let errors = |client: &mut Client| client.stat("errors");
    let served = {
        let first = other.expect_start("OK stats ");
        let lines: usize = first.rsplit(' ').next().unwrap().parse().unwrap();
        let lines: Vec<String> = (0..lines).map(|_| other.line()).collect();
        let errors = lines.iter().find_map(|line| line.strip_prefix("errors ")).unwrap();
        errors.parse::<usize>().unwrap()
    };
    // A small share of each that came before it, and of the shares of those that have more.
    let bound = 2 * crowd * FRESH_REQUESTS_MAX;
    assert!(served <= bound, "{served} requests were carried out before another one");
    // They take turns: none of them has nothing while others have half of theirs.
    let timer = Timer::start(DEADLINE);
    while errors(&mut other) < (crowd * count / 2) as u64 {
        assert!(timer.left().is_some(), "they are not served on");
    }
    for client in &mut greedy {
        client.expect_start("ERR 400 ");
    }
    for client in &mut greedy {
        (1..count).for_each(|_| drop(client.expect_start("ERR 400 ")));
    }
    assert_eq!(errors(&mut other), (crowd * count) as u64);
}

/// A client gets one list a turn, and goes on behind those that have something new.
#[test]
fn those_who_ask_for_many_lists_do_not_stand_before_a_client_with_one_request() {
    let coordinator = Coordinator::start(30, &[]);
    let crowd = 1_000;
    let mut greedy: Vec<_> = (0..crowd).map(|_| coordinator.client()).collect();
    let mut other = coordinator.client();
    for client in greedy.iter_mut().chain([&mut other]) {
        client.check(PING, "OK ping");
    }
    coordinator.stop();
    let count = 30;
    let lists = "x\nx#stats#127.0.0.1\n".repeat(count);
    greedy.iter_mut().for_each(|client| client.write(lists.as_bytes()));
    coordinator.go_on();
    // One mistake of each is carried out a round. The last rounds have fewer clients.
    let errors: Vec<u64> = (0..crowd * count)
        .map(|_| other.stat("errors"))
        .take_while(|errors| *errors < (crowd * (count - 2)) as u64)
        .collect();
    let fewest = errors.windows(2).skip(1).map(|pair| pair[1] - pair[0]).min();
    let fewest = fewest.expect("no two replies came while the crowd was served");
    assert!(fewest < crowd as u64 / 2, "{fewest} of {crowd} were served before a newcomer");
}

#[test]
fn those_who_wait_or_keep_others_waiting_cost_nothing() {
    let coordinator = Coordinator::start(30, &["connect_timeout=60"]);
    let mut alice = coordinator.join("alice", "");
    // A member that does not read, with more due to it than the operating system takes.
    let listener = Listener::small(&coordinator.transcript, "127.0.0.1");
    let mut stalled = Member::join_at(&coordinator, "stalled", "127.0.0.1", listener, "");
    let text = "x".repeat(60_000);
    (1..=150).for_each(|seq| assert_eq!(alice.msend(&text), seq));
    // One that has ended its side while its connect-back is under way.
    let blocked = Listener::blocked(&coordinator.transcript, "127.0.0.1");
    let mut waiting = coordinator.client();
    waiting.write(format!("{PING}\nbob#register {}#127.0.0.1", blocked.port()).as_bytes());
    waiting.half_close();
    waiting.expect("OK ping");
    // One that does not read its replies, one that also ended its side, one amid a line.
    let mut stalled_client = [coordinator.client(), coordinator.client()];
    for client in &mut stalled_client {
        client.write_until_stuck(format!("{PING}\nx#stats#127.0.0.1\n").as_bytes());
    }
    stalled_client[1].half_close();
    let mut slow = coordinator.client();
    slow.write(b"bob#pi");
    // One that was refused and does not go.
    let mut refused = coordinator.client();
    refused.write(&vec![b'x'; 70_000]);
    refused.expect_start("ERR 413 ");

    // Nothing comes on a message socket whose member is the only one to send.
    coordinator.until_quiet(alice.socket());
    assert!(stalled.line().contains(" online "));
}

/// Its machine may lose its power while nobody has anything to say.
#[test]
fn who_vanishes_without_a_word_does_not_hold_its_socket_for_ever() {
    let coordinator = Coordinator::start(30, &[]);
    let mut idle = coordinator.client();
    idle.check(PING, "OK ping");
    let mut alice = coordinator.join("alice", "");
    let is_soon = |time: Option<Duration>| time.is_some_and(|time| time <= Duration::from_secs(15));
    let probed = [alice.socket().probed_within(), idle.probed_within()];
    assert!(probed.into_iter().all(is_soon), "a message socket, a command socket: {probed:?}");
}

#[test]
fn a_storm_of_all_kinds_leaves_nothing_behind() {
    let coordinator = Coordinator::start(30, &["connect_timeout=0.2", "line_timeout=0.2"]);
    let mut alice = coordinator.join("alice", "");
    let files = coordinator.files();
    let closed = ReservedPort::new();
    let blocked = Listener::blocked(&coordinator.transcript, "127.0.0.1");
    for round in 0..100 {
        let mut client = coordinator.client();
        match round % 10 {
            0 => drop(client),
            1 => client.write(b"bob#pi"),
            2 => client.write(&vec![b'x'; 100_000]),
            3 => client.say(&format!("bob#register {closed}#127.0.0.1")),
            4 => client.say(&format!("bob#register {}#127.0.0.1", blocked.port())),
            5 => client.write(format!("{PING}\n").repeat(1000).as_bytes()),
            6 => client.say("alice#deregister#127.0.0.9"),
            7 => {
                let mut member = coordinator.join("carol", "acks=1");
                member.socket().write(b"ack 99\n");
                member.until_offline();
                member.check("deregister", "OK deregister");
            }
            8 => {
                let mut member = coordinator.join("dave", "");
                member.reconnect("nonce=1");
                member.check("deregister", "OK deregister");
            }
            _ => client.write(b"\0\n\xff\n\n"),
        }
    }
    let timer = Timer::start(DEADLINE);
    while alice.command.stats()["connections"] != "1" || coordinator.files() != files {
        assert!(timer.left().is_some(), "{} files, not {files}", coordinator.files());
    }
    assert_eq!(alice.command.members().len(), 1);
    assert_eq!(alice.msend("still here"), 1);
}
