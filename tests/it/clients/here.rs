//! The client in Python without a listener, with the real coordinator.

use support::coordinator::Coordinator;
use support::member::Member;
use support::number;
use support::participant::texts;

use super::{Python, kill};

#[test]
fn the_client_in_python_gets_its_messages_here() {
    let coordinator = Coordinator::start_with_data_dir(60, &[]);
    let Some(home) = Python::new(coordinator.address) else { return };
    let mut bob = coordinator.join("bob", "");
    bob.msend("one");
    let mut alice = home.start_with(&["last=1", "here"]);
    alice.expect("OK register");
    home.until_logged(1);
    alice.write("send hello\n");
    alice.expect("OK send seq=2\n");
    bob.socket().delivery(2, "alice", "hello");
    coordinator.kill();
    let coordinator = coordinator.start_again();
    alice.expect("OK reconnect");
    let mut bob = Member::come_back(&coordinator, "bob", "");
    bob.msend("two");
    home.until_logged(2);
    kill(&mut alice);
    bob.msend("three");
    let mut alice = home.start_with(&["here"]);
    alice.expect("OK reconnect");
    home.until_logged(3);
    bob.command.until_member("alice", |line| number(line, "acked") == 4);
    assert_eq!(texts(&home.log()), ["one", "two", "three"]);
    alice.input = None;
    alice.expect("OK disconnect\n");
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
}
