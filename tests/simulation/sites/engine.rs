//! A modelled list: it stores, refuses, delays and loses entries, shows older copies, falls silent,
//! and sometimes goes back to an earlier state.

use bytes::Bytes;
use groupcast::journal::{EntryKind, ListBatch, ListPosition, ListReport, ListState, SiteName};
use groupcast::time::UnixMillis;
use support::rng::Rng;

#[derive(Clone, Debug)]
pub(super) struct StoredEntry {
    pub(super) position: u64,
    pub(super) stored: u64,
    pub(super) kind: EntryKind,
    pub(super) bytes: Bytes,
}

impl StoredEntry {
    pub(super) fn report(&self) -> ListReport {
        ListReport::Entry {
            position: ListPosition(self.position),
            stored: UnixMillis(self.stored),
            kind: self.kind,
            bytes: self.bytes.clone(),
        }
    }
}

/// The list as the leader has it.
#[derive(Debug, Default)]
pub(super) struct Engine {
    pub(super) entries: Vec<StoredEntry>,
    pub(super) first: u64,
    pub(super) last: u64,
    /// Entries whose publisher does not know that they will be stored, and when.
    late: Vec<(u64, EntryKind, Bytes)>,
    pub(super) refuses_until: u64,
    /// True once the list has lost what it confirmed.
    pub(super) has_lost: bool,
}

/// Answer of the engine to a published entry.
pub(super) enum Published {
    Stored(u64),
    Refused,
    Unknown,
}

impl Engine {
    pub(super) fn store(&mut self, now: u64, kind: EntryKind, bytes: Bytes) -> u64 {
        self.last += 1;
        self.first = self.first.max(1);
        self.entries.push(StoredEntry { position: self.last, stored: now, kind, bytes });
        self.last
    }

    pub(super) fn publish(
        &mut self,
        rng: &mut Rng,
        now: u64,
        kind: EntryKind,
        bytes: Bytes,
        is_calm: bool,
    ) -> Published {
        if now < self.refuses_until {
            if rng.percent(10) {
                self.late.push((now + rng.below(20_000), kind, bytes));
            }
            return if rng.percent(50) { Published::Refused } else { Published::Unknown };
        }
        match rng.below(100) {
            _ if is_calm => Published::Stored(self.store(now, kind, bytes)),
            0..=3 => Published::Refused,
            4..=7 => Published::Unknown,
            8..=11 => {
                self.store(now, kind, bytes);
                Published::Unknown
            }
            12..=16 => {
                self.late.push((now + rng.below(20_000), kind, bytes));
                Published::Unknown
            }
            _ => Published::Stored(self.store(now, kind, bytes)),
        }
    }

    /// Stores the late entries whose time has come, and the batches of earlier processes that could
    /// take the number of the next batch, or begin an earlier life again.
    pub(super) fn store_late(&mut self, now: u64, list: &ListState) {
        let is_worst = |bytes: &Bytes| {
            let batch = ListBatch::read(bytes).ok();
            batch.is_some_and(|it| {
                let site = list.site(&it.header.site);
                let is_next = |number| [1, number + 1].contains(&it.header.number);
                site.is_some_and(|site| site.life != it.header.life && is_next(site.number))
            })
        };
        let due: Vec<_> =
            self.late.extract_if(.., |(at, _, bytes)| *at <= now || is_worst(bytes)).collect();
        for (_, kind, bytes) in due {
            self.store(now, kind, bytes);
        }
    }

    /// Returns an entry that was published, and that the leader has not stored. A server that went
    /// back may show it.
    /// Often it is a batch of the site that reads it, whose clients then get their replies.
    pub(super) fn unstored(&mut self, rng: &mut Rng, reader: &SiteName) -> Option<StoredEntry> {
        let is_own =
            |bytes: &Bytes| ListBatch::read(bytes).is_ok_and(|batch| batch.header.site == *reader);
        let own = self.late.iter().rposition(|(_, _, bytes)| is_own(bytes));
        let any = rng.index(self.late.len().max(1));
        let index = own.filter(|_| rng.percent(80)).unwrap_or(any);
        let (_, kind, bytes) = self.late.get(index)?.clone();
        self.has_lost = true;
        let (position, stored) = (self.last + 1, self.refuses_until);
        Some(StoredEntry { position, stored, kind, bytes })
    }

    /// Returns true if the list has a batch of this life that was made after reading `position`.
    pub(super) fn has_batch(&self, random: u64, position: u64) -> bool {
        self.entries.iter().any(|entry| {
            let batch = ListBatch::read(&entry.bytes).ok();
            batch.is_some_and(|it| it.header.life.random == random && it.header.seen.0 >= position)
        })
    }

    pub(super) fn purge(&mut self, below: u64) {
        self.entries.retain(|entry| entry.position >= below);
        self.first = self.first.max(below);
    }

    /// Puts an older state back: the last entries are gone, and their positions come again.
    /// It never goes back behind the start of its first snapshot: then the group would be over.
    pub(super) fn go_back(&mut self, entries: usize) {
        let is_piece = |entry: &StoredEntry| entry.kind == EntryKind::Snapshot;
        let piece = self.entries.iter().position(is_piece).filter(|_| self.first > 1);
        let needed = piece.map_or(1, |first| first + 1);
        let left = self.entries.len().saturating_sub(entries).max(needed);
        self.entries.truncate(left);
        self.last = self.entries.last().map_or(0, |entry| entry.position);
        self.has_lost = true;
    }

    /// Removes one entry, up to `last`, as an operator can. Returns false if there is none.
    pub(super) fn remove(&mut self, rng: &mut Rng, last: u64) -> bool {
        let count = self.entries.partition_point(|entry| entry.position <= last);
        if count > 0 {
            self.entries.remove(rng.index(count));
            self.first = self.entries.first().map_or(self.last + 1, |entry| entry.position);
        }
        count > 0
    }

    /// Returns the next position after `next` that has an entry, if `next` has none.
    pub(super) fn behind_removed(&self, next: u64) -> Option<u64> {
        let index = self.entries.partition_point(|entry| entry.position < next);
        self.entries.get(index).map(|entry| entry.position).filter(|found| *found > next)
    }

    pub(super) fn at(&self, position: u64) -> Option<&StoredEntry> {
        let index = self.entries.binary_search_by_key(&position, |entry| entry.position).ok()?;
        self.entries.get(index)
    }
}
