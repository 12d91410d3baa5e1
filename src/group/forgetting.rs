//! Forgetting: members that are offline longer than `forget_after` are removed.

use super::Group;
use super::ids::Ticket;
use crate::facts::{Fact, Journal};
use crate::limits::TURN_FORGETS_MAX;
use crate::time::{Millis, Now};

impl Group {
    /// Returns the time at which the next member is forgotten. No member is forgotten while the
    /// journal refuses facts.
    pub(super) fn next_forgetting(&self) -> Option<Millis> {
        if self.rules.forget_after_ms == 0 || self.check_journal().is_err() {
            return None;
        }
        self.members.offline_longest().map(|(since, _)| since.plus(self.rules.forget_after_ms))
    }

    /// Forgets members that were offline for too long, at most [`TURN_FORGETS_MAX`] in one turn.
    pub(super) fn forget_offline(&mut self, now: Now, journal: &mut impl Journal<Self>) {
        for _ in 0..TURN_FORGETS_MAX {
            let is_due = self.next_forgetting().is_some_and(|at| at <= self.now);
            let Some((_, slot)) = self.members.offline_longest().filter(|_| is_due) else { return };
            let Some(id) = self.members.at(slot).map(|member| member.id.clone()) else { return };
            self.members.mark_leaving(slot, true, self.now);
            journal.propose(Fact::Deregistered { id: &id }, Ticket::Forgotten, self, now);
        }
    }
}
