//! The chain: a hash over everything that was read from the list.
//!
//! ```text
//!   chain of an entry = hash(chain of the entry before, position, time stamp, kind, bytes)
//! ```
//!
//! The time stamp is the engine's. It belongs to the chain because the time of the list depends on
//! it: an entry that was lost and stored again has the same bytes, but perhaps another stamp.
//!
//! A batch names the chain of a position that its site had read. Another reader has the same chain
//! there, or one of the two was shown another history.

use std::collections::VecDeque;

use xxhash_rust::xxh3::Xxh3;

use super::entry::ListEntry;
use super::names::ListPosition;
use crate::limits::list::CHAIN_VALUES_MAX;

/// Hash over all entries up to a position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chain(pub u128);

impl Chain {
    /// Returns the chain of the next entry.
    fn then(self, entry: &ListEntry<'_>) -> Self {
        let mut hash = Xxh3::new();
        hash.update(&self.0.to_le_bytes());
        hash.update(&entry.position.0.to_le_bytes());
        hash.update(&entry.stored.0.to_le_bytes());
        hash.update(&[entry.kind as u8]);
        hash.update(entry.bytes);
        Self(hash.digest128())
    }
}

/// The chain values of the last entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ChainWindow {
    /// Oldest first. Never empty after the first entry.
    values: VecDeque<(ListPosition, Chain)>,
}

/// Result of a comparison of chains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChainCheck {
    /// Both have read the same entries.
    Same,
    /// One of the two was shown another history.
    Different,
    /// The position is older than the values that are kept, or has no entry.
    Unknown,
}

impl ChainWindow {
    /// Makes the window of a snapshot.
    pub(super) fn restore(values: impl IntoIterator<Item = (ListPosition, Chain)>) -> Self {
        Self { values: values.into_iter().collect() }
    }

    /// Returns the last position, and its chain.
    pub(super) fn last(&self) -> (ListPosition, Chain) {
        self.values.back().copied().unwrap_or_default()
    }

    pub(super) fn values(&self) -> impl Iterator<Item = (ListPosition, Chain)> {
        self.values.iter().copied()
    }

    /// Adds the next entry.
    pub(super) fn add(&mut self, entry: &ListEntry<'_>) {
        let (_, before) = self.last();
        let chain = before.then(entry);
        if self.values.len() >= CHAIN_VALUES_MAX {
            self.values.pop_front();
        }
        self.values.push_back((entry.position, chain));
    }

    /// Returns false if this entry is another one than the one that was read at its position.
    pub(super) fn is_as_read(&self, entry: &ListEntry<'_>) -> bool {
        let found = self.values.binary_search_by_key(&entry.position, |(position, _)| *position);
        let Ok(index) = found else {
            return true; // The entry is older than the values that are kept.
        };
        let before = match index.checked_sub(1) {
            Some(before) => self.values.get(before).map(|(_, chain)| *chain),
            None if entry.position.0 == 1 => Some(Chain::default()),
            None => None,
        };
        let read = self.values.get(index).map(|(_, chain)| *chain);
        before.is_none_or(|before| Some(before.then(entry)) == read)
    }

    /// Compares the chain that another site had at a position.
    pub(super) fn check(&self, position: ListPosition, chain: Chain) -> ChainCheck {
        if position == ListPosition::ZERO && chain == Chain::default() {
            // The state before the first entry is known until values are dropped.
            let is_whole = self.values.front().is_none_or(|(first, _)| first.0 == 1);
            return if is_whole { ChainCheck::Same } else { ChainCheck::Unknown };
        }
        match self.values.binary_search_by_key(&position, |(position, _)| *position) {
            Ok(index) if self.values.get(index).is_some_and(|(_, it)| *it == chain) => {
                ChainCheck::Same
            }
            Ok(_) => ChainCheck::Different,
            Err(_) if position > self.last().0 => ChainCheck::Different,
            Err(_) => ChainCheck::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::EntryKind;
    use crate::time::UnixMillis;

    /// An entry whose stamp follows from its position.
    fn entry(position: u64, bytes: &[u8]) -> ListEntry<'_> {
        let stored = UnixMillis(position.saturating_mul(10));
        ListEntry { position: ListPosition(position), stored, kind: EntryKind::Log, bytes }
    }

    fn window(entries: u64) -> ChainWindow {
        let mut window = ChainWindow::default();
        for position in 1..=entries {
            window.add(&entry(position, &position.to_le_bytes()));
        }
        window
    }

    #[test]
    fn readers_of_the_same_entries_have_the_same_chain() {
        let (one, other) = (window(5), window(9));
        let (position, chain) = one.last();
        assert_eq!(other.check(position, chain), ChainCheck::Same);
        assert_eq!(other.check(ListPosition::ZERO, Chain::default()), ChainCheck::Same);
        assert_eq!(one, ChainWindow::restore(one.values()));
    }

    #[test]
    fn a_change_of_any_entry_changes_the_chain() {
        let same = window(9);
        for changed in 1..=9 {
            let mut window = ChainWindow::default();
            for position in 1..=9_u64 {
                let text = if position == changed { 100 } else { position };
                window.add(&entry(position, &text.to_le_bytes()));
            }
            let (position, chain) = window.last();
            assert_eq!(same.check(position, chain), ChainCheck::Different, "{changed}");
        }
    }

    #[test]
    fn another_kind_or_time_stamp_is_another_entry() {
        let (same, bytes) = (window(9), 9_u64.to_le_bytes());
        let last = entry(9, &bytes);
        assert!(same.is_as_read(&last));
        let kind = ListEntry { kind: EntryKind::Snapshot, ..last };
        let stamp = ListEntry { stored: UnixMillis(91), ..last };
        for other in [kind, stamp] {
            assert!(!same.is_as_read(&other), "{other:?}");
            let mut window = window(8);
            window.add(&other);
            let (position, chain) = window.last();
            assert_eq!(same.check(position, chain), ChainCheck::Different, "{other:?}");
        }
    }

    #[test]
    fn a_position_that_was_not_read_is_different_and_one_that_was_dropped_is_unknown() {
        let entries = CHAIN_VALUES_MAX as u64 + 3;
        let (short, long) = (window(2), window(entries));
        let (position, chain) = long.last();
        assert_eq!(short.check(position, chain), ChainCheck::Different);
        let (position, chain) = short.last();
        assert_eq!(long.check(position, chain), ChainCheck::Unknown);
        assert_eq!(long.check(ListPosition::ZERO, Chain::default()), ChainCheck::Unknown);
        let (first, chain) = long.values().next().unwrap();
        assert_eq!((first, long.check(first, chain)), (ListPosition(4), ChainCheck::Same));
    }
}
