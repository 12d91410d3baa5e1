//! Due times of the messages.

use super::plan::{Pace, Plan};

/// The clock of an open loop, or the end of a closed one.
#[derive(Clone, Debug)]
pub(super) struct Pacer {
    pace: Pace,
    messages_max: u64,
    end_ns: u64,
    /// Time after which overdue messages are not sent: an open loop that is too slow has to end.
    give_up_ns: u64,
    sent: u64,
}

impl Pacer {
    pub(super) fn new(plan: &Plan) -> Self {
        let end_ns = plan.duration_s.map_or(u64::MAX, |seconds| (seconds * 1e9) as u64);
        let messages_max = plan.messages.unwrap_or(u64::MAX);
        let planned = plan.duration().map(|duration| duration.as_nanos() as u64);
        let give_up_ns = planned.map_or(u64::MAX, |ns| ns.saturating_mul(2) + 1_000_000_000);
        Self { pace: plan.pace, messages_max, end_ns, give_up_ns, sent: 0 }
    }

    /// Due time of the next message; `None` if there is none at `now_ns`.
    pub(super) fn due_ns(&self, now_ns: u64) -> Option<u64> {
        let due_ns = match self.pace {
            Pace::Rate(rate) => (self.sent as f64 * 1e9 / rate) as u64,
            Pace::Window(_) => now_ns,
        };
        let is_left = self.sent < self.messages_max && due_ns < self.end_ns;
        (is_left && now_ns < self.give_up_ns).then_some(due_ns)
    }

    /// Number of messages that were due by the end and not sent.
    pub(super) fn unsent(&self) -> u64 {
        let by_clock = match self.pace {
            Pace::Rate(rate) => (self.end_ns as f64 / 1e9 * rate).ceil() as u64,
            Pace::Window(_) => self.sent,
        };
        by_clock.min(self.messages_max).saturating_sub(self.sent)
    }

    pub(super) fn sent(&mut self) {
        self.sent += 1;
    }

    /// Ends the run: no further message is due.
    pub(super) fn end(&mut self) {
        self.messages_max = self.sent;
    }

    /// Messages in flight that each publisher of a closed loop may have.
    pub(super) fn window(&self) -> Option<u64> {
        match self.pace {
            Pace::Rate(_) => None,
            Pace::Window(window) => Some(window),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn an_open_loop_is_due_by_the_clock_until_it_is_far_too_late() {
        let plan = Plan { pace: Pace::Rate(4.0), duration_s: Some(1.0), ..Plan::default() };
        let mut pacer = Pacer::new(&plan);
        for sent in 0..4 {
            assert_eq!(pacer.due_ns(3 * SECOND - 1), Some(sent * SECOND / 4));
            assert_eq!((pacer.due_ns(3 * SECOND), pacer.unsent()), (None, 4 - sent));
            pacer.sent();
        }
        assert_eq!((pacer.due_ns(0), pacer.unsent()), (None, 0));
        let mut ended = Pacer::new(&plan);
        ended.end();
        assert_eq!((ended.due_ns(0), ended.unsent()), (None, 0));
    }

    #[test]
    fn a_closed_loop_is_due_at_once_until_its_end() {
        let (pace, duration_s, messages) = (Pace::Window(8), Some(1.0), Some(2));
        let mut pacer = Pacer::new(&Plan { pace, duration_s, messages, ..Plan::default() });
        assert_eq!(pacer.due_ns(7), Some(7));
        assert_eq!(pacer.due_ns(2 * SECOND), None);
        pacer.sent();
        pacer.sent();
        assert_eq!(pacer.due_ns(7), None);
    }
}
