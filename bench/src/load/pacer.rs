//! Says when the next message is due.

use super::plan::{Pace, Plan};

/// The clock of an open loop, or the end of a closed one.
#[derive(Clone, Debug)]
pub(super) struct Pacer {
    pace: Pace,
    messages_max: u64,
    end_ns: u64,
    /// When what is overdue is given up: an open loop that never catches up has to end.
    give_up_ns: u64,
    sent: u64,
}

impl Pacer {
    /// For `plan`; without any end of its own, it goes on until it is ended.
    #[must_use]
    pub(super) fn new(plan: &Plan) -> Self {
        let end_ns = plan.duration_s.map_or(u64::MAX, |seconds| (seconds * 1e9) as u64);
        let messages_max = plan.messages.unwrap_or(u64::MAX);
        let planned = plan.duration().map(|duration| duration.as_nanos() as u64);
        let give_up_ns = planned.map_or(u64::MAX, |ns| ns.saturating_mul(2) + 1_000_000_000);
        Self { pace: plan.pace, messages_max, end_ns, give_up_ns, sent: 0 }
    }

    /// When the next message is due; `None` if there is none by the clock at `now_ns`.
    #[must_use]
    pub(super) fn due_ns(&self, now_ns: u64) -> Option<u64> {
        let due_ns = match self.pace {
            Pace::Rate(rate) => (self.sent as f64 * 1e9 / rate) as u64,
            Pace::Window(_) => now_ns,
        };
        let is_left = self.sent < self.messages_max && due_ns < self.end_ns;
        (is_left && now_ns < self.give_up_ns).then_some(due_ns)
    }

    /// Messages that were due and given up, by the end.
    #[must_use]
    pub(super) fn unsent(&self) -> u64 {
        let by_clock = match self.pace {
            Pace::Rate(rate) => (self.end_ns as f64 / 1e9 * rate).ceil() as u64,
            Pace::Window(_) => self.sent,
        };
        by_clock.min(self.messages_max).saturating_sub(self.sent)
    }

    /// A message was sent.
    pub(super) fn sent(&mut self) {
        self.sent += 1;
    }

    /// No more are due.
    pub(super) fn end(&mut self) {
        self.messages_max = self.sent;
    }

    /// Messages on their way that a publisher of a closed loop may have.
    #[must_use]
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

    #[test]
    fn an_open_loop_is_due_by_the_clock_however_late_it_is_served() {
        let plan = Plan { pace: Pace::Rate(4.0), duration_s: Some(1.0), ..Plan::default() };
        let mut pacer = Pacer::new(&plan);
        for due_ns in [0, 250_000_000, 500_000_000, 750_000_000] {
            assert_eq!(pacer.due_ns(2_900_000_000), Some(due_ns));
            pacer.sent();
        }
        assert_eq!(pacer.due_ns(2_900_000_000), None);
        assert_eq!(pacer.unsent(), 0);
    }

    #[test]
    fn what_is_hopelessly_overdue_is_given_up_and_counted() {
        let plan = Plan { pace: Pace::Rate(4.0), duration_s: Some(1.0), ..Plan::default() };
        let mut pacer = Pacer::new(&plan);
        pacer.sent();
        assert_eq!(pacer.due_ns(3_000_000_000), None);
        assert_eq!(pacer.unsent(), 3);
        pacer.end();
        assert_eq!(pacer.unsent(), 0);
    }

    #[test]
    fn a_closed_loop_is_due_at_once_until_its_end() {
        let plan = Plan {
            pace: Pace::Window(8),
            duration_s: Some(1.0),
            messages: Some(2),
            ..Plan::default()
        };
        let mut pacer = Pacer::new(&plan);
        assert_eq!(pacer.due_ns(7), Some(7));
        assert_eq!(pacer.due_ns(2_000_000_000), None);
        pacer.sent();
        pacer.sent();
        assert_eq!(pacer.due_ns(7), None);
    }
}
