//! Announcements: the participant shows them, logs them and goes on after them.

use support::coordinator::Coordinator;
use support::participant::{Home, Running, texts};

#[test]
fn announcements_are_shown_and_logged_as_messages() {
    let coordinator = Coordinator::start(60, &["presence=yes", "presence_delay=0.2"]);
    let home = Home::new("alice", coordinator.address);
    let mut alice = Running::start(home.command(&["-f", "-e", "register 0"]));
    alice.expect("1 @: alice registered\n");
    let mut bob = coordinator.join("bob", "");
    alice.expect("2 @: bob registered\n");
    bob.command.until_member("alice", |line| line.contains(" acked=2 "));
    alice.child.kill().unwrap();
    alice.child.wait().unwrap();
    bob.command.until_member("alice", |line| line.contains(" pending=1 "));
    let mut alice = Running::start(home.command(&["-f", "-e", "reconnect 0"]));
    alice.expect("3 @: alice offline\n");
    alice.expect("4 @: alice online\n");
    let expected = ["alice registered", "bob registered", "alice offline", "alice online"];
    bob.command.until_member("alice", |line| line.contains(" acked=4 "));
    assert_eq!(texts(&home.log()), expected);
}
