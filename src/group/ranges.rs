//! Which numbers above a member's place are its own.

use std::collections::VecDeque;

use crate::protocol::{Gap, Seq};

/// The numbers of a member's own messages above its place: a list of runs, lowest first.
///
/// ```text
///   place      run          run
///     │      ┌──┴──┐       ┌─┴─┐
///  ───●──○──○──●──●──●──○──○──●──●──○──►  ● own, ○ of others
/// ```
///
/// Two runs never touch. What is own is skipped, never sent, and never counted as lost. Below the
/// place the runs of kept messages stay, for a member that goes back: see [`SeqRanges::go_back`]. A
/// member that does not publish owns no memory here.
#[derive(Debug, Default)]
pub(super) struct SeqRanges {
    ranges: VecDeque<SeqRange>,
}

/// Numbers from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SeqRange {
    pub(super) first: Seq,
    pub(super) last: Seq,
}

impl SeqRanges {
    /// Adds a number above all others.
    pub(super) fn push(&mut self, seq: Seq) {
        match self.ranges.back_mut() {
            Some(run) if run.last.next() == seq => run.last = seq,
            Some(_) | None => self.ranges.push_back(SeqRange { first: seq, last: seq }),
        }
    }

    /// Adds runs, wherever they belong; some of their numbers may be there already. Linear in what
    /// is added, and in what stands above the first number that is new.
    pub(super) fn add(&mut self, mut ranges: Vec<SeqRange>) {
        ranges.retain(|run| !self.has(*run));
        ranges.sort_unstable_by_key(|run| run.first);
        let Some(lowest) = ranges.first().map(|run| run.first) else { return };
        let from = self.ranges.partition_point(|it| it.last.next() < lowest);
        let mut above = self.ranges.split_off(from).into_iter().peekable();
        for run in ranges {
            while let Some(lower) = above.next_if(|it| it.first <= run.first) {
                self.join(lower);
            }
            self.join(run);
        }
        above.for_each(|run| self.join(run));
    }

    /// Adds a run that begins at no number below the beginning of the last one.
    fn join(&mut self, run: SeqRange) {
        match self.ranges.back_mut() {
            Some(last) if last.last.next() >= run.first => last.last = last.last.max(run.last),
            Some(_) | None => self.ranges.push_back(run),
        }
    }

    fn has(&self, run: SeqRange) -> bool {
        let it = self.above(run.last.before()).next();
        it.is_some_and(|it| it.first <= run.first && run.last <= it.last)
    }

    /// Returns the number of runs that reach above `acked`.
    pub(super) fn count_above(&self, acked: Seq) -> usize {
        self.ranges.len().saturating_sub(self.passed(acked))
    }

    /// The member goes back from `acked`: of the numbers up to there only those of messages that
    /// are kept count as its own, which are not below `front` and not `lost`.
    pub(super) fn go_back(&mut self, acked: Seq, front: Seq, lost: &Self) {
        self.forget_through(acked.min(front.before()));
        if lost.above(front.before()).next().is_none_or(|gone| gone.first > acked) {
            return;
        }
        let above = self.ranges.split_off(self.passed(acked));
        for SeqRange { mut first, last } in std::mem::take(&mut self.ranges) {
            for gone in lost.above(first.before()).take_while(|gone| gone.first <= last) {
                if first < gone.first {
                    self.join(SeqRange { first, last: gone.first.before() });
                }
                first = gone.last.next();
            }
            if first <= last {
                self.join(SeqRange { first, last });
            }
        }
        above.into_iter().for_each(|run| self.join(run));
    }

    /// `acked`, moved on over the own numbers that stand right after it.
    pub(super) fn skip(&self, acked: Seq) -> Seq {
        match self.above(acked).next() {
            Some(run) if run.first <= acked.next() => run.last,
            Some(_) | None => acked,
        }
    }

    /// Forgets all numbers up to and including `acked`.
    pub(super) fn forget_through(&mut self, acked: Seq) {
        while let Some(run) = self.ranges.front_mut() {
            if run.last > acked {
                run.first = run.first.max(acked.next());
                return;
            }
            self.ranges.pop_front();
        }
        self.ranges = VecDeque::new();
    }

    /// The runs that reach above `acked`, lowest first.
    pub(super) fn above(&self, acked: Seq) -> impl Iterator<Item = SeqRange> {
        self.ranges.range(self.passed(acked)..).copied()
    }

    /// Returns the number of runs that end at or below `acked`: at once where these are all runs
    /// or all but one, as of members that have everything.
    fn passed(&self, acked: Seq) -> usize {
        let is_passed = |run: &SeqRange| run.last <= acked;
        let mut newest = self.ranges.iter().rev();
        if newest.next().is_none_or(is_passed) {
            return self.ranges.len();
        }
        if newest.next().is_none_or(is_passed) {
            return self.ranges.len().saturating_sub(1);
        }
        self.ranges.partition_point(is_passed)
    }

    /// How many numbers above `after`, up to and including `through`, are of others.
    pub(super) fn others(&self, after: Seq, through: Seq) -> u64 {
        let own = self
            .above(after)
            .take_while(|run| run.first <= through)
            .map(|run| run.last.min(through).above(run.first.before().max(after)))
            .fold(0, u64::saturating_add);
        through.above(after).saturating_sub(own)
    }

    /// The numbers of others above `after`, up to and including `through`, as a gap.
    pub(super) fn gap(&self, after: Seq, through: Seq) -> Option<Gap> {
        let count = self.others(after, through);
        if count == 0 {
            return None;
        }
        let first = self.skip(after).next();
        let reached = self.ranges.partition_point(|run| run.first <= through);
        let last = match reached.checked_sub(1).and_then(|at| self.ranges.get(at)) {
            Some(run) if run.last >= through => run.first.before(),
            Some(_) | None => through,
        };
        Some(Gap { count, first, last })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs_of(numbers: &[u64]) -> SeqRanges {
        let mut ranges = SeqRanges::default();
        numbers.iter().for_each(|&number| ranges.push(Seq::new(number)));
        ranges
    }

    /// Compares with a walk over every number, for each set of own numbers out of 1..=7.
    #[test]
    fn every_answer_is_that_of_a_walk_over_all_numbers() {
        for set in 0_u32..1 << 7 {
            let own: Vec<u64> = (1..=7).filter(|number| set >> (number - 1) & 1 == 1).collect();
            let is_other = |number: &u64| !own.contains(number);
            for after in 0..=8 {
                let mut ranges = runs_of(&own);
                let skipped = (after + 1..).find(is_other).unwrap() - 1;
                assert_eq!(ranges.skip(Seq::new(after)), Seq::new(skipped), "{own:?} {after}");
                for through in 0..=9 {
                    let others: Vec<u64> = (after + 1..=through).filter(is_other).collect();
                    let (after, through) = (Seq::new(after), Seq::new(through));
                    assert_eq!(ranges.others(after, through), others.len() as u64);
                    let gap = others.first().map(|&first| Gap {
                        count: others.len() as u64,
                        first: Seq::new(first),
                        last: Seq::new(*others.last().unwrap()),
                    });
                    assert_eq!(ranges.gap(after, through), gap, "{own:?} {after} {through}");
                }
                ranges.forget_through(Seq::new(after));
                let left: Vec<u64> = own.iter().copied().filter(|&number| number > after).collect();
                assert_eq!(ranges.ranges, runs_of(&left).ranges, "{own:?} {after}");
            }
        }
    }

    /// Adds each run within 1..=7 to each set of numbers out of these.
    #[test]
    fn a_run_that_is_added_joins_all_that_it_touches() {
        for set in 0_u32..1 << 7 {
            let own: Vec<u64> = (1..=7).filter(|number| set >> (number - 1) & 1 == 1).collect();
            for (first, last) in (1..=7).flat_map(|first| (first..=7).map(move |it| (first, it))) {
                let mut ranges = runs_of(&own);
                ranges.add(vec![SeqRange { first: Seq::new(first), last: Seq::new(last) }]);
                let is_in = |number: &u64| own.contains(number) || (first..=last).contains(number);
                let all: Vec<u64> = (1..=7).filter(is_in).collect();
                assert_eq!(ranges.ranges, runs_of(&all).ranges, "{own:?} {first} {last}");
            }
        }
    }

    /// Adds each set of numbers out of 1..=6, as runs in both orders, to each other one.
    #[test]
    fn runs_that_are_added_together_are_there_in_whatever_order_they_come() {
        let numbers_in = |set: u32| (1..=6).filter(move |number| set >> (number - 1) & 1 == 1);
        for (set, more) in (0..1 << 6).flat_map(|set| (0..1 << 6).map(move |more| (set, more))) {
            let own: Vec<u64> = numbers_in(set).collect();
            let all: Vec<u64> = numbers_in(set | more).collect();
            let single = |number| SeqRange { first: Seq::new(number), last: Seq::new(number) };
            let added: Vec<SeqRange> = numbers_in(more).map(single).collect();
            let reversed = added.iter().rev().copied().collect();
            for added in [added, reversed] {
                let mut ranges = runs_of(&own);
                ranges.add(added);
                assert_eq!(ranges.ranges, runs_of(&all).ranges, "{own:?} {more:b}");
            }
        }
    }

    #[test]
    fn who_goes_back_has_sent_what_is_kept_and_what_stands_above() {
        for set in 0_u32..1 << 7 {
            let own: Vec<u64> = (1..=7).filter(|number| set >> (number - 1) & 1 == 1).collect();
            let lost = runs_of(&[2, 3, 5, 6]);
            let may_stand = |acked: &u64| !(own.contains(acked) && own.contains(&(acked + 1)));
            for (acked, front) in (0..=8).filter(may_stand).flat_map(|it| [(it, 1), (it, 4)]) {
                let mut ranges = runs_of(&own);
                ranges.go_back(Seq::new(acked), Seq::new(front), &lost);
                let is_known = |number: &u64| {
                    let is_kept = *number >= front && ![2, 3, 5, 6].contains(number);
                    is_kept || *number > acked
                };
                let known: Vec<u64> = own.iter().copied().filter(is_known).collect();
                assert_eq!(ranges.ranges, runs_of(&known).ranges, "{own:?} {acked} {front}");
            }
        }
    }
}
