//! The clean end of a journal.

use super::{Commits, cursors};
use crate::facts::Recorded;
use crate::journal::Record;
use crate::time::Now;

/// State of the end of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalEnd {
    /// The writer has not written the end yet.
    Pending,
    /// All records are durable.
    Written,
    /// The end cannot be written.
    Failed,
}

impl Commits {
    /// Writes the last cursors and the record of a clean end.
    pub fn close(&mut self, state: &mut impl Recorded, now: Now) {
        cursors::put(state, now.steady, self.segment.salt, &mut self.records);
        if self.failing.is_none() {
            self.put(&Record::Closed, now.steady);
            let (commit, records) = (self.next, std::mem::take(&mut self.records));
            self.append(commit, records, true, state.position());
            self.closing = Some(commit);
        }
    }

    /// Returns the outcome of [`Commits::close`].
    #[must_use]
    pub fn end(&self) -> JournalEnd {
        match self.closing {
            Some(_) if self.failing.is_some() => JournalEnd::Failed,
            Some(closing) if closing <= self.done.0 => JournalEnd::Written,
            Some(_) => JournalEnd::Pending,
            None => JournalEnd::Failed,
        }
    }
}
