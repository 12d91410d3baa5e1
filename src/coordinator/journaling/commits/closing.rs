//! The end of a journal in good order.

use super::{Keeper, cursors};
use crate::group::Group;
use crate::journal::Record;
use crate::time::Now;

/// Outcome of writing the end of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The end is not written yet.
    Pending,
    /// All is written and safe.
    Written,
    /// The journal fails.
    Failed,
}

impl Keeper {
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

    /// Returns what has come of [`Keeper::close`].
    #[must_use]
    pub fn end(&self) -> End {
        match self.closing {
            Some(_) if self.failing.is_some() => End::Failed,
            Some(closing) if closing <= self.done.0 => End::Written,
            Some(_) => End::Pending,
            None => End::Failed,
        }
    }
}
