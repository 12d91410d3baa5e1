//! The list forgets owners of messages that all members have, and positions of snapshots.

use super::*;
use crate::limits::list::{HORIZON_ENTRIES, SNAPSHOT_MARKS_MAX};

#[test]
fn own_messages_that_all_members_have_are_forgotten_before_they_expire() {
    let mut list = founded();
    for (id, acked) in [("ann", 300_000), ("bob", 500_000)] {
        let (site, acked) = (name("cairo"), Seq::new(acked));
        list.homes.set(id, Home { site, visit: visit(), is_online: true, acked });
    }
    let mut horizon_at = |last| {
        while !list.position().0.is_multiple_of(HORIZON_ENTRIES) {
            is_void(&mut list, b"a stranger", VoidReason::Damaged);
        }
        list.raise_horizon(Seq::new(last));
        let found = list.horizon();
        is_void(&mut list, b"a stranger", VoidReason::Damaged);
        list.raise_horizon(Seq::new(u64::from(u32::MAX)));
        assert_eq!(list.horizon(), found, "the cursors are not looked at");
        found
    };
    assert_eq!(horizon_at(350_000), Seq::new(250_000), "some may be kept for newcomers");
    assert_eq!(horizon_at(900_000), Seq::new(300_000), "the cursor of ann is there");
    assert_eq!(horizon_at(200_000), Seq::new(300_000), "it never goes back");
}

#[test]
fn the_oldest_snapshot_is_known_however_many_follow_it() {
    let mut list = founded();
    for number in 0..500 {
        let piece = pieces(&list, &group(), &name("cairo"), number).remove(0);
        let entry = next(&list, EntryKind::Snapshot, &piece);
        assert!(list.read_piece(&entry).is_some());
        is_void(&mut list, b"a stranger", VoidReason::Damaged);
    }
    let bases: Vec<u64> = list.marks().map(|mark| mark.base.0).collect();
    assert!(bases.is_sorted() && bases.len() <= SNAPSHOT_MARKS_MAX, "{bases:?}");
    assert_eq!((bases.first(), bases.last()), (Some(&1), Some(&(2 * 499 + 1))));
}
