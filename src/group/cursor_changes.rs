//! Cursors that have changed since a journal recorded them.

use super::ids::MemberSlot;

/// Change of a member since it was last recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum CursorChange {
    #[default]
    Nothing,
    /// The cursor moved.
    Acked,
    /// The member came back: the address may differ, and the cursor may be lower.
    Returned,
}

/// Members whose cursors must be recorded, each of them once.
///
/// A journal that records no cursors never takes them. A slot then stays in the list when another
/// member gets it, so the list is as long as the table of members at most.
#[derive(Debug, Default)]
pub(super) struct CursorChanges {
    slots: Vec<MemberSlot>,
    /// Change of the member in each slot.
    changes: Vec<CursorChange>,
}

impl CursorChanges {
    /// Marks a member, once for any number of moves.
    pub(super) fn mark(&mut self, slot: MemberSlot, what: CursorChange) {
        let index = slot.index();
        if index >= self.changes.len() {
            self.changes.resize(index.saturating_add(1), CursorChange::Nothing);
        }
        let Some(change) = self.changes.get_mut(index) else { return };
        match (*change, what) {
            (CursorChange::Nothing, CursorChange::Nothing) => (),
            (CursorChange::Nothing, _) => {
                *change = what;
                self.slots.push(slot);
            }
            (CursorChange::Acked, CursorChange::Returned) => *change = what,
            (CursorChange::Acked | CursorChange::Returned, _) => (),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Takes all changes, each with its slot. The slot may belong to a later member by now.
    pub(super) fn take(&mut self) -> Vec<(MemberSlot, CursorChange)> {
        let Self { slots, changes } = self;
        let taken = slots.drain(..).map(|slot| {
            let change = changes.get_mut(slot.index()).map(std::mem::take);
            (slot, change.unwrap_or_default())
        });
        taken.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_taken_once_with_its_strongest_change() {
        let mut changes = CursorChanges::default();
        let [ann, bob] = [0, 7].map(MemberSlot::new);
        for (slot, what) in [
            (bob, CursorChange::Acked),
            (ann, CursorChange::Returned),
            (bob, CursorChange::Returned),
            (ann, CursorChange::Acked),
        ] {
            changes.mark(slot, what);
        }
        let all = vec![(bob, CursorChange::Returned), (ann, CursorChange::Returned)];
        assert_eq!(changes.take(), all);
        assert!(changes.is_empty() && changes.take().is_empty());
        changes.mark(ann, CursorChange::Acked);
        assert_eq!(changes.take(), [(ann, CursorChange::Acked)]);
    }
}
