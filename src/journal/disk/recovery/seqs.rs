//! The seqs of a recovery: each comes once, in order, as a message or as lost.

use super::RecoveryState;
use super::event::RecoveryEvent;
use crate::journal::disk::issues::Issue;
use crate::journal::disk::record::{Record, delivery};
use crate::limits::{LOSSES_REPORTED_MAX, LOST_NUMBERS_MAX};
use crate::protocol::Seq;
use crate::time::Millis;

impl RecoveryState {
    /// Returns true if a later segment repeats the message. If the later segment has holes, keeps
    /// the message for one of them.
    #[inline]
    pub(super) fn skip_repeated(&mut self, at: Millis, seq: Seq, line: &[u8]) -> bool {
        let Some(current) = &self.segment else { return false };
        let resumed = current.resumed_in(self.recovered.epoch).filter(|it| seq > it.last);
        let Some(resumed) = resumed else { return false };
        let is_too_far = self.is_too_far(seq);
        let Some(current) = &mut self.segment else { return false };
        // The segment is kept as long as the message: the later one may be damaged some day.
        current.summary.newest = current.summary.newest.max(Some(at));
        if !resumed.is_whole && !is_too_far {
            self.superseded.put(current.header.serial, seq, at, line);
        }
        true
    }

    /// Returns true if more seqs are missing before `seq` than can be lost: the seq is wrong.
    fn is_too_far(&self, seq: Seq) -> bool {
        self.next.is_some_and(|next| seq.above(next) > LOST_NUMBERS_MAX)
    }

    /// Returns true if the message was not seen before.
    pub(super) fn take_number(
        &mut self,
        at: Millis,
        seq: Seq,
        replay: &mut impl FnMut(RecoveryEvent<'_>),
    ) -> bool {
        let is_new = self.next.is_none_or(|next| seq >= next);
        if let Some(current) = &mut self.segment {
            current.summary.newest = Some(at);
            if at < current.begun_at {
                self.recovered.durable = seq;
            }
            if current.is_other_life && !is_new {
                current.messages_unused = current.messages_unused.saturating_add(1);
            }
        }
        if self.is_too_far(seq) {
            self.is_number_in_doubt = true;
            self.segment.iter_mut().for_each(|current| current.record_too_far(seq));
            return false;
        }
        if is_new {
            if self.next != Some(seq) {
                self.advance(seq, replay);
            }
            self.next = Some(seq.next());
            self.is_number_in_doubt = false;
            self.damaged_messages = 0;
        }
        is_new
    }

    /// Handles a record that names a synced seq: this seq was given out.
    pub(super) fn take_durable(&mut self, last: Seq, replay: &mut impl FnMut(RecoveryEvent<'_>)) {
        let current = self.segment.as_ref();
        let resumed = current.and_then(|it| it.resumed_in(self.recovered.epoch));
        let last = resumed.map_or(last, |resumed| resumed.last.min(last));
        if self.is_too_far(last) {
            self.is_number_in_doubt = true;
            return;
        }
        // Damaged messages before this record are among the missing seqs.
        let missing = self.next.map_or(0, |next| last.next().above(next));
        self.damaged_messages = self.damaged_messages.saturating_sub(missing);
        self.advance(last.next(), replay);
    }

    /// Raises the next seq to `next`. Superseded messages fill the hole, and the other seqs in
    /// between are lost.
    pub(super) fn advance(&mut self, next: Seq, replay: &mut impl FnMut(RecoveryEvent<'_>)) {
        while let Some((seq, message)) = self.superseded.take(self.next.unwrap_or(Seq::ZERO), next)
        {
            self.lose_before(seq, replay);
            self.next = Some(seq.next());
            message.keep_segment(seq, &mut self.recovered.segments);
            let at = message.at.max(self.message_at);
            self.message_at = at;
            let line = &message.line;
            let (record, delivery) = (Record::Accepted { number: None, line }, delivery(line));
            replay(RecoveryEvent::Fact { at, record, delivery });
        }
        self.lose_before(next, replay);
    }

    /// Raises the next seq to `next`. The seqs in between are lost.
    fn lose_before(&mut self, next: Seq, replay: &mut impl FnMut(RecoveryEvent<'_>)) {
        if let Some(first) = self.next.filter(|first| *first < next) {
            let last = next.before();
            let lost = last.above(first.before());
            if lost > LOST_NUMBERS_MAX {
                self.recovered.issues.push(Issue::GivenUp { before: next });
            }
            self.recovered.messages_lost = self.recovered.messages_lost.saturating_add(lost);
            if self.losses_reported < LOSSES_REPORTED_MAX {
                self.losses_reported = self.losses_reported.saturating_add(1);
                self.recovered.issues.push(Issue::Lost { first, last });
            } else {
                self.losses_unreported = self.losses_unreported.saturating_add(lost);
            }
            replay(RecoveryEvent::Lost { first, last });
        }
        self.next = self.next.max(Some(next));
    }
}
