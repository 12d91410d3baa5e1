//! The clients of `tests/clients`, with the real coordinator and with one that says what the test
//! says. They are written from PROTOCOL.md alone: these tests hold the document to its word.

mod here;
mod sending;
mod shell;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use support::coordinator::Coordinator;
use support::fake::Fake;
use support::listener::Listener;
use support::member::Member;
use support::number;
use support::participant::{Running, texts, until};
use tempfile::TempDir;

const EPOCH: &str = "00000000000000aa";

/// Returns true if a program can be run. Says what is missing otherwise.
fn is_there(program: &str, argument: &str) -> bool {
    let status =
        Command::new(program).arg(argument).stdout(Stdio::null()).stderr(Stdio::null()).status();
    match status {
        Ok(_) => true,
        Err(error) => {
            eprintln!("SKIPPED: {program}, to run the clients of tests/clients: {error}");
            false
        }
    }
}

fn client(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name)
}

/// A member by `participant.py`, with its files.
struct Python {
    directory: TempDir,
    coordinator: SocketAddr,
    id: &'static str,
}

impl Python {
    fn new(coordinator: SocketAddr) -> Option<Self> {
        Self::of(coordinator, "alice")
    }

    fn of(coordinator: SocketAddr, id: &'static str) -> Option<Self> {
        is_there("python3", "--version").then(|| Self {
            directory: tempfile::tempdir().unwrap(),
            coordinator,
            id,
        })
    }

    fn log_path(&self) -> PathBuf {
        self.directory.path().join("alice.log")
    }

    /// A file beside the log.
    fn beside(&self, ending: &str) -> PathBuf {
        self.directory.path().join(format!("alice.log.{ending}"))
    }

    fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn start(&self) -> Running {
        self.start_with(&[])
    }

    fn start_with(&self, arguments: &[&str]) -> Running {
        let mut command = Command::new("python3");
        command.arg("-B").arg(client("participant.py")).arg(self.id).arg(self.log_path());
        command.arg(self.coordinator.ip().to_string()).arg(self.coordinator.port().to_string());
        command.args(arguments);
        Running::start(command)
    }

    /// Waits until the log has so many messages.
    #[track_caller]
    fn until_logged(&self, count: usize) {
        until(&format!("{count} messages in the log"), || texts(&self.log()).len() >= count);
    }
}

fn kill(running: &mut Running) {
    running.child.kill().unwrap();
    running.child.wait().unwrap();
}

#[test]
fn the_client_in_python_talks_and_leaves_without_missing_anything() {
    let coordinator = Coordinator::start(60, &["max_line=512"]);
    let Some(home) = Python::new(coordinator.address) else { return };
    let mut bob = coordinator.join("bob", "");
    let mut alice = home.start();
    alice.expect("OK register");
    bob.msend("a # b\tc #");
    alice.expect("\ta # b\tc #\n");
    alice.write("msend  hello # bob \nmembers\n");
    alice.expect("OK msend seq=2\nOK members 2\nalice online ");
    alice.expect("\nbob online ");
    bob.socket().delivery(2, "alice", " hello # bob ");
    let fits = "x".repeat(512 - "alice#msend #127.0.0.1\n".len());
    alice.write(&format!("msend {fits}\nmsend {fits}x\nstats\n"));
    alice.expect("OK msend seq=3\nerror: 1 bytes too long\nOK stats ");
    alice.expect("\nmax_line 512\n");
    alice.input = None;
    alice.expect("OK disconnect\n");
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
    let line = bob.command.member("alice").unwrap();
    assert!(line.contains(" offline ") && line.contains(" pending=0 acked=3 "), "{line}");

    bob.msend("while you were away");
    let mut alice = home.start();
    alice.expect("OK reconnect");
    alice.expect("\twhile you were away\n");
    alice.write("deregister\n");
    alice.expect("OK deregister\n");
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
    assert_eq!(texts(&home.log()), ["a # b\tc #", "while you were away"]);
}

#[test]
fn two_thousand_messages_are_in_the_log_of_the_client_in_python_once_and_in_order() {
    let coordinator = Coordinator::start(60, &[]);
    let Some(home) = Python::new(coordinator.address) else { return };
    let mut bob = coordinator.join("bob", "");
    let mut alice = home.start();
    alice.expect("OK register");
    for kills in 1..=5 {
        for number in (kills - 1) * 400..kills * 400 {
            let request = bob.request(&format!("msend {number}"));
            bob.command.say(&request);
        }
        // Anywhere within what it takes of them.
        home.until_logged((kills - 1) * 400 + kills * 35);
        kill(&mut alice);
        alice = home.start();
    }
    home.until_logged(2000);
    alice.input = None;
    alice.expect("OK disconnect\n");
    let expected: Vec<String> = (0..2000).map(|number| number.to_string()).collect();
    assert_eq!(texts(&home.log()), expected);
}

#[test]
fn the_client_in_python_acknowledges_only_what_it_has_stored() {
    let coordinator = Coordinator::start(60, &[]);
    let Some(home) = Python::new(coordinator.address) else { return };
    let mut bob = coordinator.join("bob", "");
    let mut alice = home.start();
    alice.expect("OK register");
    bob.msend("one");
    bob.command.until_member("alice", |line| number(line, "acked") == 1);
    fs::create_dir(home.beside("new")).unwrap();
    bob.msend("two");
    alice.expect("* offline: ");
    alice.expect("* offline: "); // It came back, and got it again.
    kill(&mut alice);
    let line = bob.command.until_member("alice", |line| line.contains(" offline "));
    assert!(line.contains(" pending=1 acked=1 "), "{line}");
    fs::remove_dir(home.beside("new")).unwrap();
    let _alice = home.start();
    bob.msend("three");
    bob.command.until_member("alice", |line| number(line, "acked") == 3);
    assert_eq!(texts(&home.log()), ["one", "two", "three"]);
}

/// The files of a client that is put back from a copy: only `since` says where they stand.
#[test]
fn the_client_in_python_names_its_last_number() {
    let coordinator = Coordinator::start(60, &[]);
    let Some(home) = Python::new(coordinator.address) else { return };
    let mut slow = coordinator.join("slow", "acks=1"); // Everything is kept for it.
    let mut bob = coordinator.join("bob", "");
    let mut alice = home.start();
    alice.expect("OK register");
    bob.msend("one");
    home.until_logged(1);
    bob.command.until_member("alice", |line| number(line, "acked") == 1);
    let (log, since) = (home.log(), fs::read(home.beside("since")).unwrap());
    bob.msend("two");
    bob.msend("three");
    bob.command.until_member("alice", |line| number(line, "acked") == 3);
    kill(&mut alice);
    fs::write(home.log_path(), log).unwrap();
    fs::write(home.beside("since"), since).unwrap();
    let mut alice = home.start();
    alice.expect("OK reconnect");
    home.until_logged(3);
    assert_eq!(texts(&home.log()), ["one", "two", "three"]);
    slow.socket().delivery(1, "bob", "one");
}

#[test]
fn the_client_in_python_goes_on_after_a_restart_of_a_coordinator_with_a_journal() {
    let coordinator = Coordinator::start_with_data_dir(60, &[]);
    let Some(home) = Python::new(coordinator.address) else { return };
    let mut alice = home.start();
    alice.expect("OK register");
    coordinator.join("bob", "").msend("before");
    home.until_logged(1);
    coordinator.kill();
    let coordinator = coordinator.start_again();
    alice.expect("OK reconnect");
    let mut carol = coordinator.join("carol", "");
    carol.msend("after");
    home.until_logged(2);
    assert_eq!(home.log().matches("# epoch").count(), 1);
    assert_eq!(texts(&home.log()), ["before", "after"]);
}

#[test]
fn the_client_in_python_registers_anew_after_a_restart_of_a_coordinator_without_one() {
    let coordinator = Coordinator::start(60, &[]);
    let Some(home) = Python::new(coordinator.address) else { return };
    let mut alice = home.start();
    alice.expect("OK register");
    let mut bob = coordinator.join("bob", "");
    (0..3).for_each(|number| assert_eq!(bob.msend("before"), number + 1));
    home.until_logged(3);
    coordinator.kill();
    let coordinator = coordinator.start_again();
    alice.expect("earlier messages may be missing\n");
    alice.expect("OK register");
    let mut bob = coordinator.join("bob", "");
    assert_eq!(bob.msend("after"), 1, "a number that alice has of another epoch");
    home.until_logged(4);
    assert_eq!(home.log().matches("# epoch").count(), 2);
    assert_eq!(texts(&home.log()), ["before", "before", "before", "after"]);
}

#[test]
fn the_client_in_python_gets_the_conversation_so_far() {
    let coordinator = Coordinator::start(60, &[]);
    let Some(home) = Python::new(coordinator.address) else { return };
    let mut bob = coordinator.join("bob", "");
    for text in ["one", "two", "three"] {
        bob.msend(text);
    }
    let mut alice = home.start_with(&["last=2"]);
    alice.expect("OK register");
    home.until_logged(2);
    kill(&mut alice);
    bob.msend("four");
    let _alice = home.start_with(&["last=2"]);
    home.until_logged(3);
    assert_eq!(texts(&home.log()), ["two", "three", "four"]);
}

#[test]
fn the_client_in_python_stays_offline_after_a_takeover() {
    let coordinator = Coordinator::start(60, &[]);
    let Some(first) = Python::new(coordinator.address) else { return };
    let Some(second) = Python::new(coordinator.address) else { return };
    let mut bob = coordinator.join("bob", "");
    let mut one = first.start();
    one.expect("OK register");
    let mut two = second.start();
    two.expect("OK reconnect");
    one.expect("offline: taken over by 127.0.0.1:");
    assert_eq!(one.wait(), Some(1));
    bob.msend("for the second");
    second.until_logged(1);
    assert_eq!((texts(&first.log()).len(), bob.command.stat("takeovers")), (0, 1));
}

#[test]
fn the_client_in_python_says_what_is_lost() {
    let coordinator = Coordinator::start(1, &[]);
    let Some(home) = Python::new(coordinator.address) else { return };
    let mut bob = coordinator.join("bob", "");
    let mut alice = home.start();
    alice.expect("OK register");
    alice.input = None;
    assert_eq!(alice.wait(), Some(0));
    bob.msend("one");
    bob.msend("two");
    bob.command.until_member("alice", |line| number(line, "pending") == 0);
    let mut alice = home.start();
    alice.expect("# gap\t2\t1\t2\n");
    bob.command.until_member("alice", |line| number(line, "acked") == 2);
    bob.msend("three");
    home.until_logged(1);
    // Else a kill before the acknowledgement makes another gap, if the message has expired by then.
    bob.command.until_member("alice", |line| number(line, "acked") == 3);
    kill(&mut alice);
    let mut alice = home.start();
    alice.expect("OK reconnect");
    assert_eq!(home.log().matches("# gap").count(), 1, "told once");
}

#[test]
fn the_client_in_python_takes_announcements() {
    let coordinator = Coordinator::start(60, &["presence=yes"]);
    let Some(home) = Python::new(coordinator.address) else { return };
    let mut alice = home.start();
    alice.expect("OK register");
    let mut bob = coordinator.join("bob", "");
    home.until_logged(2);
    bob.command.until_member("alice", |line| number(line, "acked") == 2);
    assert_eq!(texts(&home.log()), ["alice registered", "bob registered"]);
}

/// Events that are rare with a real coordinator: strangers, repeats, lost acknowledgements.
#[test]
fn the_client_in_python_drops_strangers_and_repeats_and_names_what_it_has() {
    let fake = Fake::start();
    let Some(home) = Python::new(fake.address) else { return };
    let mut alice = home.start();
    let mut commands = fake.accept();
    let wish = commands.wish("reconnect");
    assert!(!wish.line.contains(" since="), "{}", wish.line);
    commands.say("ERR 404 not a member: register first");
    let wish = commands.wish("register");
    let mut stranger = wish.connect();
    stranger.say(&format!("hello#{}#{EPOCH}", "0".repeat(32)));
    stranger.say("1#mallory#0#not from the coordinator");
    let mut elsewhere = wish.connect_from("127.0.0.2");
    elsewhere.say(&format!("hello#{}#{EPOCH}", wish.nonce));
    let mut messages = wish.greet(EPOCH);
    messages.write(b"5#bob#0#five\n6#bob#0#si");
    commands.say(&format!("OK register epoch={EPOCH} next=5 ttl=60"));
    stranger.expect_closed();
    elsewhere.expect_closed();
    alice.expect("* dropped a connection from 127.0.0.1");
    alice.expect("* dropped a connection from 127.0.0.2");
    messages.expect("ack 5");
    messages.say("x");
    messages.expect("ack 6");
    drop((messages, commands));

    let mut commands = fake.accept();
    let wish = commands.wish("reconnect");
    assert!(wish.line.contains(&format!(" since={EPOCH}:6#")), "{}", wish.line);
    let mut messages = wish.greet(EPOCH);
    commands.say(&format!("OK reconnect epoch={EPOCH} next=7 ttl=60 missed=1 expired=0 later=x"));
    messages.write(b"5#bob#0#five\n6#bob#0#six\n7#bob#0#seven\nbye#shutting down\n");
    alice.expect("* offline: shutting down");
    assert_eq!(texts(&home.log()), ["five", "six", "seven"]);

    // The coordinator was put back from a copy: its numbers are new, though the epoch is not.
    drop((messages, commands));
    let mut commands = fake.accept();
    let wish = commands.wish("reconnect");
    let mut messages = wish.greet(EPOCH);
    commands.say(&format!("OK reconnect epoch={EPOCH} next=3 ttl=60 missed=1 expired=0"));
    messages.say("3#bob#0#three");
    messages.expect("ack 3");
    assert_eq!(texts(&home.log()), ["five", "six", "seven", "three"]);
}

/// PROTOCOL.md answers which receive buffer is large enough.
#[test]
fn the_longest_delivery_fits_into_max_line_and_64_bytes() {
    let coordinator = Coordinator::start(60, &["max_line=512"]);
    let id = "i".repeat(64);
    let listener = Listener::bind(&coordinator.transcript, "127.0.0.1");
    let mut bob = coordinator.join("bob", "");
    let mut long = Member::join_at(&coordinator, &id, "127.0.0.1", listener, "");
    assert_eq!(number(&long.reply, "max_line"), 512);
    let text = "x".repeat(512 - id.len() - "127.0.0.1".len() - 9);
    long.msend(&text);
    let line = bob.socket().line();
    assert!(line.len() < 512 + 64 && line.ends_with(&text), "{}", line.len());
    long.refused(&format!("msend {text}x"), 413);
}

#[test]
fn messages_from_before_a_start_with_a_smaller_max_line_keep_their_length() {
    let coordinator = Coordinator::start_with_data_dir(60, &["max_line=4k"]);
    let mut slow = coordinator.join("slow", "acks=1");
    let text = "x".repeat(4000);
    coordinator.join("bob", "").msend(&text);
    slow.socket().delivery(1, "bob", &text);
    coordinator.kill();
    let coordinator = coordinator.start_again_with(&["--max-line", "512"]);
    let mut slow = Member::come_back(&coordinator, "slow", "acks=1");
    assert_eq!(number(&slow.reply, "max_line"), 512);
    slow.socket().delivery(1, "bob", &text);
}
