//! A journal for tests.

use super::*;
use crate::facts::{Ordered, StateMachine};

/// A journal that orders facts at once, and commits them at once or by [`World::commit`].
#[derive(Debug, Default)]
pub(super) struct TestJournal {
    pub(super) is_late: bool,
    /// True if facts of others may be missing.
    pub(super) is_behind: bool,
    /// All facts, as text.
    pub(super) facts: Vec<String>,
}

impl Journal<Group> for TestJournal {
    fn propose(&mut self, fact: Fact<'_>, ticket: Ticket, group: &mut Group, now: Now) {
        self.facts.push(format!("{fact:?}"));
        let ordered = Ordered { ticket: Some(ticket), is_committed: !self.is_late };
        group.apply(fact, ordered, now.steady);
    }

    fn is_lost(&mut self, _: Seq) -> bool {
        !self.is_behind
    }
}
