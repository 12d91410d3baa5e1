//! The bound of the backlog. Messages that are refused or dropped while it is full are counted, and
//! the beginning and the end of that are reported to the log.

use super::members::Members;
use super::{Effect, Group};
use crate::limits::{BACKLOG_CALM_MS, Overflow};
use crate::protocol::{BacklogHolder, RequestError};
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
fn holder(members: &Members, bytes: u64) -> BacklogHolder {
    let lowest = members.known_lowest().and_then(|(slot, _)| members.at(slot));
    match lowest {
        Some(member) => BacklogHolder::Member { id: member.id.clone(), bytes },
        None => BacklogHolder::Journal,
    }
}

/// Returns true if a line of `bytes` certainly fits into the backlog, because it fits together with
/// all blocks of the history.
#[inline]
pub(super) fn has_room(group: &Group, bytes: u64) -> bool {
    group.state.history.block_bytes().saturating_add(bytes) <= group.rules.backlog_bytes_max
}

/// Makes room for a line of `bytes` in the backlog, or refuses the line.
pub(super) fn make_room(group: &mut Group, bytes: u64, now: Millis) -> Result<(), RequestError> {
    if has_room(group, bytes) {
        return Ok(());
    }
    let refused = match group.rules.overflow {
        Overflow::Reject => full_backlog(group, bytes),
        // An uncommitted message is not lost to anybody yet, so it cannot be dropped.
        Overflow::DropOldest => (!drop_oldest(group, bytes, now)).then_some(BacklogHolder::Journal),
    };
    refused.map_or(Ok(()), |holder| Err(refuse_full(group, holder, now)))
}

/// Returns the holder of the oldest needed message, if a line of `bytes` has no room.
pub(super) fn full_backlog(group: &mut Group, bytes: u64) -> Option<BacklogHolder> {
    if has_room(group, bytes) {
        return None;
    }
    let oldest = group.state.find_needed();
    let needed_bytes = group.state.history.bytes_from(oldest);
    let is_full = needed_bytes.saturating_add(bytes) > group.rules.backlog_bytes_max;
    is_full.then(|| holder(&group.state.members, needed_bytes))
}

/// Drops the oldest messages until a line of `bytes` has room. Returns false if uncommitted
/// messages are in the way.
pub(super) fn drop_oldest(group: &mut Group, bytes: u64, now: Millis) -> bool {
    if has_room(group, bytes) {
        return true;
    }
    let oldest = group.state.find_needed();
    let (history, max) = (&group.state.history, group.rules.backlog_bytes_max);
    let needed_bytes = history.bytes_from(oldest);
    let mut front = oldest;
    while history.bytes_from(front).saturating_add(bytes) > max {
        front = front.next();
    }
    if front == oldest {
        return true;
    }
    if front > history.released().next() {
        return false;
    }
    report_dropped(group, front.above(oldest), needed_bytes, now);
    group.drop_messages_before(front);
    true
}

/// Counts a message that is refused because the backlog is full.
pub(super) fn refuse_full(group: &mut Group, holder: BacklogHolder, now: Millis) -> RequestError {
    let max = group.rules.backlog_bytes_max;
    let change = group.backlog_state.refused(max, &holder, now);
    group.effects.extend(change.map(Effect::Backlog));
    RequestError::BacklogFull { max, holder }
}

/// Counts messages dropped to make room.
fn report_dropped(group: &mut Group, dropped: u64, needed_bytes: u64, now: Millis) {
    let Group { state, stats, backlog_state, effects, rules, .. } = group;
    stats.dropped = stats.dropped.saturating_add(dropped);
    let holder = || holder(&state.members, needed_bytes);
    let change = backlog_state.dropped(dropped, rules.backlog_bytes_max, holder, now);
    effects.extend(change.map(Effect::Backlog));
}
