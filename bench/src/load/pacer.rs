//! Says when the next message is due.

use super::plan::{Pace, Plan};

/// The clock of an open loop, or the end of a closed one.
#[derive(Clone, Debug)]
pub(super) struct Pacer {
    pace: Pace,
    messages_max: u64,
    end_ns: u64,
    sent: u64,
}

impl Pacer {
    /// For `plan`; without any end of its own, it goes on until it is ended.
    #[must_use]
    pub(super) fn new(plan: &Plan) -> Self {
        let end_ns = plan.duration_s.map_or(u64::MAX, |seconds| (seconds * 1e9) as u64);
        let messages_max = plan.messages.unwrap_or(u64::MAX);
        Self { pace: plan.pace, messages_max, end_ns, sent: 0 }
    }

    /// When the next message is due; `None` if there is none by the clock at `now_ns`.
    #[must_use]
    pub(super) fn due_ns(&self, now_ns: u64) -> Option<u64> {
        let due_ns = match self.pace {
            Pace::Rate(rate) => (self.sent as f64 * 1e9 / rate) as u64,
            Pace::Window(_) => now_ns,
        };
        (self.sent < self.messages_max && due_ns < self.end_ns).then_some(due_ns)
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
            assert_eq!(pacer.due_ns(9_000_000_000), Some(due_ns));
            pacer.sent();
        }
        assert_eq!(pacer.due_ns(9_000_000_000), None);
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
