//! Ranges of seqs: the seqs of a member's own messages, or of lost messages.

use std::collections::VecDeque;

use crate::protocol::{Gap, Seq};

/// Seqs of a member's own messages above its cursor, as a list of ranges, lowest first.
///
/// ```text
///   acked     range        range
///     │      ┌──┴──┐       ┌─┴─┐
///  ───●──○──○──●──●──●──○──○──●──●──○──►  ● own, ○ of others
/// ```
///
/// Two ranges never touch. A member is never sent its own messages, and they never count as lost.
/// Ranges of kept messages at or below `acked` stay, because a member may go back: see
/// [`SeqRanges::go_back`]. A member that does not publish owns no memory here.
#[derive(Debug, Default)]
pub(super) struct SeqRanges {
    ranges: VecDeque<CountedRange>,
}

/// A range, and the number of seqs up to its end.
#[derive(Clone, Copy, Debug)]
struct CountedRange {
    first: Seq,
    last: Seq,
    /// Seqs of this range and of all before it, also of those that were forgotten. Only differences
    /// of two such numbers count.
    through: u64,
}

impl CountedRange {
    /// Makes the range behind another one.
    fn behind(before: Option<Self>, SeqRange { first, last }: SeqRange) -> Self {
        let counted = before.map_or(0, |before| before.through);
        Self { first, last, through: counted.wrapping_add(last.above(first.before())) }
    }

    /// Moves the end of the range up.
    fn extend(&mut self, last: Seq) {
        self.through = self.through.wrapping_add(last.above(self.last));
        self.last = self.last.max(last);
    }

    fn range(self) -> SeqRange {
        SeqRange { first: self.first, last: self.last }
    }
}

/// Seqs from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SeqRange {
    pub(super) first: Seq,
    pub(super) last: Seq,
}

impl SeqRanges {
    /// Adds a seq above all others.
    #[inline]
    pub(super) fn push(&mut self, seq: Seq) {
        match self.ranges.back_mut() {
            Some(range) if range.last.next() == seq => {
                range.last = seq;
                range.through = range.through.wrapping_add(1);
            }
            Some(_) | None => self.push_range(SeqRange { first: seq, last: seq }),
        }
    }

    /// Adds a range above all others, and not next to them. Most seqs of a sender follow the one
    /// before, so this stays out of their code.
    #[inline(never)]
    fn push_range(&mut self, range: SeqRange) {
        self.ranges.push_back(CountedRange::behind(self.ranges.back().copied(), range));
    }

    /// Adds ranges in any order; they may overlap the ranges that are there. Linear in the added
    /// ranges, and in the ranges above the first new seq.
    pub(super) fn add(&mut self, mut ranges: Vec<SeqRange>) {
        ranges.retain(|range| !self.has(*range));
        ranges.sort_unstable_by_key(|range| range.first);
        let Some(lowest) = ranges.first().map(|range| range.first) else { return };
        let from = self.ranges.partition_point(|it| it.last.next() < lowest);
        let mut above = self.ranges.split_off(from).into_iter().peekable();
        for range in ranges {
            while let Some(lower) = above.next_if(|it| it.first <= range.first) {
                self.join(lower.range());
            }
            self.join(range);
        }
        above.for_each(|it| self.join(it.range()));
    }

    /// Adds a range that starts at or above the start of the last one.
    fn join(&mut self, range: SeqRange) {
        match self.ranges.back_mut() {
            Some(last) if last.last.next() >= range.first => last.extend(range.last),
            Some(_) | None => self.push_range(range),
        }
    }

    fn has(&self, range: SeqRange) -> bool {
        let it = self.above(range.last.before()).next();
        it.is_some_and(|it| it.first <= range.first && range.last <= it.last)
    }

    /// Returns the highest seq.
    pub(super) fn last(&self) -> Option<Seq> {
        self.ranges.back().map(|range| range.last)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Returns the range at a position: see [`SeqRanges::passed`].
    pub(super) fn at(&self, position: usize) -> Option<SeqRange> {
        self.ranges.get(position).map(|it| it.range())
    }

    /// Returns true if at least `count` ranges reach above `acked`.
    pub(super) fn reach_above(&self, acked: Seq, count: usize) -> bool {
        let ranges = self.ranges.len();
        ranges >= count && ranges.saturating_sub(self.passed(acked)) >= count
    }

    /// Prepares for a cursor that goes back from `acked`: of the seqs up to `acked`, only those of
    /// kept messages stay own. Kept messages are not below `front` and not `lost`.
    pub(super) fn go_back(&mut self, acked: Seq, front: Seq, lost: &Self) {
        self.forget_through(acked.min(front.before()));
        if lost.above(front.before()).next().is_none_or(|gone| gone.first > acked) {
            return;
        }
        let above = self.ranges.split_off(self.passed(acked));
        for CountedRange { mut first, last, .. } in std::mem::take(&mut self.ranges) {
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
        above.into_iter().for_each(|it| self.join(it.range()));
    }

    /// Returns the last own seq of the range right after `acked`, or `acked` if none starts there.
    #[inline]
    pub(super) fn skip(&self, acked: Seq) -> Seq {
        if self.ranges.is_empty() {
            return acked; // Most members publish nothing.
        }
        self.skip_range(acked)
    }

    fn skip_range(&self, acked: Seq) -> Seq {
        match self.above(acked).next() {
            Some(range) if range.first <= acked.next() => range.last,
            Some(_) | None => acked,
        }
    }

    /// Removes all seqs up to and including `acked`.
    pub(super) fn forget_through(&mut self, acked: Seq) {
        if self.ranges.capacity() == 0 {
            return;
        }
        while let Some(range) = self.ranges.front_mut() {
            if range.last > acked {
                range.first = range.first.max(acked.next());
                return;
            }
            self.ranges.pop_front();
        }
        self.ranges = VecDeque::new();
    }

    /// Returns the ranges that reach above `acked`, lowest first.
    pub(super) fn above(&self, acked: Seq) -> impl Iterator<Item = SeqRange> {
        self.ranges.range(self.passed(acked)..).map(|it| it.range())
    }

    /// Returns the number of ranges that end at or below `acked`. Takes constant time if all ranges
    /// or all but one end there, as for a member that has every message.
    pub(super) fn passed(&self, acked: Seq) -> usize {
        let is_passed = |range: &CountedRange| range.last <= acked;
        let mut newest = self.ranges.iter().rev();
        if newest.next().is_none_or(is_passed) {
            return self.ranges.len();
        }
        if newest.next().is_none_or(is_passed) {
            return self.ranges.len().saturating_sub(1);
        }
        self.ranges.partition_point(is_passed)
    }

    /// Returns the number of seqs after `after`, up to and including `through`, that are not in a
    /// range.
    #[inline]
    pub(super) fn others(&self, after: Seq, through: Seq) -> u64 {
        match self.ranges.is_empty() {
            true => through.above(after),
            false => self.others_between(after, through),
        }
    }

    fn others_between(&self, after: Seq, through: Seq) -> u64 {
        let own = self.counted(through.max(after)).wrapping_sub(self.counted(after));
        through.above(after).saturating_sub(own)
    }

    /// Returns the number of seqs up to and including `through`, from an unknown number on. Takes
    /// the time of a binary search, because a member can have very many ranges.
    fn counted(&self, through: Seq) -> u64 {
        let begun = self.ranges.partition_point(|range| range.first <= through);
        let last = begun.checked_sub(1).and_then(|at| self.ranges.get(at));
        match (last, self.ranges.front()) {
            (Some(range), _) => range.through.wrapping_sub(range.last.above(through)),
            (None, Some(front)) => {
                front.through.wrapping_sub(front.last.above(front.first.before()))
            }
            (None, None) => 0,
        }
    }

    /// Returns the gap of all seqs of others after `after`, up to and including `through`.
    pub(super) fn gap(&self, after: Seq, through: Seq) -> Option<Gap> {
        let count = self.others(after, through);
        if count == 0 {
            return None;
        }
        let first = self.skip(after).next();
        let reached = self.ranges.partition_point(|range| range.first <= through);
        let last = match reached.checked_sub(1).and_then(|at| self.ranges.get(at)) {
            Some(range) if range.last >= through => range.first.before(),
            Some(_) | None => through,
        };
        Some(Gap { count, first, last })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges_of(numbers: &[u64]) -> SeqRanges {
        let mut ranges = SeqRanges::default();
        numbers.iter().for_each(|&number| ranges.push(Seq::new(number)));
        ranges
    }

    fn parts(ranges: &SeqRanges) -> Vec<SeqRange> {
        let counts = ranges.ranges.iter().map(|it| it.through).collect::<Vec<_>>();
        for (counts, range) in counts.windows(2).zip(ranges.above(Seq::ZERO).skip(1)) {
            let own = range.last.above(range.first.before());
            assert_eq!(counts[0].checked_add(own), Some(counts[1]), "{ranges:?}");
        }
        ranges.above(Seq::ZERO).collect()
    }

    /// Compares with a walk over all seqs, for each set of own seqs in 1..=7.
    #[test]
    fn every_answer_is_that_of_a_walk_over_all_numbers() {
        for set in 0_u32..1 << 7 {
            let own: Vec<u64> = (1..=7).filter(|number| set >> (number - 1) & 1 == 1).collect();
            let is_other = |number: &u64| !own.contains(number);
            for after in 0..=8 {
                let mut ranges = ranges_of(&own);
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
                assert_eq!(parts(&ranges), parts(&ranges_of(&left)), "{own:?} {after}");
                for (from, through) in (0..=8).flat_map(|from| (0..=9).map(move |it| (from, it))) {
                    let (from, through) = (Seq::new(from), Seq::new(through));
                    let others = ranges_of(&left).others(from, through);
                    assert_eq!(ranges.others(from, through), others, "{own:?} {after}");
                }
            }
        }
    }

    /// A walk over all ranges for each answer would take many minutes here.
    #[test]
    fn an_answer_does_not_walk_over_all_ranges() {
        let count = 200_000;
        let numbers: Vec<u64> = (1..=count).map(|number| 2 * number).collect();
        let ranges = ranges_of(&numbers);
        for through in 1..=count {
            let others = ranges.others(Seq::new(1), Seq::new(2 * through));
            assert_eq!(others, through - 1);
        }
    }

    /// Adds each range in 1..=7 to each set of seqs in 1..=7.
    #[test]
    fn an_added_range_joins_all_ranges_that_it_touches() {
        for set in 0_u32..1 << 7 {
            let own: Vec<u64> = (1..=7).filter(|number| set >> (number - 1) & 1 == 1).collect();
            for (first, last) in (1..=7).flat_map(|first| (first..=7).map(move |it| (first, it))) {
                let mut ranges = ranges_of(&own);
                ranges.add(vec![SeqRange { first: Seq::new(first), last: Seq::new(last) }]);
                let is_in = |number: &u64| own.contains(number) || (first..=last).contains(number);
                let all: Vec<u64> = (1..=7).filter(is_in).collect();
                assert_eq!(parts(&ranges), parts(&ranges_of(&all)), "{own:?} {first} {last}");
            }
        }
    }

    /// Adds each set of seqs in 1..=6, as ranges in both orders, to each other set.
    #[test]
    fn added_ranges_count_in_any_order() {
        let numbers_in = |set: u32| (1..=6).filter(move |number| set >> (number - 1) & 1 == 1);
        for (set, more) in (0..1 << 6).flat_map(|set| (0..1 << 6).map(move |more| (set, more))) {
            let own: Vec<u64> = numbers_in(set).collect();
            let all: Vec<u64> = numbers_in(set | more).collect();
            let single = |number| SeqRange { first: Seq::new(number), last: Seq::new(number) };
            let added: Vec<SeqRange> = numbers_in(more).map(single).collect();
            let reversed = added.iter().rev().copied().collect();
            for added in [added, reversed] {
                let mut ranges = ranges_of(&own);
                ranges.add(added);
                assert_eq!(parts(&ranges), parts(&ranges_of(&all)), "{own:?} {more:b}");
            }
        }
    }

    #[test]
    fn after_going_back_only_kept_and_higher_numbers_are_own() {
        for set in 0_u32..1 << 7 {
            let own: Vec<u64> = (1..=7).filter(|number| set >> (number - 1) & 1 == 1).collect();
            let lost = ranges_of(&[2, 3, 5, 6]);
            let is_cursor = |acked: &u64| !(own.contains(acked) && own.contains(&(acked + 1)));
            for (acked, front) in (0..=8).filter(is_cursor).flat_map(|it| [(it, 1), (it, 4)]) {
                let mut ranges = ranges_of(&own);
                ranges.go_back(Seq::new(acked), Seq::new(front), &lost);
                let is_known = |number: &u64| {
                    let is_kept = *number >= front && ![2, 3, 5, 6].contains(number);
                    is_kept || *number > acked
                };
                let known: Vec<u64> = own.iter().copied().filter(is_known).collect();
                assert_eq!(parts(&ranges), parts(&ranges_of(&known)), "{own:?} {acked} {front}");
            }
        }
    }
}
