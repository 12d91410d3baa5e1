//! Members that have been away for too long are members no more.

use super::ids::MemberSlot;
use super::{ChangeKind, Fact, Group};
use crate::limits::TURN_FORGETS_MAX;
use crate::time::Millis;

impl Group {
    /// The program has begun: the time that members may be away counts from here.
    pub fn start(&mut self, now: Millis) {
        self.now = now;
        for slot in self.members.slots() {
            self.members.update_offline(slot, now);
        }
    }

    /// Returns the time at which the next member must be forgotten. While nothing can be written
    /// down, no member is forgotten.
    pub(super) fn next_forgetting(&self) -> Option<Millis> {
        if self.rules.forget_after_ms == 0 || self.check_journal().is_err() {
            return None;
        }
        self.members.offline_longest().map(|(since, _)| since.plus(self.rules.forget_after_ms))
    }

    /// Forgets the members that have been away for too long, a share of them in each turn.
    pub(super) fn forget_offline(&mut self) {
        for _ in 0..TURN_FORGETS_MAX {
            let is_due = self.next_forgetting().is_some_and(|at| at <= self.now);
            let Some((_, slot)) = self.members.offline_longest().filter(|_| is_due) else { return };
            self.stats.forgotten = self.stats.forgotten.saturating_add(1);
            self.forget(slot, ChangeKind::Forgotten { after_ms: self.rules.forget_after_ms });
        }
    }

    /// Removes a member, which has no message socket and no connect-back any more.
    pub(super) fn forget(&mut self, slot: MemberSlot, change: ChangeKind) {
        if let Some(member) = self.members.remove(slot, &mut self.history) {
            self.record(Fact::Deregistered { id: member.id.clone() });
            self.report_change(member.id, change);
        }
    }
}
