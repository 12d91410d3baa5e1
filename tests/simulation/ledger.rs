//! What a member has taken, held to what it is promised.

use std::collections::BTreeMap;

use groupcast::protocol::Epoch;

use crate::life::{Life, Registration};

/// What one id has taken, held to what it is promised: everything of others since it registered
/// comes once, or is counted once.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    id: String,
    /// What was acknowledged and then lost by the member itself: it may be gone.
    excused: BTreeMap<Epoch, u64>,
    pub(crate) epoch: Option<Epoch>,
    pub(crate) last: u64,
}

impl Ledger {
    pub(crate) fn new(id: &str) -> Self {
        Self { id: id.to_owned(), excused: BTreeMap::new(), epoch: None, last: 0 }
    }

    pub(crate) fn begin(&mut self, epoch: Epoch) {
        if self.epoch != Some(epoch) {
            self.epoch = Some(epoch);
            self.last = 0;
        }
    }

    /// The registration that a number belongs to, and the number above which nothing was taken.
    fn base(&self, life: &Life, seq: u64) -> (u32, u64) {
        let registration = life.registration(&self.id, seq);
        let registration = registration.unwrap_or_else(|| panic!("{}: {seq} before", self.id));
        (registration.number, registration.after.max(self.last).max(self.excused(&registration)))
    }

    /// Up to here everything may be gone: it was acknowledged.
    fn excused(&self, registration: &Registration) -> u64 {
        let excused = self.epoch.and_then(|epoch| self.excused.get(&epoch)).copied();
        excused.unwrap_or_default().max(registration.had)
    }

    /// The member has acknowledged what it has not seen: it may never see it.
    pub(crate) fn excuse(&mut self, seq: u64) {
        if let Some(epoch) = self.epoch {
            let most = self.excused.entry(epoch).or_default();
            *most = seq.max(*most);
        }
    }

    /// Falls back to what was safe: what was taken since is forgotten, and perhaps kept nowhere.
    pub(crate) fn fall_back(&mut self, safe: Self) {
        self.excuse(self.last);
        let excused = std::mem::take(&mut self.excused);
        *self = Self { excused, ..safe };
    }

    /// A message was taken, that was not taken before.
    pub(crate) fn take(&mut self, life: &Life, seq: u64, line: &str) {
        let Self { id, last, .. } = self;
        assert!(seq > *last, "{id}: {seq} after {last}: twice, or out of order");
        assert!(seq <= life.last(), "{id}: {seq} was never given out");
        assert_eq!(line, life.message(seq).line.trim_end_matches('\n'), "{id}: not what was sent");
        let (who, base) = self.base(life, seq);
        assert_ne!(life.message(seq).sender, who, "{}: its own message {seq}", self.id);
        let hole = life.true_others(base, seq - 1, who).next();
        assert_eq!(hole, None, "{}: neither delivered nor counted before {seq}", self.id);
        self.last = seq;
    }

    /// A gap was taken. One that repeats what was taken may do so only where `may_repeat`.
    pub(crate) fn take_gap(
        &mut self,
        life: &Life,
        [count, first, last]: [u64; 3],
        may_repeat: bool,
    ) {
        let id = &self.id;
        assert!(last <= life.last(), "{id}: a gap of what was never given out");
        if may_repeat && last <= self.last {
            return;
        }
        let registration = life.registration(id, last);
        if registration.is_some_and(|registration| first <= self.excused(&registration)) {
            self.last = last.max(self.last);
            return;
        }
        let (who, base) = self.base(life, last);
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
    pub(crate) fn is_complete(&self, life: &Life) -> bool {
        let (who, base) = match life.registration(&self.id, life.last() + 1) {
            Some(registration) => {
                let taken = self.last.max(self.excused(&registration));
                (registration.number, registration.after.max(taken))
            }
            None => return false,
        };
        life.true_others(base, life.last(), who).next().is_none()
    }
}
