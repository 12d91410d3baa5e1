//! The client for the shell, with the real coordinator.

use std::process::Command;

use support::coordinator::Coordinator;
use support::number;
use support::participant::Running;
use support::port::ReservedPort;

use super::{client, is_there};
use crate::documents::command;

/// The id alice of `participant.sh`, and the port that it listens on.
fn start_shell(coordinator: &Coordinator) -> Option<(Running, ReservedPort)> {
    let port = is_there("nc", "-h").then(ReservedPort::new)?;
    let mut command = Command::new("sh");
    command.arg(client("participant.sh")).args(["alice", "127.0.0.1"]).arg(port.to_string());
    command.arg("127.0.0.1").arg(coordinator.address.port().to_string());
    let mut alice = Running::start(command);
    alice.expect("OK register");
    Some((alice, port))
}

#[test]
fn the_client_for_the_shell_takes_announcements() {
    let coordinator = Coordinator::start(60, &["presence=yes"]);
    let Some((_alice, _port)) = start_shell(&coordinator) else { return };
    coordinator.client().until_member("alice", |line| number(line, "acked") == 1);
}

#[test]
fn the_client_for_the_shell_talks() {
    let coordinator = Coordinator::start(60, &[]);
    let mut bob = coordinator.join("bob", "acks=1");
    let Some((mut alice, _port)) = start_shell(&coordinator) else { return };
    bob.msend("a # b  \\c #");
    alice.expect("bob: a # b  \\c #\n");
    bob.command.until_member("alice", |line| number(line, "acked") == 1);
    alice.write(" hello # bob \n");
    alice.expect("OK msend seq=2\n");
    bob.socket().delivery(2, "alice", " hello # bob ");

    // It comes back when it is needed.
    coordinator.kill();
    let coordinator = coordinator.start_again();
    let mut bob = coordinator.join("bob", "acks=1");
    alice.write("again\n");
    alice.expect("OK register");
    alice.expect("OK msend seq=1\n");
    bob.socket().delivery(1, "alice", "again");
    bob.msend("and you");
    alice.expect("bob: and you\n");
    alice.input = None;
    alice.expect("OK disconnect\n");
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
}

#[test]
fn netcat_alone_is_a_member() {
    if !is_there("nc", "-h") {
        return;
    }
    let coordinator = Coordinator::start(60, &[]);
    let port = coordinator.address.port();
    // The lines of README.md as they stand there.
    let run = |start| {
        let line = command("README.md", start).replace(" 5000", &format!(" {port}"));
        let mut shell = Command::new("sh");
        shell.args(["-ec", &line]);
        Running::start(shell)
    };
    let mut zoe = run("(echo 'zoe#register here#-'; cat) | nc");
    zoe.expect("OK register");
    let mut bob = coordinator.join("bob", "acks=1");
    bob.msend("hello zoe");
    zoe.expect("1#bob#");
    zoe.expect("hello zoe\n");

    let mut list = run("printf 'x#members#-' | nc");
    list.expect("OK members 2\nbob online ");
    assert_eq!(list.wait(), Some(0), "{}", list.said);

    // Requests of zoe need a connection of their own. The end of the stream ends the line.
    let mut second = run("printf 'zoe#msend hello#-' | nc");
    second.expect("OK msend seq=2\n");
    assert_eq!(second.wait(), Some(0), "{}", second.said);
    bob.socket().delivery(2, "zoe", "hello");

    zoe.input = None; // OpenBSD's netcat keeps the connection.
    bob.msend("still there?");
    zoe.expect("still there?\n");
}

#[test]
fn a_client_with_wrong_arguments_shows_the_right_ones() {
    let python = [&[][..], &["dave"], &["dave", "dave.log", "127.0.0.1"]];
    let shell = [&[][..], &["dave"], &["dave", "127.0.0.1", "9004", "127.0.0.1"]];
    let ports = [&["dave", "dave.log", "127.0.0.1", "http"][..]];
    let options = [&["dave", "dave.log", "127.0.0.1", "5000", "first=1"][..]];
    let usage = "usage: participant.py ID LOG COORDINATOR_IP COORDINATOR_PORT [last=N] [here]\n";
    let checks = [
        ("python3", "participant.py", [&python[..], &ports, &options].concat(), usage),
        (
            "sh",
            "participant.sh",
            shell.to_vec(),
            "usage: participant.sh ID IP PORT COORDINATOR_IP COORDINATOR_PORT\n",
        ),
    ];
    for (program, name, calls, usage) in checks {
        if !is_there(program, if program == "sh" { "-c" } else { "--version" }) {
            continue;
        }
        for arguments in calls {
            let directory = tempfile::tempdir().unwrap();
            let mut command = Command::new(program);
            command.arg(client(name)).args(arguments).current_dir(&directory);
            let output = command.output().unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!((output.status.code(), said.as_str()), (Some(2), usage), "{arguments:?}");
        }
    }
}
