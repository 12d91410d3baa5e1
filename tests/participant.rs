//! The participant, the program itself, with a coordinator, through pipes and at a terminal.

#![cfg(test)]

#[expect(dead_code, reason = "each test program uses its own part of it")]
mod support;

use std::fs;
use std::thread;

use rustix::process::Signal;

use support::coordinator::Coordinator;
use support::participant::{Home, Running, texts};
use support::{DEADLINE, Timer};

#[test]
fn a_script_gets_its_replies_in_order_and_an_exit_code() {
    let coordinator = Coordinator::start(60, &[]);
    let home = Home::new("alice", coordinator.address);
    let (code, said) = home.script(&["-e", "ping"], "register 0\nmsend  a # b\r\nquit\n");
    assert_eq!(code, Some(0), "{said}");
    let lines: Vec<&str> = said.lines().filter(|line| !line.starts_with("* ")).collect();
    assert_eq!(lines[0], "OK ping");
    assert!(lines[1].starts_with("OK register epoch="), "{said}");
    assert_eq!(lines[2..], ["OK msend seq=1", "OK disconnect"]);

    let (code, said) = home.script(&[], "ping\nnonsense\nping");
    let error = "error: unknown command 'nonsense'; 'help' lists them";
    assert_eq!((code, said), (Some(1), format!("OK ping\n{error}\nOK ping\n")));
    let (code, said) = home.script(&[], "msend offline\n");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.starts_with("ERR 409 "), "{said}");
}

#[test]
fn a_message_stands_in_the_log_exactly_once_however_often_its_reader_is_killed() {
    let coordinator = Coordinator::start(60, &[]);
    let mut bob = coordinator.join("bob", "");
    let home = Home::new("alice", coordinator.address);
    let mut sent = Vec::new();
    for round in 0..6 {
        let command = if round == 0 { "register 0" } else { "reconnect 0" };
        let mut alice = Running::start(home.command(&["-f", "-e", command]));
        alice.expect("OK re");
        for number in 0..200 {
            let text = format!("{round} {number}");
            bob.msend(&text);
            sent.push(text);
        }
        alice.expect(&format!("bob: {round} 5"));
        alice.signal(Signal::KILL);
        alice.wait();
    }
    let mut alice = Running::start(home.command(&["-f", "-e", "reconnect 0"]));
    bob.msend("last");
    sent.push("last".to_owned());
    alice.expect("OK re");
    let timer = Timer::start(DEADLINE);
    while !home.log().ends_with("\tlast\n") && timer.left().is_some() {
        thread::yield_now();
    }
    assert_eq!(texts(&home.log()), sent);
    alice.signal(Signal::TERM);
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
    assert!(alice.said.ends_with("OK disconnect\n"), "{}", alice.said);
    bob.command
        .until_member("alice", |line| line.contains(" offline ") && line.contains("pending=0"));
}

#[test]
fn a_log_that_was_moved_away_goes_on_in_a_new_file() {
    let coordinator = Coordinator::start(60, &[]);
    let mut bob = coordinator.join("bob", "");
    let home = Home::new("alice", coordinator.address);
    let mut alice = Running::start(home.command(&["-f", "-e", "register 0"]));
    alice.expect("OK register");
    bob.msend("one");
    bob.command.until_member("alice", |line| line.contains(" acked=1"));
    fs::rename(home.log_path(), home.directory.path().join("moved")).unwrap();
    alice.signal(Signal::HUP);
    let header = format!("# id alice\n# epoch {}\n# last 1\n", bob.epoch());
    let timer = Timer::start(DEADLINE);
    while home.log() != header && timer.left().is_some() {
        thread::yield_now();
    }
    bob.msend("two");
    bob.command.until_member("alice", |line| line.contains(" acked=2"));
    assert!(home.log().starts_with(&format!("{header}2\t")), "{}", home.log());
}

#[test]
fn a_log_that_is_not_its_own_ends_it_before_it_begins() {
    let coordinator = Coordinator::start(60, &[]);
    let home = Home::new("alice", coordinator.address);
    for content in ["dear diary\n", "# id bob\n# epoch 00000000000000aa\n# last 0\n"] {
        fs::write(home.log_path(), content).unwrap();
        let (code, said) = home.script(&["-e", "ping"], "");
        assert_eq!(code, Some(2), "{said}");
        assert!(
            said.starts_with("participant: message log ") && said.lines().count() == 1,
            "{said}"
        );
        assert_eq!(home.log(), content);
    }
    fs::remove_file(home.log_path()).unwrap();
    let mut first = Running::start(home.command(&["-f", "-e", "ping"]));
    first.expect("OK ping");
    let (code, said) = home.script(&[], "");
    assert_eq!(code, Some(2), "{said}");
    assert!(said.ends_with(": in use by another program\n"), "{said}");
}

#[test]
fn at_a_terminal_messages_stand_above_the_line_being_typed() {
    let coordinator = Coordinator::start(60, &[]);
    let mut bob = coordinator.join("bob", "");
    let home = Home::new("alice", coordinator.address);
    let mut alice = Running::at_terminal(home.command(&[]));
    alice.expect("participant> ");
    alice.write("register 0\r");
    alice.expect("OK register");
    alice.write("msend half");
    alice.expect("half");
    bob.msend("meanwhile");
    alice.expect("1 bob: meanwhile\r\nparticipant> msend half");
    assert!(!alice.is_in_line_mode());
    alice.write(" and half\r");
    alice.expect("OK msend seq=2");
    assert!(bob.socket().line().ends_with("#half and half"));
    alice.write("quit\r");
    alice.expect("OK disconnect");
    assert_eq!(alice.wait(), Some(0));
    assert!(!alice.unexpected().contains("participant>"), "{}", alice.said);
}

#[test]
fn what_is_typed_ahead_is_done_line_by_line() {
    let coordinator = Coordinator::start(60, &[]);
    let home = Home::new("alice", coordinator.address);
    let mut alice = Running::at_terminal(home.command(&[]));
    alice.expect("participant> ");
    alice.write("register 0\rmsend one\r\x1b[200~msend two\nmsend three\x1b[201~\rquit\r");
    for reply in ["OK register", "seq=1", "seq=2", "seq=3", "OK disconnect"] {
        alice.expect(reply);
    }
}

#[test]
fn however_it_ends_the_terminal_is_left_as_it_was_found() {
    let coordinator = Coordinator::start(60, &[]);
    for (number, end) in ["TERM", "INT", "\x03", "\x04", "quit\r"].into_iter().enumerate() {
        let home = Home::new(&format!("alice{number}"), coordinator.address);
        let mut alice = Running::at_terminal(home.command(&["-e", "register 0"]));
        alice.expect("OK register");
        alice.expect("participant> ");
        match end {
            "TERM" => alice.signal(Signal::TERM),
            "INT" => alice.signal(Signal::INT),
            keys => alice.write(keys),
        }
        alice.expect("OK disconnect");
        assert_eq!(alice.wait(), Some(0), "{end:?}");
        assert!(alice.is_in_line_mode(), "{end:?}");
        let pasting = |switch| alice.said.rfind(switch);
        assert!(pasting("\x1b[?2004l") > pasting("\x1b[?2004h"), "{end:?}: {:?}", alice.said);
    }
}
