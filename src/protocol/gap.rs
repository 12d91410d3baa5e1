//! Gaps: counted losses.

use std::fmt;

use super::Seq;

/// Messages of others that a member will never get: `gap#<count>#<first>#<last>` on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Number of lost messages, at least 1, without the member's own ones.
    pub count: u64,
    /// First lost seq.
    pub first: Seq,
    /// Last lost seq.
    pub last: Seq,
}

impl Gap {
    /// Returns this gap and the higher gap `later` as one.
    #[must_use]
    pub fn joined(self, later: Self) -> Self {
        debug_assert!(self.last < later.first, "gaps are joined in order");
        Self { count: self.count.saturating_add(later.count), first: self.first, last: later.last }
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "gap#{}#{}#{}", self.count, self.first, self.last)
    }
}
