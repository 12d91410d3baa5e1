//! When the oldest segment goes.
//!
//! ```text
//!   segment 3         segment 4         segment 5: is written
//!   M M 41 ··· 57     M M 58 ··· 80     M M 81 82 ···
//!   can go                              └┬┘ when it was begun, each had everything up to 70
//! ```
//!
//! When all in it has expired; or before that, when no member needs a message of it, though it may
//! still be full of places. To lose a place costs repeats, so it is no use that somebody has a
//! message if that can be forgotten: what counts is where the members stood when the segment that
//! is written was begun, which is safe against power loss in every mode before it counts as begun,
//! and where those stand who came back since and asked for older ones again.
//!
//! What goes before its time, the group lets go of too: otherwise somebody could be put back to
//! before it, and would be told of a loss after the next start.
//!
//! Until it has expired the segment before the one that is written stays, needed or not. If the
//! newest file turns out to be damaged, it says who is a member and where.

use super::{ClosedSegment, Commits};
use crate::coordinator::journaling::WriterJob;
use crate::group::Group;
use crate::time::Millis;

impl Commits {
    /// Lets the oldest segment go, if it is time.
    pub(super) fn remove_due(&mut self, group: &mut Group, now: Millis) {
        let Some(oldest) = self.removable() else { return };
        if self.is_needed(oldest) {
            if now < self.expires(oldest) {
                return;
            }
        } else {
            group.forget_through(oldest.last);
        }
        let serial = oldest.serial;
        self.is_removing = true;
        self.jobs.push_back(WriterJob::Remove { serial });
    }

    /// When that is.
    pub(super) fn removal_at(&self) -> Option<Millis> {
        let oldest = self.removable()?;
        Some(if self.is_needed(oldest) { self.expires(oldest) } else { Millis::ZERO })
    }

    /// The oldest segment, if a later one is there to say where the members stand. That need not be
    /// one that can be written: what has expired may be what fills the disk.
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
