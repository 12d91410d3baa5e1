//! The two streams of the output, when they are no terminal.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use rustix::process::Signal;

use support::coordinator::Coordinator;
use support::participant::{Home, Running};

#[test]
fn standard_output_has_messages_and_outcomes_of_commands_and_no_event() {
    let coordinator = Coordinator::start(60, &[]);
    let mut bob = coordinator.join("bob", "");
    let home = Home::new("alice", coordinator.address);
    let mut command = home.command(&["-f", "-e", "register 0"]);
    let (read, write) = std::io::pipe().unwrap();
    command.stdout(Stdio::from(write));
    let mut alice = Running::start_as_is(command);
    let mut lines = BufReader::new(read).lines().map(Result::unwrap);
    let registered = lines.next().unwrap();
    assert!(registered.starts_with("OK register "), "{registered}");
    alice.expect("* listening on port ");
    alice.expect("* new epoch ");
    bob.msend("hello");
    assert_eq!(lines.next().as_deref(), Some("1 bob: hello"));
    alice.write("ping\nnonsense\nping\n");
    assert_eq!(lines.next().as_deref(), Some("OK ping"));
    let error = "error: unknown command 'nonsense'; 'help' lists the commands";
    assert_eq!(lines.next().as_deref(), Some(error));
    assert_eq!(lines.next().as_deref(), Some("OK ping"));
    alice.signal(Signal::TERM);
    assert_eq!(lines.collect::<Vec<_>>(), ["OK disconnect"]);
    assert_eq!(alice.wait(), Some(1), "{}", alice.said);
    assert!(alice.said.lines().all(|line| line.starts_with("* ")), "{}", alice.said);
}
