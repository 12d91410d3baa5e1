//! The state of the group as a journal records it, and the recovery from the recorded facts.
//!
//! A recovery lasts until [`Fact::Recovered`]. Recovered facts are committed, expire at their own
//! times, and have no effects. Own seqs below the cursors stay: a later record may move a cursor
//! back.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;

use super::announcements::Announcements;
use super::cursor_changes::CursorChange;
use super::epochs::Epochs;
use super::history::History;
use super::ids::MemberSlot;
use super::members::Members;
use super::order::FactOrder;
use super::{Group, Rules};
use crate::facts::{Announced, Fact, JournalPosition, MemberState, Recorded};
use crate::limits::LOST_NUMBERS_MAX;
use crate::protocol::{ANNOUNCER, Delivery, Epoch, Seq};
use crate::time::Millis;

/// State that facts change: exactly what a journal records.
#[derive(Debug)]
pub(super) struct RecordedState {
    pub(super) members: Members,
    pub(super) history: History,
    pub(super) announcements: Announcements,
    pub(super) epochs: Epochs,
    pub(super) order: FactOrder,
    /// Seq of the last [`Fact::Expired`].
    expired_before: Seq,
}

impl Recorded for Group {
    fn position(&self) -> JournalPosition {
        JournalPosition { index: self.state.order.applied, last: self.state.history.last() }
    }

    fn epoch(&self) -> Epoch {
        self.state.epochs.current()
    }

    fn decided_epoch(&self) -> Epoch {
        self.state.epochs.decided()
    }

    /// Own seqs of kept messages stay below the cursor: the member may go back, and no segment may
    /// have these messages after the next start.
    fn member_states(&self) -> impl Iterator<Item = (MemberState<'_>, Vec<(Seq, Seq)>)> {
        self.state.members.sorted().map(|member| {
            let own = member.own().above(Seq::ZERO).map(|range| (range.first, range.last));
            (member.state(&self.state.history), own.collect())
        })
    }

    fn member_state(&self, id: &str) -> Option<MemberState<'_>> {
        self.state.state_at(self.state.members.find(id)?)
    }

    fn announced_states(&self) -> impl Iterator<Item = (&str, Announced)> {
        self.state.announcements.all()
    }

    fn announced_state(&self, id: &str) -> Option<Announced> {
        self.state.announcements.of(id)
    }

    fn lines(&self, after: Seq) -> impl Iterator<Item = (Seq, &[u8], Millis)> {
        self.state.history.lines(after)
    }

    fn ttl_ms(&self) -> u64 {
        self.rules.ttl_ms
    }

    fn expired_before(&self) -> Seq {
        self.state.expired_before
    }

    /// Linear in the members.
    fn needed(&self) -> Seq {
        self.state.needed_above(self.state.members.lowest_acked())
    }

    fn kept_for_newcomers(&self) -> Seq {
        self.state.history.kept_for_newcomers()
    }

    fn has_cursor_changes(&self) -> bool {
        !self.state.members.changes.is_empty()
    }

    fn take_cursor_changes(&mut self, mut put: impl FnMut(Fact<'_>)) {
        if self.access.has_rules() {
            self.state.members.pass_without_right(&mut self.state.history);
        }
        for (slot, change) in self.state.members.changes.take() {
            let Some(state) = self.state.state_at(slot) else { continue };
            match change {
                CursorChange::Nothing => (),
                CursorChange::Acked => put(Fact::Acked { id: state.id, acked: state.acked }),
                CursorChange::Returned => put(Fact::Member(state)),
            }
        }
    }

    /// No member can go back to these messages, which would be a gap after the next start.
    fn forget_through(&mut self, last: Seq) {
        debug_assert!(last < self.needed(), "needed messages are kept");
        debug_assert!(last < self.kept_for_newcomers(), "messages for newcomers are kept");
        self.state.history.drop_before(last.next());
    }
}

impl RecordedState {
    /// Creates the state of a group without members.
    pub(super) fn new(rules: &Rules, epoch: Epoch) -> Self {
        Self {
            members: Members::new(rules),
            history: History::new(rules.ttl_ms, rules.newcomer_limits()),
            announcements: Announcements::new(rules.presence_delay_ms),
            epochs: Epochs::new(epoch),
            order: FactOrder::default(),
            expired_before: Seq::ZERO,
        }
    }

    /// Returns true if the facts come from a recovery.
    pub(super) fn is_recovering(&self) -> bool {
        self.order.recovering.is_some()
    }

    /// Begins a recovery. The epoch comes from the facts.
    pub(super) fn begin_recovery(&mut self) {
        self.order.recovering = Some(Box::default());
    }

    /// Allows the replies and deliveries of all facts up to `through`.
    pub(super) fn commit(&mut self, through: JournalPosition) {
        self.order.committed = self.order.committed.max(through.index);
        self.history.release(through.last);
    }

    /// Moves the cursor of a member, and over the member's own seqs that follow.
    pub(super) fn apply_acked(&mut self, slot: MemberSlot, acked: Seq) {
        let Some(member) = self.members.at_mut(slot) else { return };
        if member.move_cursor(acked, &mut self.history) && self.order.recovering.is_none() {
            member.trim_own(&self.history);
        }
        self.members.changes.mark(slot, CursorChange::Acked);
    }

    /// Moves the cursor of a member over its own newest message, if that one comes next.
    #[inline]
    pub(super) fn pass_own(&mut self, slot: MemberSlot, seq: Seq) {
        let Some(member) = self.members.at_mut(slot) else { return };
        if member.pass_own(seq, &mut self.history) && self.order.recovering.is_none() {
            member.trim_own(&self.history);
        }
        self.members.changes.mark(slot, CursorChange::Acked);
    }

    /// Moves the cursor to the seq of a fact. In a live group an older fact moves no cursor back:
    /// only a member that returns goes back.
    pub(super) fn apply_recorded_ack(&mut self, id: &str, acked: Seq) {
        let is_live = self.order.recovering.is_none();
        if let Some(slot) = self.members.find(id)
            && let Some(member) = self.members.at(slot)
            && (!is_live || acked > member.acked())
        {
            self.apply_acked(slot, acked);
        }
    }

    /// Returns [`Recorded::needed`], in constant time if the lowest cursor has not moved.
    pub(super) fn find_needed(&mut self) -> Seq {
        let lowest = self.members.find_lowest_acked();
        self.needed_above(lowest)
    }

    fn needed_above(&self, lowest: Option<Seq>) -> Seq {
        lowest.unwrap_or(self.history.last()).next().max(self.history.front())
    }

    fn state_at(&self, slot: MemberSlot) -> Option<MemberState<'_>> {
        self.members.at(slot).map(|member| member.state(&self.history))
    }

    /// Ends a recovery: all members are offline, in `epoch` from now on.
    pub(super) fn finish_recovery(&mut self, epoch: Epoch, at: Millis) {
        self.add_collected();
        if let Some(recovering) = self.order.recovering.take() {
            self.find_own(&recovering.late);
        }
        self.members.finish_restore(&self.history);
        self.epochs = Epochs::new(epoch);
        self.members.changes.take();
        for slot in self.members.slots() {
            self.members.update_offline(slot, at);
        }
        self.finish_restore_announced();
    }

    /// Prepares for a fact: the own ranges of a member end before every other fact.
    pub(super) fn before_restored(&mut self, fact: &Fact<'_>) {
        let collected =
            self.order.recovering.as_ref().and_then(|recovering| recovering.own.as_ref());
        if collected.is_some() && !matches!(fact, Fact::Own { .. }) {
            self.add_collected();
        }
    }

    /// Does what a live group does in its turns: expiry, without counters and message sockets, and
    /// the start of a decided epoch.
    pub(super) fn after_restored(&mut self, at: Millis) {
        if self.order.recovering.is_none() {
            return;
        }
        self.members.cursor_went_back();
        self.epochs.begin();
        let mut front = self.expired_before;
        if !self.history.delivers_once() {
            front = front.max(self.history.unexpired(at));
        }
        if front > self.history.front() {
            self.history.expire_before(front);
        }
    }

    /// Notes that messages have expired which a longer time to live would bring back.
    pub(super) fn apply_expired(&mut self, before: Seq) {
        self.expired_before = self.expired_before.max(before);
    }

    pub(super) fn restore_snapshot(&mut self, epoch: Epoch, last: Seq) {
        self.epochs = Epochs::new(epoch);
        if let Some(recovering) = &mut self.order.recovering {
            recovering.named.clear();
            self.announcements.begin_snapshot();
        }
        if last > self.history.last() {
            self.restore_lost(self.history.last().next(), last);
        }
    }

    /// Removes all members that the last snapshot did not name.
    pub(super) fn restrict_to_named(&mut self) {
        let Some(recovering) = &mut self.order.recovering else { return };
        let named = std::mem::take(&mut recovering.named);
        self.announcements.restrict_to_named();
        for slot in self.members.slots() {
            if self.members.at(slot).is_some_and(|member| !named.contains(&member.id)) {
                self.members.remove(slot, &mut self.history);
            }
        }
    }

    pub(super) fn restore_member(&mut self, state: &MemberState<'_>) {
        let MemberState { id, owner, address, registered_at, published, .. } = *state;
        if let Some(recovering) = &mut self.order.recovering {
            recovering.named.insert(id.into());
            if self.members.find(id).is_none() && registered_at < self.history.last() {
                recovering.late.insert(id.into());
            }
        }
        let slot = match self.members.find(id) {
            Some(slot) => slot,
            None => {
                let start = self.history.last();
                self.members.insert(
                    id.into(),
                    owner,
                    address,
                    start,
                    &mut self.history,
                    Millis::ZERO,
                )
            }
        };
        self.members.set_address(slot, address);
        self.members.set_owner(slot, owner);
        if let Some(member) = self.members.at_mut(slot) {
            member.sends.restore(published);
            member.restore(state, &mut self.history);
        }
    }

    pub(super) fn restore_own(&mut self, id: &str, ranges: &[(Seq, Seq)]) {
        let Some(slot) = self.members.find(id) else { return };
        let Some(recovering) = &mut self.order.recovering else { return };
        match &mut recovering.own {
            Some((of, collected)) if *of == slot => collected.extend_from_slice(ranges),
            Some(_) | None => {
                self.add_collected();
                if let Some(recovering) = &mut self.order.recovering {
                    recovering.own = Some((slot, ranges.to_vec()));
                }
            }
        }
    }

    /// Adds the collected own ranges to their member.
    fn add_collected(&mut self) {
        let collected = self.order.recovering.as_mut().and_then(|recovering| recovering.own.take());
        let Some((slot, ranges)) = collected else { return };
        if let Some(member) = self.members.at_mut(slot) {
            member.restore_own(ranges, &mut self.history);
        }
        self.members.cursor_went_back();
    }

    /// Finds the own messages of members in the kept messages.
    fn find_own(&mut self, ids: &BTreeSet<Box<str>>) {
        let mut found: BTreeMap<MemberSlot, Vec<(Seq, Seq)>> = BTreeMap::new();
        let lines = self.history.lines(Seq::ZERO).filter(|_| !ids.is_empty());
        for (seq, line, _) in lines {
            let Some(slot) = sender(line).and_then(|id| self.members.find(ids.get(id)?)) else {
                continue;
            };
            if self.members.at(slot).is_some_and(|member| member.registration.at < seq) {
                found.entry(slot).or_default().push((seq, seq));
            }
        }
        for (slot, ranges) in found {
            if let Some(member) = self.members.at_mut(slot) {
                member.restore_own(ranges, &mut self.history);
            }
        }
    }

    pub(super) fn restore_message(
        &mut self,
        delivery: &Delivery<'_>,
        line: &[u8],
        number: Option<NonZeroU64>,
        at: Millis,
    ) {
        if delivery.seq <= self.history.last() {
            return; // Two segments have this message.
        }
        if let Some(recovering) = &mut self.order.recovering {
            recovering.message_at = recovering.message_at.max(at);
        }
        if delivery.seq > self.history.last().next() {
            self.restore_lost(self.history.last().next(), delivery.seq.before());
        }
        let sender = self.members.find(delivery.sender);
        let seq = self.history.append(line, at);
        if let Some(slot) = sender {
            if let Some(member) = self.members.at_mut(slot) {
                member.add_own(seq);
                member.sends.restore_accepted(number);
            }
            self.pass_own(slot, seq);
        } else if delivery.sender == ANNOUNCER {
            self.restore_announcement(delivery.text, at);
        }
    }

    /// Recovers the number of a message that a later fact has. That fact does not name the number,
    /// and the later state of the sender, which does, may be damaged.
    pub(super) fn restore_published(&mut self, id: &str, number: NonZeroU64) {
        if let Some(slot) = self.members.find(id)
            && let Some(member) = self.members.at_mut(slot)
        {
            member.sends.restore_accepted(Some(number));
        }
    }

    /// Adds lost messages. At the front no message is kept before them, so that the history starts
    /// after them. If too many are lost, the history starts after them, too, and the kept messages
    /// before them are lost.
    pub(super) fn restore_lost(&mut self, first: Seq, last: Seq) {
        let Some(recovering) = &mut self.order.recovering else { return };
        let history = &mut self.history;
        recovering.lost = recovering.lost.saturating_add(last.above(history.last()));
        if history.front() > history.last() || recovering.lost > LOST_NUMBERS_MAX {
            recovering.lost = 0;
            return history.begin_after(last);
        }
        let mut seq = first.max(history.last().next());
        while seq <= last {
            history.append_lost(recovering.message_at);
            seq = seq.next();
        }
    }
}

/// Returns the sender of an encoded message.
fn sender(line: &[u8]) -> Option<&str> {
    std::str::from_utf8(line.split(|byte| *byte == b'#').nth(1)?).ok()
}
