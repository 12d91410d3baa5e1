//! A group made from what was written down: facts are applied, nothing is decided anew.

use std::collections::BTreeSet;

use super::epochs::Epochs;
use super::facts::MemberState;
use super::ids::MemberSlot;
use super::{Group, Rules};
use crate::limits::LOST_NUMBERS_MAX;
use crate::protocol::{Delivery, Epoch, Seq};
use crate::time::Millis;

/// A group that is being made.
#[derive(Debug)]
pub struct Replay {
    group: Group,
    /// When the last message was accepted: a lost one behind it was not before that.
    message_at: Millis,
    /// Members that were named since the last snapshot began.
    named: BTreeSet<Box<str>>,
    /// Own numbers of one member that are still to be added: all that a snapshot has of it at once.
    own: Option<(MemberSlot, Vec<(Seq, Seq)>)>,
    /// Lost numbers that may be in the history.
    lost: u64,
}

/// One thing that was written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecoveredFact<'a> {
    /// A snapshot begins: numbers up to `last` were given out before it, in this life of them.
    /// Whom it does not name stays what it was, unless [`Replay::restrict_to_named`] follows: the
    /// record that named it may be damaged.
    Snapshot {
        /// Epoch of these numbers.
        epoch: Epoch,
        /// The last number given out.
        last: Seq,
    },
    /// As [`super::Fact::NewEpoch`].
    NewEpoch {
        /// Epoch of these numbers.
        epoch: Epoch,
    },
    /// As [`super::Fact::Member`].
    Member(MemberState),
    /// Part of a member's own numbers. Their messages may be kept nowhere any more.
    Own {
        /// Whose.
        id: &'a str,
        /// The first and the last of each run.
        ranges: &'a [(Seq, Seq)],
    },
    /// As [`super::Fact::Deregistered`].
    Deregistered {
        /// Which.
        id: &'a str,
    },
    /// A message.
    Accepted {
        /// Its line with its LF.
        line: &'a [u8],
        /// What the line says.
        delivery: Delivery<'a>,
    },
    /// A member's place.
    Acked {
        /// Whose.
        id: &'a str,
        /// Where.
        acked: Seq,
    },
    /// These messages were lost.
    Lost {
        /// The first.
        first: Seq,
        /// The last.
        last: Seq,
    },
}

impl Replay {
    /// Nothing was written down yet.
    #[must_use]
    pub fn new(rules: Rules, epoch: Epoch) -> Self {
        let (group, message_at) = (Group::new(rules, epoch), Millis::ZERO);
        Self { group, message_at, named: BTreeSet::new(), own: None, lost: 0 }
    }

    /// The last snapshot has named all members, and whom it has not named is none.
    pub fn restrict_to_named(&mut self) {
        let group = &mut self.group;
        let named = std::mem::take(&mut self.named);
        let ids = group.members.sorted().map(|member| member.id.clone());
        let others: Vec<Box<str>> = ids.filter(|id| !named.contains(id)).collect();
        others.iter().for_each(|id| self.forget(id));
    }

    /// Messages were lost here.
    pub fn mark_lost(&mut self, first: Seq, last: Seq) {
        self.apply(RecoveredFact::Lost { first, last }, self.message_at);
    }

    /// Applies what was written down at group time `at`.
    pub fn apply(&mut self, fact: RecoveredFact<'_>, at: Millis) {
        if let RecoveredFact::Own { id, ranges } = fact {
            return self.collect_own(id, ranges);
        }
        self.restore_own();
        match fact {
            RecoveredFact::Snapshot { epoch, last } => self.begin_snapshot(epoch, last),
            RecoveredFact::NewEpoch { epoch } => self.group.epochs = Epochs::new(epoch),
            RecoveredFact::Member(member_state) => self.restore_member(member_state),
            RecoveredFact::Own { .. } => (), // Above.
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
        // What was written down is stored. If it did not count as that, it would not expire, and be
        // looked at with every record behind it.
        group.history.release(group.history.last());
        if !group.delivers_once() {
            // Nobody is online, and nothing is counted: what a live group does beside this.
            group.history.drop_before(group.history.unexpired(at));
        }
    }

    /// The group, in `epoch` from here on. Nobody is online.
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

    /// The life of the numbers that the last snapshot named.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.group.epoch()
    }

    /// The last number given out.
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
            return; // Seen already: it was written to two segments.
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

    /// At the front nothing is kept that they could be a hole in: there the history begins later.
    /// If too many are lost, the history also begins after them, and messages kept before them are
    /// lost, too.
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
