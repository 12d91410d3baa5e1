//! `--exec`: a shell command for each message, before its acknowledgement.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt as _;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Pid, Signal, kill_process_group};

use support::DEADLINE;
use support::coordinator::Coordinator;
use support::participant::{Home, Running, texts};

#[test]
fn a_command_runs_for_each_message_in_order_and_each_failure_is_named_and_counted() {
    let coordinator = Coordinator::start(60, &["max_line=1m"]);
    let mut bob = coordinator.join("bob", "");
    let home = Home::new("alice", coordinator.address);
    let (code, said) = home.script(&[], "register 0\nquit\n");
    assert_eq!(code, Some(0), "{said}");
    for text in ["one", "fail", "fail too", &"x".repeat(200_000)] {
        bob.msend(text);
    }
    let command = "case $GROUPCAST_SEQ in 4) exit 0;; esac; read -r text; \
                   echo \"$GROUPCAST_SEQ $GROUPCAST_SENDER ${GROUPCAST_TIME%%-*} $text\"; \
                   case $text in fail*) exit 1;; esac";
    let options = ["--exec", command, "--count", "4", "-q", "--join"];
    let mut alice = Running::start(home.command_as_is(&options));
    assert_eq!(alice.wait(), Some(1), "{}", alice.said);
    let lines = alice.said.lines().filter(|line| line.contains(" bob 20"));
    let lines = lines.map(|line| line.replace(" 20", " ").chars().take(99).collect::<String>());
    let ends = ["one", "fail", "fail too"];
    let lines = lines.collect::<Vec<_>>();
    assert_eq!(lines.len(), ends.len(), "{}", alice.said);
    for (number, (line, end)) in lines.iter().zip(ends).enumerate() {
        let (seq, is_end) = (format!("{} bob ", number + 1), line.ends_with(end));
        assert!(line.starts_with(&seq) && is_end, "{line}");
    }
    assert!(alice.said.contains("error: --exec: message 2: exit status: 1 (1 failure)\n"));
    assert!(alice.said.contains("error: --exec: message 3: exit status: 1 (2 failures)\n"));
    assert_eq!(alice.said.matches("error: --exec").count(), 2, "an input may stay unread");
    assert_eq!(texts(&home.log()).len(), 4);
    bob.command.until_member("alice", |line| line.contains("acked=4"));
}

#[test]
fn a_message_whose_command_did_not_end_comes_again() {
    let coordinator = Coordinator::start(60, &[]);
    let mut bob = coordinator.join("bob", "");
    let home = Home::new("alice", coordinator.address);
    let gate = home.directory.path().join("gate");
    mknodat(CWD, &gate, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let command = format!("echo begins $GROUPCAST_SEQ; read -r line < {}", gate.display());
    let options = ["--join", "-q", "--exec", &command];
    let mut alice = Running::start(home.command_as_is(&options));
    alice.expect("OK register ");
    bob.msend("one");
    alice.expect("begins 1");
    bob.msend("two");
    alice.signal(Signal::KILL);
    alice.child.wait().unwrap();
    assert_eq!(texts(&home.log()), [""; 0]);
    let open = || {
        let mut gate = File::options().write(true).open(&gate).unwrap();
        gate.write_all(b"\n").unwrap();
    };
    open(); // The command of the killed participant ends.
    let notify = home.directory.path().join("notify");
    let manager = UnixDatagram::bind(&notify).unwrap();
    manager.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut command = home.command_as_is(&options);
    command.env("NOTIFY_SOCKET", &notify);
    let mut alice = Running::start(command);
    alice.expect("begins 1");
    alice.signal(Signal::TERM);
    let mut bytes = [0; 4096];
    loop {
        let count = manager.recv(&mut bytes).expect("the participant has taken SIGTERM");
        if bytes[..count].starts_with(b"STOPPING=1") {
            break;
        }
    }
    open();
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
    assert_eq!(texts(&home.log()), ["one"], "SIGTERM waits for the running command alone");
    bob.command.until_member("alice", |line| line.contains("acked=1"));
}

#[test]
fn a_message_whose_command_ends_by_the_signal_that_ends_the_participant_comes_again() {
    let coordinator = Coordinator::start(60, &[]);
    let mut bob = coordinator.join("bob", "");
    let home = Home::new("alice", coordinator.address);
    // A terminal sends SIGINT to all processes of the group, and a manager SIGTERM to all of a
    // service.
    for signal in [Signal::INT, Signal::TERM] {
        let command = "echo begins $GROUPCAST_SEQ; exec sleep 600";
        let mut alice = home.command_as_is(&["--join", "-q", "--exec", command]);
        alice.process_group(0);
        let mut alice = Running::start(alice);
        if signal == Signal::INT {
            alice.expect("OK register ");
            bob.msend("one");
        }
        alice.expect("begins 1");
        let group = Pid::from_child(&alice.child);
        kill_process_group(group, signal).unwrap();
        assert_eq!(alice.wait(), Some(1), "{}", alice.said);
        assert!(alice.said.contains("the message comes again"), "{}", alice.said);
    }
    assert_eq!(texts(&home.log()), [""; 0]);
    let mut alice = Running::start(home.command_as_is(&["--join", "-q", "--exec", "cat"]));
    alice.expect("one\n");
}

#[test]
fn a_message_whose_command_ends_by_a_signal_of_its_own_does_not_come_again() {
    let coordinator = Coordinator::start(60, &[]);
    let mut bob = coordinator.join("bob", "");
    let home = Home::new("alice", coordinator.address);
    let options = ["--join", "-q", "--count", "1", "--exec", "kill -TERM $$"];
    let mut alice = Running::start(home.command_as_is(&options));
    alice.expect("OK register ");
    bob.msend("one");
    assert_eq!(alice.wait(), Some(1), "{}", alice.said);
    assert!(alice.said.contains("message 1: signal: 15 (SIGTERM) (1 failure)\n"), "{}", alice.said);
    assert_eq!(texts(&home.log()), ["one"]);
}
