//! The participant, the program itself, with a coordinator, through pipes and at a terminal.

#![cfg(test)]

#[expect(dead_code, reason = "each test program uses its own part of it")]
mod support;

use rustix::process::Signal;

use support::coordinator::Coordinator;
use support::participant::{Home, Running, texts, until};

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
    until("the last message", || home.log().ends_with("\tlast\n"));
    assert_eq!(texts(&home.log()), sent);
    alice.signal(Signal::TERM);
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
    assert!(alice.said.ends_with("OK disconnect\n"), "{}", alice.said);
    bob.command
        .until_member("alice", |line| line.contains(" offline ") && line.contains("pending=0"));
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
        alice.expect("numbers begin anew"); // The coordinator's connection is there too.
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
