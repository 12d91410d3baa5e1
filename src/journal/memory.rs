//! A journal without a disk: facts end with the program.

use crate::facts::{Fact, Journal, Ordered, StateMachine};
use crate::time::Now;

/// Orders and commits each fact at once, and stores none.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemoryJournal;

impl<S: StateMachine> Journal<S> for MemoryJournal {
    fn propose(&mut self, fact: Fact<'_>, ticket: S::Ticket, state: &mut S, now: Now) {
        state.apply(fact, Ordered { ticket: Some(ticket), is_committed: true }, now.steady);
    }
}
