//! The segment that is being read, and what is wrong with it.

use std::ops::Range;

use crate::journal::issues::Issue;
use crate::journal::recovered::SegmentSummary;
use crate::journal::segment::SegmentHeader;
use crate::journal::store::FirstRecord;
use crate::protocol::{Epoch, Seq};
use crate::time::Millis;

/// The segment that is being read.
#[derive(Debug)]
pub(super) struct CurrentSegment {
    pub(super) header: SegmentHeader,
    pub(super) summary: SegmentSummary,
    /// The point at which a later segment continues.
    resumed: Option<FirstRecord>,
    pub(super) has_epoch: bool,
    /// The life of its first number.
    pub(super) epoch: Option<Epoch>,
    /// Time at which the segment was begun. The records at its beginning are older, or as old.
    pub(super) begun_at: Millis,
    damaged_ranges: u64,
    damaged_bytes: u64,
    damaged_first: Option<Range<u64>>,
    /// Number of these places that are whole records with impossible values.
    impossible: u64,
    /// The first message that is too far above the one before it, and how many there are.
    too_far: Option<(Seq, u64)>,
    /// Its numbers belong to another life than those before, and are below them.
    pub(super) is_other_life: bool,
    pub(super) messages_unused: u64,
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
            damaged_ranges: 0,
            damaged_bytes: 0,
            damaged_first: None,
            impossible: 0,
            too_far: None,
            is_other_life: false,
            messages_unused: 0,
        }
    }

    /// The last number that this segment is asked for, if a later one has those above. Without its
    /// epoch record it counts as one of the life that the later one says. One that goes on in the
    /// first epoch has them too: a new one behind that was never confirmed.
    pub(super) fn resumed_in(&self, epoch: Option<Epoch>) -> Option<Seq> {
        let is_same = |it: &FirstRecord| {
            !self.has_epoch || Some(it.epoch) == epoch || Some(it.epoch) == self.epoch
        };
        self.resumed.filter(is_same).map(|it| it.last)
    }

    /// These bytes are damage; with `is_whole` they are a record that says what cannot be.
    pub(super) fn record_damage(&mut self, bytes: Range<u64>, is_whole: bool) {
        let length = bytes.end.saturating_sub(bytes.start);
        self.damaged_ranges = self.damaged_ranges.saturating_add(1);
        self.damaged_bytes = self.damaged_bytes.saturating_add(length);
        self.impossible = self.impossible.saturating_add(u64::from(is_whole));
        self.damaged_first.get_or_insert(bytes);
    }

    /// Counts a number that is too far above the one before it.
    pub(super) fn record_too_far(&mut self, seq: Seq) {
        let (_, messages) = self.too_far.get_or_insert((seq, 0));
        *messages = messages.saturating_add(1);
    }

    /// Returns true if a part of the segment cannot be used, so that people may want to look at it.
    pub(super) fn is_damaged(&self) -> bool {
        self.damaged_first.is_some() || self.too_far.is_some()
    }

    /// Returns the troubles of the segment, except for its end.
    pub(super) fn issues(self) -> impl Iterator<Item = Issue> {
        let serial = self.header.serial;
        let (ranges, bytes, impossible) =
            (self.damaged_ranges, self.damaged_bytes, self.impossible);
        let damaged = self.damaged_first.map(|first| Issue::Damaged {
            serial,
            ranges,
            bytes,
            first,
            impossible,
        });
        let too_far =
            self.too_far.map(|(first, messages)| Issue::TooFar { serial, first, messages });
        let messages = self.messages_unused;
        let twice = self.is_other_life.then_some(Issue::NumbersTwice { serial, messages });
        [damaged, too_far, twice].into_iter().flatten()
    }
}
