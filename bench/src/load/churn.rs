//! Who leaves, crashes or moves while the load goes on, and when it comes back.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use serde::Serialize;

use super::plan::Plan;
use super::random::Chance;

/// How a member goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Going {
    /// It says `disconnect`.
    Leave,
    /// Its sockets are closed without a word.
    Crash,
    /// It asks for a new connection while it has one.
    Move,
}

/// How often each happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Goings {
    /// Left by `disconnect`.
    pub left: u64,
    /// Vanished.
    pub crashed: u64,
    /// Took over with a new connection.
    pub moved: u64,
}

/// The plan of goings and returns.
#[derive(Debug)]
pub(super) struct Churn {
    chance: Chance,
    interval_ns: u64,
    away_ns: u64,
    next_ns: u64,
    away: BinaryHeap<Reverse<(u64, usize)>>,
    pub(super) goings: Goings,
}

impl Churn {
    pub(super) fn new(plan: &Plan) -> Self {
        let interval_ns = if plan.churn > 0.0 { (1e9 / plan.churn) as u64 } else { u64::MAX };
        let away_ns = plan.away_ms.saturating_mul(1_000_000);
        let (away, goings) = (BinaryHeap::new(), Goings::default());
        let chance = Chance::new(plan.seed);
        Self { chance, interval_ns, away_ns, next_ns: interval_ns, away, goings }
    }

    /// No more go; who is away still returns.
    pub(super) fn end(&mut self) {
        self.next_ns = u64::MAX;
    }

    /// Who of `members` goes now, and how; `None` if it is nobody's time.
    pub(super) fn goes(&mut self, now_ns: u64, members: usize) -> Option<(usize, Going)> {
        if now_ns < self.next_ns {
            return None;
        }
        // From half of the interval to one and a half.
        let pause_ns = self.interval_ns / 2 + self.chance.below(self.interval_ns);
        self.next_ns = self.next_ns.saturating_add(pause_ns.max(1));
        let index = self.chance.below(members as u64) as usize;
        let goings = [Going::Leave, Going::Crash, Going::Move];
        let going = goings.get(self.chance.below(3) as usize).copied()?;
        Some((index, going))
    }

    /// `member` has gone so: when it returns is noted.
    pub(super) fn gone(&mut self, member: usize, going: Going, now_ns: u64) {
        match going {
            Going::Leave => self.goings.left += 1,
            Going::Crash => self.goings.crashed += 1,
            Going::Move => {
                self.goings.moved += 1;
                return;
            }
        }
        let away_ns = self.chance.below(2 * self.away_ns);
        self.away.push(Reverse((now_ns + away_ns, member)));
    }

    /// Who returns now.
    pub(super) fn returns(&mut self, now_ns: u64) -> Option<usize> {
        let Reverse((at_ns, member)) = *self.away.peek()?;
        if at_ns > now_ns {
            return None;
        }
        self.away.pop();
        Some(member)
    }

    /// A member was to return and cannot yet.
    pub(super) fn put_off(&mut self, member: usize, now_ns: u64) {
        const PAUSE_NS: u64 = 1_000_000;
        self.away.push(Reverse((now_ns + PAUSE_NS, member)));
    }

    /// When somebody goes or returns.
    pub(super) fn next_ns(&self) -> u64 {
        self.away.peek().map_or(self.next_ns, |Reverse((at_ns, _))| self.next_ns.min(*at_ns))
    }

    /// Whether nobody is away.
    pub(super) fn is_quiet(&self) -> bool {
        self.away.is_empty()
    }
}
