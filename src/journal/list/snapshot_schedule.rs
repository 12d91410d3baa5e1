//! Snapshots that a site makes: when they are due, and which entries are removed after them.
//!
//! The live site with the lowest name makes them, for all sites.

use std::ops::RangeInclusive;

use super::entry::EntryKind;
use super::io::{ListJob, ListNotice};
use super::site::SiteJournal;
use super::snapshot::{SnapshotName, pieces};
use crate::facts::Replicated;
use crate::limits::list::{
    SNAPSHOT_AFTER_BYTES, SNAPSHOT_AGAIN_MS, SNAPSHOT_GIVE_UP_MS, SNAPSHOT_MS_MIN,
    SNAPSHOT_PIECES_MAX,
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

/// Snapshot whose pieces are on their way.
#[derive(Clone, Debug)]
struct SnapshotUnderWay {
    name: SnapshotName,
    begun: Millis,
    /// Numbers of the publishes of its pieces.
    tags: RangeInclusive<u64>,
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

    /// Returns true if a snapshot must begin now.
    pub(super) fn are_due(&mut self, interval_ms: u64, now: Millis) -> bool {
        let is_late = |it: &mut SnapshotUnderWay| it.begun.plus(SNAPSHOT_GIVE_UP_MS) <= now;
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
    let first = journal.upkeep.last_tag.saturating_add(1);
    let pieces = pieces(&journal.list, state, &site, random);
    if pieces.len() > SNAPSHOT_PIECES_MAX as usize {
        journal.notices.push_back(ListNotice::SnapshotTooLong { pieces: pieces.len() });
        return;
    }
    for piece in pieces {
        journal.publish(EntryKind::Snapshot, piece.into());
    }
    let (name, tags) = (SnapshotName { base, site, random }, first..=journal.upkeep.last_tag);
    journal.upkeep.snapshots.under_way = Some(SnapshotUnderWay { name, begun: steady, tags });
    purge(journal, state);
}

/// Removes entries that no start needs.
fn purge<S: Replicated>(journal: &mut SiteJournal<S::Ticket>, state: &S) {
    let needed: Seq = state.needed().min(state.kept_for_newcomers());
    if let Some(mark) = journal.list.last_needed_snapshot(needed) {
        journal.jobs.push_back(ListJob::Purge { below: mark.base.next() });
    }
}
