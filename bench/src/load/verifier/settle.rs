//! The slow half of verification: questions that only later deliveries and replies answer.

use super::receiver::Gap;
use super::{Guarantees, Verifier};

impl Verifier {
    /// Decides every question that can be decided, and forgets messages that all members have.
    pub(crate) fn settle(&mut self) {
        for member in 0..self.receivers.len() {
            self.skip_own(member);
            self.settle_skipped(member);
            self.settle_gaps(member, false);
        }
        let limit = self.receivers.iter().map(|receiver| receiver.settled()).min();
        while let Some((seq, message)) = self.history.pop_below(limit.unwrap_or(u64::MAX)) {
            let Some(origin) = message.origin else { continue };
            let publisher = origin.stamp.publisher;
            let sent = self.publishers.get_mut(publisher);
            if sent.is_some_and(|sent| !sent.settle(&origin)) {
                let fault = format!("message {seq} has a higher number than one sent after it");
                self.fault(publisher, fault);
            }
        }
    }

    /// Moves `member` over its own latest messages.
    fn skip_own(&mut self, member: usize) {
        let Some(receiver) = self.receivers.get_mut(member) else { return };
        while self.history.get(receiver.next).is_some_and(|message| message.is_of(member)) {
            receiver.next += 1;
        }
    }

    /// Removes the numbers that `member` was allowed to skip.
    fn settle_skipped(&mut self, member: usize) {
        let Guarantees { acks, ttl_ns, .. } = self.guarantees;
        let Some(receiver) = self.receivers.get_mut(member) else { return };
        let (history, received) = (&mut self.history, &mut self.received);
        receiver.skipped.retain(|&seq, skipped| {
            let Some(message) = history.get_mut(seq) else { return true };
            let Some(origin) = message.origin else { return true };
            if origin.stamp.publisher == member {
                return false;
            }
            let is_expired = skipped.at_ns.saturating_sub(origin.stamp.due_ns) > ttl_ns;
            let is_excused = !acks && (skipped.is_after_reconnect || is_expired);
            if is_excused {
                message.receivers += 1;
                received.unreported += 1;
            }
            !is_excused
        });
    }

    /// Checks the gaps of `member` whose messages are all known; `at_end` the others are dropped,
    /// for the lost connection of a publisher keeps them unknown.
    fn settle_gaps(&mut self, member: usize, at_end: bool) {
        let Some(receiver) = self.receivers.get_mut(member) else { return };
        if receiver.gaps.is_empty() {
            return;
        }
        let mut gaps = std::mem::take(&mut receiver.gaps);
        gaps.retain(|gap| match self.check_gap(member, gap) {
            Some(Ok(())) => false,
            Some(Err(why)) => {
                self.fault(member, gap.fault(&why));
                false
            }
            None => !at_end,
        });
        if let Some(receiver) = self.receivers.get_mut(member) {
            receiver.gaps = gaps;
        }
    }

    /// Says what is wrong with a gap; `None` while some of its messages are unknown.
    fn check_gap(&self, member: usize, gap: &Gap) -> Option<Result<(), String>> {
        let (mut others, mut unknown) = (0, 0);
        for seq in gap.first..=gap.last {
            let Some(origin) = self.history.get(seq).and_then(|message| message.origin) else {
                unknown += 1;
                continue;
            };
            if origin.stamp.publisher == member {
                continue;
            }
            others += 1;
            let age_ns = gap.at_ns.saturating_sub(origin.stamp.due_ns);
            let Guarantees { ttl_ns, may_drop, .. } = self.guarantees;
            if age_ns < ttl_ns && !may_drop {
                let (age, ttl) = (age_ns / 1_000_000, ttl_ns / 1_000_000);
                return Some(Err(format!("message {seq} is {age} ms old and lives {ttl} ms")));
            }
        }
        if gap.count < others || gap.count > others + unknown {
            return Some(Err(format!("{others} messages of other members have these numbers")));
        }
        (unknown == 0).then_some(Ok(()))
    }

    /// Returns true if every text has a reply and every member has every message.
    pub(crate) fn is_complete(&mut self) -> bool {
        self.unanswered_of_all() == 0 && {
            self.settle();
            let end = self.history.end();
            self.receivers.iter().all(|receiver| receiver.next >= end)
        }
    }

    pub(crate) fn unanswered(&self, member: usize) -> usize {
        self.publishers.get(member).map_or(0, |publisher| publisher.unanswered())
    }

    pub(crate) fn unanswered_of_all(&self) -> usize {
        self.publishers.iter().map(|publisher| publisher.unanswered()).sum()
    }

    /// Returns true if at least `members` members have message `seq`.
    pub(crate) fn has_reached(&self, seq: u64, members: usize) -> bool {
        self.history.get(seq).is_none_or(|message| message.receivers as usize >= members)
    }

    /// Ends the run: every message that is still missing is lost. `next` is the coordinator's own
    /// next number, if it is known.
    pub(crate) fn finish(&mut self, next: Option<u64>, now_ns: u64) {
        let expected = self.end();
        // A single member may have published messages whose replies were lost.
        let is_alone = self.receivers.len() == 1;
        if let Some(next) = next.filter(|next| *next != expected && !is_alone) {
            let counts = format!("{next}, by its replies {expected}");
            self.fault(usize::MAX, format_args!("the coordinator's next number is {counts}"));
        }
        for member in 0..self.receivers.len() {
            self.skip_to(member, expected, now_ns);
        }
        self.settle();
        for member in 0..self.receivers.len() {
            self.settle_gaps(member, true);
            let may_own = self.publishers.get(member).is_some_and(|sent| sent.has_unknown());
            let Some(receiver) = self.receivers.get_mut(member) else { continue };
            for seq in std::mem::take(&mut receiver.skipped).into_keys() {
                let message = self.history.get(seq);
                if !may_own || message.is_some_and(|message| message.origin.is_some()) {
                    let fault = "is lost: neither delivered nor counted in a gap";
                    self.fault(member, format_args!("message {seq} {fault}"));
                }
            }
        }
        // The questions that kept messages in the history are closed now.
        self.settle();
    }
}
