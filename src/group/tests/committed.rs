//! Uncommitted messages: after a failure they may turn out never to have been accepted.

use super::*;
use crate::limits::Overflow;
use crate::protocol::BacklogHolder;

#[test]
fn an_uncommitted_message_is_not_lost_to_anybody() {
    let mut world = World::late(|rules| {
        rules.ttl_ms = 100;
    });
    let (ann, _) = (world.register("ann", "acks=1"), world.register("bob", ""));
    world.request("bob#msend one");
    world.commit(1);
    world.request("bob#msend two");
    world.now = 101;
    world.input(Input::Tick);
    assert_eq!(world.group.next_deadline(), None, "the message waits for its commit");
    assert_eq!(world.read(ann), "gap 1 1-1");
    world.commit(2);
    assert_eq!(world.read(ann), "gap 1 2-2");
}

#[test]
fn an_uncommitted_message_is_not_dropped_to_make_room() {
    let mut world = World::late(|rules| {
        rules.backlog_bytes_max = 24;
        rules.overflow = Overflow::DropOldest;
    });
    let (ann, _) = (world.register("ann", "acks=1"), world.register("bob", ""));
    world.request("bob#msend aa");
    world.request("bob#msend bb");
    let refused =
        Reply::from(RequestError::BacklogFull { max: 24, holder: BacklogHolder::Journal });
    assert_eq!(world.request("bob#msend cc"), refused);
    world.commit(2);
    assert_eq!(world.request("bob#msend cc"), Reply::Msend { seq: Seq::new(3) });
    assert_eq!(world.read(ann), "gap 1 1-1 bb");
}

#[test]
fn nothing_is_sent_before_it_is_committed() {
    let mut world = World::late(|_| ());
    let (ann, bob) = (world.register("ann", ""), world.register("bob", ""));
    world.commit(0);
    ["a", "b"].iter().for_each(|text| world.send("bob", text));
    assert_eq!(world.read(ann), "");
    world.commit(1);
    assert_eq!(world.read(ann), "a");
    world.commit(2);
    assert_eq!(world.read(ann), "b");
    assert_eq!(world.read(bob), "");
    world.input(Input::JournalFails(true));
    for line in ["bob#msend c", "bob#deregister", "eve#register 9900"] {
        let reply = world.request(line).to_string();
        assert!(reply.starts_with("ERR 506 the journal cannot be written"), "{line}: {reply}");
    }
    world.input(Input::JournalFails(false));
    world.send("bob", "c");
}
