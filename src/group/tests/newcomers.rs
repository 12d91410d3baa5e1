//! The conversation so far: what a newcomer gets that asks for `last=`.

use std::net::SocketAddr;

use super::*;
use crate::facts::MemberState;
use crate::protocol::Delivery;

/// A group that keeps messages for newcomers, with an online member that has sent `texts`.
fn world(keep: usize, texts: &[&str]) -> World {
    let mut world = World::with(|rules| (rules.ttl_ms, rules.keep) = (100, keep));
    world.register("ann", "acks=1");
    texts.iter().for_each(|text| world.send("ann", text));
    world.input(Input::Delivered);
    world
}

/// Registers `bob`. Returns the end of the reply from `next` on, without the fixed keys, and what
/// the message socket gets.
fn register(world: &mut World, options: &str) -> (String, String) {
    let (link, reply) = world.connect("bob", &format!("register {options}"));
    let fixed = " ttl=0 max_line=4096 published=0";
    let reply = reply.to_string().replace(fixed, "").replace("OK register epoch=", "");
    (reply.split_once(' ').unwrap().1.to_owned(), world.read(link))
}

#[track_caller]
fn check(world: &mut World, options: &str, reply: &str, lines: &str) {
    assert_eq!(register(world, options), (reply.to_owned(), lines.to_owned()), "{options}");
}

#[test]
fn a_newcomer_gets_the_last_messages_that_are_kept_and_then_what_follows() {
    for (keep, options, reply, lines) in [
        (100, "", "next=5", ""),
        (100, "acks=1 last=0", "next=5 last=0", ""),
        (100, "acks=1 last=1", "next=4 last=1", "d"),
        (100, "last=3 acks=1", "next=2 last=3", "b c d"),
        (100, "last=4", "next=1 last=4", "a b c d"),
        (100, "last=18446744073709551615", "next=1 last=4", "a b c d"),
        (2, "acks=1 last=3", "next=3 last=2", "c d"),
        (0, "acks=1 last=3", "next=5 last=0", ""),
    ] {
        let mut world = world(keep, &["a", "b", "c", "d"]);
        check(&mut world, options, reply, lines);
        world.send("ann", "e");
        let (link, _) = world.connect("bob", "reconnect acks=1 since=0000000000000001:4");
        assert_eq!(world.read(link), "e", "{options}");
    }
}

#[test]
fn messages_for_newcomers_expire_and_what_is_missing_below_the_start_is_no_gap() {
    let mut world = world(100, &["a", "b"]);
    world.now = 60;
    world.send("ann", "c");
    world.now = 101;
    check(&mut world, "acks=1 last=9", "next=3 last=1", "c");
    assert_eq!(world.group.gauges().newcomer_messages, 0, "bob has not acknowledged");
    world.request("bob#deregister");
    world.now = 161;
    check(&mut world, "acks=1 last=9", "next=4 last=0", "");
    assert_eq!(world.group.stats().gaps, 0);
}

#[test]
fn a_message_of_the_past_that_expires_before_its_delivery_is_in_a_gap() {
    let mut world = world(100, &["a", "b", "c"]);
    let (link, _) = world.connect("bob", "register acks=1 last=2");
    world.now = 101;
    world.send("ann", "d");
    assert_eq!(world.read(link), "gap 2 2-3 d");
    assert_eq!(world.group.stats().gaps, 1);
}

#[test]
fn going_back_ends_at_the_first_message_of_the_past() {
    let mut world = world(100, &["a", "b", "c"]);
    let (link, _) = world.connect("bob", "register acks=1 last=2");
    world.read(link);
    world.ack(link, 3);
    let (link, reply) = world.connect("bob", "reconnect acks=1 since=0000000000000001:0");
    assert!(reply.to_string().contains("next=2 ttl=0 missed=2 expired=0"), "{reply}");
    assert_eq!(world.read(link), "b c");
}

#[test]
fn messages_of_an_earlier_member_of_the_same_id_come_and_own_ones_do_not() {
    let mut world = world(100, &["a"]);
    world.register("bob", "acks=1");
    world.send("bob", "b");
    world.request("bob#deregister");
    world.send("ann", "c");
    let (link, _) = world.connect("bob", "register acks=1 last=3");
    world.send("bob", "own");
    assert_eq!(world.read(link), "a b c");
    world.ack(link, 3);
    assert_eq!(world.acked("bob"), 4, "the own message is passed");
}

#[test]
fn messages_for_newcomers_have_a_limit_in_bytes_and_fill_no_backlog() {
    let text = "x".repeat(1000);
    let mut world = World::with(|rules| (rules.keep, rules.backlog_bytes_max) = (100, 8_192));
    let ann = world.register("ann", "acks=1");
    for count in 1..=20 {
        world.send("ann", &text); // Half of the backlog holds four of these lines.
        world.input(Input::Delivered);
        let gauges = world.group.gauges();
        assert_eq!((gauges.history_messages, gauges.newcomer_messages), (0, count.min(4)));
        assert!(gauges.newcomer_bytes <= 4_096);
    }
    let (_, reply) = world.connect("bob", "register acks=1 last=20");
    assert!(reply.to_string().ends_with("last=4"), "{reply}");
    // Bob needs them now: they are in the backlog, and in the counters of the backlog.
    let gauges = world.group.gauges();
    assert_eq!((gauges.history_messages, gauges.newcomer_messages), (4, 0));
    (0..4).for_each(|_| world.send("ann", &text));
    let reply = world.request(&format!("ann#msend {text}"));
    assert!(reply.to_string().starts_with("ERR 507 "), "{reply}");
    assert_eq!(world.read(ann), "");
}

#[test]
fn whole_blocks_for_newcomers_go_when_newer_messages_push_them_out() {
    let text = "x".repeat(30_000); // Two lines in a block.
    let mut world = World::with(|rules| (rules.keep, rules.line_bytes_max) = (3, 40_000));
    world.register("ann", "acks=1");
    for count in 1..=9_u64 {
        world.send("ann", &text);
        world.input(Input::Delivered);
        let first = world.group.lines(Seq::ZERO).next().unwrap().0.as_u64();
        assert!(first <= count.saturating_sub(2).max(1), "{first} is the oldest of {count}");
        assert!(first + 4 >= count, "{first} is the oldest of {count}");
    }
}

#[test]
fn a_message_without_a_commit_counts_and_comes_after_its_commit() {
    let mut world = World::late(|rules| rules.keep = 100);
    world.register("ann", "acks=1");
    world.send("ann", "a");
    world.commit(1);
    world.send("ann", "b");
    let (link, reply) = world.connect("bob", "register acks=1 last=5");
    assert!(reply.to_string().ends_with("last=2"), "{reply}");
    assert_eq!(world.read(link), "a");
    world.commit(2);
    assert_eq!(world.read(link), "b");
}

#[test]
fn with_a_ttl_of_0_nothing_is_kept() {
    let mut world = World::with(|rules| (rules.ttl_ms, rules.keep) = (0, 100));
    world.register("ann", "acks=1");
    world.send("ann", "a");
    world.input(Input::Delivered);
    check(&mut world, "acks=1 last=5", "next=2 last=0", "");
}

#[test]
fn a_message_that_expires_before_its_commit_is_not_of_the_past() {
    let mut world = World::late(|rules| (rules.ttl_ms, rules.keep) = (100, 100));
    world.register("ann", "acks=1");
    world.send("ann", "a");
    world.now = 101;
    let (link, reply) = world.connect("bob", "register acks=1 last=5");
    assert!(reply.to_string().ends_with("last=0"), "{reply}");
    world.commit(1);
    assert_eq!(world.read(link), "");
}

/// A group that keeps messages for newcomers, and is made of these facts.
fn recovered(facts: impl FnOnce(&mut dyn FnMut(Fact<'_>))) -> World {
    let mut world = World::with(|rules| rules.keep = 100);
    world.group = Group::recovering(world.group.rules.clone());
    let ordered = Ordered { ticket: None, is_committed: true };
    let mut apply = |fact: Fact<'_>| world.group.apply(fact, ordered, Millis::ZERO);
    facts(&mut apply);
    apply(Fact::Recovered { epoch: Epoch::new(1) });
    world
}

fn message(apply: &mut dyn FnMut(Fact<'_>), seq: u64, sender: &str) {
    let (seq, accepted) = (Seq::new(seq), UnixMillis(0));
    let text = format!("text-{seq}");
    let delivery = Delivery { seq, sender, accepted, text: &*text };
    let line = format!("{delivery}\n");
    apply(Fact::Numbered { delivery, line: line.as_bytes(), number: None });
}

#[test]
fn the_past_ends_at_a_lost_message() {
    let mut world = recovered(|apply| {
        [1, 2, 4, 5].into_iter().for_each(|seq| message(apply, seq, "ann"));
    });
    let (link, reply) = world.connect("bob", "register acks=1 last=5");
    assert!(reply.to_string().ends_with("last=2"), "{reply}");
    assert_eq!(world.read(link), "text-4 text-5");
}

#[test]
fn messages_of_an_earlier_member_come_although_its_end_is_damaged() {
    let address = SocketAddr::from((LOCAL_IP, 9000));
    let member = |registered_at, acked| {
        let (start, acked) = (Seq::ZERO, Seq::new(acked));
        let (owner, registered_at) = (PeerName::Address(LOCAL_IP), Seq::new(registered_at));
        let id = "bob";
        Fact::Member(MemberState { id, owner, address, registered_at, start, acked, published: 0 })
    };
    let mut world = recovered(|apply| {
        apply(member(0, 0));
        message(apply, 1, "bob");
        message(apply, 2, "ann");
        apply(member(2, 0)); // Bob left and registered again.
        message(apply, 3, "bob");
    });
    let (link, _) = world.connect("bob", "reconnect acks=1");
    assert_eq!(world.read(link), "text-1 text-2");
}
