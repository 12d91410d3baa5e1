//! Order of the entries: what the feed brings, and what the leader is asked for.
//!
//! ```text
//!   reported          hole            ahead
//!   ... 41 42 │ 43 ? │ 44 ? │ 45 │ 46 │        next = 43, fill_to = 46
//!             └ asked └ asked └ of the feed, or answers
//! ```
//!
//! This file decides, and touches nothing outside: time is an argument.

use std::collections::{BTreeMap, VecDeque};

use super::report::{EngineEntry, EngineFault, EngineReport, EngineStream};
use crate::limits::engine::{
    ABSENT_MS, AHEAD_BYTES_MAX, AHEAD_MAX, ASKS_MAX, RETRY_MS, REWOUND_MS, STAMPS_MAX,
};
use crate::time::Millis;

/// A question for the first entry at a position or behind it.
enum EntryAsk {
    /// To be sent at this time.
    Due(Millis),
    Sent,
}

/// Reads all entries from a position on, in order.
pub(super) struct FeedReader {
    /// Position that is reported next.
    next: u64,
    /// Last position that is known to be stored.
    fill_to: u64,
    /// Positions below are reported, held, asked for, or known to be missing.
    ask_from: u64,
    /// Position at which all is reported that was stored when the reading began.
    caught_up_at: Option<u64>,
    /// False until the leader has said where the stream ends.
    is_started: bool,
    asks: BTreeMap<u64, EntryAsk>,
    ahead: BTreeMap<u64, EngineEntry>,
    ahead_bytes: usize,
    /// Ranges without entries: the last position by the first one.
    missing: BTreeMap<u64, u64>,
    /// Time stamps of the last positions that were reported, the newest last.
    stamps: VecDeque<u64>,
    /// Since when the leader says that no entry is at `next` or behind it.
    absent_since: Option<Millis>,
    /// Since when the leader says that the stream ends before `next`.
    rewound_since: Option<Millis>,
}

impl FeedReader {
    pub(super) fn new(position: u64) -> Self {
        let next = position.max(1);
        Self {
            next,
            fill_to: 0,
            ask_from: next,
            caught_up_at: None,
            is_started: false,
            asks: BTreeMap::new(),
            ahead: BTreeMap::new(),
            ahead_bytes: 0,
            missing: BTreeMap::new(),
            stamps: VecDeque::new(),
            absent_since: None,
            rewound_since: None,
        }
    }

    /// Returns the position that is reported next.
    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    /// Returns true if the state of the stream is needed soon.
    pub(super) const fn needs_state(&self) -> bool {
        !self.is_started || self.absent_since.is_some() || self.rewound_since.is_some()
    }

    /// Takes the state of the stream. `asked_at` was [`Self::next`] when the question was sent:
    /// the answer of a leader must have all that had been read by then.
    pub(super) fn on_state(
        &mut self,
        stream: &EngineStream,
        asked_at: u64,
        now: Millis,
    ) -> Option<EngineFault> {
        if stream.last + 1 < asked_at {
            let since = *self.rewound_since.get_or_insert(now);
            let is_certain = now.since(since) >= REWOUND_MS;
            let expected = asked_at - 1;
            return is_certain.then_some(EngineFault::Rewound { last: stream.last, expected });
        }
        self.rewound_since = None;
        self.fill_to = self.fill_to.max(stream.last);
        if !self.is_started {
            self.is_started = true;
            self.caught_up_at = Some(stream.last);
            self.miss(stream.first.saturating_sub(1));
        }
        if let Some(since) = self.absent_since {
            if stream.first > self.next {
                self.miss(stream.first - 1); // All is purged, so that no entry could show it.
            } else if stream.last < self.next {
                self.absent_since = None;
            } else if now.since(since) >= ABSENT_MS {
                self.miss(stream.last);
            }
        }
        None
    }

    /// Notes that no entry from `next` to `last` is left.
    fn miss(&mut self, last: u64) {
        if last >= self.next {
            self.missing.insert(self.next, last);
        }
    }

    /// Takes an entry of the feed.
    pub(super) fn on_feed(&mut self, entry: EngineEntry) -> Option<EngineFault> {
        let position = entry.position;
        if position < self.next {
            let age = usize::try_from(self.next - 1 - position).unwrap_or(usize::MAX);
            let stamp = self.stamps.iter().rev().nth(age);
            let is_other = stamp.is_some_and(|stamp| *stamp != entry.stored_ns);
            return is_other.then_some(EngineFault::Rewritten { position });
        }
        self.fill_to = self.fill_to.max(position);
        let has_room = self.ahead.len() < AHEAD_MAX && self.ahead_bytes < AHEAD_BYTES_MAX;
        if position == self.next || has_room {
            self.hold(entry); // Without room it becomes a hole.
        }
        None
    }

    fn hold(&mut self, entry: EngineEntry) {
        self.asks.remove(&entry.position);
        self.ahead_bytes += entry.bytes.len();
        if let Some(old) = self.ahead.insert(entry.position, entry) {
            self.ahead_bytes -= old.bytes.len();
        }
    }

    /// Takes the leader's answer to the question for `asked`: the first entry there or behind.
    pub(super) fn on_answer(&mut self, asked: u64, entry: EngineEntry) {
        if self.asks.remove(&asked).is_none() || entry.position < asked {
            return; // The feed was faster.
        }
        if asked == self.next {
            self.absent_since = None;
        }
        if entry.position > asked {
            self.missing.insert(asked, entry.position - 1);
            self.ask_from = self.ask_from.max(entry.position);
        }
        self.fill_to = self.fill_to.max(entry.position);
        self.hold(entry);
    }

    /// Takes the leader's answer that no entry is at `asked` or behind.
    pub(super) fn on_absent(&mut self, asked: u64, now: Millis) {
        if asked == self.next && self.asks.contains_key(&asked) {
            self.absent_since.get_or_insert(now);
        }
        self.ask_again(asked, now);
    }

    /// The question for the state of the stream got no answer. Earlier answers may be those of a
    /// leader that is gone.
    pub(super) const fn on_unknown_state(&mut self) {
        (self.absent_since, self.rewound_since) = (None, None);
    }

    /// Repeats a question that got no answer. Earlier answers may no longer hold.
    pub(super) fn on_unanswered(&mut self, asked: u64, now: Millis) {
        (self.absent_since, self.rewound_since) = (None, None);
        self.ask_again(asked, now);
    }

    /// Repeats a question after a pause.
    fn ask_again(&mut self, asked: u64, now: Millis) {
        if let Some(ask) = self.asks.get_mut(&asked) {
            *ask = EntryAsk::Due(now.plus(RETRY_MS));
        }
    }

    /// Returns the positions to ask the leader for now.
    pub(super) fn asks(&mut self, now: Millis) -> Vec<u64> {
        let mut asks = Vec::new();
        for (at, ask) in &mut self.asks {
            if matches!(ask, EntryAsk::Due(due) if *due <= now) {
                *ask = EntryAsk::Sent;
                asks.push(*at);
            }
        }
        self.ask_from = self.ask_from.max(self.next);
        while self.ask_from <= self.fill_to && self.asks.len() < ASKS_MAX {
            let at = self.ask_from;
            // The question for the next entry is the one that frees memory.
            if self.ahead_bytes >= AHEAD_BYTES_MAX && at != self.next {
                break;
            }
            if !self.ahead.contains_key(&at) && self.missing_until(at).is_none() {
                self.asks.insert(at, EntryAsk::Sent);
                asks.push(at);
            }
            self.ask_from += 1;
        }
        asks
    }

    /// Returns when a question is due again.
    pub(super) fn next_due(&self) -> Option<Millis> {
        let due = |ask: &EntryAsk| match ask {
            EntryAsk::Due(at) => Some(*at),
            EntryAsk::Sent => None,
        };
        self.asks.values().filter_map(due).min()
    }

    /// Returns the end of a range without entries that contains `position`.
    fn missing_until(&self, position: u64) -> Option<u64> {
        let (_, last) = self.missing.range(..=position).next_back()?;
        (*last >= position).then_some(*last)
    }

    /// Returns the next report, if its entry is here.
    pub(super) fn pop(&mut self) -> Option<EngineReport> {
        if let Some(position) = self.caught_up_at.filter(|at| *at < self.next) {
            self.caught_up_at = None;
            return Some(EngineReport::CaughtUp { position });
        }
        if let Some(entry) = self.ahead.remove(&self.next) {
            self.ahead_bytes -= entry.bytes.len();
            self.stamps.push_back(entry.stored_ns);
            if self.stamps.len() > STAMPS_MAX {
                self.stamps.pop_front();
            }
            self.go_on_at(self.next + 1);
            return Some(EngineReport::Entry(entry));
        }
        let first = self.next;
        let missing = self.missing_until(first)?;
        let before = self.ahead.keys().next().map_or(u64::MAX, |at| at - 1);
        let last = missing.min(before);
        self.stamps.clear(); // They are of consecutive positions.
        self.go_on_at(last + 1);
        Some(EngineReport::Missing { first, last })
    }

    fn go_on_at(&mut self, next: u64) {
        self.next = next;
        self.asks = self.asks.split_off(&next);
        self.absent_since = None;
        while self.missing.first_key_value().is_some_and(|(_, last)| *last < next) {
            self.missing.pop_first();
        }
    }
}

#[cfg(test)]
#[path = "feed_reader/tests.rs"]
mod tests;
