//! Progress of the group in the order of facts, and the state of the journal that gives the order.

use super::recovering::Recovering;
use crate::facts::FactIndex;
use crate::protocol::RequestError;

/// Progress in the order of facts.
#[derive(Debug, Default)]
pub(super) struct FactOrder {
    /// Last fact that was applied.
    pub(super) applied: FactIndex,
    /// Last fact that is committed.
    pub(super) committed: FactIndex,
    /// State of a recovery; `None` in a live group.
    pub(super) recovering: Option<Box<Recovering>>,
}

/// Reasons for which the journal takes no facts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct JournalState {
    /// The journal cannot be written.
    pub(super) is_failing: bool,
    /// Too many bytes wait for the journal.
    pub(super) is_full: bool,
}

impl JournalState {
    /// Refuses a change that the journal could not store.
    pub(super) fn check(self) -> Result<(), RequestError> {
        match (self.is_failing, self.is_full) {
            (true, _) => Err(RequestError::JournalFails),
            (false, true) => Err(RequestError::JournalFull),
            (false, false) => Ok(()),
        }
    }
}
