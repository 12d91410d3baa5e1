//! Loss, counted.

use std::fmt;

use super::Seq;

/// Messages of others that a member will never get: `gap#<count>#<first>#<last>` on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// How many were lost, the member's own not among them; at least 1.
    pub count: u64,
    /// The first of them.
    pub first: Seq,
    /// The last of them.
    pub last: Seq,
}

impl Gap {
    /// This gap and `later`, which begins above it, as one.
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
