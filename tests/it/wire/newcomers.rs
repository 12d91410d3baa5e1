//! The conversation so far: messages from before the registration, for members that ask for them.

use support::coordinator::Coordinator;
use support::field;
use support::member::Member;

/// The next lines must be these messages, whose texts are their numbers.
#[track_caller]
fn expect(member: &mut Member, seqs: std::ops::RangeInclusive<u64>) {
    for seq in seqs {
        member.socket().delivery(seq, "alice", &format!("text {seq}"));
    }
}

#[track_caller]
fn send(alice: &mut Member, seqs: std::ops::RangeInclusive<u64>) {
    for seq in seqs {
        assert_eq!(alice.msend(&format!("text {seq}")), seq);
    }
}

/// Registers, and checks `next` and `last` of the reply.
#[track_caller]
fn join(coordinator: &Coordinator, id: &str, options: &str, next: u64, last: u64) -> Member {
    let member = coordinator.join(id, options);
    let found = (field(&member.reply, "next"), field(&member.reply, "last"));
    assert_eq!(found, (&*next.to_string(), &*last.to_string()), "{}", member.reply);
    member
}

#[test]
fn a_newcomer_gets_exactly_the_last_messages_in_order_and_then_the_next_ones() {
    let coordinator = Coordinator::start(600, &["keep=7"]);
    let mut alice = coordinator.join("alice", "");
    send(&mut alice, 1..=10);
    let mut bob = join(&coordinator, "bob", "acks=1 last=3", 8, 3);
    let mut carol = join(&coordinator, "carol", "last=10", 4, 7);
    let mut dave = join(&coordinator, "dave", "acks=1 last=0", 11, 0);
    let mut eve = coordinator.join("eve", "acks=1");
    assert!(!eve.reply.contains("last="), "{}", eve.reply);
    send(&mut alice, 11..=12);
    expect(&mut bob, 8..=12);
    expect(&mut carol, 4..=12);
    expect(&mut dave, 11..=12);
    expect(&mut eve, 11..=12);
    assert_eq!(alice.command.stat("gaps"), 0);
    // A reconnect brings what was missed, and nothing from before.
    bob.socket().ack(12);
    bob.until_acked(12);
    bob.disconnect();
    send(&mut alice, 13..=13);
    bob.comes_back("acks=1", 1, 0);
    expect(&mut bob, 13..=13);
}

#[test]
fn messages_that_only_newcomers_may_get_are_counted_apart() {
    let coordinator = Coordinator::start(600, &["keep=2"]);
    let mut alice = coordinator.join("alice", "");
    send(&mut alice, 1..=3);
    assert_eq!(alice.command.stat("newcomer_messages"), 2);
    assert_ne!(alice.command.stat("newcomer_bytes"), 0);
    assert_eq!(alice.command.stat("history_messages"), 0);
    let mut bob = join(&coordinator, "bob", "acks=1 last=1", 3, 1);
    assert_eq!(alice.command.stat("newcomer_messages"), 1);
    assert_eq!(alice.command.stat("history_messages"), 1);
    expect(&mut bob, 3..=3);
    bob.socket().ack(3);
    alice.command.until_stat("newcomer_messages", 2);
}

#[test]
fn a_newcomer_gets_the_same_messages_after_the_coordinator_was_killed() {
    for sync in ["sync=always", "sync=50ms", "sync=never"] {
        let first = Coordinator::start_with_data_dir(600, &[sync, "keep=5"]);
        let mut alice = first.join("alice", "acks=1");
        let mut bob = first.join("bob", "acks=1");
        send(&mut alice, 1..=8);
        expect(&mut bob, 1..=8);
        bob.socket().ack(8);
        bob.until_acked(8);
        let mut carol = join(&first, "carol", "acks=1 last=4", 5, 4);
        expect(&mut carol, 5..=6);
        first.kill();

        let second = first.start_again_with(&["--keep", "5"]);
        let mut dave = join(&second, "dave", "acks=1 last=9", 4, 5);
        expect(&mut dave, 4..=8);
        // The conversation so far belongs to the registration of carol, who has not acknowledged.
        let mut carol = Member::come_back(&second, "carol", "acks=1");
        expect(&mut carol, 5..=8);
        let mut alice = Member::come_back(&second, "alice", "acks=1");
        send(&mut alice, 9..=9);
        for member in [&mut carol, &mut dave] {
            expect(member, 9..=9);
        }
        second.kill();
        let third = second.start_again();
        let mut carol =
            Member::come_back(&third, "carol", &format!("acks=1 since={}:6", epoch(&carol)));
        expect(&mut carol, 7..=9);
    }
}

fn epoch(member: &Member) -> String {
    member.epoch().to_owned()
}
