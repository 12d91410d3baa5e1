use super::*;
use crate::facts::Recorded;

const ABOVE: &str = "reconnect 9001 acks=1 nonce=aB since=0000000000000001:9";

/// A group and a member with acks, which has acknowledged one of two messages.
fn world(is_late: bool) -> (World, LinkId) {
    let mut world = if is_late { World::late(|_| ()) } else { World::new(60_000) };
    world.input(Input::DrawnEpoch(Epoch::new(2)));
    let ann = world.register("ann", "acks=1");
    world.register("bob", "");
    ["one", "two"].iter().for_each(|text| world.send("bob", text));
    world.commit(2);
    world.read(ann);
    world.ack(ann, 1);
    (world, ann)
}

#[test]
fn a_new_epoch_is_sent_to_nobody_before_it_is_committed() {
    for is_late in [true, false] {
        let (mut world, ann) = world(is_late);
        let effects = world.request_from(1, &format!("bob#{ABOVE}"));
        let fact = format!("{:?}", Fact::NewEpoch { epoch: Epoch::new(2) });
        assert_eq!(world.journal.facts.last(), Some(&fact));
        assert_eq!(world.group.is_epoch_due(), !is_late);
        assert!(effects.contains(&Effect::DrawEpoch), "for the next time");
        let Some(Effect::Connect { link: bob, .. }) = effects.last() else { panic!("{effects:?}") };
        let bob = *bob;
        assert_eq!(world.input(Input::Connected { link: bob }), [], "it waits");
        assert!(world.group.run_for(bob).is_none() && !world.group.takes_acks(bob));
        assert_eq!(
            (world.group.epoch(), world.group.decided_epoch()),
            (Epoch::new(1), Epoch::new(2))
        );
        world.ack(ann, 2);
        assert_eq!(world.acked("ann"), 2, "what was sent before counts");

        let effects = world.input(Input::EpochCommitted);
        let closing_bytes: Box<[u8]> = (*b"bye#new epoch\n").into();
        assert!(effects.contains(&Effect::Close { link: ann, closing_bytes }), "{effects:?}");
        let Some(Effect::Reply { reply, .. }) = effects.last() else { panic!("{effects:?}") };
        let expected = "OK reconnect epoch=0000000000000002 next=3 ttl=60 missed=0 expired=0 \
         max_line=4096 published=0";
        assert_eq!(reply.to_string(), expected);
        assert_eq!(world.read(bob), "hello#aB#0000000000000002");
        // A seq of the old epoch means nothing in the new one.
        let how = "reconnect acks=1 since=0000000000000001:2";
        let (_, reply) = world.connect("ann", how);
        assert!(reply.to_string().contains("epoch=0000000000000002 next=3"), "{reply}");
    }
}

#[test]
fn a_seq_that_others_gave_out_and_that_is_not_read_here_begins_no_epoch() {
    let (mut world, _) = world(false);
    world.journal.is_behind = true;
    let refusal = RequestError::JournalBehind(Seq::new(2));
    assert_eq!(world.request(&format!("bob#{ABOVE}")), refusal.into());
    assert_eq!(world.group.decided_epoch(), Epoch::new(1));
    world.journal.is_behind = false;
    world.request_from(1, &format!("bob#{ABOVE}"));
    assert_eq!(world.group.decided_epoch(), Epoch::new(2));
}

#[test]
fn only_a_member_at_its_own_address_can_cause_a_new_epoch_and_not_twice_in_ten_seconds() {
    let (mut world, _) = world(false);
    assert_eq!(world.request(&format!("eve#{ABOVE}")), RequestError::NotAMember.into());
    world.input(Input::JournalFails(true));
    assert_eq!(world.request(&format!("bob#{ABOVE}")), RequestError::JournalFails.into());
    world.input(Input::JournalFails(false));
    assert_eq!(world.group.decided_epoch(), Epoch::new(1));
    let link = world.dial(1, &format!("bob#{ABOVE}"));
    world.input(Input::EpochCommitted);
    world.input(Input::Connected { link });
    world.input(Input::DrawnEpoch(Epoch::new(3)));
    let again = "bob#reconnect 9001 since=0000000000000002:9";
    for (now, epoch) in [(0, 2), (9_999, 2), (10_000, 3)] {
        world.now = now;
        let effects = world.request_from(1, again);
        assert_eq!(world.group.decided_epoch(), Epoch::new(epoch), "{now}: {effects:?}");
    }
}

#[test]
fn a_connection_that_ends_while_it_waits_for_the_epoch_is_refused() {
    let (mut world, _) = world(true);
    let link = world.dial(1, &format!("bob#{ABOVE}"));
    world.input(Input::Connected { link });
    let effects = world.input(Input::Lost { link, how: SocketEnd::Closed });
    assert!(
        matches!(
            &effects[..],
            [
                Effect::Reply { reply: Reply::Refused(RequestError::ConnectFailed { .. }), .. },
                Effect::Close { .. },
            ]
        ),
        "{effects:?}"
    );
    world.input(Input::EpochCommitted);
    assert!(world.group.members().all(|line| !line.online));
}

#[test]
fn a_connection_that_ends_while_it_waits_for_the_epoch_leaves_nothing_behind() {
    let (mut world, _) = world(true);
    world.request_from(1, &format!("bob#{ABOVE}"));
    for conn in 2..100 {
        world.request_from(conn, "bob#reconnect here");
        assert_eq!(world.group.state.epochs.deferred().count(), 1, "the others are superseded");
    }
    world.request_from(1, "bob#disconnect");
    assert_eq!(world.group.state.epochs.deferred().count(), 0);
}
