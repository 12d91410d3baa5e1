//! A participant that needs no config file, and one that keeps no message log.

use std::path::Path;
use std::process::Command;

use support::coordinator::Coordinator;
use support::participant::Running;
use support::program;

/// A participant in a directory of its own, with these arguments.
fn start(directory: &Path, arguments: &[&str], coordinator: Option<&str>) -> Running {
    let mut command = Command::new(program("participant"));
    command.args(arguments).current_dir(directory).env("TERM", "xterm");
    match coordinator {
        Some(coordinator) => command.env("GROUPCAST_COORDINATOR", coordinator),
        None => command.env_remove("GROUPCAST_COORDINATOR"),
    };
    Running::start(command)
}

#[test]
fn options_and_the_environment_replace_the_config_file() {
    let coordinator = Coordinator::start(60, &[]);
    let address = coordinator.address.to_string();
    let mut bob = coordinator.join("bob", "");
    let directory = tempfile::tempdir().unwrap();
    let named = ["--id", "eve", "--coordinator", &address, "-f", "--join"];
    let mut eve = start(directory.path(), &named, None);
    eve.expect("OK register epoch=");
    bob.msend("to a log with the name of the id");
    eve.expect("1 bob: to a log");
    eve.write("quit\n");
    assert_eq!(eve.wait(), Some(0), "{}", eve.said);
    let log = std::fs::read_to_string(directory.path().join("eve.log")).unwrap();
    assert!(log.contains("\tto a log with the name of the id\n"), "{log}");
    let mut eve = start(directory.path(), &["--id", "eve", "-f", "--join"], Some(&address));
    eve.expect("OK reconnect epoch=");
    eve.write("quit\n");
    assert_eq!(eve.wait(), Some(0), "{}", eve.said);
}

#[test]
fn without_a_log_messages_are_shown_and_acknowledged_and_nothing_is_written() {
    let coordinator = Coordinator::start(60, &[]);
    let address = coordinator.address.to_string();
    let mut bob = coordinator.join("bob", "");
    let directory = tempfile::tempdir().unwrap();
    let words = ["--id", "eve", "--coordinator", &address, "--no-log", "-f", "--join"];
    let mut eve = start(directory.path(), &words, None);
    eve.expect("OK register epoch=");
    bob.msend("shown");
    eve.expect("1 bob: shown");
    bob.command.until_member("eve", |line| line.contains("acked=1"));
    eve.write("quit\n");
    assert_eq!(eve.wait(), Some(0), "{}", eve.said);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "no file is written");
}
