//! The end of a journal in good order.

use super::{Commits, cursors};
use crate::group::Group;
use crate::journal::Record;
use crate::time::Now;

/// Outcome of writing the end of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalEnd {
    /// The end is not written yet.
    Pending,
    /// All is written and safe.
    Written,
    /// The journal fails.
    Failed,
}

impl Commits {
    /// The end: the last places, and that it was an end in good order.
    pub fn close(&mut self, group: &mut Group, now: Now) {
        cursors::put(group, now.steady, self.segment.salt, &mut self.records);
        if self.failing.is_none() {
            self.put(&Record::Closed, now.steady);
            let (commit, records) = (self.next, std::mem::take(&mut self.records));
            self.append(commit, records, true, group.last());
            self.closing = Some(commit);
        }
    }

    /// Returns what has come of [`Commits::close`].
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
