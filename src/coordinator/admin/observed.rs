//! Values that only the HTTP server needs, and that are recorded only while it is on.

use std::collections::VecDeque;

use super::response::StatusCode;
use crate::group::{ChangeKind, Group, LinkId, MemberChange, acked_after, written_after};
use crate::histogram::Histogram;
use crate::limits::http::{HTTP_CHANGES_MAX, HTTP_RATES_MAX};
use crate::protocol::Seq;
use crate::time::{Now, UnixMillis};

/// Longest latency and longest turn that are told from longer ones: an hour, a minute.
const LATENCY_MS_MAX: u64 = 3_600_000;
const TURN_US_MAX: u64 = 60_000_000;

/// Latencies, times of turns, rates, and the last changes of members.
#[derive(Debug)]
pub(in crate::coordinator) struct Observed {
    /// Milliseconds from accepting to writing.
    pub(super) deliveries: Histogram,
    /// Milliseconds from accepting to the acknowledgement.
    pub(super) acks: Histogram,
    /// HTTP responses by status, in the order of [`StatusCode::ALL`].
    responses: [u64; StatusCode::ALL.len()],
    /// Microseconds of the turns.
    pub(super) turns: Histogram,
    /// Messages accepted and delivered in each of the last seconds, oldest first.
    pub(super) rates: VecDeque<Rate>,
    /// Counters at the last tick.
    counters: Option<Rate>,
    changes: VecDeque<ObservedChange>,
    changes_so_far: u64,
}

/// Messages accepted and delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rate {
    pub(super) accepted: u64,
    pub(super) delivered: u64,
}

/// A change of a member, for people.
#[derive(Clone, Debug)]
pub(super) struct ObservedChange {
    /// Position among all changes, from 1 on.
    pub(super) number: u64,
    pub(super) at: UnixMillis,
    pub(super) id: Box<str>,
    pub(super) what: &'static str,
    pub(super) reason: String,
}

impl Default for Observed {
    fn default() -> Self {
        Self {
            deliveries: Histogram::new(LATENCY_MS_MAX),
            acks: Histogram::new(LATENCY_MS_MAX),
            responses: [0; StatusCode::ALL.len()],
            turns: Histogram::new(TURN_US_MAX),
            rates: VecDeque::new(),
            counters: None,
            changes: VecDeque::new(),
            changes_so_far: 0,
        }
    }
}

impl Observed {
    /// Records a write to a message socket whose last message is `through`.
    pub(in crate::coordinator) fn record_write(
        &mut self,
        group: &Group,
        link: LinkId,
        through: Seq,
    ) {
        written_after(group, link, through)
            .into_iter()
            .for_each(|millis| self.deliveries.record(millis));
    }

    /// Records an acknowledgement, which the group has not handled yet.
    pub(in crate::coordinator) fn record_ack(&mut self, group: &Group, link: LinkId, acked: Seq) {
        acked_after(group, link, acked).into_iter().for_each(|millis| self.acks.record(millis));
    }

    /// Records the response to an HTTP request.
    pub(super) fn record_response(&mut self, status: StatusCode) {
        let all = StatusCode::ALL.iter().zip(&mut self.responses);
        all.filter(|(code, _)| **code == status).for_each(|(_, count)| *count += 1);
    }

    /// Returns the numbers of HTTP responses, by the code of their status.
    pub(super) fn responses(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let codes = StatusCode::ALL.iter().map(|status| status.code());
        codes.zip(self.responses.iter().copied())
    }

    /// Records the time of a turn.
    pub(in crate::coordinator) fn record_turn(&mut self, micros: u64) {
        self.turns.record(micros);
    }

    /// Records a change of a member.
    pub(in crate::coordinator) fn record_change(&mut self, change: &MemberChange, now: Now) {
        let (what, reason) = match &change.change {
            ChangeKind::Registered(address) => ("registered", address.to_string()),
            ChangeKind::Reconnected(address) => ("online", address.to_string()),
            ChangeKind::TakenOver { by, from } => {
                ("renewed", format!("{by} took over from {from}"))
            }
            ChangeKind::Offline { cause, .. } => ("offline", cause.to_string()),
            ChangeKind::Deregistered => ("deregistered", String::new()),
            ChangeKind::Forgotten { after_ms } => {
                ("forgotten", format!("offline for {} s", after_ms / 1000))
            }
            ChangeKind::NumberNotGivenOut { .. } => return,
        };
        if self.changes.len() >= HTTP_CHANGES_MAX {
            self.changes.pop_front();
        }
        self.changes_so_far = self.changes_so_far.saturating_add(1);
        let (number, id) = (self.changes_so_far, change.id.clone());
        self.changes.push_back(ObservedChange { number, at: now.unix, id, what, reason });
    }

    /// Records the rates of the last second.
    pub(super) fn tick(&mut self, group: &Group) {
        let stats = group.stats();
        let now = Rate { accepted: stats.messages_in, delivered: stats.deliveries_out };
        if let Some(before) = self.counters.replace(now) {
            if self.rates.len() >= HTTP_RATES_MAX {
                self.rates.pop_front();
            }
            self.rates.push_back(Rate {
                accepted: now.accepted.saturating_sub(before.accepted),
                delivered: now.delivered.saturating_sub(before.delivered),
            });
        }
    }

    /// Returns the number of changes so far.
    pub(super) fn changes_so_far(&self) -> u64 {
        self.changes_so_far
    }

    /// Returns the changes after this number that are known, oldest first.
    pub(super) fn changes_after(&self, number: u64) -> impl Iterator<Item = &ObservedChange> {
        self.changes.iter().filter(move |change| change.number > number)
    }
}
