//! A member's own messages that only a snapshot names.

use super::*;

#[test]
fn own_messages_stay_own_after_a_snapshot_although_the_messages_are_gone() {
    let mut journaled = JournaledWorld::new();
    [Action::Register(2, None), Action::Register(0, None)]
        .iter()
        .for_each(|action| journaled.take(action));
    let sent = [Action::Send(0), Action::Store, Action::Send(2), Action::Reconnected(2, None)];
    sent.iter().for_each(|action| journaled.take(action));
    journaled.take(&Action::Read(2, 13));
    let snapshot = StoredMember::all(&journaled.world.group);
    let skipped = journaled.journal.len();
    let back = [Action::Reconnected(2, Some(0)), Action::Store, Action::Pass(200)];
    back.iter().for_each(|action| journaled.take(action));
    let mut world = journaled.resumed(&snapshot, Seq::new(2), skipped);
    let (eve, reply) = world.connect("eve", "reconnect acks=1");
    assert!(reply.to_string().ends_with("missed=0 expired=1 max_line=4096 published=0"), "{reply}");
    assert_eq!(world.read(eve), "gap 1 1-1");
}

#[test]
fn own_messages_known_only_from_a_snapshot_are_not_counted() {
    let mut journaled = JournaledWorld::new();
    (0..2).for_each(|who| journaled.take(&Action::Register(who, None)));
    [1, 0, 0, 1, 0].iter().for_each(|&who| journaled.take(&Action::Send(who)));
    journaled.take(&Action::Store);
    let snapshot = StoredMember::all(&journaled.world.group);
    journaled.take(&Action::Pass(200));
    let mut world = journaled.resumed(&snapshot, Seq::new(5), journaled.journal.len());
    let (ann, reply) = world.connect("ann", "reconnect acks=1");
    assert!(reply.to_string().ends_with("missed=0 expired=2 max_line=4096 published=0"), "{reply}");
    assert_eq!(world.read(ann), "gap 2 1-4");
}

#[test]
fn a_lost_message_that_is_known_to_be_the_members_own_is_not_counted() {
    let mut journaled = JournaledWorld::new();
    (0..2).for_each(|who| journaled.take(&Action::Register(who, None)));
    [1, 0, 1, 1].iter().for_each(|&who| journaled.take(&Action::Send(who)));
    // The next segment starts with this snapshot.
    let ann = StoredMember::all(&journaled.world.group).remove(0);
    assert_eq!(ann.own, [(Seq::new(2), Seq::new(2))]);
    journaled.journal.push((journaled.at(), StoredRecord::Member(ann)));
    journaled.take(&Action::Send(1));
    journaled.journal.retain(|(_, kept)| match kept {
        StoredRecord::Accepted(line, _) => !matches!(delivery(line).seq.as_u64(), 2 | 3),
        StoredRecord::Member(_) | StoredRecord::Deregistered(_) | StoredRecord::Acked(..) => true,
    });
    let mut world = journaled.replayed();
    let (ann, reply) = world.connect("ann", "reconnect acks=1");
    assert!(reply.to_string().ends_with("missed=3 expired=0 max_line=4096 published=0"), "{reply}");
    assert_eq!(world.read(ann), "text gap 1 3-3 text text");
}

#[test]
fn a_member_that_goes_back_below_the_front_has_no_own_numbers_there() {
    let mut journaled = JournaledWorld::new();
    (1..3).for_each(|who| journaled.take(&Action::Register(who, None)));
    [Action::Send(1), Action::Store, Action::Read(2, 13)]
        .iter()
        .for_each(|action| journaled.take(action));
    let snapshot = StoredMember::all(&journaled.world.group);
    let skipped = journaled.journal.len();
    let back = [Action::Send(2), Action::Ack(2), Action::Reconnected(2, Some(0))];
    back.iter().for_each(|action| journaled.take(action));
    let resumed = journaled.resumed(&snapshot, Seq::new(1), skipped);
    // Own seqs at or below the cursor count only while their messages are kept.
    let ahead = |member: StoredMember| {
        let own = member.own.into_iter().filter(|(_, last)| *last > member.acked);
        (member.id, member.acked, own.collect::<Vec<_>>())
    };
    let stands =
        |world: &World| StoredMember::all(&world.group).into_iter().map(ahead).collect::<Vec<_>>();
    assert_eq!(stands(&resumed), stands(&journaled.world));
}

/// The record of its registration is damaged, and a later record names it again.
#[test]
fn a_member_whose_registration_is_damaged_gets_no_own_message() {
    let mut journaled = JournaledWorld::new();
    (0..2).for_each(|who| journaled.take(&Action::Register(who, None)));
    let registrations = journaled.journal.len();
    [1, 0, 1, 0].iter().for_each(|&who| journaled.take(&Action::Send(who)));
    let ann = StoredMember::all(&journaled.world.group).remove(0);
    let renamed = StoredMember { own: Vec::new(), ..ann };
    journaled.journal.push((journaled.at(), StoredRecord::Member(renamed)));
    let is_ann = |kept: &StoredRecord| matches!(kept, StoredRecord::Member(it) if &*it.id == "ann");
    let damaged = journaled.journal[..registrations].iter().position(|(_, kept)| is_ann(kept));
    journaled.journal.remove(damaged.unwrap());
    let mut world = journaled.replayed();
    let (ann, reply) = world.connect("ann", "reconnect acks=1");
    assert!(reply.to_string().ends_with("missed=2 expired=0 max_line=4096 published=0"), "{reply}");
    assert_eq!(world.read(ann), "text text");
}
