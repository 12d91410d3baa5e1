//! When the journal is told of places: with what somebody waits for, or after a pause.
//!
//! To lose a place costs repeats and no more, so nobody waits for one. A commit for each turn that
//! brought acknowledgements and nothing else would wake the worker, and the worker the loop, for
//! every few of them.

use crate::group::Group;
use crate::journal::{Record, Salt, encode};
use crate::limits::PLACES_PAUSE_MS;
use crate::time::Millis;

/// The pause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pause(Option<Millis>);

impl Pause {
    /// When it ends, if it has begun.
    pub(super) fn deadline(self) -> Option<Millis> {
        self.0
    }

    /// Whether places are to be written down now; the pause begins when the first one has moved.
    pub(super) fn ends(&mut self, have_moved: bool, in_company: bool, now: Millis) -> bool {
        if have_moved && self.0.is_none() {
            self.0 = Some(now.plus(PLACES_PAUSE_MS));
        }
        let ends = in_company || self.0.is_some_and(|at| at <= now);
        if ends {
            self.0 = None;
        }
        ends
    }
}

/// Writes down the places that have moved.
pub(super) fn put(group: &mut Group, at: Millis, salt: Salt, records: &mut Vec<u8>) {
    for (id, place) in group.take_moves() {
        encode(&Record::Place { id, place }, at, salt, records);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_go_with_others_at_once_and_alone_after_the_pause() {
        let mut pause = Pause::default();
        let (begin, end) = (Millis::new(1_000), Millis::new(1_000 + PLACES_PAUSE_MS));
        assert!(!pause.ends(false, false, begin));
        assert_eq!(pause.deadline(), None);
        assert!(!pause.ends(true, false, begin));
        assert!(!pause.ends(true, false, Millis::new(1_001)), "the pause is not begun anew");
        assert_eq!(pause.deadline(), Some(end));
        assert!(pause.ends(true, false, end));
        assert_eq!(pause.deadline(), None);
        assert!(!pause.ends(true, false, end));
        assert!(pause.ends(true, true, end), "company ends it");
        assert_eq!(pause.deadline(), None);
    }
}
