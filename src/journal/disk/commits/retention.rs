//! Removes the oldest segment when it is not needed any more.
//!
//! ```text
//!   segment 3         segment 4         segment 5: is written
//!   M M 41 ··· 57     M M 58 ··· 80     M M 81 82 ···
//!   can be removed                      └┬┘ at its start, each member had everything up to 70,
//!                                           and newcomers could get 75 to 80
//! ```
//!
//! A segment is removed when all its messages have expired, or earlier, when no member needs a
//! message of it and none is kept for newcomers. Only cursors that are already on disk count,
//! because a lost cursor causes repeats. These are the cursors at the start of the segment that is
//! written. A member that reconnected since then and asked for older messages counts with its lower
//! cursor. A started segment is durable in every sync mode.
//!
//! If a segment is removed before its messages expire, the group forgets these messages. Otherwise
//! a member could go back to them, and would get a gap after the next start.
//!
//! The previous segment is always kept until it has expired. If the newest file turns out to be
//! damaged, the previous one contains the members and their cursors.

use super::segments::{ClosedSegment, Segments};
use crate::protocol::Seq;
use crate::time::Millis;

/// Segment to be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Removal {
    pub(super) serial: u64,
    /// Messages up to this one must be forgotten, because they have not expired.
    pub(super) forget: Option<Seq>,
}

impl Segments {
    /// Returns the oldest segment if it must be removed now. `done` is the last commit that is
    /// done.
    pub(super) fn remove_due(&mut self, done: u64, now: Millis) -> Option<Removal> {
        let oldest = *self.removable(done)?;
        let is_needed = self.is_needed(&oldest, done);
        if is_needed && now < self.expires(&oldest) {
            return None;
        }
        self.is_removing = true;
        Some(Removal { serial: oldest.serial, forget: (!is_needed).then_some(oldest.last) })
    }

    /// Returns the time at which the oldest segment can be removed.
    pub(super) fn removal_at(&self, done: u64) -> Option<Millis> {
        let oldest = self.removable(done)?;
        Some(if self.is_needed(oldest, done) { self.expires(oldest) } else { Millis::ZERO })
    }

    /// Returns the oldest segment if a later one exists and contains the cursors. The disk may be
    /// full of expired segments, so the later one need not be writable.
    fn removable(&self, done: u64) -> Option<&ClosedSegment> {
        let later =
            self.closed.get(1).map_or(self.open().start_commit, |closed| closed.start_commit);
        let is_removable = !self.is_removing && later <= done;
        self.closed.front().filter(|_| is_removable)
    }

    fn expires(&self, closed: &ClosedSegment) -> Millis {
        closed.newest.plus(self.ttl_ms).plus(1)
    }

    fn is_needed(&self, oldest: &ClosedSegment, done: u64) -> bool {
        let is_begun = self.open().start_commit <= done;
        self.closed.len() < 2 || !is_begun || self.open().needed <= oldest.last
    }
}

#[cfg(test)]
mod tests;
