//! Members that disconnect, crash or take over under load, and the times of their return.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use fastrand::Rng;
use serde::Serialize;

use super::plan::Plan;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Departure {
    Disconnect,
    /// Every socket of the member is closed without a word.
    Crash,
    /// The member asks for a new connection while it has one.
    Takeover,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Departures {
    pub(super) disconnected: u64,
    pub(super) crashed: u64,
    pub(super) took_over: u64,
}

#[derive(Debug)]
pub(super) struct Churn {
    random: Rng,
    interval_ns: u64,
    away_ns: u64,
    next_ns: u64,
    /// Time of return of each member that is away.
    away: BinaryHeap<Reverse<(u64, usize)>>,
    pub(super) departures: Departures,
}

impl Churn {
    pub(super) fn new(plan: &Plan) -> Self {
        let interval_ns = if plan.churn > 0.0 { (1e9 / plan.churn) as u64 } else { u64::MAX };
        let away_ns = plan.away_ms.saturating_mul(1_000_000);
        let (away, departures) = (BinaryHeap::new(), Departures::default());
        let random = Rng::with_seed(plan.seed);
        Self { random, interval_ns, away_ns, next_ns: interval_ns, away, departures }
    }

    /// Ends the departures; members that are away still return.
    pub(super) fn end(&mut self) {
        self.next_ns = u64::MAX;
    }

    /// Returns the member of `members` that departs now, if it is time, and the kind.
    pub(super) fn departs(&mut self, now_ns: u64, members: usize) -> Option<(usize, Departure)> {
        if now_ns < self.next_ns {
            return None;
        }
        // From half of the interval to one and a half.
        let pause_ns = self.interval_ns / 2 + self.random.u64(..self.interval_ns.max(1));
        self.next_ns = self.next_ns.saturating_add(pause_ns.max(1));
        let index = self.random.usize(..members.max(1));
        let kinds = [Departure::Disconnect, Departure::Crash, Departure::Takeover];
        Some((index, self.random.choice(kinds)?))
    }

    /// Counts a departure, and plans the return.
    pub(super) fn on_departure(&mut self, member: usize, departure: Departure, now_ns: u64) {
        match departure {
            Departure::Disconnect => self.departures.disconnected += 1,
            Departure::Crash => self.departures.crashed += 1,
            Departure::Takeover => {
                self.departures.took_over += 1;
                return;
            }
        }
        let away_ns = self.random.u64(..(2 * self.away_ns).max(1));
        self.away.push(Reverse((now_ns + away_ns, member)));
    }

    /// Takes a member that is due to return.
    pub(super) fn returns(&mut self, now_ns: u64) -> Option<usize> {
        self.away.peek().filter(|Reverse((at_ns, _))| *at_ns <= now_ns)?;
        self.away.pop().map(|Reverse((_, member))| member)
    }

    /// Plans another return of a member whose return failed.
    pub(super) fn postpone(&mut self, member: usize, now_ns: u64) {
        const PAUSE_NS: u64 = 1_000_000;
        self.away.push(Reverse((now_ns + PAUSE_NS, member)));
    }

    /// Time of the next departure or return.
    pub(super) fn next_ns(&self) -> u64 {
        self.away.peek().map_or(self.next_ns, |Reverse((at_ns, _))| self.next_ns.min(*at_ns))
    }

    /// Returns true if no member is away.
    pub(super) fn is_over(&self) -> bool {
        self.away.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_brings_the_same_departures_of_all_members() {
        let draw = |seed| {
            let mut churn = Churn::new(&Plan { churn: 1.0, seed, ..Plan::default() });
            let departures = (0..1_000).filter_map(|_| churn.departs(u64::MAX - 1, 10));
            departures.collect::<Vec<_>>()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        for member in 0..10 {
            let count = draw(1).iter().filter(|(index, _)| *index == member).count();
            assert!((50..150).contains(&count), "{member} departs {count} times");
        }
    }
}
