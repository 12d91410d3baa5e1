//! When the journal is told of places: all that have moved, after a pause.
//!
//! To lose a place costs repeats and no more, so nobody waits for one. Told in each turn, places
//! would be most of the journal of a group with many members, and turns that bring nothing else
//! would wake the worker, and the worker the loop, for every few of them. So it is with members
//! that come back: a few bytes for each of them and pause, however often one does.

use crate::group::{CursorUpdate, Group};
use crate::journal::{Record, Salt, encode};
use crate::limits::CURSOR_FLUSH_MS;
use crate::time::Millis;

/// The pause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct CursorFlush(Option<Millis>);

impl CursorFlush {
    /// When it ends, if it has begun.
    pub(super) fn deadline(self) -> Option<Millis> {
        self.0
    }

    /// There is no room for them: later.
    pub(super) fn postpone(&mut self, now: Millis) {
        self.0 = Some(now.plus(CURSOR_FLUSH_MS));
    }

    /// Whether places are to be written down now; the pause begins when the first one has moved.
    pub(super) fn is_due(&mut self, have_moved: bool, now: Millis) -> bool {
        if have_moved && self.0.is_none() {
            self.0 = Some(now.plus(CURSOR_FLUSH_MS));
        }
        let is_due = self.0.is_some_and(|at| at <= now);
        if is_due {
            self.0 = None;
        }
        is_due
    }
}

/// Writes down the places that have moved, and the members that have come back.
pub(super) fn put(group: &mut Group, at: Millis, salt: Salt, records: &mut Vec<u8>) {
    group.take_cursor_updates(|CursorUpdate { id, acked, reconnected }| {
        let record = match reconnected {
            Some((address, registered_at)) => Record::Member { id, address, registered_at, acked },
            None => Record::Acked { id, acked },
        };
        encode(&record, at, salt, records);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_that_move_one_after_the_other_are_written_down_together() {
        let mut pause = CursorFlush::default();
        let (begin, end) = (Millis::new(1_000), Millis::new(1_000 + CURSOR_FLUSH_MS));
        assert!(!pause.is_due(false, begin));
        assert_eq!(pause.deadline(), None);
        assert!(!pause.is_due(true, begin));
        assert!(!pause.is_due(true, Millis::new(1_001)), "the pause is not begun anew");
        assert_eq!(pause.deadline(), Some(end));
        assert!(pause.is_due(true, end));
        assert_eq!(pause.deadline(), None);
        assert!(!pause.is_due(true, end), "the next ones have a pause of their own");
        assert!(pause.is_due(false, end.plus(CURSOR_FLUSH_MS)));
        assert!(!pause.is_due(false, end.plus(2 * CURSOR_FLUSH_MS)), "and nothing is left");
    }
}
