//! Numbered texts: each number is accepted once, in order.

use super::*;
use crate::facts::FactIndex;

#[test]
fn each_number_is_accepted_once_and_in_order() {
    let mut world = World::new(60_000);
    let (ann, _) = (world.register("ann", ""), world.register("bob", ""));
    for (line, expected) in [
        ("bob#send 2 early", "ERR 409 send: expected 1"),
        ("bob#send 1 one", "OK send 1 seq=1"),
        ("bob#send 1 one", "OK send 1 duplicate=1"),
        ("bob#msend uncounted", "OK msend seq=2"),
        ("bob#send 3 early", "ERR 409 send: expected 2"),
        ("bob#send 2 two", "OK send 2 seq=3"),
        ("ann#send 1 of ann", "OK send 1 seq=4"),
        ("bob#send 1 another text", "OK send 1 duplicate=1"),
        ("eve#send 1 x", "ERR 404 not a member: register first"),
    ] {
        assert_eq!(world.request(line).to_string(), expected, "{line}");
    }
    assert_eq!(world.read(ann), "one uncounted two");
}

#[test]
fn an_offline_member_gets_the_reply_to_a_duplicate_and_sends_nothing() {
    let mut world = World::new(60_000);
    world.register("bob", "");
    world.request("bob#send 1 one");
    world.request("bob#disconnect");
    for (line, expected) in [
        ("bob#send 1 one", "OK send 1 duplicate=1"),
        ("bob#send 2 two", "ERR 409 offline: reconnect first"),
        ("bob#send 3 three", "ERR 409 offline: reconnect first"),
    ] {
        assert_eq!(world.request(line).to_string(), expected, "{line}");
    }
    let (_, reply) = world.connect("bob", "reconnect");
    assert!(reply.to_string().ends_with(" published=1"), "{reply}");
    assert_eq!(world.request("bob#send 2 two").to_string(), "OK send 2 seq=2");
}

#[test]
fn a_registration_begins_the_numbers_again() {
    let mut world = World::new(60_000);
    let (_, reply) = world.connect("bob", "register");
    assert!(reply.to_string().ends_with(" published=0"), "{reply}");
    world.request("bob#send 1 one");
    world.request("bob#deregister");
    let (_, reply) = world.connect("bob", "register");
    assert!(reply.to_string().ends_with(" published=0"), "{reply}");
    assert_eq!(world.request("bob#send 1 again").to_string(), "OK send 1 seq=2");
}

#[test]
fn a_refused_text_is_not_overtaken_by_a_later_one() {
    let mut world = World::with(|rules| rules.backlog_bytes_max = 24);
    world.register("ann", "acks=1");
    world.register("bob", "");
    world.request("bob#send 1 aaaa");
    let refused = world.request("bob#send 2 a text that is too long for it").to_string();
    assert!(refused.starts_with("ERR 507 "), "{refused}");
    assert_eq!(world.request("bob#send 3 b").to_string(), "ERR 409 send: expected 2");
    world.input(Input::JournalFails(true));
    let refused = world.request("bob#send 2 b").to_string();
    assert!(refused.starts_with("ERR 506 "), "{refused}");
    assert_eq!(world.request("bob#send 3 b").to_string(), "ERR 409 send: expected 2");
}

/// Returns the fact that the reply to a request waits for.
fn awaited(world: &mut World, line: &str) -> Option<FactIndex> {
    let effects = world.request_from(0, line);
    let [Effect::Reply { after, .. }] = effects[..] else { panic!("{line}: {effects:?}") };
    world.group.awaited(after)
}

#[test]
fn a_duplicate_of_an_uncommitted_message_waits_for_its_commit() {
    let mut world = World::late(|_| ());
    world.register("bob", "");
    world.commit(0);
    assert!(awaited(&mut world, "bob#send 1 one").is_some());
    assert!(awaited(&mut world, "bob#send 1 one").is_some(), "the first one may be lost");
    world.commit(1);
    assert_eq!(awaited(&mut world, "bob#send 1 one"), None);
}

/// A client that reads `published=` drops its texts up to this number.
#[test]
fn no_reply_names_a_number_before_its_commit() {
    let mut world = World::late(|_| ());
    world.register("bob", "acks=1");
    world.commit(0);
    assert!(awaited(&mut world, "bob#send 3 too high").is_none());
    assert!(awaited(&mut world, "bob#send 1 one").is_some());
    assert!(awaited(&mut world, "bob#send 3 too high").is_some(), "it names 2 as the next one");
    let link = world.dial(0, "bob#reconnect 9900 acks=1");
    let effects = world.input(Input::Connected { link });
    let Some(Effect::Reply { after, reply, .. }) = effects.last() else { panic!("{effects:?}") };
    assert!(reply.to_string().ends_with(" published=1"), "{reply}");
    assert!(world.group.awaited(*after).is_some());
    world.commit(1);
    let link = world.dial(0, "bob#reconnect 9901 acks=1");
    let effects = world.input(Input::Connected { link });
    let Some(Effect::Reply { after, .. }) = effects.last() else { panic!("{effects:?}") };
    assert_eq!(world.group.awaited(*after), None);
}
