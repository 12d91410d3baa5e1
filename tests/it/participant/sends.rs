//! Texts that are sent exactly once: lost replies, refusals, and the ends of the coordinator.

use support::coordinator::Coordinator;
use support::fake::Fake;
use support::participant::{Home, Running, texts, until};

const EPOCH: &str = "00000000000000aa";

#[test]
fn a_text_whose_reply_is_lost_is_sent_again_with_its_number() {
    let fake = Fake::start();
    let home = Home::new("alice", fake.address);
    let mut alice = Running::start(home.command(&["-e", "register 0"]));
    let (mut commands, _messages) = fake.join_published("register", EPOCH, 0);
    alice.expect("OK register");
    alice.write("msend one\nmsend two\n");
    commands.expect("alice#send 1 one#127.0.0.1");
    commands.say("OK send 1 seq=5");
    alice.expect("OK msend seq=5\n");
    commands.expect("alice#send 2 two#127.0.0.1");
    drop(commands);
    let mut commands = fake.accept();
    commands.expect("alice#send 2 two#127.0.0.1");
    commands.say("OK send 2 duplicate=1");
    alice.expect("OK msend duplicate=1\n");
    alice.write("quit\n");
    commands.expect("alice#disconnect#127.0.0.1");
    commands.say("OK disconnect");
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
}

#[test]
fn texts_wait_while_the_backlog_is_full_and_keep_their_order() {
    let fake = Fake::start();
    let home = Home::new("alice", fake.address);
    let mut alice = Running::start(home.command(&["-e", "register 0"]));
    let (mut commands, _messages) = fake.join_published("register", EPOCH, 7);
    alice.expect("OK register");
    alice.write("msend one\n");
    commands.expect("alice#send 8 one#127.0.0.1");
    commands.say("ERR 507 the backlog is full: bob is offline");
    alice.expect(
        "* ERR 507 the backlog is full: bob is offline: messages wait up to 120 s and are sent \
         again\n",
    );
    alice.write("msend two\n");
    commands.expect("alice#send 8 one#127.0.0.1");
    commands.say("OK send 8 seq=3");
    commands.expect("alice#send 9 two#127.0.0.1");
    commands.say("OK send 9 seq=4");
    alice.expect("OK msend seq=3\nOK msend seq=4\n");
    alice.write("quit\n");
    commands.expect("alice#disconnect#127.0.0.1");
    commands.say("OK disconnect");
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
}

/// The participant's own messages go on while its coordinator is killed again and again.
#[test]
fn each_text_arrives_once_and_in_order_whenever_the_coordinator_is_killed() {
    const TEXTS: usize = 2000;
    let mut coordinator = Coordinator::start_with_data_dir(600, &[]);
    let bob_home = Home::new("bob", coordinator.address);
    let mut bob = Running::start(bob_home.command(&["-f", "-q", "--join"]));
    bob.expect("OK register");
    let home = Home::new("alice", coordinator.address);
    let mut alice = Running::start(home.command(&["-q", "--join"]));
    alice.expect("OK register");
    let mut written = 0;
    for part in 1..=4 {
        while written < TEXTS * part / 4 {
            alice.write(&format!("msend {written}\n"));
            written += 1;
        }
        let logged = || texts(&bob_home.log()).len();
        until("texts arrive", || logged() >= TEXTS * (2 * part - 1) / 8);
        coordinator.kill();
        coordinator = coordinator.start_again();
    }
    until("all texts arrive", || texts(&bob_home.log()).len() >= TEXTS);
    (0..TEXTS).for_each(|_| alice.expect("OK msend "));
    alice.write("quit\n");
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
    let expected: Vec<String> = (0..TEXTS).map(|number| number.to_string()).collect();
    assert_eq!(texts(&bob_home.log()), expected);
}
