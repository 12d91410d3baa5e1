//! Ends of the participant: it disconnects, misses nothing later, and its exit code tells the
//! result.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use rustix::process::{Pid, Signal, WaitOptions, waitpid};

use support::coordinator::Coordinator;
use support::fake::Fake;
use support::participant::{Home, Running, texts};

const EPOCH: &str = "00000000000000aa";

#[test]
fn the_end_of_input_says_goodbye_and_what_came_meanwhile_comes_later() {
    let coordinator = Coordinator::start(60, &[]);
    let mut bob = coordinator.join("bob", "");
    let home = Home::new("alice", coordinator.address);
    let (code, said) = home.script(&[], "register 0\nmsend hi");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.ends_with("OK msend seq=1\nOK disconnect\n"), "{said}");
    bob.command.until_member("alice", |line| line.contains(" offline "));
    bob.msend("missed");
    let (code, said) = home.script(&["-e", "reconnect 0"], "ping\n");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(" missed=1 expired=0 "), "{said}");
    let (_, said) = home.script(&["-e", "reconnect 0"], "ping\n");
    assert!(said.contains(" expired=0 "), "{said}");
    bob.command.until_member("alice", |line| line.contains(" pending=0 "));
    assert_eq!(texts(&home.log()), ["missed"]);
}

#[test]
fn who_follows_stays_after_the_end_of_input_until_a_signal() {
    let coordinator = Coordinator::start(60, &[]);
    let mut bob = coordinator.join("bob", "");
    for (id, signal) in [("alice", Signal::TERM), ("carol", Signal::INT)] {
        let home = Home::new(id, coordinator.address);
        let mut running = Running::start(home.command(&["--follow", "-e", "register 0"]));
        running.input = None;
        running.expect("OK register");
        let seq = bob.msend("later");
        running.expect(&format!("{seq} bob: later\n"));
        running.signal(signal);
        assert_eq!(running.wait(), Some(0), "{}", running.said);
        assert!(running.said.ends_with("OK disconnect\n"), "{}", running.said);
        bob.command.until_member(id, |line| line.contains(" offline "));
    }
}

#[test]
fn a_signal_to_end_is_heard_whatever_other_signal_comes_with_it() {
    let coordinator = Coordinator::start(60, &[]);
    for other in [Signal::HUP, Signal::CONT] {
        let home = Home::new("alice", coordinator.address);
        let mut alice = Running::start(home.command(&["-f", "-e", "ping"]));
        alice.expect("OK ping");
        alice.signal(Signal::STOP);
        let pid = Some(Pid::from_child(&alice.child));
        let stopped = waitpid(pid, WaitOptions::UNTRACED).unwrap();
        assert!(stopped.is_some_and(|(_, status)| status.stopped()));
        // It finds all of them at once.
        [Signal::TERM, other, Signal::CONT].into_iter().for_each(|signal| alice.signal(signal));
        assert_eq!(alice.wait(), Some(0), "{}", alice.said);
    }
}

#[test]
fn a_second_signal_ends_at_once_and_says_what_was_left_undone() {
    let fake = Fake::start();
    let home = Home::new("alice", fake.address);
    let mut alice = Running::start(home.command(&["-f", "-e", "register 0"]));
    let (mut commands, _messages) = fake.join("register", EPOCH);
    alice.expect("OK register");
    alice.signal(Signal::TERM);
    commands.expect("alice#disconnect#127.0.0.1");
    alice.signal(Signal::INT);
    alice.expect("error: quit: 1 request got no reply\n");
    assert_eq!(alice.wait(), Some(1), "{}", alice.said);
}

#[test]
fn a_command_that_a_signal_comes_before_is_a_failure() {
    let fake = Fake::start();
    let home = Home::new("alice", fake.address);
    let mut alice = Running::start(home.command(&["-f", "-e", "msend first", "-e", "ping"]));
    let mut commands = fake.accept();
    commands.expect("alice#msend first#127.0.0.1");
    alice.signal(Signal::TERM);
    alice.expect("error: quit: 1 command was not finished\n");
    commands.say("OK msend seq=1");
    alice.expect("OK msend seq=1\n");
    assert_eq!(alice.wait(), Some(1), "{}", alice.said);
}

#[test]
fn a_goodbye_without_an_answer_is_a_failure() {
    let fake = Fake::start();
    let home = Home::new("alice", fake.address);
    let mut alice = Running::start(home.command(&["-e", "register 0"]));
    let (mut commands, _messages) = fake.join("register", EPOCH);
    alice.expect("OK register");
    alice.write("quit\n");
    commands.expect("alice#disconnect#127.0.0.1");
    drop(commands);
    alice.expect("* command socket lost: closed by the coordinator\n");
    alice.expect("error: disconnect: closed by the coordinator\n");
    assert_eq!(alice.wait(), Some(1), "{}", alice.said);
}

#[test]
fn output_that_could_not_be_written_is_a_failure_said_once() {
    let coordinator = Coordinator::start(60, &[]);
    let home = Home::new("alice", coordinator.address);
    let mut alice = home.command(&[]);
    alice.stdout(File::options().write(true).open("/dev/full").unwrap());
    let mut alice = Running::start_as_is(alice);
    alice.write(&"ping\n".repeat(100));
    alice.input = None;
    assert_eq!(alice.wait(), Some(1), "{}", alice.said);
    let error = "standard output: No space left on device (os error 28)\n";
    assert_eq!(alice.said.matches(error).count(), 1, "{}", alice.said);
    assert_eq!(alice.said.lines().count(), 1, "{}", alice.said);
}

#[test]
fn a_participant_whose_output_is_closed_disconnects() {
    let coordinator = Coordinator::start(60, &[]);
    let mut bob = coordinator.join("bob", "");
    let home = Home::new("alice", coordinator.address);
    let (read, write) = std::io::pipe().unwrap();
    let mut alice = home.command(&["-f", "-e", "register 0"]);
    alice.stdout(Stdio::from(write));
    let mut alice = Running::start_as_is(alice);
    let mut said = BufReader::new(read).lines().map(Result::unwrap);
    assert!(said.next().is_some_and(|line| line.starts_with("OK register ")));
    drop(said);
    for _ in 0..100 {
        bob.msend("unread"); // More than one of them finds out.
    }
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
    assert!(alice.said.lines().all(|line| line.starts_with("* ")), "{}", alice.said);
    bob.command.until_member("alice", |line| line.contains(" offline "));
}
