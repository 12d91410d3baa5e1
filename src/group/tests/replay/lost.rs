//! Messages that the journal lost.

use super::*;

#[test]
fn a_message_lost_on_the_disk_is_a_gap() {
    let mut journaled = JournaledWorld::new();
    (0..2).for_each(|who| journaled.take(&Action::Register(who, None)));
    (0..5).for_each(|_| journaled.take(&Action::Send(1)));
    journaled.journal.retain(|(_, kept)| match kept {
        StoredRecord::Accepted(line, _) => !matches!(delivery(line).seq.as_u64(), 2 | 3),
        StoredRecord::Member(_) | StoredRecord::Deregistered(_) | StoredRecord::Acked(..) => true,
    });
    let mut world = journaled.replayed();
    let (ann, reply) = world.connect("ann", "reconnect acks=1");
    assert!(
        reply.to_string().ends_with("next=1 ttl=0 missed=3 expired=0 max_line=4096 published=0"),
        "{reply}"
    );
    assert_eq!(world.group.gauges().history_messages, 3, "a lost message is not kept");
    assert_eq!(world.read(ann), "text gap 2 2-3 text text");
    assert!(world.ack(ann, 2).len() == 1, "a number inside a gap is none that may be named");
}
