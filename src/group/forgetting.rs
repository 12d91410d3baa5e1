//! Forgetting: members that are offline longer than `forget_after` are removed.

use super::ids::MemberSlot;
use super::{ChangeKind, Fact, Group};
use crate::limits::TURN_FORGETS_MAX;
use crate::time::Millis;

impl Group {
    /// Starts the offline time of all members at `now`, the start of the program.
    pub fn start(&mut self, now: Millis) {
        self.now = now;
        for slot in self.members.slots() {
            self.members.update_offline(slot, now);
        }
    }

    /// Returns the time at which the next member is forgotten. No member is forgotten while the
    /// journal refuses facts.
    pub(super) fn next_forgetting(&self) -> Option<Millis> {
        if self.rules.forget_after_ms == 0 || self.check_journal().is_err() {
            return None;
        }
        self.members.offline_longest().map(|(since, _)| since.plus(self.rules.forget_after_ms))
    }

    /// Forgets members that were offline for too long, at most [`TURN_FORGETS_MAX`] in one turn.
    pub(super) fn forget_offline(&mut self) {
        for _ in 0..TURN_FORGETS_MAX {
            let is_due = self.next_forgetting().is_some_and(|at| at <= self.now);
            let Some((_, slot)) = self.members.offline_longest().filter(|_| is_due) else { return };
            self.stats.forgotten = self.stats.forgotten.saturating_add(1);
            self.forget(slot, ChangeKind::Forgotten { after_ms: self.rules.forget_after_ms });
        }
    }

    /// Removes a member that has no message socket and no connect-back.
    pub(super) fn forget(&mut self, slot: MemberSlot, change: ChangeKind) {
        if let Some(member) = self.members.remove(slot, &mut self.history) {
            self.record(Fact::Deregistered { id: member.id.clone() });
            self.report_change(member.id, change);
        }
    }
}
