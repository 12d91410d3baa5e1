//! Counts the messages that are refused or dropped while the backlog is full, and reports the
//! beginning and the end of that to the log.

use super::members::Members;
use crate::limits::BACKLOG_CALM_MS;
use crate::protocol::BacklogHolder;
use crate::time::Millis;

/// A change of the backlog, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BacklogChange {
    /// The backlog is full: new messages are refused.
    Refuses {
        /// `max_backlog` in bytes.
        max: u64,
        /// Holder of the oldest needed message.
        holder: BacklogHolder,
    },
    /// The backlog is full: the oldest messages are dropped.
    Drops {
        /// `max_backlog` in bytes.
        max: u64,
        /// Holder of the oldest needed message.
        holder: BacklogHolder,
    },
    /// No message was refused or dropped for [`BACKLOG_CALM_MS`].
    Calm {
        /// Messages refused while the backlog was full.
        refused: u64,
        /// Messages dropped while the backlog was full.
        dropped: u64,
    },
}

/// Refused and dropped messages since the backlog became full.
#[derive(Debug, Default)]
pub(super) struct BacklogState {
    last_at: Option<Millis>,
    refused: u64,
    dropped: u64,
}

impl BacklogState {
    /// Counts refused and dropped messages. Returns true if the backlog was not full before.
    fn count(&mut self, refused: u64, dropped: u64, now: Millis) -> bool {
        self.refused = self.refused.saturating_add(refused);
        self.dropped = self.dropped.saturating_add(dropped);
        self.last_at.replace(now).is_none()
    }

    /// Returns the time at which the backlog counts as calm, if no further message is refused or
    /// dropped.
    pub(super) fn ends_at(&self) -> Option<Millis> {
        self.last_at.map(|at| at.plus(BACKLOG_CALM_MS))
    }

    /// Counts a refused message. Returns the change if the backlog was not full before.
    pub(super) fn refused(
        &mut self,
        max: u64,
        holder: &BacklogHolder,
        now: Millis,
    ) -> Option<BacklogChange> {
        let is_new = self.count(1, 0, now);
        is_new.then(|| BacklogChange::Refuses { max, holder: holder.clone() })
    }

    /// Counts messages dropped to make room. Returns the change if the backlog was not full before.
    pub(super) fn dropped(
        &mut self,
        dropped: u64,
        max: u64,
        holder: impl FnOnce() -> BacklogHolder,
        now: Millis,
    ) -> Option<BacklogChange> {
        let is_new = self.count(0, dropped, now);
        is_new.then(|| BacklogChange::Drops { max, holder: holder() })
    }

    /// Returns the change to a calm backlog when its time has come.
    pub(super) fn end(&mut self, now: Millis) -> Option<BacklogChange> {
        self.ends_at().filter(|at| *at <= now)?;
        let Self { refused, dropped, .. } = std::mem::take(self);
        Some(BacklogChange::Calm { refused, dropped })
    }
}

/// Returns the member that needs the oldest message, which holds `bytes` of the backlog. The lowest
/// cursor must be known: see [`Members::find_lowest_acked`].
pub(super) fn holder(members: &Members, bytes: u64) -> BacklogHolder {
    let lowest = members.known_lowest().and_then(|(slot, _)| members.at(slot));
    match lowest {
        Some(member) => BacklogHolder::Member { id: member.id.clone(), bytes },
        None => BacklogHolder::Journal,
    }
}
