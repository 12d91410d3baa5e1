//! A full backlog as the log tells of it: once when it begins, once when it has ended.

use super::{Effect, Group};
use crate::limits::BACKLOG_CALM_MS;
use crate::protocol::BacklogHolder;
use crate::time::Millis;

/// Change of the backlog that an operator must see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BacklogChange {
    /// The backlog is full: from here on messages are refused.
    Refuses {
        /// `max_backlog`.
        max: u64,
        /// Cause of the full backlog.
        holder: BacklogHolder,
    },
    /// The backlog is full: from here on the oldest messages are dropped.
    Drops {
        /// `max_backlog`.
        max: u64,
        /// Cause of the full backlog.
        holder: BacklogHolder,
    },
    /// For [`BACKLOG_CALM_MS`] no message was refused or dropped.
    Calm {
        /// Messages refused since it was full.
        refused: u64,
        /// Messages dropped since then.
        dropped: u64,
    },
}

/// The refusals and drops since the backlog was full, while the last one is not long ago.
#[derive(Debug, Default)]
pub(super) struct BacklogState {
    last_at: Option<Millis>,
    refused: u64,
    dropped: u64,
}

impl BacklogState {
    /// Counts messages that were refused or dropped; `true` if these are the first.
    fn count(&mut self, refused: u64, dropped: u64, now: Millis) -> bool {
        self.refused = self.refused.saturating_add(refused);
        self.dropped = self.dropped.saturating_add(dropped);
        self.last_at.replace(now).is_none()
    }

    /// Returns the time at which the backlog counts as calm, unless another message is refused or
    /// dropped before.
    pub(super) fn ends_at(&self) -> Option<Millis> {
        self.last_at.map(|at| at.plus(BACKLOG_CALM_MS))
    }

    fn end(&mut self, now: Millis) -> Option<BacklogChange> {
        self.ends_at().filter(|at| *at <= now)?;
        let Self { refused, dropped, .. } = std::mem::take(self);
        Some(BacklogChange::Calm { refused, dropped })
    }
}

impl Group {
    /// Counts a message that was refused.
    pub(super) fn on_refused(&mut self, max: u64, holder: &BacklogHolder) {
        if self.backlog_state.count(1, 0, self.now) {
            let holder = holder.clone();
            self.effects.push_back(Effect::Backlog(BacklogChange::Refuses { max, holder }));
        }
    }

    /// Counts messages that were dropped to make room.
    pub(super) fn on_dropped(&mut self, dropped: u64, max: u64, needed_bytes: u64) {
        self.stats.dropped = self.stats.dropped.saturating_add(dropped);
        if self.backlog_state.count(0, dropped, self.now) {
            let holder = self.backlog_holder(needed_bytes);
            self.effects.push_back(Effect::Backlog(BacklogChange::Drops { max, holder }));
        }
    }

    /// Tells that the backlog is not full any more, once that is certain.
    pub(super) fn end_backlog_state(&mut self) {
        if let Some(calm) = self.backlog_state.end(self.now) {
            self.effects.push_back(Effect::Backlog(calm));
        }
    }

    /// The member that needs the oldest message. To be called after [`Group::find_needed`].
    pub(super) fn backlog_holder(&self, bytes: u64) -> BacklogHolder {
        let lowest = self.members.known_lowest().and_then(|(slot, _)| self.members.at(slot));
        match lowest {
            Some(member) => BacklogHolder::Member { id: member.id.clone(), bytes },
            None => BacklogHolder::Journal,
        }
    }
}
