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
/// Two runs never touch, and none reaches down to the place: what is own is skipped, never sent,
/// and never counted as lost. A member that does not publish owns no memory here.
#[derive(Debug, Default)]
pub(super) struct OwnRuns {
    runs: VecDeque<OwnRun>,
}

/// Numbers from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OwnRun {
    pub(super) first: Seq,
    pub(super) last: Seq,
}

impl OwnRuns {
    /// Adds a number above all others.
    pub(super) fn push(&mut self, seq: Seq) {
        match self.runs.back_mut() {
            Some(run) if run.last.next() == seq => run.last = seq,
            Some(_) | None => self.runs.push_back(OwnRun { first: seq, last: seq }),
        }
    }

    /// Puts numbers below all others in front, highest first.
    pub(super) fn push_below(&mut self, seq: Seq) {
        match self.runs.front_mut() {
            Some(run) if run.first == seq.next() => run.first = seq,
            Some(_) | None => self.runs.push_front(OwnRun { first: seq, last: seq }),
        }
    }

    /// Adds a run, wherever it belongs; some of its numbers may be there already.
    pub(super) fn insert(&mut self, mut run: OwnRun) {
        let from = self.runs.partition_point(|it| it.last.next() < run.first);
        let end = self.runs.partition_point(|it| it.first <= run.last.next());
        for touched in self.runs.drain(from..end.max(from)) {
            run.first = run.first.min(touched.first);
            run.last = run.last.max(touched.last);
        }
        self.runs.insert(from, run);
    }

    /// How many runs there are.
    pub(super) fn len(&self) -> usize {
        self.runs.len()
    }

    /// `place`, moved on over the own numbers that stand right after it.
    pub(super) fn skip(&self, place: Seq) -> Seq {
        match self.above(place).next() {
            Some(run) if run.first <= place.next() => run.last,
            Some(_) | None => place,
        }
    }

    /// Forgets all numbers up to and including `place`.
    pub(super) fn forget_through(&mut self, place: Seq) {
        while let Some(run) = self.runs.front_mut() {
            if run.last > place {
                run.first = run.first.max(place.next());
                return;
            }
            self.runs.pop_front();
        }
        self.runs = VecDeque::new();
    }

    /// The runs that reach above `place`, lowest first.
    pub(super) fn above(&self, place: Seq) -> impl Iterator<Item = OwnRun> {
        let passed = self.runs.partition_point(|run| run.last <= place);
        self.runs.range(passed..).copied()
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
        let reached = self.runs.partition_point(|run| run.first <= through);
        let last = match reached.checked_sub(1).and_then(|at| self.runs.get(at)) {
            Some(run) if run.last >= through => run.first.before(),
            Some(_) | None => through,
        };
        Some(Gap { count, first, last })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs_of(numbers: &[u64]) -> OwnRuns {
        let mut runs = OwnRuns::default();
        numbers.iter().for_each(|&number| runs.push(Seq::new(number)));
        runs
    }

    /// Compares with a walk over every number, for each set of own numbers out of 1..=7.
    #[test]
    fn every_answer_is_that_of_a_walk_over_all_numbers() {
        for set in 0_u32..1 << 7 {
            let own: Vec<u64> = (1..=7).filter(|number| set >> (number - 1) & 1 == 1).collect();
            let is_other = |number: &u64| !own.contains(number);
            for after in 0..=8 {
                let mut runs = runs_of(&own);
                let skipped = (after + 1..).find(is_other).unwrap() - 1;
                assert_eq!(runs.skip(Seq::new(after)), Seq::new(skipped), "{own:?} {after}");
                for through in 0..=9 {
                    let others: Vec<u64> = (after + 1..=through).filter(is_other).collect();
                    let (after, through) = (Seq::new(after), Seq::new(through));
                    assert_eq!(runs.others(after, through), others.len() as u64);
                    let gap = others.first().map(|&first| Gap {
                        count: others.len() as u64,
                        first: Seq::new(first),
                        last: Seq::new(*others.last().unwrap()),
                    });
                    assert_eq!(runs.gap(after, through), gap, "{own:?} {after} {through}");
                }
                runs.forget_through(Seq::new(after));
                let left: Vec<u64> = own.iter().copied().filter(|&number| number > after).collect();
                assert_eq!(runs.runs, runs_of(&left).runs, "{own:?} {after}");
            }
        }
    }

    /// Adds each run within 1..=7 to each set of numbers out of these.
    #[test]
    fn a_run_that_is_added_joins_all_that_it_touches() {
        for set in 0_u32..1 << 7 {
            let own: Vec<u64> = (1..=7).filter(|number| set >> (number - 1) & 1 == 1).collect();
            for (first, last) in (1..=7).flat_map(|first| (first..=7).map(move |it| (first, it))) {
                let mut runs = runs_of(&own);
                runs.insert(OwnRun { first: Seq::new(first), last: Seq::new(last) });
                let is_in = |number: &u64| own.contains(number) || (first..=last).contains(number);
                let all: Vec<u64> = (1..=7).filter(is_in).collect();
                assert_eq!(runs.runs, runs_of(&all).runs, "{own:?} {first} {last}");
            }
        }
    }

    #[test]
    fn numbers_put_in_front_join_the_run_that_they_touch() {
        let mut runs = runs_of(&[6, 7]);
        for number in [5, 3, 2] {
            runs.push_below(Seq::new(number));
        }
        assert_eq!(runs.runs, runs_of(&[2, 3, 5, 6, 7]).runs);
        assert_eq!(runs.len(), 2);
    }
}
