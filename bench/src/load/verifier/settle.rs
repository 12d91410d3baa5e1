//! The slow half of verifying: what only later deliveries and replies decide.

use super::fault::Fault;
use super::receiver::{Passed, ToldGap};
use super::{Promise, Verifier};

impl Verifier {
    /// Decides what can be decided, and forgets what everybody is past.
    pub(crate) fn settle(&mut self) {
        for member in 0..self.takers.len() {
            self.pass_own(member);
            self.settle_passed(member);
            self.settle_gaps(member, false);
        }
        let limit = self.takers.iter().map(|taker| taker.settled()).min().unwrap_or(u64::MAX);
        while let Some((seq, record)) = self.records.forget_below(limit) {
            let Some(origin) = record.origin else { continue };
            let publisher = origin.stamp.publisher;
            let source = self.sources.get_mut(publisher);
            if source.is_some_and(|source| !source.settle(&origin)) {
                self.fault(publisher, &Fault::OutOfTurn { seq });
            }
        }
    }

    /// Moves `member` over its own latest messages.
    fn pass_own(&mut self, member: usize) {
        let Some(taker) = self.takers.get_mut(member) else { return };
        while self.records.get(taker.next).is_some_and(|record| record.is_of(member)) {
            taker.next += 1;
        }
    }

    /// Strikes out what `member` passed over rightly.
    fn settle_passed(&mut self, member: usize) {
        let promise = self.promise();
        let Some(taker) = self.takers.get_mut(member) else { return };
        let (records, taken) = (&mut self.records, &mut self.taken);
        taker.passed.retain(|&seq, passed: &mut Passed| {
            let Some(record) = records.get_mut(seq) else { return true };
            let Some(origin) = record.origin else { return true };
            if origin.stamp.publisher == member {
                return false;
            }
            let age_ns = passed.at_ns.saturating_sub(origin.stamp.due_ns);
            let is_old = age_ns > promise.ttl_ns;
            let is_excused = !promise.acks && (passed.is_after_break || is_old);
            if is_excused {
                record.taken += 1;
                taken.untold += 1;
            }
            !is_excused
        });
    }

    /// Checks gaps of which every number is known, or, `at_end`, all.
    fn settle_gaps(&mut self, member: usize, at_end: bool) {
        let Some(taker) = self.takers.get_mut(member) else { return };
        if taker.gaps.is_empty() {
            return;
        }
        let (gaps, mut open) = (std::mem::take(&mut taker.gaps), Vec::new());
        for gap in gaps {
            match self.judge_gap(member, &gap) {
                Some(Ok(())) => (),
                Some(Err(why)) => self.fault(member, &Fault::Gap { line: gap.line(), why }),
                None if at_end => (), // Whose they were went down with a connection.
                None => open.push(gap),
            }
        }
        if let Some(taker) = self.takers.get_mut(member) {
            taker.gaps = open;
        }
    }

    /// Whether a gap is right; `None` while that cannot be said.
    fn judge_gap(&self, member: usize, gap: &ToldGap) -> Option<Result<(), String>> {
        let (mut others, mut unknown) = (0, 0);
        for seq in gap.first..=gap.last {
            let Some(origin) = self.records.get(seq).and_then(|record| record.origin) else {
                unknown += 1;
                continue;
            };
            if origin.stamp.publisher == member {
                continue;
            }
            others += 1;
            let age_ns = gap.at_ns.saturating_sub(origin.stamp.due_ns);
            let Promise { ttl_ns, may_drop, .. } = self.promise();
            if age_ns < ttl_ns && !may_drop {
                let (age, ttl) = (age_ns / 1_000_000, ttl_ns / 1_000_000);
                return Some(Err(format!("message {seq} is {age} ms old and lives {ttl} ms")));
            }
        }
        if gap.count < others || gap.count > others + unknown {
            return Some(Err(format!("{others} messages of others have these numbers")));
        }
        (unknown == 0).then_some(Ok(()))
    }

    /// Whether everything sent is answered and has reached everybody.
    pub(crate) fn is_complete(&mut self) -> bool {
        let is_answered = self.sources.iter().all(|source| source.unanswered() == 0);
        is_answered && {
            self.settle();
            let end = self.records.end();
            self.takers.iter().all(|taker| taker.next >= end)
        }
    }

    /// Texts of `member` without a reply.
    #[must_use]
    pub(crate) fn unanswered(&self, member: usize) -> usize {
        self.sources.get(member).map_or(0, |source| source.unanswered())
    }

    /// Of all members together.
    #[must_use]
    pub(crate) fn unanswered_of_all(&self) -> usize {
        self.sources.iter().map(|source| source.unanswered()).sum()
    }

    /// Whether message `seq` is with `members` members.
    #[must_use]
    pub(crate) fn is_with(&self, seq: u64, members: usize) -> bool {
        self.records.get(seq).is_none_or(|record| record.taken as usize >= members)
    }

    /// The number after the highest that is known.
    #[must_use]
    pub(crate) fn end(&self) -> u64 {
        self.records.end()
    }

    /// Nothing more will come: what has not come is lost. The coordinator's own next number is
    /// `next`, if it was asked.
    pub(crate) fn finish(&mut self, next: Option<u64>, now_ns: u64) {
        let expected = self.records.end();
        // Whoever is alone may have sent what it never heard of again.
        let is_alone = self.takers.len() == 1;
        if let Some(next) = next.filter(|next| *next != expected && !is_alone) {
            self.fault(usize::MAX, &Fault::Count { next, expected });
        }
        for member in 0..self.takers.len() {
            self.pass_over(member, expected, now_ns);
        }
        self.settle();
        for member in 0..self.takers.len() {
            self.settle_gaps(member, true);
            let may_own = self.sources.get(member).is_some_and(|source| source.has_unknown());
            let Some(taker) = self.takers.get_mut(member) else { continue };
            for seq in std::mem::take(&mut taker.passed).into_keys() {
                let is_known = self.records.get(seq).is_some_and(|record| record.origin.is_some());
                if is_known || !may_own {
                    self.fault(member, &Fault::Lost { seq });
                }
            }
        }
        // What was held back for the open questions has now been answered for.
        self.settle();
    }
}
