//! Schedule of the checks that the segments are still in the directory. Records in a file that was
//! moved, or in a directory that was replaced, are lost at the next start.
//!
//! A check takes a few system calls. It comes before the first write after a pause, and once more
//! when an interval has passed since then. So a journal without writes causes no wake-up. The start
//! of a segment includes a check.

use crate::limits::JOURNAL_CHECK_MS;
use crate::time::Millis;

/// Time of the last check, and of the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LocationChecks {
    last: Millis,
    due: Option<Millis>,
}

impl LocationChecks {
    /// Starts with a check that succeeded `now`.
    pub(super) fn new(now: Millis) -> Self {
        Self { last: now, due: None }
    }

    /// Returns true if a check must come before the write that follows.
    pub(super) fn precedes_write(&mut self, now: Millis) -> bool {
        let due = self.last.plus(JOURNAL_CHECK_MS);
        if due <= now {
            self.mark_checked(now);
            return true;
        }
        self.due = Some(due);
        false
    }

    /// Returns true if a check is due without a write.
    pub(super) fn is_due(&mut self, now: Millis) -> bool {
        let is_due = self.due.is_some_and(|due| due <= now);
        if is_due {
            self.mark_checked(now);
        }
        is_due
    }

    /// Records that a check was submitted.
    pub(super) fn mark_checked(&mut self, now: Millis) {
        *self = Self::new(now);
    }

    pub(super) fn deadline(self) -> Option<Millis> {
        self.due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_comes_before_a_write_after_a_pause_and_once_after_writes() {
        let mut checks = LocationChecks::new(Millis::ZERO);
        let interval = Millis::new(JOURNAL_CHECK_MS);
        assert!(!checks.precedes_write(Millis::new(1)));
        assert!(!checks.precedes_write(Millis::new(2)));
        assert_eq!(checks.deadline(), Some(interval));
        assert!(!checks.is_due(Millis::new(JOURNAL_CHECK_MS - 1)));
        assert!(checks.is_due(interval));
        assert_eq!(checks.deadline(), None, "nothing was written since");
        assert!(!checks.is_due(interval.plus(10 * JOURNAL_CHECK_MS)));
        let later = interval.plus(JOURNAL_CHECK_MS);
        assert!(checks.precedes_write(later));
        assert!(!checks.precedes_write(later), "once");
        assert_eq!(checks.deadline(), Some(later.plus(JOURNAL_CHECK_MS)));
    }
}
