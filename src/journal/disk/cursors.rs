//! Records cursors that have moved, all together after a pause.
//!
//! A lost cursor only causes repeats, so no reply waits for a cursor. If each turn recorded them,
//! cursors would be most of the journal of a large group, and turns without other facts would wake
//! the writer, and the writer the loop. The same holds for members that reconnect: each of them
//! costs a few bytes per pause, however often it reconnects.

use crate::facts::{Fact, Recorded};
use crate::journal::Record;
use crate::limits::CURSOR_FLUSH_MS;
use crate::time::Millis;

/// The time at which the pause ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct CursorFlush(Option<Millis>);

impl CursorFlush {
    /// Returns the end of the pause, if a cursor has moved.
    pub(super) fn deadline(self) -> Option<Millis> {
        self.0
    }

    /// Begins another pause, because there is no room for the cursors.
    pub(super) fn postpone(&mut self, now: Millis) {
        self.0 = Some(now.plus(CURSOR_FLUSH_MS));
    }

    /// Returns true if the cursors must be recorded now. A pause begins when the first cursor
    /// moves.
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

/// Passes a record for each cursor that has moved, and each member that has reconnected, to `put`.
pub(super) fn put(state: &mut impl Recorded, mut put: impl FnMut(Record<'_>)) {
    state.take_cursor_changes(|fact| match fact {
        Fact::Member(member) => put(Record::Member(member)),
        Fact::Acked { id, acked } => put(Record::Acked { id, acked }),
        Fact::Registered { .. }
        | Fact::Returned { .. }
        | Fact::Deregistered { .. }
        | Fact::Accepted { .. }
        | Fact::NewEpoch { .. }
        | Fact::Snapshot { .. }
        | Fact::Own { .. }
        | Fact::Announced { .. }
        | Fact::AllNamed
        | Fact::Recovered { .. }
        | Fact::Numbered { .. }
        | Fact::Published { .. }
        | Fact::Expired { .. }
        | Fact::Lost { .. } => debug_assert!(false, "no cursor changes by this fact"),
        #[cfg(feature = "engine")]
        Fact::Entered { .. } | Fact::Located { .. } | Fact::Horizon { .. } => {
            debug_assert!(false, "no cursor changes by this fact");
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_that_move_one_after_the_other_are_recorded_together() {
        let mut pause = CursorFlush::default();
        let (begin, end) = (Millis::new(1_000), Millis::new(1_000 + CURSOR_FLUSH_MS));
        assert!(!pause.is_due(false, begin));
        assert_eq!(pause.deadline(), None);
        assert!(!pause.is_due(true, begin));
        assert!(!pause.is_due(true, Millis::new(1_001)), "the pause does not begin again");
        assert_eq!(pause.deadline(), Some(end));
        assert!(pause.is_due(true, end));
        assert_eq!(pause.deadline(), None);
        assert!(!pause.is_due(true, end), "the next cursors begin another pause");
        assert!(pause.is_due(false, end.plus(CURSOR_FLUSH_MS)));
        assert!(!pause.is_due(false, end.plus(2 * CURSOR_FLUSH_MS)), "no cursor is left");
    }
}
