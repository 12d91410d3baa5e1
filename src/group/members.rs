//! Members: who belongs to the group, and how far each of them has got.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::ops::Bound;

use slab::Slab;

use super::facts::MemberState;
use super::history::{BlockSerial, History};
use super::ids::{LinkId, MemberSlot};
use super::outbound::Outbound;
use super::per_address::PerAddress;
use super::ranges::{SeqRange, SeqRanges};
use crate::protocol::Seq;
use crate::time::Millis;

/// One member.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) id: Box<str>,
    /// Where it was connected to last; its ip is the one that may use the id.
    pub(super) address: SocketAddr,
    /// The place it was registered at: nothing up to here is ever its business.
    pub(super) registered_at: Seq,
    /// The last number that counts as delivered.
    acked: Seq,
    /// Its own numbers above `acked`.
    own: SeqRanges,
    block: BlockSerial,
    /// Its message socket: a member is online if it has one.
    pub(super) link: Option<LinkId>,
    /// The connect-back of a `reconnect` under way.
    pub(super) reconnecting: Option<LinkId>,
    /// Time at which the member was last online; `None` while it is online.
    offline_since: Option<Millis>,
    /// Part of the member that must be written down.
    pub(super) unrecorded: UnrecordedChange,
}

/// Changes of a member since its place was written down last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UnrecordedChange {
    Nothing,
    /// Its place has moved.
    Acked,
    /// The member came back: its address may be another one, and its place a lower one.
    Reconnected,
}

impl Member {
    pub(super) fn member_state(&self) -> MemberState {
        let Self { ref id, address, registered_at, acked, ref own, .. } = *self;
        // Below the place, too: the member may go back, and the messages be gone at the next start.
        let own = own.above(Seq::ZERO).map(|range| (range.first, range.last)).collect();
        MemberState { id: id.clone(), address, registered_at, acked, own }
    }

    /// Stands where it was written down to stand.
    pub(super) fn restore(
        &mut self,
        address: SocketAddr,
        registered_at: Seq,
        acked: Seq,
        history: &mut History,
    ) {
        self.address = address;
        self.registered_at = registered_at.min(history.last());
        self.restore_acked(acked, history);
    }

    /// A place that was written down; what it passes may not have come down to us.
    pub(super) fn restore_acked(&mut self, acked: Seq, history: &mut History) {
        let acked = acked.min(history.last()).max(self.registered_at);
        if acked >= self.acked {
            self.advance(acked, history);
        } else {
            self.set_acked(acked, history);
        }
    }

    /// A message of its own that was written down.
    pub(super) fn restore_published(&mut self, seq: Seq, history: &mut History) {
        self.own.push(seq);
        self.advance(self.acked, history);
    }

    /// Everything that was written down is restored. Until then no number is forgotten: a record
    /// behind it may have gone back below what is kept by now.
    pub(super) fn finish_restore(&mut self, history: &History) {
        self.trim_own(history);
    }

    /// These numbers are its own, as was written down; who sent them may be known no more.
    pub(super) fn restore_own(&mut self, ranges: Vec<(Seq, Seq)>, history: &mut History) {
        let highest = history.last();
        let within = |(first, last): (Seq, Seq)| SeqRange { first, last: last.min(highest) };
        let ranges = ranges.into_iter().map(within);
        self.own.add(ranges.filter(|range| range.first <= range.last).collect());
        self.advance(self.acked, history);
    }

    pub(super) fn acked(&self) -> Seq {
        self.acked
    }

    pub(super) fn own(&self) -> &SeqRanges {
        &self.own
    }

    /// Everything up to `acked` counts as delivered; what is own right behind it, too.
    pub(super) fn acknowledge_through(&mut self, acked: Seq, history: &mut History) {
        if self.advance(acked, history) {
            self.trim_own(history);
        }
    }

    /// As [`Member::acknowledge_through`], with every own number remembered; `false` if it stays
    /// where it is.
    fn advance(&mut self, acked: Seq, history: &mut History) -> bool {
        let acked = self.own.skip(acked.max(self.acked));
        if acked == self.acked {
            return false;
        }
        self.acked = acked;
        if history.is_past(self.block, acked) {
            history.leave(self.block);
            self.block = history.enter(acked);
        }
        true
    }

    /// The member has published `seq`, and is never sent it.
    pub(super) fn published(
        &mut self,
        seq: Seq,
        outbound: Option<&mut Outbound>,
        history: &mut History,
    ) {
        self.own.push(seq);
        if let Some(outbound) = outbound {
            outbound.skip_missing(history, &self.own);
        }
        self.acknowledge_through(self.acked, history);
    }

    /// The member names the last number it has taken in this epoch.
    ///
    /// Below its place it gets again what is kept of the messages after that number, but none from
    /// before its registration; its place moves back to where that begins.
    pub(super) fn resume_after(&mut self, taken: Seq, history: &mut History) {
        let oldest = history.front().before().min(self.acked);
        let acked = taken.max(self.registered_at).max(oldest);
        if acked >= self.acked {
            self.acknowledge_through(acked, history);
        } else {
            self.go_back_to(acked, history);
        }
    }

    fn go_back_to(&mut self, acked: Seq, history: &mut History) {
        self.own.go_back(self.acked, history.front(), history.lost());
        self.set_acked(acked, history);
    }

    /// The place is this one, or behind the own numbers right above it.
    fn set_acked(&mut self, acked: Seq, history: &mut History) {
        self.acked = self.own.skip(acked);
        history.leave(self.block);
        self.block = history.enter(self.acked);
    }

    /// Forgets its own numbers that it has behind it, of messages that are not kept.
    fn trim_own(&mut self, history: &History) {
        self.own.forget_through(self.acked.min(history.front().before()));
    }

    /// Kept messages of others above its place.
    pub(super) fn pending(&self, history: &History) -> u64 {
        history.others(self.acked, &self.own)
    }
}

/// All members, by slot and in the order of their ids.
#[derive(Debug, Default)]
pub(super) struct Members {
    slots: Slab<Member>,
    /// The slot of the member whose own numbers are trimmed next.
    trimmed_next: usize,
    by_id: BTreeMap<Box<str>, MemberSlot>,
    /// Whose place was the lowest when that was looked for last, and where. For as long as one
    /// stands there nobody is lower: places only rise, but for [`Members::cursor_went_back`].
    lowest: Option<(MemberSlot, Seq)>,
    /// Members that are offline and not about to return, by when they were online last.
    offline: BTreeSet<(Millis, MemberSlot)>,
    /// Members, and registrations under way.
    pub(super) per_address: PerAddress,
}

impl Members {
    /// A new member, which sees what is accepted from now on.
    pub(super) fn insert(
        &mut self,
        id: Box<str>,
        address: SocketAddr,
        history: &mut History,
    ) -> MemberSlot {
        self.per_address.add(address.ip());
        let acked = history.last();
        let slot = MemberSlot::new(self.slots.insert(Member {
            id: id.clone(),
            address,
            registered_at: acked,
            acked,
            own: SeqRanges::default(),
            block: history.enter(acked),
            link: None,
            reconnecting: None,
            offline_since: None,
            unrecorded: UnrecordedChange::Nothing,
        }));
        let doubled = self.by_id.insert(id, slot);
        debug_assert!(doubled.is_none(), "an id is registered once");
        slot
    }

    pub(super) fn remove(&mut self, slot: MemberSlot, history: &mut History) -> Option<Member> {
        let member = self.slots.try_remove(slot.index())?;
        self.by_id.remove(&member.id);
        self.per_address.remove(member.address.ip());
        if let Some(since) = member.offline_since {
            self.offline.remove(&(since, slot));
        }
        history.leave(member.block);
        Some(member)
    }

    pub(super) fn find(&self, id: &str) -> Option<MemberSlot> {
        self.by_id.get(id).copied()
    }

    pub(super) fn at(&self, slot: MemberSlot) -> Option<&Member> {
        self.slots.get(slot.index())
    }

    pub(super) fn at_mut(&mut self, slot: MemberSlot) -> Option<&mut Member> {
        self.slots.get_mut(slot.index())
    }

    /// A member is at this address now.
    pub(super) fn set_address(&mut self, slot: MemberSlot, address: SocketAddr) {
        if let Some(member) = self.slots.get_mut(slot.index()) {
            self.per_address.remove(member.address.ip());
            self.per_address.add(address.ip());
            member.address = address;
        }
    }

    /// A member has come, gone, or is about to return: to be called whenever its links change.
    pub(super) fn update_offline(&mut self, slot: MemberSlot, now: Millis) {
        let Some(member) = self.slots.get_mut(slot.index()) else { return };
        let was_offline = member.offline_since.unwrap_or(now);
        self.offline.remove(&(was_offline, slot));
        member.offline_since = member.link.is_none().then_some(was_offline);
        if let (Some(since), None) = (member.offline_since, member.reconnecting) {
            self.offline.insert((since, slot));
        }
    }

    /// The member that has been away for the longest time, and since when.
    pub(super) fn offline_longest(&self) -> Option<(Millis, MemberSlot)> {
        self.offline.first().copied()
    }

    /// All slots that members have.
    pub(super) fn slots(&self) -> Vec<MemberSlot> {
        self.by_id.values().copied().collect()
    }

    /// Returns true if the list of offline members agrees with the members.
    pub(super) fn is_offline_in_order(&self) -> bool {
        let offline = self.slots.iter().filter_map(|(slot, member)| {
            let is_offline = member.link.is_none() && member.reconnecting.is_none();
            Some((member.offline_since.filter(|_| is_offline)?, MemberSlot::new(slot)))
        });
        offline.collect::<BTreeSet<_>>() == self.offline
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Lets one member forget what it need not remember. With one for each message, members that
    /// have ceased to send hold no more than one run for each kept message and each member.
    /// See [`Member::finish_restore`].
    pub(super) fn finish_restore(&mut self, history: &History) {
        self.slots.iter_mut().for_each(|(_, member)| member.finish_restore(history));
    }

    pub(super) fn trim_one(&mut self, history: &History) {
        if let Some(member) = self.slots.get_mut(self.trimmed_next) {
            member.trim_own(history);
        }
        let next = self.trimmed_next.saturating_add(1);
        self.trimmed_next = if next < self.slots.capacity() { next } else { 0 };
    }

    /// In the order of the bytes of their ids.
    pub(super) fn sorted(&self) -> impl Iterator<Item = &Member> {
        self.sorted_after(None)
    }

    /// As [`Members::sorted`], for ids above `id`.
    pub(super) fn sorted_after(&self, id: Option<&str>) -> impl Iterator<Item = &Member> {
        let from = id.map_or(Bound::Unbounded, Bound::Excluded);
        let slots = self.by_id.range::<str, _>((from, Bound::Unbounded));
        slots.filter_map(|(_, &slot)| self.at(slot))
    }

    /// Returns the number of members with a message socket. Linear in the members.
    pub(super) fn online(&self) -> usize {
        self.slots.iter().filter(|(_, member)| member.link.is_some()).count()
    }

    /// The lowest place of all: what stands up to it, everybody has. Linear in the members.
    pub(super) fn lowest_acked(&self) -> Option<Seq> {
        self.lowest().map(|(_, acked)| acked)
    }

    /// As [`Members::lowest_acked`], but at once where the lowest has not moved: while one that is
    /// away keeps the backlog full, this is asked for with every message.
    pub(super) fn find_lowest_acked(&mut self) -> Option<Seq> {
        self.lowest = self.known_lowest().or_else(|| self.lowest());
        self.lowest.map(|(_, acked)| acked)
    }

    /// The lowest, if it stands where it was found.
    pub(super) fn known_lowest(&self) -> Option<(MemberSlot, Seq)> {
        self.lowest.filter(|&(slot, acked)| self.at(slot).is_some_and(|it| it.acked == acked))
    }

    /// Some member may stand lower than it did.
    pub(super) fn cursor_went_back(&mut self) {
        self.lowest = None;
    }

    fn lowest(&self) -> Option<(MemberSlot, Seq)> {
        let cursors = self.slots.iter().map(|(slot, member)| (MemberSlot::new(slot), member.acked));
        cursors.min_by_key(|(_, acked)| *acked)
    }
}
