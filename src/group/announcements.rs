//! Announcements: what was announced about each id, and when the next announcement is due.
//!
//! Announcements tell states, not steps. An id is due while its state differs from the announced
//! one, at most once in `presence_delay`. So an id that comes and goes all the time makes few
//! messages.
//!
//! ```text
//!                        ┌───────────── registered ────────────┐
//!                        │                                     ▼
//!   announced:  Absent ──┴─ offline ─► Offline ── online ──► Online
//!                  ▲                     │  ▲                │  │
//!                  └──── deregistered ───┘  └── offline ─────┘  │
//!                  └──────────────── deregistered ──────────────┘
//! ```

use std::collections::{BTreeMap, BTreeSet};

use super::presence::Presence;
use super::recorded::RecordedState;
use crate::facts::Announced;
use crate::limits::{ANNOUNCEMENT_RETRY_MS, FORMER_IDS_MAX};
use crate::protocol::{Announcement, PresenceChange};
use crate::time::Millis;

/// Announced states of all ids: of every member, and of former members whose last announcement is
/// recent or no longer true. Without `presence=yes` a running group has none.
#[derive(Debug)]
pub(super) struct Announcements {
    /// `presence_delay`; `None` with `presence=no`.
    delay_ms: Option<u64>,
    ids: BTreeMap<Box<str>, AnnouncedId>,
    /// Times at which the next announcements are due.
    due: BTreeSet<(Millis, Box<str>)>,
    /// Time before which nothing is announced, because there was no room.
    waits_until: Millis,
    /// Number of ids at which a recovery forgets those that are no longer needed.
    sweep_at: usize,
}

/// Announced state of an id.
#[derive(Clone, Copy, Debug, Default)]
struct AnnouncedId {
    announced: Announced,
    /// Time of the last announcement.
    at: Option<Millis>,
    /// Entry in the list of due announcements.
    due: Option<Millis>,
    /// True if an announcement was proposed, and neither applied nor withdrawn yet.
    is_proposed: bool,
    /// True if the state was restored after the start of the last snapshot.
    is_named: bool,
    /// True if the member joined at another coordinator, which announces the member's state.
    is_elsewhere: bool,
}

impl AnnouncedId {
    /// Returns the time before which the id is not announced again.
    fn earliest(self, delay_ms: u64) -> Millis {
        self.at.map_or(Millis::ZERO, |at| at.plus(delay_ms))
    }

    /// Returns the time of the next announcement, or of the end of this entry.
    fn due_at(self, presence: Option<Presence>, delay_ms: u64) -> Option<Millis> {
        let earliest = self.earliest(delay_ms);
        match (self.announced, presence) {
            _ if self.is_proposed || self.is_elsewhere => None,
            (Announced::Online, Some(Presence::Online { .. }))
            | (Announced::Offline, Some(Presence::Offline { .. })) => None,
            (_, Some(Presence::Offline { since })) => Some(earliest.max(since.plus(delay_ms))),
            (_, Some(Presence::Online { .. }) | None) => Some(earliest),
            #[cfg(feature = "engine")]
            (_, Some(Presence::Elsewhere { .. })) => None,
        }
    }

    /// Returns true if nothing was announced about the id, and nothing is proposed.
    fn is_unannounced(self) -> bool {
        self.announced == Announced::Absent && self.at.is_none() && !self.is_proposed
    }

    /// Returns the change that makes the announced state true; `None` for an id that is no member
    /// and not known as one.
    fn change(self, presence: Option<Presence>) -> Option<PresenceChange> {
        match (self.announced, presence) {
            (Announced::Absent, None) => None,
            (_, None) => Some(PresenceChange::Deregistered),
            (_, Some(Presence::Offline { .. })) => Some(PresenceChange::Offline),
            (Announced::Absent, Some(Presence::Online { .. })) => Some(PresenceChange::Registered),
            (_, Some(Presence::Online { .. })) => Some(PresenceChange::Online),
            #[cfg(feature = "engine")]
            (_, Some(Presence::Elsewhere { .. })) => None,
        }
    }
}

impl Announced {
    /// Returns the announced state after an announcement.
    fn after(change: PresenceChange) -> Self {
        match change {
            PresenceChange::Registered | PresenceChange::Online => Self::Online,
            PresenceChange::Offline => Self::Offline,
            PresenceChange::Deregistered => Self::Absent,
        }
    }
}

impl Announcements {
    pub(super) fn new(delay_ms: Option<u64>) -> Self {
        let (ids, due) = (BTreeMap::new(), BTreeSet::new());
        let sweep_at = FORMER_IDS_MAX;
        Self { delay_ms, ids, due, waits_until: Millis::ZERO, sweep_at }
    }

    /// Changes `presence_delay`; `None` ends the announcements.
    fn change_delay(&mut self, delay_ms: Option<u64>) {
        self.delay_ms = delay_ms;
        if delay_ms.is_none() {
            self.ids.clear();
            self.due.clear();
        }
    }

    pub(super) fn is_on(&self) -> bool {
        self.delay_ms.is_some()
    }

    /// Returns the announced states, in the order of the ids.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, Announced)> {
        self.ids.iter().map(|(id, it)| (&**id, it.announced))
    }

    /// Returns the announced state of an id; `None` if it is not known.
    pub(super) fn of(&self, id: &str) -> Option<Announced> {
        self.ids.get(id).map(|it| it.announced)
    }

    /// Notes a member that joined at this coordinator, or elsewhere.
    pub(super) fn joined(&mut self, id: &str, is_elsewhere: bool) {
        if self.is_on() {
            self.entry(id).is_elsewhere = is_elsewhere;
        }
    }

    /// Notes that the membership of an id has ended.
    pub(super) fn left(&mut self, id: &str) {
        if let Some(it) = self.ids.get_mut(id) {
            it.is_elsewhere = false;
        }
    }

    fn entry(&mut self, id: &str) -> &mut AnnouncedId {
        self.ids.entry(id.into()).or_default()
    }

    /// Restores an announced state.
    fn restore(&mut self, id: &str, announced: Announced, at: Millis) {
        let it = self.entry(id);
        (it.announced, it.at, it.is_named) = (announced, Some(at), true);
    }

    /// Begins a snapshot, which names all announced states.
    pub(super) fn begin_snapshot(&mut self) {
        self.ids.values_mut().for_each(|it| it.is_named = false);
    }

    /// Forgets the states that the last snapshot did not name.
    pub(super) fn restrict_to_named(&mut self) {
        self.ids.retain(|_, it| it.is_named);
    }

    /// Forgets former members whose end was announced, and not recently. A journal can announce
    /// any number of ids.
    fn sweep(&mut self, is_member: impl Fn(&str) -> bool, at: Millis) {
        let Self { delay_ms: Some(delay_ms), ids, sweep_at, .. } = self else { return };
        if ids.len() >= *sweep_at {
            ids.retain(|id, it| {
                it.announced != Announced::Absent || it.earliest(*delay_ms) >= at || is_member(id)
            });
            *sweep_at = ids.len().saturating_mul(2).max(FORMER_IDS_MAX);
        }
    }

    /// Ends a recovery. A member without an announced state was a member before the announcements
    /// began, and counts as announced online.
    fn finish_restore<'a>(&mut self, members: impl Iterator<Item = &'a str>) {
        for id in members.filter(|_| self.delay_ms.is_some()) {
            if !self.ids.contains_key(id) {
                let it = AnnouncedId { announced: Announced::Online, ..AnnouncedId::default() };
                self.ids.insert(id.into(), it);
            }
        }
    }

    /// Updates the time at which an id is due, and forgets an id that has left before anything was
    /// announced about it. Must be called after each change of the id.
    pub(super) fn update(&mut self, id: &str, presence: Option<Presence>) {
        if self.ids.get(id).is_some_and(|it| presence.is_none() && it.is_unannounced()) {
            return self.forget(id);
        }
        let Self { delay_ms: Some(delay_ms), ids, due, .. } = self else { return };
        let Some(it) = ids.get_mut(id) else { return };
        let due_at = it.due_at(presence, *delay_ms);
        if it.due == due_at {
            return;
        }
        if let Some(old) = it.due {
            due.remove(&(old, id.into()));
        }
        it.due = due_at;
        due.extend(due_at.map(|at| (at, id.into())));
    }

    /// Returns the time of the next announcement.
    pub(super) fn next_due(&self) -> Option<Millis> {
        self.due.first().map(|(at, _)| self.waits_until.max(*at))
    }

    /// Returns the next id that is due.
    pub(super) fn first_due(&self, now: Millis) -> Option<&str> {
        self.next_due().filter(|at| *at <= now)?;
        self.due.first().map(|(_, id)| &**id)
    }

    /// Returns the next announcement about an id that is due. `members` is the number of members.
    /// Returns `None` if the id is forgotten, or waits because too many former ids do.
    pub(super) fn next_change(
        &mut self,
        id: &str,
        presence: Option<Presence>,
        members: usize,
        now: Millis,
    ) -> Option<PresenceChange> {
        let Some(change) = self.ids.get(id)?.change(presence) else {
            self.forget(id);
            return None;
        };
        if change == PresenceChange::Registered
            && self.ids.len().saturating_sub(members) >= FORMER_IDS_MAX
        {
            self.postpone(id, now.plus(ANNOUNCEMENT_RETRY_MS));
            return None;
        }
        Some(change)
    }

    fn forget(&mut self, id: &str) {
        if let Some(due) = self.ids.remove(id).and_then(|it| it.due) {
            self.due.remove(&(due, id.into()));
        }
    }

    fn postpone(&mut self, id: &str, until: Millis) {
        if let Some(it) = self.ids.get_mut(id) {
            if let Some(due) = it.due.replace(until) {
                self.due.remove(&(due, id.into()));
            }
            self.due.insert((until, id.into()));
        }
    }

    /// Lets all announcements wait, because there is no room for the first one.
    pub(super) fn wait(&mut self, now: Millis) {
        self.waits_until = now.plus(ANNOUNCEMENT_RETRY_MS);
    }

    /// Notes that an announcement was proposed, or that the proposal was withdrawn.
    pub(super) fn mark_proposed(&mut self, id: &str, is_proposed: bool) {
        if let Some(it) = self.ids.get_mut(id) {
            it.is_proposed = is_proposed;
        }
    }

    /// Notes an announcement that was made. Returns false for one that other facts made wrong: the
    /// announced state or the membership has changed since the proposal.
    pub(super) fn apply(
        &mut self,
        announcement: Announcement<'_>,
        is_member: bool,
        at: Millis,
    ) -> bool {
        let Announcement { id, change } = announcement;
        let Some(it) = self.ids.get_mut(id).filter(|_| self.delay_ms.is_some()) else {
            return false;
        };
        it.is_proposed = false;
        let announced = Announced::after(change);
        let is_known = match change {
            PresenceChange::Registered => it.announced != Announced::Absent,
            PresenceChange::Online | PresenceChange::Offline | PresenceChange::Deregistered => {
                it.announced == announced
            }
        };
        let is_possible = is_member == (announced != Announced::Absent);
        if is_known || !is_possible {
            return false;
        }
        (it.announced, it.at) = (announced, Some(at));
        true
    }

    /// Returns true if the list of due announcements agrees with the ids, and each member has an
    /// announced state.
    pub(super) fn is_in_order<'a>(&self, mut members: impl Iterator<Item = &'a str>) -> bool {
        let due = self.ids.iter().filter_map(|(id, it)| Some((it.due?, id.clone())));
        let is_complete = !self.is_on() || members.all(|id| self.ids.contains_key(id));
        is_complete && due.collect::<BTreeSet<_>>() == self.due
    }
}

impl RecordedState {
    fn presence_of(&self, id: &str) -> Option<Presence> {
        self.members.find(id).and_then(|slot| self.members.at(slot)).map(|member| member.presence)
    }

    /// Updates the next announcement about an id. Must be called after each change of the id.
    pub(super) fn update_announcement(&mut self, id: &str) {
        if self.announcements.is_on() && !self.is_recovering() {
            let presence = self.presence_of(id);
            self.announcements.update(id, presence);
        }
    }

    /// Returns the next announcement that is due.
    pub(super) fn next_announcement(&mut self, now: Millis) -> Option<(Box<str>, PresenceChange)> {
        loop {
            let id: Box<str> = self.announcements.first_due(now)?.into();
            let (presence, members) = (self.presence_of(&id), self.members.len());
            if let Some(change) = self.announcements.next_change(&id, presence, members, now) {
                return Some((id, change));
            }
        }
    }

    /// Notes that an announcement is proposed to the journal, or no longer is.
    pub(super) fn mark_announcement(&mut self, id: &str, is_proposed: bool) {
        self.announcements.mark_proposed(id, is_proposed);
        self.update_announcement(id);
    }

    /// Notes an announcement that was ordered: see [`Announcements::apply`].
    pub(super) fn apply_announcement(
        &mut self,
        announcement: Announcement<'_>,
        at: Millis,
    ) -> bool {
        let id = announcement.id;
        let is_member = self.members.find(id).is_some();
        let is_new = self.announcements.apply(announcement, is_member, at);
        self.update_announcement(id);
        is_new
    }

    /// Restores the announced state of an id.
    pub(super) fn restore_announced(&mut self, id: &str, announced: Announced, at: Millis) {
        if self.announcements.is_on() && self.is_recovering() {
            let Self { announcements, members, .. } = self;
            announcements.restore(id, announced, at);
            announcements.sweep(|id| members.find(id).is_some(), at);
        }
    }

    /// Restores the announced state of a recovered message.
    pub(super) fn restore_announcement(&mut self, text: &str, at: Millis) {
        if let Some(Announcement { id, change }) = Announcement::parse(text) {
            self.restore_announced(id, Announced::after(change), at);
        }
    }

    /// Changes `presence_delay`; `None` is `presence=no`. With the first announcements all members
    /// count as announced online.
    pub(super) fn change_presence_delay(&mut self, delay_ms: Option<u64>) {
        self.announcements.change_delay(delay_ms);
        self.finish_restore_announced();
    }

    /// Ends the restoration of the announced states. The states of the members must be known.
    pub(super) fn finish_restore_announced(&mut self) {
        let Self { announcements, members, .. } = self;
        announcements.finish_restore(members.sorted().map(|member| &*member.id));
        for id in self.announcements.ids.keys().cloned().collect::<Vec<Box<str>>>() {
            self.update_announcement(&id);
        }
    }
}
