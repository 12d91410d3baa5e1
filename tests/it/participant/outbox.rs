//! Texts in an outbox file: across the end of the participant and of the coordinator.

use std::fs;
use std::path::PathBuf;

use rustix::process::Signal;

use support::coordinator::Coordinator;
use support::fake::Fake;
use support::participant::{Home, Running, texts, until};

/// Options of a participant with an outbox file in its home.
fn with_outbox<'a>(path: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["--outbox", path][..], more].concat()
}

fn outbox(home: &Home) -> PathBuf {
    home.log_path().with_extension("outbox")
}

#[test]
fn queued_texts_survive_kill_9_and_are_sent_by_the_next_start() {
    let coordinator = Coordinator::start_with_data_dir(600, &[]);
    let mut bob = coordinator.join("bob", "");
    let home = Home::new("alice", coordinator.address);
    let path = outbox(&home).display().to_string();
    let mut alice = Running::start(home.command(&with_outbox(&path, &[])));
    alice.write("msend one\nmsend two\n");
    alice.expect("* queued, 1 waiting\n");
    alice.expect("* queued, 2 waiting\n");
    alice.signal(Signal::KILL);
    alice.wait();
    let mut alice = Running::start(home.command(&with_outbox(&path, &["--join"])));
    alice.expect("* outbox: 2 messages wait, to be sent when this participant is online\n");
    alice.expect("OK msend seq=1\nOK msend seq=2\n");
    alice.write("msend three\n");
    alice.expect("OK msend seq=3\n");
    for (seq, text) in [(1, "one"), (2, "two"), (3, "three")] {
        bob.socket().delivery(seq, "alice", text);
    }
    alice.write("quit\n");
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
    let left = fs::read_to_string(&path).unwrap();
    assert_eq!(left.matches("\tdone\t").count(), 3, "{left}");
}

#[test]
fn a_start_without_a_command_tells_what_waits() {
    let home = Home::new("alice", "127.0.0.1:9".parse().unwrap());
    let path = outbox(&home).display().to_string();
    let start = || Running::start(home.command(&with_outbox(&path, &["-f"])));
    let mut alice = start();
    alice.write("msend one\n");
    alice.expect("* queued, 1 waiting\n");
    alice.signal(Signal::KILL);
    alice.wait();
    start().expect("* outbox: 1 message waits, to be sent when this participant is online\n");
}

#[test]
fn texts_of_an_outage_stay_in_the_file_at_the_end_without_a_failure() {
    let coordinator = Coordinator::start_with_data_dir(600, &[]);
    coordinator.kill();
    let home = Home::new("alice", coordinator.address);
    let path = outbox(&home).display().to_string();
    let mut alice = Running::start(home.command(&with_outbox(&path, &["--join", "--sync", "-f"])));
    alice.expect("* join failed: ");
    alice.write("msend one\n");
    alice.expect("* queued, 1 waiting\n");
    alice.signal(Signal::TERM);
    alice.expect("* outbox: 1 message waits");
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
    let coordinator = coordinator.start_again();
    let mut bob = coordinator.join("bob", "");
    let mut alice = Running::start(home.command(&with_outbox(&path, &["--join"])));
    alice.expect("OK msend seq=1\n");
    bob.socket().delivery(1, "alice", "one");
    alice.write("quit\n");
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
}

#[test]
fn a_text_right_behind_a_disconnect_is_shown_as_queued() {
    let coordinator = Coordinator::start_with_data_dir(600, &[]);
    let mut bob = coordinator.join("bob", "");
    let home = Home::new("alice", coordinator.address);
    let path = outbox(&home).display().to_string();
    let mut alice = Running::start(home.command(&with_outbox(&path, &["--join"])));
    alice.expect("OK register ");
    alice.write("disconnect\nmsend one\nmsend two\n");
    alice.expect("* queued, 1 waiting\n");
    alice.expect("* queued, 2 waiting\n");
    alice.write("join\n");
    alice.expect("OK msend seq=1\nOK msend seq=2\n");
    bob.socket().delivery(1, "alice", "one");
    bob.socket().delivery(2, "alice", "two");
    alice.write("quit\n");
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
}

#[test]
fn a_text_of_a_join_without_an_answer_survives_kill_9() {
    let fake = Fake::start();
    let home = Home::new("alice", fake.address);
    let path = outbox(&home).display().to_string();
    let start = || Running::start(home.command(&with_outbox(&path, &["--join"])));
    let mut alice = start();
    let mut commands = fake.accept();
    commands.wish("reconnect"); // It gets no reply.
    alice.write("msend one\n");
    alice.expect("* queued, 1 waiting\n");
    alice.signal(Signal::KILL);
    alice.wait();
    assert!(!alice.said.contains("failed"), "{}", alice.said);
    start().expect("* outbox: 1 message waits, to be sent when this participant is online\n");
}

#[test]
fn a_run_that_ends_after_damage_to_its_outbox_has_failed_and_a_service_has_not() {
    const DAMAGED: &str = "error: outbox: the file was damaged, as a line above says: a message \
                           may be missing, or may be sent twice\n";
    let coordinator = Coordinator::start_with_data_dir(600, &[]);
    let mut bob = coordinator.join("bob", "");
    let home = Home::new("alice", coordinator.address);
    let path = outbox(&home).display().to_string();
    let damage = || {
        let mut alice = Running::start(home.command(&with_outbox(&path, &[])));
        alice.write("msend one\nmsend two\n");
        alice.expect("* queued, 2 waiting\n");
        alice.signal(Signal::KILL);
        alice.wait();
        let content = fs::read_to_string(&path).unwrap();
        fs::write(&path, content.replacen("\tone\n", "\tonx\n", 1)).unwrap();
    };
    damage();
    let scripts: [&[&str]; 2] = [&["--join", "--send", "three"], &["--join", "--lines"]];
    for (run, script) in scripts.into_iter().enumerate() {
        if run > 0 {
            damage();
        }
        let mut alice = Running::start(home.command_as_is(&with_outbox(&path, script)));
        alice.expect(" is damaged: a text may be missing, or may be sent twice. ");
        alice.input = None;
        alice.expect("OK msend seq=");
        alice.expect(DAMAGED);
        assert_eq!(alice.wait(), Some(1), "{}", alice.said);
    }
    let mut alice = Running::start(home.command_as_is(&with_outbox(&path, scripts[0])));
    assert_eq!(alice.wait(), Some(0), "the file is whole again: {}", alice.said);
    damage();
    let mut alice = Running::start(home.command_as_is(&with_outbox(&path, &["--join", "-f"])));
    alice.expect(" is damaged: a text may be missing, or may be sent twice. ");
    alice.expect("OK msend seq=");
    alice.signal(Signal::TERM);
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
    assert!(!alice.said.contains("error: "), "{}", alice.said);
    bob.socket().delivery(1, "alice", "two");
}

#[test]
fn lines_that_the_file_keeps_are_not_to_be_sent_again() {
    let coordinator = Coordinator::start_with_data_dir(600, &[]);
    coordinator.kill();
    let home = Home::new("alice", coordinator.address);
    let path = outbox(&home).display().to_string();
    let words = "* --lines: stopped: 1 line read, 0 confirmed, 1 kept in the outbox; next line to \
                 send: 2\n";
    let json = "{\"type\":\"lines\",\"read\":1,\"confirmed\":0,\"kept\":1,\"next\":2}\n";
    for (option, end) in [("-q", words), ("--json", json)] {
        let options = ["--lines", "--join", "-f", option];
        let mut alice = Running::start(home.command_as_is(&with_outbox(&path, &options)));
        alice.expect("join failed: ");
        alice.write("one\n");
        alice.expect("queued, ");
        alice.signal(Signal::TERM);
        alice.expect(end);
        assert_eq!(alice.wait(), Some(0), "{}", alice.said);
    }
}

#[test]
fn an_outbox_that_cannot_be_used_stops_the_start() {
    let home = Home::new("alice", "127.0.0.1:5000".parse().unwrap());
    let path = outbox(&home).display().to_string();
    fs::write(&path, "something else\n").unwrap();
    let mut alice = Running::start(home.command(&with_outbox(&path, &["--join"])));
    alice.expect("participant: outbox ");
    assert_eq!(alice.wait(), Some(2), "{}", alice.said);
    assert_eq!(fs::read_to_string(&path).unwrap(), "something else\n");
}

/// Both programs are killed in turn while texts are typed: each queued text arrives once, in order.
#[test]
fn each_text_arrives_once_and_in_order_whoever_is_killed() {
    const TEXTS: usize = 1200;
    const ROUNDS: usize = 6;
    let mut coordinator = Coordinator::start_with_data_dir(600, &[]);
    let bob_home = Home::new("bob", coordinator.address);
    let mut bob = Running::start(bob_home.command(&["-f", "-q", "--join"]));
    bob.expect("OK register");
    let home = Home::new("alice", coordinator.address);
    let path = outbox(&home).display().to_string();
    let start = || Running::start(home.command(&with_outbox(&path, &["-q", "--join"])));
    let mut alice = start();
    alice.expect("OK register");
    let stored = |path: &str| {
        let entries = fs::read_to_string(path).unwrap_or_default();
        entries.lines().filter_map(|line| line.split('\t').nth(5)?.parse().ok()).max()
    };
    let mut next = 0;
    for round in 1..=ROUNDS {
        let end = TEXTS * round / ROUNDS;
        (next..end).for_each(|number| alice.write(&format!("msend {number}\n")));
        let seen = || texts(&bob_home.log()).len();
        until("texts arrive", || seen() >= (next + end) / 2);
        if round % 2 == 0 {
            coordinator.kill();
            coordinator = coordinator.start_again();
            next = end;
            continue;
        }
        alice.signal(Signal::KILL);
        alice.wait();
        // The texts behind the last stored one were never queued: they are typed again.
        let arrived = texts(&bob_home.log()).iter().filter_map(|text| text.parse().ok()).max();
        next = stored(&path).max(arrived).map_or(0, |last: usize| last + 1);
        alice = start();
    }
    (next..TEXTS).for_each(|number| alice.write(&format!("msend {number}\n")));
    until("all texts arrive", || texts(&bob_home.log()).len() >= TEXTS);
    alice.write("quit\n");
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
    let expected: Vec<String> = (0..TEXTS).map(|number| number.to_string()).collect();
    assert_eq!(texts(&bob_home.log()), expected);
}

/// Without a message log the outbox file alone tells which numbering a number belongs to.
#[test]
fn a_number_of_another_epoch_is_not_taken_for_an_accepted_one() {
    for is_new_epoch in [false, true] {
        let coordinator = Coordinator::start_with_data_dir(600, &[]);
        let home = Home::new("alice", coordinator.address);
        let path = outbox(&home).display().to_string();
        let options = with_outbox(&path, &["--no-log", "--join"]);
        let mut alice = Running::start(home.command(&options));
        alice.expect("OK register");
        coordinator.stop(); // It does not answer.
        alice.write("msend one\n");
        let stored = || fs::read_to_string(&path).unwrap_or_default();
        until("the text is stored with its number", || stored().contains("\ttext\t1\t1\t"));
        alice.signal(Signal::KILL);
        alice.wait();
        coordinator.kill();
        if is_new_epoch {
            fs::remove_dir_all(coordinator.data_dir()).unwrap();
        }
        let coordinator = coordinator.start_again();
        if is_new_epoch {
            // The number of the text is that of another text now.
            let mut other = coordinator.join("alice", "");
            assert_eq!(other.ask("send 1 other"), "OK send 1 seq=1");
        }
        let mut alice = Running::start(home.command(&options));
        alice.expect("* outbox: 1 message waits");
        alice.expect(match is_new_epoch {
            false => "OK msend ",
            true => "error: msend: the reply is lost: the message may or may not be accepted",
        });
        alice.write("msend two\nquit\n");
        alice.expect("OK msend seq=2\n");
        assert_eq!(alice.wait(), Some(i32::from(is_new_epoch)), "{}", alice.said);
        assert_eq!(stored().matches("\tdone\t").count(), 2, "{}", stored());
    }
}

/// The member may have been removed before the `register`, and be a new one after it. Then its
/// number 1 is that of another text.
#[test]
fn a_kill_after_a_register_ends_the_numbers_of_the_texts_that_wait() {
    const EPOCH: &str = "00000000000000aa";
    for registers in [false, true] {
        let fake = Fake::start();
        let home = Home::new("alice", fake.address);
        let path = outbox(&home).display().to_string();
        let start = |more: &[&str]| Running::start(home.command(&with_outbox(&path, more)));
        let mut alice = start(&["--join"]);
        let (mut commands, _messages) = fake.join_published("reconnect", EPOCH, 0);
        alice.write("msend one\n");
        commands.expect("alice#send 1 one#127.0.0.1");
        alice.signal(Signal::KILL);
        alice.wait();
        if registers {
            let mut alice = start(&[]);
            alice.write("register 0\n");
            fake.accept().wish("register");
            alice.signal(Signal::KILL);
            alice.wait();
        }
        let mut alice = start(&["--join"]);
        let (mut commands, _messages) = fake.join_published("reconnect", EPOCH, 1);
        match registers {
            true => alice.expect("error: msend: the reply is lost: the message may or may not "),
            false => commands.expect("alice#send 1 one#127.0.0.1"),
        }
        alice.write("msend two\n");
        commands.expect("alice#send 2 two#127.0.0.1");
    }
}

#[test]
fn commands_that_were_not_run_at_a_signal_are_a_failure() {
    let coordinator = Coordinator::start(60, &[]);
    coordinator.kill();
    let home = Home::new("alice", coordinator.address);
    let path = outbox(&home).display().to_string();
    let commands = ["--exit-on-error", "-e", "msend ten", "-e", "join", "-e", "msend eleven"];
    let mut alice = Running::start(home.command(&with_outbox(&path, &commands)));
    alice.expect("* join failed: ");
    alice.signal(Signal::TERM);
    alice.expect("error: 1 command was not run\n");
    assert_eq!(alice.wait(), Some(1), "{}", alice.said);
}

#[test]
fn check_tells_the_texts_of_the_outbox_file_and_changes_nothing() {
    let home = Home::new("alice", ([127, 0, 0, 1], 1).into());
    let path = home.directory.path().join("outbox");
    let name = path.to_str().unwrap();
    let header = "# groupcast outbox of alice\n";
    let text = "06c84562\ttext\t1\t-\t1795341900123\thello\n";
    let damaged = format!("{header}bad\n{text}");
    for (content, code, expected) in [
        (None, 0, "no outbox file yet"),
        (Some(format!("{header}{text}")), 0, "1 text waits\n"),
        (Some(format!("{header}{text}06c8")), 0, "1 text waits; 4 bytes at the end"),
        (Some(damaged), 2, "line 2 is damaged"),
        (Some("# groupcast outbox of bob\n".to_owned()), 2, "it is the outbox file of bob"),
    ] {
        if let Some(content) = &content {
            std::fs::write(&path, content).unwrap();
        }
        let run = home.command_as_is(&["--check", "--outbox", name]).output().unwrap();
        let said = [run.stdout, run.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        assert_eq!(run.status.code(), Some(code), "{said}");
        assert!(said.contains(expected) && said.contains(name), "{said}");
        assert_eq!(std::fs::read_to_string(&path).ok(), content, "{said}");
    }
}
