//! The state of the group as a journal records it, and the recovery from the recorded facts.
//!
//! A recovery lasts until [`Fact::Recovered`]. Recovered facts are
//! committed, expire at their own times, and have no effects. Own seqs below the cursors stay: a
//! later record may move a cursor back.

use std::collections::BTreeSet;

use super::cursor_changes::CursorChange;
use super::epochs::Epochs;
use super::ids::MemberSlot;
use super::{Group, Rules};
use crate::facts::{Fact, JournalPosition, MemberState, Recorded};
use crate::limits::LOST_NUMBERS_MAX;
use crate::protocol::{Delivery, Epoch, Seq};
use crate::time::Millis;

/// State of a recovery.
#[derive(Debug, Default)]
pub(super) struct Recovering {
    /// Acceptance time of the last message. Lost messages after it get the same time.
    message_at: Millis,
    /// Ids named since the start of the last snapshot.
    named: BTreeSet<Box<str>>,
    /// Own ranges of one member, collected from consecutive facts of a snapshot.
    own: Option<(MemberSlot, Vec<(Seq, Seq)>)>,
    /// Number of lost seqs that may be in the history.
    lost: u64,
}

impl Recorded for Group {
    fn position(&self) -> JournalPosition {
        JournalPosition { index: self.order.applied, last: self.history.last() }
    }

    fn epoch(&self) -> Epoch {
        self.epochs.current()
    }

    fn decided_epoch(&self) -> Epoch {
        self.epochs.decided()
    }

    /// Own seqs of kept messages stay below the cursor: the member may go back, and no segment may
    /// have these messages after the next start.
    fn member_states(&self) -> impl Iterator<Item = (MemberState<'_>, Vec<(Seq, Seq)>)> {
        self.members.sorted().map(|member| {
            let own = member.own().above(Seq::ZERO).map(|range| (range.first, range.last));
            (member.state(), own.collect())
        })
    }

    fn member_state(&self, id: &str) -> Option<MemberState<'_>> {
        self.state_at(self.members.find(id)?)
    }

    fn lines(&self, after: Seq) -> impl Iterator<Item = (Seq, &[u8], Millis)> {
        self.history.lines(after)
    }

    fn ttl_ms(&self) -> u64 {
        self.rules.ttl_ms
    }

    /// Linear in the members.
    fn needed(&self) -> Seq {
        self.needed_above(self.members.lowest_acked())
    }

    fn has_cursor_changes(&self) -> bool {
        !self.members.changes.is_empty()
    }

    fn take_cursor_changes(&mut self, mut put: impl FnMut(Fact<'_>)) {
        for (slot, change) in self.members.changes.take() {
            let Some(state) = self.state_at(slot) else { continue };
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
        self.history.drop_before(last.next());
    }
}

impl Group {
    fn state_at(&self, slot: MemberSlot) -> Option<MemberState<'_>> {
        self.members.at(slot).map(|member| member.state())
    }

    /// Creates an empty group that recovers. The epoch comes from the facts.
    #[must_use]
    pub fn recovering(rules: Rules) -> Self {
        let mut group = Self::new(rules, Epoch::new(0));
        group.order.recovering = Some(Box::default());
        group
    }

    /// Ends a recovery: all members are offline, in `epoch` from now on.
    pub(super) fn finish_recovery(&mut self, epoch: Epoch, at: Millis) {
        self.add_collected();
        self.order.recovering = None;
        self.members.finish_restore(&self.history);
        self.epochs = Epochs::new(epoch);
        self.members.changes.take();
        for slot in self.members.slots() {
            self.members.update_offline(slot, at);
        }
        if cfg!(debug_assertions) {
            self.check();
        }
    }

    /// Prepares for a fact: the own ranges of a member end before every other fact.
    pub(super) fn before_restored(&mut self, fact: &Fact<'_>) {
        if self.order.recovering.is_some() && !matches!(fact, Fact::Own { .. }) {
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
        if !self.delivers_once() {
            self.history.drop_before(self.history.unexpired(at));
        }
    }

    pub(super) fn restore_snapshot(&mut self, epoch: Epoch, last: Seq) {
        self.epochs = Epochs::new(epoch);
        if let Some(recovering) = &mut self.order.recovering {
            recovering.named.clear();
        }
        if last > self.history.last() {
            self.restore_lost(self.history.last().next(), last);
        }
    }

    /// Removes all members that the last snapshot did not name.
    pub(super) fn restrict_to_named(&mut self) {
        let Some(recovering) = &mut self.order.recovering else { return };
        let named = std::mem::take(&mut recovering.named);
        for slot in self.members.slots() {
            if self.members.at(slot).is_some_and(|member| !named.contains(&member.id)) {
                self.members.remove(slot, &mut self.history);
            }
        }
    }

    pub(super) fn restore_member(&mut self, state: &MemberState<'_>) {
        let MemberState { id, owner, address, registered_at, acked } = *state;
        if let Some(recovering) = &mut self.order.recovering {
            recovering.named.insert(id.into());
        }
        let slot = match self.members.find(id) {
            Some(slot) => slot,
            None => self.members.insert(id.into(), owner, address, &mut self.history),
        };
        self.members.set_address(slot, address);
        if let Some(member) = self.members.at_mut(slot) {
            member.owner = owner;
            member.restore(registered_at, acked, &mut self.history);
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

    pub(super) fn restore_message(&mut self, delivery: &Delivery<'_>, line: &[u8], at: Millis) {
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
            self.published(slot, seq);
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
