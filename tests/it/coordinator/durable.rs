//! State that a coordinator with a journal keeps across every kind of end.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Duration;

use support::coordinator::{Coordinator, inspect, until_written_down};
use support::listener::MessageSocket;
use support::member::Member;
use support::number;
use support::participant::{Home, Running, texts};
use support::wire::Missing;
use support::{DEADLINE, Timer};

/// Ways to sync, none of which is about the end of a process.
const SYNCS: [&str; 3] = ["sync=always", "sync=50ms", "sync=never"];

/// From here on a segment is closed and another one begun.
const SEGMENT_BYTES: u64 = 16 << 20;
/// Messages that are sent without waiting for the replies.
const BATCH: u64 = 20;

/// Ways in which a coordinator ends.
#[derive(Clone, Copy, Debug)]
enum End {
    Killed,
    Terminated,
}

impl End {
    #[track_caller]
    fn of(self, coordinator: &Coordinator) {
        match self {
            Self::Killed => coordinator.kill(),
            Self::Terminated => {
                coordinator.terminate();
                assert_eq!(coordinator.wait().code(), Some(0));
            }
        }
    }
}

#[test]
fn members_cursors_and_messages_outlive_the_program() {
    for (end, sync) in
        SYNCS.map(|sync| (End::Killed, sync)).into_iter().chain([(End::Terminated, "sync=always")])
    {
        let first = Coordinator::start_with_data_dir(600, &[sync]);
        let mut alice = first.join("alice", "");
        let mut bob = first.join("bob", "acks=1");
        let mut carol = first.join("carol", "acks=1");
        let epoch = alice.epoch().to_owned();
        for (seq, text) in (1..).zip(["one", "two", "three"]) {
            assert_eq!(alice.msend(text), seq);
        }
        bob.socket().delivery(1, "alice", "one");
        bob.socket().delivery(2, "alice", "two");
        bob.socket().ack(2);
        bob.until_acked(2);
        if matches!(end, End::Killed) {
            until_written_down(&first.data_dir(), "bob", 2); // Otherwise the end sees to it.
        }
        carol.check("deregister", "OK deregister");
        bob.command.check("bob#ping#127.0.0.1", "OK ping");
        end.of(&first);

        let second = first.start_again();
        let mut asker = second.client();
        assert_eq!(asker.member("carol"), None, "{end:?} {sync}");
        let line = asker.member("bob").unwrap_or_default();
        assert!(line.contains(" offline ") && line.contains(" pending=1 "), "{end:?}: {line}");
        assert_eq!(number(&line, "acked"), 2, "{end:?} {sync}: {line}");
        let mut bob = Member::come_back(&second, "bob", "acks=1");
        assert_eq!(bob.epoch(), epoch, "{end:?} {sync}");
        bob.socket().delivery(3, "alice", "three");
        let mut alice = Member::come_back(&second, "alice", "");
        assert_eq!(alice.msend("four"), 4);
        bob.socket().delivery(4, "alice", "four");
        alice.refused("register 2000", 409);
        second.join("carol", "");
    }
}

/// The numbers that `OK msend` named until the connection broke, for `stop` replies a kill.
fn publish_until_killed(
    coordinator: &Coordinator,
    alice: &mut Member,
    texts: usize,
    stop: usize,
) -> u64 {
    let requests: String =
        (1..=texts).map(|number| format!("alice#msend text {number}#127.0.0.1\n")).collect();
    alice.command.write(requests.as_bytes());
    let mut confirmed = 0;
    loop {
        match alice.command.line_within(Timer::start(DEADLINE)) {
            Ok(line) => {
                confirmed += 1;
                assert_eq!(line, format!("OK msend seq={confirmed}"));
            }
            Err(Missing::End | Missing::Broken(_)) => return confirmed,
            Err(missing) => alice.command.fail(&format!("{missing:?} after {confirmed}")),
        }
        if confirmed == stop as u64 {
            coordinator.kill();
        }
    }
}

/// Takes deliveries of alice's texts, each of which is `text <seq>`, up to and with `last`.
#[track_caller]
fn take_through(socket: &mut MessageSocket, last: u64) {
    for seq in 1..=last {
        socket.delivery(seq, "alice", &format!("text {seq}"));
    }
}

#[test]
fn whatever_was_confirmed_is_delivered_after_a_kill() {
    for (round, stop) in [1, 37, 200, 399].into_iter().enumerate() {
        let sync = SYNCS[round % SYNCS.len()];
        let first = Coordinator::start_with_data_dir(600, &[sync]);
        let mut alice = first.join("alice", "");
        let mut bob = first.join("bob", "acks=1");
        let epoch = alice.epoch().to_owned();
        bob.disconnect();
        let confirmed = publish_until_killed(&first, &mut alice, 400, stop);
        assert!(confirmed >= stop as u64);

        let second = first.start_again();
        let mut bob = Member::come_back(&second, "bob", "acks=1");
        assert_eq!(bob.epoch(), epoch, "{sync}");
        let missed = number(&bob.reply, "missed");
        assert!((confirmed..=400).contains(&missed), "{confirmed} confirmed: {}", bob.reply);
        take_through(bob.socket(), missed);
        // And nothing a second time: the next line is the next message.
        let mut alice = Member::come_back(&second, "alice", "");
        assert_eq!(alice.msend("after"), missed + 1);
        bob.socket().delivery(missed + 1, "alice", "after");
    }
}

/// Lets time pass: these tests are about ages, whether a program runs or not.
fn let_pass(time: Duration) {
    let timer = Timer::start(time);
    while let Some(left) = timer.left() {
        std::thread::park_timeout(left);
    }
}

#[test]
fn what_expired_while_nothing_ran_is_a_gap_and_what_did_not_is_delivered() {
    let first = Coordinator::start_with_data_dir(3, &[]);
    let mut alice = first.join("alice", "");
    let mut bob = first.join("bob", "acks=1");
    bob.disconnect();
    alice.msend("old");
    let_pass(Duration::from_secs(2));
    alice.msend("young");
    first.kill();
    let second = first.start_again();
    let mut asker = second.client();
    asker.until_member("bob", |line| number(line, "pending") <= 1);
    let mut bob = Member::come_back(&second, "bob", "acks=1");
    assert_eq!((number(&bob.reply, "missed"), number(&bob.reply, "expired")), (1, 1));
    bob.socket().gap(1, 1, 1);
    bob.socket().delivery(2, "alice", "young");
    second.kill();
    let_pass(Duration::from_secs(4));
    let third = second.start_again();
    let mut bob = Member::come_back(&third, "bob", "acks=1");
    assert_eq!((number(&bob.reply, "missed"), number(&bob.reply, "expired")), (0, 2));
    bob.socket().gap(2, 1, 2);
}

#[test]
fn who_was_forgotten_stays_so_and_who_is_away_has_its_time_after_a_start() {
    let coordinator = Coordinator::start_with_data_dir(60, &["forget_after=0.4"]);
    let mut alice = coordinator.join("alice", "");
    coordinator.join("bob", "").disconnect();
    alice.command.until_stat("forgotten", 1);
    alice.msend("confirmed, and what was written before it"); // Nobody was told of bob's end.
    coordinator.kill(); // Alice goes offline with it.
    let coordinator = coordinator.start_again();
    let mut client = coordinator.client();
    assert_eq!(client.member("bob"), None);
    client.until_stat("forgotten", 1);
    assert_eq!(client.members().len(), 0);
    coordinator.until_said("alice: deregistered: offline for 0.400 s");
    assert_eq!(coordinator.said("bob: deregistered"), 0, "that was before");
}

#[test]
fn a_second_coordinator_in_the_same_directory_is_refused() {
    let first = Coordinator::start_with_data_dir(60, &[]);
    let mut alice = first.join("alice", "");
    let config = first.config().with_file_name("second.txt");
    std::fs::write(&config, format!("0\n60\ndata_dir={}\n", first.data_dir().display())).unwrap();
    let second = Command::new(env!("CARGO_BIN_EXE_coordinator")).arg(config).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(said.contains("in use by another coordinator"), "{said}");
    assert_eq!(second.stdout, b"");
    assert_eq!(alice.msend("still here"), 1);
}

#[test]
fn what_is_written_is_for_its_owner_only() {
    let coordinator = Coordinator::start_with_data_dir(60, &[]);
    coordinator.join("alice", "").msend("one");
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&coordinator.data_dir()), 0o700);
    let mut files = 0;
    for entry in std::fs::read_dir(coordinator.data_dir()).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        files += 1;
    }
    assert_eq!(files, 2, "the lock and a segment");
}

#[test]
fn what_has_expired_is_removed_after_a_start_though_nobody_comes() {
    let first = Coordinator::start_with_data_dir(1, &[]);
    first.join("alice", "").msend("one");
    first.kill();
    let second = first.start_again();
    let timer = Timer::start(DEADLINE);
    while second.data_dir().join("0000000000000001.journal").exists() {
        assert!(timer.left().is_some(), "it is still there");
        std::thread::yield_now();
    }
}

/// Messages live for a day, and what is sent would fill five segments, of which nobody needs
/// anything any more.
#[test]
fn a_directory_holds_what_is_needed_and_three_segments_however_long_messages_live() {
    let first = Coordinator::start_with_data_dir(86_400, &["sync=never"]);
    let mut alice = first.join("alice", "");
    let mut bob = first.join("bob", "acks=1");
    let text = "x".repeat(60_000);
    let segment = SEGMENT_BYTES / (BATCH * 60_000);
    let (sent, missed) = (5 * segment * BATCH, segment * BATCH);
    for batch in 0..6 * segment {
        let numbers = batch * BATCH + 1..=(batch + 1) * BATCH;
        let request = alice.request(&format!("msend {text}"));
        numbers.clone().for_each(|_| alice.command.say(&request));
        numbers.clone().for_each(|seq| alice.command.expect(&format!("OK msend seq={seq}")));
        if *numbers.end() > sent {
            continue;
        }
        for seq in numbers.clone() {
            bob.socket().delivery(seq, "alice", &text);
        }
        bob.socket().ack(*numbers.end());
        let bytes = alice.command.stat("journal_bytes");
        assert!(bytes < 3 * SEGMENT_BYTES + 2 * BATCH * 60_000, "{bytes} after {numbers:?}");
        if *numbers.end() == sent {
            bob.until_acked(sent);
            bob.disconnect();
        }
    }
    first.kill();
    let report = String::from_utf8(inspect(&first.data_dir()).stdout).unwrap();
    for line in ["messages_lost 0", "issues 0", &format!("last {}", sent + missed)] {
        assert!(report.lines().any(|it| it == line), "{line}: {report}");
    }

    let second = first.start_again();
    let mut bob = Member::come_back(&second, "bob", "acks=1");
    assert_eq!(bob.epoch(), alice.epoch());
    // Places are written late: the last one may be forgotten, and is sent again.
    let again = number(&bob.reply, "missed") - missed;
    assert_eq!(number(&bob.reply, "expired"), 0);
    for seq in sent - again + 1..=sent + missed {
        bob.socket().delivery(seq, "alice", &text);
    }
}

/// Alice sends what fills four segments, while clients that do nothing hold every file and more of
/// them wait for one.
#[test]
fn clients_that_hold_all_files_cost_no_message_when_a_segment_begins() {
    let coordinator = Coordinator::start_with_data_dir(600, &["sync=never"]);
    let mut alice = coordinator.join("alice", "");
    coordinator.join("bob", "acks=1").disconnect(); // All segments are kept for bob.
    let files = coordinator.files() as u64;
    coordinator.limit_files(Some(files + 20));
    let connect = |_| std::net::TcpStream::connect(coordinator.address).unwrap();
    let mut idle: Vec<_> = (0..40).map(connect).collect();
    let timer = Timer::start(DEADLINE);
    while alice.command.stat("accept_pauses") == 0 {
        assert!(timer.left().is_some(), "there is a file for everybody");
    }
    let request = alice.request(&format!("msend {}", "x".repeat(60_000)));
    let mut next = 1;
    while alice.command.stat("journal_segments") < 4 {
        (0..BATCH).for_each(|_| alice.command.say(&request));
        for seq in next..next + BATCH {
            alice.command.expect(&format!("OK msend seq={seq}"));
        }
        next += BATCH;
        // One file is free at a time, and somebody waits for it.
        drop(idle.remove(0));
        idle.push(connect(0));
    }
    assert_eq!(alice.command.stat("journal_failures"), 0);
}

#[test]
fn a_message_stands_once_in_every_log_through_the_coordinators_kills() {
    let mut coordinator = Coordinator::start_with_data_dir(600, &[]);
    let homes = ["alice", "bob"].map(|id| Home::new(id, coordinator.address));
    let mut both =
        homes.each_ref().map(|home| Running::start(home.command(&["-f", "-e", "register 0"])));
    both.iter_mut().for_each(|it| it.expect("OK register"));
    let mut sent = Vec::new();
    for round in 0..3 {
        let [alice, _] = &mut both;
        for number in 0..50 {
            let text = format!("{round} {number}");
            alice.write(&format!("msend {text}\n"));
            sent.push(text);
        }
        alice.expect(&format!("OK msend seq={}\n", sent.len()));
        coordinator.kill();
        coordinator = coordinator.start_again();
        both.iter_mut().for_each(|it| it.expect("* reconnected: OK reconnect "));
    }
    let [alice, bob] = &mut both;
    alice.write("msend last\n");
    sent.push("last".to_owned());
    bob.expect("alice: last\n");
    bob.write("quit\n");
    assert_eq!(bob.wait(), Some(0), "{}", bob.said);
    assert_eq!(texts(&homes[1].log()), sent);
    assert_eq!(texts(&homes[0].log()), [""; 0]);
}
