//! What is known of every message that somebody has still to get.
//!
//! ```text
//!   everybody is past these │ base            top
//!                           ├──┬──┬──┬──┬──┬──┤
//!                           whose, its line, who has it
//! ```

use std::collections::VecDeque;

use super::publisher::Origin;

/// One number.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// Whose it is, from the reply or from the first delivery.
    pub(crate) origin: Option<Origin>,
    /// As the first one got it, with its LF; empty until then.
    pub(crate) line: Box<[u8]>,
    /// How many members have it, or were told that it is lost.
    pub(crate) taken: u32,
}

impl Record {
    /// Whether it is known to be `member`'s own.
    pub(crate) fn is_of(&self, member: usize) -> bool {
        self.origin.is_some_and(|origin| origin.stamp.publisher == member)
    }
}

/// Numbers from `base` on.
#[derive(Debug)]
pub(crate) struct Records {
    base: u64,
    records: VecDeque<Record>,
}

impl Records {
    /// None yet; the first number to come is `base`.
    pub(crate) fn new(base: u64) -> Self {
        Self { base, records: VecDeque::new() }
    }

    /// The number after the highest known.
    pub(crate) fn end(&self) -> u64 {
        self.base + self.records.len() as u64
    }

    fn index(&self, seq: u64) -> usize {
        usize::try_from(seq.wrapping_sub(self.base)).unwrap_or(usize::MAX)
    }

    pub(crate) fn get(&self, seq: u64) -> Option<&Record> {
        self.records.get(self.index(seq))
    }

    pub(crate) fn get_mut(&mut self, seq: u64) -> Option<&mut Record> {
        let index = self.index(seq);
        self.records.get_mut(index)
    }

    /// The record of `seq`, made if it is above all others but not absurdly so.
    pub(crate) fn reach(&mut self, seq: u64) -> Option<&mut Record> {
        const AHEAD_MAX: u64 = 1 << 22;
        if seq < self.base || seq >= self.end() + AHEAD_MAX {
            return None;
        }
        let index = self.index(seq);
        if index >= self.records.len() {
            self.records.resize_with(index + 1, Record::default);
        }
        self.records.get_mut(index)
    }

    /// Counts `first` to `last` as taken by one more.
    pub(crate) fn count_taken(&mut self, first: u64, last: u64) {
        let end = self.end();
        for seq in first..=last.min(end) {
            if let Some(record) = self.get_mut(seq) {
                record.taken += 1;
            }
        }
    }

    /// The oldest record, if it is below `limit`; it is forgotten.
    pub(crate) fn forget_below(&mut self, limit: u64) -> Option<(u64, Record)> {
        if self.base >= limit {
            return None;
        }
        let record = self.records.pop_front()?;
        self.base += 1;
        Some((self.base - 1, record))
    }
}
