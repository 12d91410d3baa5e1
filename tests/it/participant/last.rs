//! `last`: messages from the message log, with a coordinator and without one.

use std::fs;

use support::coordinator::Coordinator;
use support::fake::Fake;
use support::participant::{Home, Running, texts, until};

#[test]
fn last_shows_the_end_of_the_message_log_online_and_offline() {
    let coordinator = Coordinator::start(60, &[]);
    let mut bob = coordinator.join("bob", "");
    let home = Home::new("alice", coordinator.address);
    let mut alice = Running::start(home.command(&["-e", "register 0"]));
    alice.expect("* new epoch ");
    for number in 1..=12 {
        bob.msend(&format!("text {number}"));
    }
    alice.expect("12 bob: text 12\n");
    alice.write("last 2\nping\n");
    alice.expect("11 bob: text 11\n12 bob: text 12\nOK ping\n");
    alice.write("quit\n");
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
    drop((coordinator, bob));
    let ten: String = (3..=12).map(|number| format!("{number} bob: text {number}\n")).collect();
    assert_eq!(home.script(&["-e", "last"], ""), (Some(0), ten));
    let (code, said) = home.script(&["--quiet", "-e", "last 13", "-e", "quit"], "");
    assert!(said.starts_with("* last: the message log has 12 messages\n1 bob: text 1\n"), "{said}");
    assert_eq!((code, said.lines().count()), (Some(0), 13), "{said}");
}

#[test]
fn after_a_rotation_last_shows_the_messages_of_the_new_file() {
    let coordinator = Coordinator::start(60, &[]);
    let mut bob = coordinator.join("bob", "");
    let home = Home::new("alice", coordinator.address);
    let mut alice = Running::start(home.command(&["-e", "register 0"]));
    alice.expect("* new epoch ");
    bob.msend("old");
    until("the old file", || texts(&home.log()) == ["old"]);
    fs::rename(home.log_path(), home.directory.path().join("moved")).unwrap();
    bob.msend("new");
    alice.expect("2 bob: new\n");
    until("the new file", || texts(&home.log()) == ["new"]);
    alice.write("last\nping\n");
    alice.expect("* last: the message log has 1 message\n2 bob: new\nOK ping\n");
}

#[test]
fn without_a_message_log_last_is_an_error() {
    let fake = Fake::start();
    let home = Home::new("alice", fake.address);
    let refused = "error: last: this participant keeps no message log (--no-log)\n";
    assert_eq!(home.script(&["--no-log", "-e", "last"], ""), (Some(1), refused.to_owned()));
}
