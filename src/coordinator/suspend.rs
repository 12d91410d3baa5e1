//! Extends timeouts after the process was stopped or its machine was suspended.
//!
//! A timeout ends a peer only after a last check of its socket: see `is_overdue`. After a
//! standstill that is not enough, because bytes that the peer sent in time may still be on their
//! way. So these timeouts are longer then.

use crate::limits::{SUSPEND_GRACE_MS, SUSPEND_MS_MIN};
use crate::time::Millis;

/// Time of the last turn, and the end of the extension after a standstill.
#[derive(Clone, Copy, Debug)]
pub(super) struct SuspendGrace {
    turn_at: Millis,
    grace_until: Millis,
}

impl SuspendGrace {
    pub(super) fn new(started: Millis) -> Self {
        Self { turn_at: started, grace_until: started }
    }

    /// Records the start of a turn that was due at `deadline` at the latest.
    pub(super) fn begin_turn(&mut self, deadline: Option<Millis>, now: Millis) {
        let due = deadline.map_or(now, |deadline| deadline.max(self.turn_at));
        let late_ms = now.since(due);
        self.turn_at = now;
        if late_ms >= SUSPEND_MS_MIN {
            self.grace_until = now.plus(SUSPEND_GRACE_MS);
            log::warn!(
                "did not run for {late_ms} ms (stopped, suspended, or no CPU left for it): \
                 timeouts of peers are {SUSPEND_GRACE_MS} ms longer"
            );
        }
    }

    /// Returns the end of the extension, if it is after `now`.
    pub(super) fn ends_after(self, now: Millis) -> Option<Millis> {
        (now < self.grace_until).then_some(self.grace_until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_turn_that_is_much_too_late_extends_timeouts() {
        let at = Millis::new;
        let mut suspend_grace = SuspendGrace::new(at(5));
        suspend_grace.begin_turn(Some(at(90_000)), at(90_000 + SUSPEND_MS_MIN - 1));
        suspend_grace.begin_turn(None, at(500_000)); // Nothing was due, so it is not late.
        suspend_grace.begin_turn(Some(at(0)), at(500_000 + SUSPEND_MS_MIN - 1));
        assert_eq!(suspend_grace.grace_until, at(5));
        let last = suspend_grace.turn_at;
        suspend_grace.begin_turn(Some(at(0)), last.plus(SUSPEND_MS_MIN));
        assert_eq!(suspend_grace.grace_until, last.plus(SUSPEND_MS_MIN + SUSPEND_GRACE_MS));
    }
}
