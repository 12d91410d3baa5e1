//! Snapshots that a site makes: when they are due, and which entries are removed after them.
//!
//! The live site with the lowest name makes them, for all sites.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;

use super::entry::EntryKind;
use super::io::{ListJob, ListNotice};
use super::site::SiteJournal;
use super::snapshot::{SnapshotName, pieces};
use crate::facts::Replicated;
use crate::limits::list::{
    SNAPSHOT_AFTER_BYTES, SNAPSHOT_AGAIN_MS, SNAPSHOT_GIVE_UP_MS, SNAPSHOT_MS_MIN,
    SNAPSHOT_PIECES_AT_ONCE, SNAPSHOT_PIECES_MAX,
};
use crate::protocol::Seq;
use crate::time::{Millis, Now};

/// Snapshots that this process makes.
#[derive(Clone, Debug, Default)]
pub(super) struct Snapshots {
    /// Bytes of entries since the last whole snapshot.
    bytes: u64,
    under_way: Option<SnapshotUnderWay>,
    /// Time of the last begin.
    begun_at: Millis,
}

/// Snapshot whose pieces are on their way: only a few at once, because batches wait behind them.
#[derive(Clone, Debug)]
struct SnapshotUnderWay {
    name: SnapshotName,
    /// Time of the last progress.
    advanced: Millis,
    /// Numbers of the publishes under way.
    tags: BTreeSet<u64>,
    /// Pieces that follow.
    waiting: VecDeque<Bytes>,
}

impl Snapshots {
    pub(super) fn count_bytes(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes as u64);
    }

    pub(super) fn is_whole(&mut self, name: &SnapshotName) {
        self.bytes = 0;
        self.under_way.take_if(|mine| mine.name == *name);
    }

    /// Gives up the snapshot of which the publish with this number has failed. Returns false if it
    /// was not of a snapshot.
    pub(super) fn give_up(&mut self, tag: u64) -> bool {
        self.under_way.take_if(|mine| mine.tags.contains(&tag)).is_some()
    }

    /// Begins a snapshot of these pieces.
    fn begin(&mut self, name: SnapshotName, pieces: VecDeque<Bytes>, now: Millis) {
        let (tags, waiting) = (BTreeSet::new(), pieces);
        self.under_way = Some(SnapshotUnderWay { name, advanced: now, tags, waiting });
    }

    /// The piece with this number is stored, if it is one.
    pub(super) fn on_stored(&mut self, tag: u64, now: Millis) {
        if let Some(mine) = &mut self.under_way
            && mine.tags.remove(&tag)
        {
            mine.advanced = now;
        }
    }

    /// Returns the next piece that may be published now, with the number `tag`.
    fn next_piece(&mut self, tag: u64) -> Option<Bytes> {
        let mine = self.under_way.as_mut()?;
        if mine.tags.len() >= SNAPSHOT_PIECES_AT_ONCE {
            return None;
        }
        let piece = mine.waiting.pop_front()?;
        mine.tags.insert(tag);
        Some(piece)
    }

    /// Returns true if a snapshot must begin now.
    pub(super) fn are_due(&mut self, interval_ms: u64, now: Millis) -> bool {
        let is_late = |it: &mut SnapshotUnderWay| it.advanced.plus(SNAPSHOT_GIVE_UP_MS) <= now;
        self.under_way.take_if(is_late);
        let is_old = self.begun_at.plus(interval_ms) <= now && self.bytes > 0;
        // The engine may have refused the last one.
        let is_large = self.begun_at.plus(SNAPSHOT_AGAIN_MS) <= now;
        let is_large = is_large && self.bytes >= SNAPSHOT_AFTER_BYTES;
        self.under_way.is_none() && (is_old || is_large)
    }
}

/// Makes a snapshot if this site is the one that must, and purges what no start needs.
pub(super) fn run_snapshots<S: Replicated>(
    journal: &mut SiteJournal<S::Ticket>,
    state: &S,
    now: Now,
    draw: &mut dyn FnMut() -> Option<u64>,
) {
    if journal.list.lowest_live() != Some(&journal.options.site) {
        return;
    }
    let steady = now.steady;
    let interval_ms = SNAPSHOT_MS_MIN.max(journal.options.rules.ttl_ms / 4);
    if !journal.upkeep.snapshots.are_due(interval_ms, steady) {
        return;
    }
    let Some(random) = draw() else { return };
    journal.upkeep.snapshots.begun_at = steady;
    let (site, base) = (journal.options.site.clone(), journal.list.position());
    let pieces = pieces(&journal.list, state, &site, random);
    if pieces.len() > SNAPSHOT_PIECES_MAX as usize {
        journal.notices.push_back(ListNotice::SnapshotTooLong { pieces: pieces.len() });
        return;
    }
    let pieces = pieces.into_iter().map(Bytes::from).collect();
    journal.upkeep.snapshots.begin(SnapshotName { base, site, random }, pieces, steady);
    send_pieces(journal);
    purge(journal, state);
}

/// Publishes the next pieces of the snapshot under way.
pub(super) fn send_pieces<T: Copy + Ord>(journal: &mut SiteJournal<T>) {
    loop {
        let next = journal.upkeep.last_tag.saturating_add(1);
        let Some(piece) = journal.upkeep.snapshots.next_piece(next) else { return };
        let tag = journal.publish(EntryKind::Snapshot, piece);
        debug_assert_eq!(tag, next, "publishes are numbered without a gap");
    }
}

/// Removes entries that no start needs.
fn purge<S: Replicated>(journal: &mut SiteJournal<S::Ticket>, state: &S) {
    let needed: Seq = state.needed().min(state.kept_for_newcomers());
    if let Some(mark) = journal.list.last_needed_snapshot(needed) {
        journal.jobs.push_back(ListJob::Purge { below: mark.base.next() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::list::names::{ListPosition, SiteName};

    #[test]
    fn only_a_few_pieces_are_on_their_way_and_a_failed_one_ends_the_snapshot() {
        let mut snapshots = Snapshots::default();
        let site = SiteName::parse("oslo").unwrap();
        let name = SnapshotName { base: ListPosition(7), site, random: 1 };
        let pieces = (0..10_u8).map(|index| Bytes::from(vec![index]));
        snapshots.begin(name, pieces.collect(), Millis::ZERO);
        let send = |snapshots: &mut Snapshots, tags: std::ops::Range<u64>| {
            tags.map_while(|tag| snapshots.next_piece(tag))
                .map(|piece| piece[0])
                .collect::<Vec<_>>()
        };
        assert_eq!(send(&mut snapshots, 20..99), [0, 1, 2, 3]);
        snapshots.on_stored(5, Millis::ZERO);
        assert_eq!(send(&mut snapshots, 24..99), [0; 0], "it was of a batch");
        snapshots.on_stored(21, Millis::new(SNAPSHOT_GIVE_UP_MS - 1));
        assert_eq!(send(&mut snapshots, 30..99), [4]);
        assert!(!snapshots.are_due(0, Millis::new(SNAPSHOT_GIVE_UP_MS)));
        assert!(snapshots.under_way.is_some(), "it advances");
        assert!(!snapshots.give_up(21) && snapshots.give_up(30));
        assert_eq!(send(&mut snapshots, 40..99), [0; 0]);
    }
}
