//! Members: ids, addresses and cursors of all registered participants.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::ops::Bound;
use std::sync::Arc;

use slab::Slab;

use super::Rules;
use super::access::MemberAccess;
use super::cursor_changes::{CursorChange, CursorChanges};
use super::history::History;
use super::ids::MemberSlot;
use super::member::Member;
use super::per_address::PerAddress;
use super::presence::Presence;
use super::registration::Registration;
#[cfg(feature = "engine")]
use super::sites::SiteNames;
use crate::access::OwnedIds;
#[cfg(feature = "engine")]
use crate::facts::MemberSite;
use crate::protocol::{PeerName, Seq};
use crate::time::Millis;

/// All members, by slot and in the order of their ids.
#[derive(Debug, Default)]
pub(super) struct Members {
    slots: Slab<Member>,
    /// Slot of the member whose own seqs are trimmed next.
    trimmed_next: usize,
    by_id: BTreeMap<Box<str>, MemberSlot>,
    /// Cursors that have changed since a journal recorded them.
    pub(super) changes: CursorChanges,
    /// Slot that was found last. The fact of a request finds the member of its check again.
    found_last: Cell<MemberSlot>,
    /// Member with the lowest cursor, and that cursor, when last searched. As long as that cursor
    /// has not moved, none is lower: cursors only rise, except at [`Members::cursor_went_back`].
    lowest: Option<(MemberSlot, Seq)>,
    /// Offline members without a connect-back under way, by the time they were last online.
    offline: BTreeSet<(Millis, MemberSlot)>,
    /// Number of members, and of registrations under way, by address.
    pub(super) per_address: PerAddress,
    /// Ids of members, and of registrations under way, by owner.
    pub(super) owned: OwnedIds,
    /// Names of the sites at which members are.
    #[cfg(feature = "engine")]
    pub(super) site_names: SiteNames,
}

impl Members {
    /// Creates a table without members.
    pub(super) fn new(rules: &Rules) -> Self {
        let mut members = Self::default();
        if let Some(access) = &rules.access {
            members.owned.count_by(Arc::clone(&access.table));
        }
        members
    }

    /// Adds a member that gets every message after `start`.
    pub(super) fn insert(
        &mut self,
        id: Box<str>,
        owner: PeerName,
        address: SocketAddr,
        start: Seq,
        history: &mut History,
        at: Millis,
    ) -> MemberSlot {
        self.per_address.add(address.ip());
        self.owned.add(owner, &id);
        if start < history.last() {
            self.cursor_went_back();
        }
        let registration = Registration { at: history.last(), start };
        let block = history.enter(start);
        let member = Member::new(id.clone(), owner, address, registration, block, at);
        let slot = MemberSlot::new(self.slots.insert(member));
        let doubled = self.by_id.insert(id, slot);
        debug_assert!(doubled.is_none(), "an id is registered once");
        slot
    }

    pub(super) fn remove(&mut self, slot: MemberSlot, history: &mut History) -> Option<Member> {
        let member = self.slots.try_remove(slot.index())?;
        self.by_id.remove(&member.id);
        self.per_address.remove(member.address.ip());
        self.owned.remove(member.access.owner, &member.id);
        if let Presence::Offline { since } = member.presence {
            self.offline.remove(&(since, slot));
        }
        history.leave(member.block);
        Some(member)
    }

    /// Returns the member with this id.
    pub(super) fn of(&self, id: &str) -> Option<&Member> {
        self.at(self.find(id)?)
    }

    #[inline]
    pub(super) fn find(&self, id: &str) -> Option<MemberSlot> {
        let found = self.found_last.get();
        match self.at(found).is_some_and(|member| *member.id == *id) {
            true => Some(found),
            false => self.search(id),
        }
    }

    fn search(&self, id: &str) -> Option<MemberSlot> {
        let found = self.by_id.get(id).copied()?;
        self.found_last.set(found);
        Some(found)
    }

    pub(super) fn at(&self, slot: MemberSlot) -> Option<&Member> {
        self.slots.get(slot.index())
    }

    pub(super) fn at_mut(&mut self, slot: MemberSlot) -> Option<&mut Member> {
        self.slots.get_mut(slot.index())
    }

    /// Forgets the proposed numbers of a member's `send` requests.
    pub(super) fn withdraw_sends(&mut self, id: &str) {
        let slot = self.find(id);
        if let Some(member) = slot.and_then(|slot| self.at_mut(slot)) {
            member.sends.withdraw();
        }
    }

    /// Changes the owner of a member.
    pub(super) fn set_owner(&mut self, slot: MemberSlot, owner: PeerName) {
        if let Some(member) = self.slots.get_mut(slot.index())
            && member.access.owner != owner
        {
            self.owned.remove(member.access.owner, &member.id);
            self.owned.add(owner, &member.id);
            member.access.change_owner(owner);
        }
    }

    /// Counts a registration under way.
    pub(super) fn count_registering(&mut self, id: &str, owner: PeerName, ip: IpAddr) {
        self.per_address.add(ip);
        self.owned.add(owner, id);
    }

    /// Ends the count of a registration under way. A member of the same owner still counts.
    pub(super) fn end_registering(&mut self, id: &str, owner: PeerName, ip: IpAddr) {
        self.per_address.remove(ip);
        self.owned.remove(owner, id);
    }

    /// Passes what the access rules say about each member to `change`.
    pub(super) fn each_access(&mut self, mut change: impl FnMut(&mut MemberAccess)) {
        self.slots.iter_mut().for_each(|(_, member)| change(&mut member.access));
    }

    /// Changes the address of a member.
    pub(super) fn set_address(&mut self, slot: MemberSlot, address: SocketAddr) {
        if let Some(member) = self.slots.get_mut(slot.index()) {
            self.per_address.remove(member.address.ip());
            self.per_address.add(address.ip());
            member.address = address;
        }
    }

    /// Updates the list of offline members. Must be called after each change of a member's links.
    pub(super) fn update_offline(&mut self, slot: MemberSlot, now: Millis) {
        let Some(member) = self.slots.get_mut(slot.index()) else { return };
        if let Presence::Offline { since } = member.presence {
            self.offline.remove(&(since, slot));
        }
        member.presence = member.presence.updated(member.is_online(), now);
        if let (Presence::Offline { since }, true) = (member.presence, member.is_at_rest()) {
            self.offline.insert((since, slot));
        }
    }

    /// Notes that a member is at this site of several, or at another one.
    #[cfg(feature = "engine")]
    pub(super) fn locate(
        &mut self,
        slot: MemberSlot,
        (name, site): (&str, MemberSite),
        now: Millis,
    ) {
        let Some(member) = self.slots.get_mut(slot.index()) else { return };
        if let Presence::Offline { since } = member.presence {
            self.offline.remove(&(since, slot));
        }
        let is_online = match site {
            MemberSite::Here => member.link.is_some(),
            MemberSite::Elsewhere { is_online } => is_online,
        };
        let is_same = member.presence.is_online() == is_online;
        let since = if is_same { member.presence.since() } else { now };
        member.presence = match site {
            MemberSite::Here if is_online => Presence::Online { since },
            MemberSite::Here => Presence::Offline { since },
            MemberSite::Elsewhere { .. } => Presence::Elsewhere { is_online, since },
        };
        self.site_names.set(slot, name);
        self.update_offline(slot, now);
    }

    /// Marks a member whose message socket has ended: a journal of several sites tells the others.
    #[inline]
    pub(super) fn mark_gone(&mut self, slot: MemberSlot) {
        if cfg!(feature = "engine") {
            self.changes.mark(slot, CursorChange::Acked);
        }
    }

    /// Marks a member whose deregistration was proposed, or no longer is.
    pub(super) fn mark_leaving(&mut self, slot: MemberSlot, is_leaving: bool, now: Millis) {
        if let Some(member) = self.slots.get_mut(slot.index()) {
            member.is_leaving = is_leaving;
            self.update_offline(slot, now);
        }
    }

    /// Returns the member that has been offline longest, and the time it was last online.
    pub(super) fn offline_longest(&self) -> Option<(Millis, MemberSlot)> {
        self.offline.first().copied()
    }

    /// Returns the slots of all members.
    pub(super) fn slots(&self) -> Vec<MemberSlot> {
        self.by_id.values().copied().collect()
    }

    /// Returns true if the list of offline members agrees with the members.
    pub(super) fn is_offline_in_order(&self) -> bool {
        let is_updated = |member: &Member| member.presence.is_online() == member.is_online();
        let offline = self.slots.iter().filter_map(|(slot, member)| match member.presence {
            Presence::Offline { since } => {
                member.is_at_rest().then_some((since, MemberSlot::new(slot)))
            }
            Presence::Online { .. } => None,
            #[cfg(feature = "engine")]
            Presence::Elsewhere { .. } => None,
        });
        self.slots.iter().all(|(_, member)| is_updated(member))
            && offline.collect::<BTreeSet<_>>() == self.offline
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Ends the restoration of all members: see [`Member::finish_restore`].
    pub(super) fn finish_restore(&mut self, history: &History) {
        self.slots.iter_mut().for_each(|(_, member)| member.finish_restore(history));
    }

    /// Trims the own seqs of one member, the next one at each call. One call for each accepted
    /// message is enough: a member that no longer publishes then keeps at most one range for each
    /// kept message. The cursor of a member that may not receive moves to the end.
    pub(super) fn trim_one(&mut self, history: &mut History) {
        if let Some(member) = self.slots.get_mut(self.trimmed_next) {
            if !member.access.receives && member.move_cursor(history.last(), history) {
                self.changes.mark(MemberSlot::new(self.trimmed_next), CursorChange::Acked);
            }
            member.trim_own(history);
        }
        let next = self.trimmed_next.saturating_add(1);
        self.trimmed_next = if next < self.slots.capacity() { next } else { 0 };
    }

    /// Moves the cursors of members that may not receive to the end. A journal that records them is
    /// read by a coordinator whose rules may let these members receive. Linear in the members.
    pub(super) fn pass_without_right(&mut self, history: &mut History) {
        let muted = self.slots.iter_mut().filter(|(_, member)| !member.access.receives);
        for (slot, member) in muted {
            if member.acked() < history.last() && member.move_cursor(history.last(), history) {
                self.changes.mark(MemberSlot::new(slot), CursorChange::Acked);
            }
        }
    }

    /// Returns the members in byte order of their ids.
    pub(super) fn sorted(&self) -> impl Iterator<Item = &Member> {
        self.sorted_after(None)
    }

    /// Returns the members with ids above `id`, as [`Members::sorted`] does.
    pub(super) fn sorted_after(&self, id: Option<&str>) -> impl Iterator<Item = &Member> {
        let from = id.map_or(Bound::Unbounded, Bound::Excluded);
        let slots = self.by_id.range::<str, _>((from, Bound::Unbounded));
        slots.filter_map(|(_, &slot)| self.at(slot))
    }

    /// Returns the number of members with a message socket. Linear in the members.
    pub(super) fn online(&self) -> usize {
        self.slots.iter().filter(|(_, member)| member.is_online()).count()
    }

    /// Returns the lowest cursor of all members that may receive. Linear in the members.
    pub(super) fn lowest_acked(&self) -> Option<Seq> {
        self.lowest().map(|(_, acked)| acked)
    }

    /// Returns [`Members::lowest_acked`], in constant time if the lowest cursor has not moved.
    /// While one offline member keeps the backlog full, each message asks for it.
    pub(super) fn find_lowest_acked(&mut self) -> Option<Seq> {
        self.lowest = self.known_lowest().or_else(|| self.lowest());
        self.lowest.map(|(_, acked)| acked)
    }

    /// Returns the last found lowest cursor, if that cursor has not moved.
    pub(super) fn known_lowest(&self) -> Option<(MemberSlot, Seq)> {
        self.lowest.filter(|&(slot, acked)| self.at(slot).is_some_and(|it| it.acked() == acked))
    }

    /// Forgets the lowest cursor: some cursor may be lower now.
    pub(super) fn cursor_went_back(&mut self) {
        self.lowest = None;
    }

    fn lowest(&self) -> Option<(MemberSlot, Seq)> {
        let receiving = self.slots.iter().filter(|(_, member)| member.access.receives);
        let cursors = receiving.map(|(slot, member)| (MemberSlot::new(slot), member.acked()));
        cursors.min_by_key(|(_, acked)| *acked)
    }
}
