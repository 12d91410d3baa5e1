//! The segment that is being read, and its damage.

use std::ops::Range;

use crate::journal::disk::issues::Issue;
use crate::journal::disk::recovered::SegmentSummary;
use crate::journal::disk::segment::{SegmentHeader, SegmentItem};
use crate::journal::disk::store::FirstRecord;
use crate::protocol::{Epoch, Seq};
use crate::time::Millis;

/// The segment that is being read.
#[derive(Debug)]
pub(super) struct CurrentSegment {
    pub(super) header: SegmentHeader,
    pub(super) summary: SegmentSummary,
    /// First record of the later segment that goes back into this one.
    resumed: Option<FirstRecord>,
    pub(super) has_epoch: bool,
    /// Epoch at the start of the segment.
    pub(super) epoch: Option<Epoch>,
    /// Group time at the start of the segment. Messages that were written again are older.
    pub(super) begun_at: Millis,
    damage: SegmentDamage,
    /// First message that is too far above the previous one, and the number of such messages.
    too_far: Option<(Seq, u64)>,
    /// True if the seqs belong to another epoch than the earlier ones, and are below them.
    pub(super) is_other_life: bool,
    pub(super) messages_unused: u64,
    /// True if the end of the snapshot was found.
    pub(super) has_snapshot: bool,
}

/// Damaged bytes of a segment.
#[derive(Debug, Default)]
struct SegmentDamage {
    ranges: u64,
    bytes: u64,
    first: Option<Range<u64>>,
    /// Number of ranges that are whole records with impossible values.
    impossible: u64,
}

impl CurrentSegment {
    pub(super) fn new(header: SegmentHeader, bytes: u64, resumed: Option<FirstRecord>) -> Self {
        let (serial, last) = (header.serial, Seq::ZERO);
        Self {
            header,
            summary: SegmentSummary { serial, bytes, newest: None, last },
            resumed,
            has_epoch: false,
            epoch: None,
            begun_at: Millis::ZERO,
            damage: SegmentDamage::default(),
            too_far: None,
            is_other_life: false,
            messages_unused: 0,
            has_snapshot: false,
        }
    }

    /// Returns the first record of a later segment, if that one has all seqs above its `last`.
    /// This holds if the later segment repeats them, and also if it continues `epoch` or the first
    /// epoch of this segment: a new epoch after that was never confirmed. A segment without its
    /// epoch record counts as one of the later segment's epoch.
    pub(super) fn resumed_in(&self, epoch: Option<Epoch>) -> Option<FirstRecord> {
        let is_same = |it: &FirstRecord| {
            it.repeats || !self.has_epoch || Some(it.epoch) == epoch || Some(it.epoch) == self.epoch
        };
        self.resumed.filter(is_same)
    }

    /// Notes the end of the snapshot, even if the record there is damaged.
    pub(super) fn find_snapshot_end(&mut self, item: &SegmentItem<'_>) {
        let kind = match item {
            SegmentItem::Record { record, .. } => Some(record.kind()),
            SegmentItem::Damage { kind, .. } => *kind,
            SegmentItem::Torn { .. } => None,
        };
        self.has_snapshot |= kind.is_some_and(|kind| kind.ends_snapshot(self.header.repeats));
    }

    /// Records damaged bytes. With `is_whole` they are a record with impossible values.
    pub(super) fn record_damage(&mut self, bytes: Range<u64>, is_whole: bool) {
        let length = bytes.end.saturating_sub(bytes.start);
        let damage = &mut self.damage;
        damage.ranges = damage.ranges.saturating_add(1);
        damage.bytes = damage.bytes.saturating_add(length);
        damage.impossible = damage.impossible.saturating_add(u64::from(is_whole));
        damage.first.get_or_insert(bytes);
    }

    /// Counts a message that is too far above the previous one.
    pub(super) fn record_too_far(&mut self, seq: Seq) {
        let (_, messages) = self.too_far.get_or_insert((seq, 0));
        *messages = messages.saturating_add(1);
    }

    /// Returns true if a part of the segment cannot be used.
    pub(super) fn is_damaged(&self) -> bool {
        self.damage.first.is_some() || self.too_far.is_some() || !self.has_snapshot
    }

    /// Returns the issues of the segment, except for an incomplete record at its end.
    pub(super) fn issues(self) -> impl Iterator<Item = Issue> {
        let serial = self.header.serial;
        let SegmentDamage { ranges, bytes, first, impossible } = self.damage;
        let damaged =
            first.map(|first| Issue::Damaged { serial, ranges, bytes, first, impossible });
        let too_far =
            self.too_far.map(|(first, messages)| Issue::TooFar { serial, first, messages });
        let no_end = (!self.has_snapshot).then_some(Issue::SnapshotCut { serial });
        let messages = self.messages_unused;
        let twice = self.is_other_life.then_some(Issue::NumbersTwice { serial, messages });
        [damaged, no_end, too_far, twice].into_iter().flatten()
    }
}
