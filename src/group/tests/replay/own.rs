//! A member's own messages: nothing tells of some of them but a snapshot.

use super::*;

#[test]
fn who_goes_back_behind_a_snapshot_has_still_sent_its_own_messages_though_they_are_gone() {
    let mut scribe = Scribe::new();
    [Step::Register(2), Step::Register(0)].iter().for_each(|step| scribe.take(step));
    let sent = [Step::Send(0), Step::Store, Step::Send(2), Step::Reconnected(2, None)];
    sent.iter().for_each(|step| scribe.take(step));
    scribe.take(&Step::Read(2, 13));
    let snapshot: Vec<MemberState> = scribe.world.group.member_states().collect();
    let begun = scribe.journal.len();
    let back = [Step::Reconnected(2, Some(0)), Step::Store, Step::Pass(200)];
    back.iter().for_each(|step| scribe.take(step));
    let mut world = scribe.resumed(&snapshot, Seq::new(2), begun);
    let (eve, reply) = world.connect("eve", "reconnect acks=1");
    assert!(reply.to_string().ends_with("missed=0 expired=1 max_line=4096"), "{reply}");
    assert_eq!(world.read(eve), "gap 1 1-1");
}

#[test]
fn own_messages_are_not_counted_where_nothing_but_a_snapshot_tells_of_them() {
    let mut scribe = Scribe::new();
    (0..2).for_each(|who| scribe.take(&Step::Register(who)));
    [1, 0, 0, 1, 0].iter().for_each(|&who| scribe.take(&Step::Send(who)));
    scribe.take(&Step::Store);
    let snapshot: Vec<MemberState> = scribe.world.group.member_states().collect();
    scribe.take(&Step::Pass(200));
    let mut world = scribe.resumed(&snapshot, Seq::new(5), scribe.journal.len());
    let (ann, reply) = world.connect("ann", "reconnect acks=1");
    assert!(reply.to_string().ends_with("missed=0 expired=2 max_line=4096"), "{reply}");
    assert_eq!(world.read(ann), "gap 2 1-4");
}

#[test]
fn a_lost_message_that_is_known_to_be_the_members_own_is_not_counted() {
    let mut scribe = Scribe::new();
    (0..2).for_each(|who| scribe.take(&Step::Register(who)));
    [1, 0, 1, 1].iter().for_each(|&who| scribe.take(&Step::Send(who)));
    // As the next segment has it at its beginning.
    let ann = scribe.world.group.member_states().next().unwrap();
    assert_eq!(&*ann.own, [(Seq::new(2), Seq::new(2))]);
    scribe.journal.push((scribe.at(), Kept::Member(ann)));
    scribe.take(&Step::Send(1));
    scribe.journal.retain(|(_, kept)| match kept {
        Kept::Accepted(line) => !matches!(delivery(line).seq.as_u64(), 2 | 3),
        Kept::Member(_) | Kept::Deregistered(_) | Kept::Acked(..) => true,
    });
    let mut world = scribe.replayed();
    let (ann, reply) = world.connect("ann", "reconnect acks=1");
    assert!(reply.to_string().ends_with("missed=3 expired=0 max_line=4096"), "{reply}");
    assert_eq!(world.read(ann), "text gap 1 3-3 text text");
}

#[test]
fn who_goes_back_behind_all_that_is_kept_has_not_sent_what_was_there() {
    let mut scribe = Scribe::new();
    (1..3).for_each(|who| scribe.take(&Step::Register(who)));
    [Step::Send(1), Step::Store, Step::Read(2, 13)].iter().for_each(|step| scribe.take(step));
    let snapshot: Vec<MemberState> = scribe.world.group.member_states().collect();
    let begun = scribe.journal.len();
    let back = [Step::Send(2), Step::Ack(2), Step::Reconnected(2, Some(0))];
    back.iter().for_each(|step| scribe.take(step));
    let resumed = scribe.resumed(&snapshot, Seq::new(1), begun);
    // Own numbers at or below the place count only while their messages are kept.
    let ahead = |member: MemberState| {
        let own = member.own.into_iter().filter(|(_, last)| *last > member.acked);
        (member.id, member.acked, own.collect::<Vec<_>>())
    };
    let stands = |world: &World| world.group.member_states().map(ahead).collect::<Vec<_>>();
    assert_eq!(stands(&resumed), stands(&scribe.world));
}
