//! Removes the oldest segment when it is not needed any more.
//!
//! ```text
//!   segment 3         segment 4         segment 5: is written
//!   M M 41 ··· 57     M M 58 ··· 80     M M 81 82 ···
//!   can be removed                      └┬┘ at its start, each member had everything up to 70
//! ```
//!
//! A segment is removed when all its messages have expired, or earlier, when no member needs a
//! message of it. Only cursors that are already on disk count, because a lost cursor causes
//! repeats. These are the cursors at the start of the segment that is written. A member that
//! reconnected since then and asked for older messages counts with its lower cursor. A started
//! segment is durable in every sync mode.
//!
//! If a segment is removed before its messages expire, the group forgets these messages. Otherwise
//! a member could go back to them, and would get a gap after the next start.
//!
//! The previous segment is always kept until it has expired. If the newest file turns out to be
//! damaged, the previous one contains the members and their cursors.

use super::{ClosedSegment, Commits};
use crate::facts::Recorded;
use crate::journal::disk::WriterJob;
use crate::time::Millis;

impl Commits {
    /// Removes the oldest segment if it is due.
    pub(super) fn remove_due(&mut self, state: &mut impl Recorded, now: Millis) {
        let Some(oldest) = self.removable() else { return };
        if self.is_needed(oldest) {
            if now < self.expires(oldest) {
                return;
            }
        } else {
            state.forget_through(oldest.last);
        }
        let serial = oldest.serial;
        self.is_removing = true;
        self.jobs.push_back(WriterJob::Remove { serial });
    }

    /// Returns the time at which the oldest segment can be removed.
    pub(super) fn removal_at(&self) -> Option<Millis> {
        let oldest = self.removable()?;
        Some(if self.is_needed(oldest) { self.expires(oldest) } else { Millis::ZERO })
    }

    /// Returns the oldest segment if a later one exists and contains the cursors. The disk may be
    /// full of expired segments, so the later one need not be writable.
    fn removable(&self) -> Option<&ClosedSegment> {
        let later =
            self.closed.get(1).map_or(self.segment.start_commit, |closed| closed.start_commit);
        let is_removable = !self.is_removing && later <= self.done.0;
        self.closed.front().filter(|_| is_removable)
    }

    fn expires(&self, closed: &ClosedSegment) -> Millis {
        closed.newest.plus(self.ttl_ms).plus(1)
    }

    fn is_needed(&self, oldest: &ClosedSegment) -> bool {
        let is_begun = self.segment.start_commit <= self.done.0;
        self.closed.len() < 2 || !is_begun || self.segment.needed <= oldest.last
    }
}

#[cfg(test)]
mod tests;
