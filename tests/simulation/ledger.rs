//! Checks the messages that a member received against the promises.

use std::collections::BTreeMap;

use groupcast::protocol::Epoch;

use crate::epoch_history::{EpochHistory, Registration};

/// Messages that one id received. Each message of another member since the registration must come
/// once, or be counted in one gap.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    id: String,
    /// Numbers that the member acknowledged and then lost: they need not come again.
    excused: BTreeMap<(Epoch, u32), u64>,
    pub(crate) epoch: Option<Epoch>,
    pub(crate) last: u64,
    /// Restores before the history that the last number belongs to: [`EpochHistory::copies`].
    copies: Option<u32>,
    /// The member knows that the numbers went back, and had taken so much before.
    reported: Option<u64>,
    /// Up to here all was taken before the numbers went back: it may come again.
    again: u64,
    /// Number of times that the new numbers passed those of the member before it came back. Nobody
    /// can notice such a restore.
    pub(crate) unnoticed: u64,
}

impl Ledger {
    pub(crate) fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            excused: BTreeMap::new(),
            epoch: None,
            last: 0,
            copies: None,
            reported: None,
            again: 0,
            unnoticed: 0,
        }
    }

    /// The coordinator greets in this epoch.
    pub(crate) fn begin(&mut self, epoch: Epoch) {
        if self.epoch != Some(epoch) {
            self.epoch = Some(epoch);
            (self.last, self.copies, self.reported, self.again) = (0, None, None, 0);
        }
    }

    /// The member has noted that numbers of its epoch begin anew.
    pub(crate) fn begin_anew(&mut self) {
        self.reported = self.reported.max(Some(self.last.max(self.again)));
        self.last = 0;
    }

    /// Moves to the history that the epoch had after `copies` restores. If that is another history
    /// than before, all numbers that both do not share must still come, unless the member named a
    /// number that the coordinator takes for one of the new history.
    pub(crate) fn follow<'a>(&mut self, newest: &'a EpochHistory, copies: u32) -> &'a EpochHistory {
        let life = newest.at(copies);
        let Some(before) = self.copies.replace(life.copies) else { return life };
        let id = &self.id;
        if before == life.copies {
            assert_eq!(self.reported, None, "{id}: the numbers did not go back");
            return life;
        }
        assert!(before < life.copies, "{id}: of a life that is over");
        let shared = newest.at(before).shared(life);
        self.again = self.reported.unwrap_or_default().max(self.again).min(shared);
        if self.reported.take().is_none() && self.last > shared {
            if life.named(id) >= self.last {
                self.unnoticed += 1;
            } else {
                self.last = shared;
            }
        }
        life
    }

    /// The registration that a number belongs to, and the number above which nothing was taken.
    fn base(&self, newest: &EpochHistory, life: &EpochHistory, seq: u64) -> (u32, u64) {
        let registration = life.registration(&self.id, seq);
        let registration = registration.unwrap_or_else(|| panic!("{}: {seq} before", self.id));
        let taken = self.last.max(self.again).max(self.excused(newest, life, &registration));
        (registration.number, registration.start.max(taken))
    }

    /// Up to here everything may be gone: it was acknowledged.
    fn excused(
        &self,
        newest: &EpochHistory,
        life: &EpochHistory,
        registration: &Registration,
    ) -> u64 {
        let excused = self.excused.iter().filter(|((epoch, _), _)| Some(*epoch) == self.epoch);
        let excused = excused.map(|(&(_, copies), &seq)| match copies == life.copies {
            true => seq,
            false => seq.min(newest.at(copies).shared(life)),
        });
        excused.max().unwrap_or_default().max(registration.had)
    }

    /// The member has acknowledged what it has not seen: it may never see it.
    pub(crate) fn excuse(&mut self, seq: u64) {
        if let (Some(epoch), Some(copies)) = (self.epoch, self.copies) {
            let most = self.excused.entry((epoch, copies)).or_default();
            *most = seq.max(*most);
        }
    }

    /// Falls back to the durable state. Messages received since are forgotten, and may be lost.
    pub(crate) fn fall_back(&mut self, durable: Self) {
        self.excuse(self.last);
        let excused = std::mem::take(&mut self.excused);
        *self = Self { excused, ..durable };
    }

    /// A message was taken, that was not taken before.
    pub(crate) fn take(&mut self, newest: &EpochHistory, copies: u32, seq: u64, line: &str) {
        let life = self.follow(newest, copies);
        let Self { id, last, .. } = self;
        assert!(seq > *last, "{id}: {seq} after {last}: twice, or out of order");
        assert!(seq <= life.last(), "{id}: {seq} was never given out");
        assert_eq!(line, life.message(seq).line.trim_end_matches('\n'), "{id}: not what was sent");
        let (who, base) = self.base(newest, life, seq);
        assert_ne!(life.message(seq).sender, who, "{}: its own message {seq}", self.id);
        let hole = life.true_others(base, seq - 1, who).next();
        assert_eq!(hole, None, "{}: neither delivered nor counted before {seq}", self.id);
        self.last = seq;
    }

    /// A gap was taken. One that repeats what was taken may do so only where `may_repeat`.
    pub(crate) fn take_gap(
        &mut self,
        newest: &EpochHistory,
        copies: u32,
        [count, first, last]: [u64; 3],
        may_repeat: bool,
    ) {
        let life = self.follow(newest, copies);
        let id = &self.id;
        let may_repeat = may_repeat || first <= self.again;
        assert!(last <= life.last(), "{id}: a gap of what was never given out");
        if may_repeat && last <= self.last {
            return;
        }
        let registration = life.registration(id, last);
        let excused = registration.map(|it| self.excused(newest, life, &it));
        if excused.is_some_and(|excused| first <= excused) {
            self.last = last.max(self.last);
            return;
        }
        let (who, base) = self.base(newest, life, last);
        let lost: Vec<u64> = life.true_others(first - 1, last, who).collect();
        let passing: Vec<u64> = life.others(first - 1, last, who).collect();
        let is_all = |lost: &Vec<u64>| {
            let ends = [lost.first(), lost.last()];
            lost.len() as u64 == count && ends == [Some(&first), Some(&last)]
        };
        let is_counted = is_all(&lost) || is_all(&passing);
        assert!(is_counted, "{id}: gap {count} {first} {last} counts {lost:?} {passing:?}");
        let missed = life.true_others(base, first - 1, who).next();
        assert_eq!(missed, None, "{id}: gap {count} {first} {last} after {base}");
        assert!(base < first || may_repeat, "{id}: gap {count} {first} {last} after {base}");
        self.last = last;
    }

    /// Nothing is left that should have come.
    pub(crate) fn is_complete(&self, newest: &EpochHistory) -> bool {
        let last = newest.last();
        if newest.registration(&self.id, last + 1).is_none() {
            return false;
        }
        let mut ledger = self.clone();
        ledger.follow(newest, u32::MAX);
        let (who, base) = ledger.base(newest, newest, last + 1);
        newest.true_others(base, last, who).next().is_none()
    }
}
