//! Replay: makes a group from recovered facts, without new decisions.

use std::collections::BTreeSet;

use super::epochs::Epochs;
use super::facts::MemberState;
use super::ids::MemberSlot;
use super::{Group, Rules};
use crate::limits::LOST_NUMBERS_MAX;
use crate::protocol::{Delivery, Epoch, Seq};
use crate::time::Millis;

/// A group that is being restored.
#[derive(Debug)]
pub struct Replay {
    group: Group,
    /// Acceptance time of the last message. Lost messages after it get the same time.
    message_at: Millis,
    /// Ids named since the start of the last snapshot.
    named: BTreeSet<Box<str>>,
    /// Own ranges of one member, collected from consecutive records of a snapshot.
    own: Option<(MemberSlot, Vec<(Seq, Seq)>)>,
    /// Number of lost seqs that may be in the history.
    lost: u64,
}

/// A fact that a journal returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecoveredFact<'a> {
    /// Start of a snapshot: seqs up to `last` were given out in this epoch. Members that the
    /// snapshot does not name stay, because the record of one may be damaged.
    /// [`Replay::restrict_to_named`] removes them.
    Snapshot {
        /// Epoch of these seqs.
        epoch: Epoch,
        /// Last seq that was given out.
        last: Seq,
    },
    /// Same as [`super::Fact::NewEpoch`].
    NewEpoch {
        /// Epoch of these seqs.
        epoch: Epoch,
    },
    /// Same as [`super::Fact::Member`].
    Member(MemberState),
    /// Part of a member's own ranges. Their messages may be in no segment any more.
    Own {
        /// Id of the member.
        id: &'a str,
        /// First and last seq of each range.
        ranges: &'a [(Seq, Seq)],
    },
    /// Same as [`super::Fact::Deregistered`].
    Deregistered {
        /// Id of the former member.
        id: &'a str,
    },
    /// An accepted message.
    Accepted {
        /// Delivery line with its LF.
        line: &'a [u8],
        /// Content of the line.
        delivery: Delivery<'a>,
    },
    /// Cursor of a member.
    Acked {
        /// Id of the member.
        id: &'a str,
        /// Last seq that counts as delivered.
        acked: Seq,
    },
    /// Messages that the journal lost.
    Lost {
        /// First lost seq.
        first: Seq,
        /// Last lost seq.
        last: Seq,
    },
}

impl Replay {
    /// Starts with an empty group.
    #[must_use]
    pub fn new(rules: Rules, epoch: Epoch) -> Self {
        let (group, message_at) = (Group::new(rules, epoch), Millis::ZERO);
        Self { group, message_at, named: BTreeSet::new(), own: None, lost: 0 }
    }

    /// Removes all members that the last snapshot did not name.
    pub fn restrict_to_named(&mut self) {
        let group = &mut self.group;
        let named = std::mem::take(&mut self.named);
        let ids = group.members.sorted().map(|member| member.id.clone());
        let others: Vec<Box<str>> = ids.filter(|id| !named.contains(id)).collect();
        others.iter().for_each(|id| self.forget(id));
    }

    /// Applies [`RecoveredFact::Lost`] at the time of the last message.
    pub fn mark_lost(&mut self, first: Seq, last: Seq) {
        self.apply(RecoveredFact::Lost { first, last }, self.message_at);
    }

    /// Applies a fact of group time `at`.
    pub fn apply(&mut self, fact: RecoveredFact<'_>, at: Millis) {
        if let RecoveredFact::Own { id, ranges } = fact {
            return self.collect_own(id, ranges);
        }
        self.restore_own();
        match fact {
            RecoveredFact::Snapshot { epoch, last } => self.begin_snapshot(epoch, last),
            RecoveredFact::NewEpoch { epoch } => self.group.epochs = Epochs::new(epoch),
            RecoveredFact::Member(member_state) => self.restore_member(member_state),
            RecoveredFact::Own { .. } => (), // Returned above.
            RecoveredFact::Deregistered { id } => self.forget(id),
            RecoveredFact::Accepted { line, delivery } => {
                self.restore_message(line, &delivery, at);
                self.message_at = self.message_at.max(at);
            }
            RecoveredFact::Acked { id, acked } => self.restore_acked(id, acked),
            RecoveredFact::Lost { first, last } => self.restore_lost(first, last, at),
        }
        let group = &mut self.group;
        group.members.cursor_went_back();
        // Recovered messages are committed. Otherwise they would not expire, and each further
        // record would look at them again.
        group.history.release(group.history.last());
        if !group.delivers_once() {
            // Expiry as in a live group, without counters and message sockets.
            group.history.drop_before(group.history.unexpired(at));
        }
    }

    /// Returns the group, in `epoch` from now on. All members are offline.
    #[must_use]
    pub fn finish(mut self, epoch: Epoch) -> Group {
        self.restore_own();
        let group = &mut self.group;
        group.members.finish_restore(&group.history);
        group.epochs = Epochs::new(epoch);
        group.stats = super::Stats::default();
        group.changed_cursors.clear();
        if cfg!(debug_assertions) {
            group.check();
        }
        self.group
    }

    /// Returns the epoch that the journal named last.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.group.epoch()
    }

    /// Returns the last seq that was given out.
    #[must_use]
    pub fn last(&self) -> Seq {
        self.group.history.last()
    }

    fn begin_snapshot(&mut self, epoch: Epoch, last: Seq) {
        self.group.epochs = Epochs::new(epoch);
        self.named.clear();
        if last > self.last() {
            self.restore_lost(self.last().next(), last, self.message_at);
        }
    }

    fn restore_member(&mut self, member_state: MemberState) {
        let MemberState { id, address, registered_at, acked, own } = member_state;
        self.named.insert(id.clone());
        let group = &mut self.group;
        let slot = match group.members.find(&id) {
            Some(slot) => slot,
            None => group.members.insert(id, address, &mut group.history),
        };
        group.members.set_address(slot, address);
        if let Some(member) = group.members.at_mut(slot) {
            member.restore(address, registered_at, acked, &mut group.history);
            member.restore_own(own.into_vec(), &mut group.history);
        }
    }

    fn collect_own(&mut self, id: &str, ranges: &[(Seq, Seq)]) {
        let Some(slot) = self.group.members.find(id) else { return };
        match &mut self.own {
            Some((of, collected)) if *of == slot => collected.extend_from_slice(ranges),
            Some(_) | None => {
                self.restore_own();
                self.own = Some((slot, ranges.to_vec()));
            }
        }
    }

    fn restore_own(&mut self) {
        let Some((slot, ranges)) = self.own.take() else { return };
        let group = &mut self.group;
        if let Some(member) = group.members.at_mut(slot) {
            member.restore_own(ranges, &mut group.history);
        }
        group.members.cursor_went_back();
    }

    fn forget(&mut self, id: &str) {
        self.restore_own();
        let group = &mut self.group;
        if let Some(slot) = group.members.find(id) {
            group.members.remove(slot, &mut group.history);
        }
    }

    fn restore_message(&mut self, line: &[u8], delivery: &Delivery<'_>, at: Millis) {
        let group = &mut self.group;
        if delivery.seq <= group.history.last() {
            return; // Two segments have this message.
        }
        if delivery.seq > group.history.last().next() {
            let (first, last) = (group.history.last().next(), delivery.seq.before());
            self.restore_lost(first, last, at);
        }
        let group = &mut self.group;
        let sender = group.members.find(delivery.sender);
        let seq = group.history.append(line, at);
        if let Some(member) = sender.and_then(|slot| group.members.at_mut(slot)) {
            member.restore_published(seq, &mut group.history);
        }
    }

    fn restore_acked(&mut self, id: &str, acked: Seq) {
        let group = &mut self.group;
        let Some(slot) = group.members.find(id) else { return };
        if let Some(member) = group.members.at_mut(slot) {
            member.restore_acked(acked, &mut group.history);
        }
    }

    /// Adds lost messages. At the front no message is kept before them, so that the history starts
    /// after them. If too many are lost, the history starts after them, too, and the kept messages
    /// before them are lost.
    fn restore_lost(&mut self, first: Seq, last: Seq, at: Millis) {
        let history = &mut self.group.history;
        self.lost = self.lost.saturating_add(last.above(history.last()));
        if history.front() > history.last() || self.lost > LOST_NUMBERS_MAX {
            self.lost = 0;
            return history.begin_after(last);
        }
        let mut seq = first.max(history.last().next());
        while seq <= last {
            history.append_lost(at);
            seq = seq.next();
        }
    }
}
