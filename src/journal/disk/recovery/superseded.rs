//! Messages of earlier segments that a damaged later segment repeats.
//!
//! A later segment that repeats messages counts, because the earlier one may have holes. If the
//! later one has holes itself, the messages of the earlier one fill them.

use std::collections::BTreeMap;

use crate::journal::disk::recovered::SegmentSummary;
use crate::protocol::Seq;
use crate::time::Millis;

/// Messages by their seqs, until the end of the segment that repeats them.
#[derive(Debug, Default)]
pub(super) struct SupersededMessages(BTreeMap<Seq, SupersededMessage>);

/// A message of an earlier segment.
#[derive(Debug)]
pub(super) struct SupersededMessage {
    pub(super) at: Millis,
    pub(super) line: Box<[u8]>,
    /// Segment that has the message.
    serial: u64,
}

impl SupersededMessages {
    pub(super) fn put(&mut self, serial: u64, seq: Seq, at: Millis, line: &[u8]) {
        self.0.insert(seq, SupersededMessage { at, line: line.into(), serial });
    }

    /// Takes the first message from `first` on, if it comes before `end`. Forgets all before it.
    pub(super) fn take(&mut self, first: Seq, end: Seq) -> Option<(Seq, SupersededMessage)> {
        while let Some(found) = self.0.first_entry().filter(|found| *found.key() < end) {
            let found = found.remove_entry();
            if found.0 >= first {
                return Some(found);
            }
        }
        None
    }

    /// Returns the last seq.
    pub(super) fn last(&self) -> Option<Seq> {
        self.0.last_key_value().map(|(seq, _)| *seq)
    }
}

impl SupersededMessage {
    /// Keeps the segment of this message as long as a member needs the message.
    pub(super) fn keep_segment(&self, seq: Seq, segments: &mut [SegmentSummary]) {
        if let Some(segment) = segments.iter_mut().find(|it| it.serial == self.serial) {
            segment.last = segment.last.max(seq);
        }
    }
}
