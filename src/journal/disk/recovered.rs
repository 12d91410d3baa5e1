//! Result of a recovery, and the cut of incomplete records off the segments.

use super::files::Disk;
use super::issues::Issue;
use super::segment::SegmentHeader;
use super::store::Store;
use crate::protocol::{Epoch, Seq};
use crate::time::{Millis, UnixMillis};

/// Summary of a journal after its recovery.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Current epoch, if the journal has one.
    pub epoch: Option<Epoch>,
    /// Last seq that was given out, as far as the journal shows.
    pub last: Seq,
    /// Last seq that was certainly synced, according to the start of the last segment or to
    /// [`Record::Durable`](super::Record::Durable). Later messages may have been lost in a power
    /// failure.
    pub durable: Seq,
    /// Group time of the last record.
    pub at: Millis,
    /// Last known pair of group time and wall clock.
    pub clock: Option<(Millis, UnixMillis)>,
    /// Header of the last segment: the sync mode and boot id of the last records.
    pub header: Option<SegmentHeader>,
    /// True after a clean shutdown.
    pub is_clean: bool,
    /// True if seqs above `last` may have been given out, or if `epoch` may not be the newest one.
    pub lost_tail: bool,
    /// Number of messages that are certainly lost.
    pub messages_lost: u64,
    /// All segments, in order.
    pub segments: Vec<SegmentSummary>,
    /// Problems for the operator.
    pub issues: Vec<Issue>,
}

impl Recovered {
    /// Returns the group time at the wall clock time `unix`: the time of the last record, plus the
    /// time that has passed since then. A wall clock that was set back counts as no time.
    #[must_use]
    pub fn age(&self, unix: UnixMillis) -> Millis {
        let Some((recorded_at, recorded)) = self.clock else { return self.at };
        let last = recorded.0.saturating_add(self.at.since(recorded_at));
        self.at.plus(unix.0.saturating_sub(last))
    }

    /// Cuts incomplete records off the ends of segments. A killed program leaves such records.
    ///
    /// A segment with other damage keeps its incomplete record. Without it the damage would be the
    /// end of the segment. The start of a damaged record looks incomplete, too, and the next start
    /// would no longer doubt `last`.
    pub(super) fn cut_torn<D: Disk>(&mut self, store: &mut Store<D>) {
        if !store.is_writable() {
            return;
        }
        for issue in &mut self.issues {
            let Issue::Torn { serial, bytes, cut } = issue else { continue };
            if store.is_damaged(*serial) {
                continue;
            }
            let done = store.cut(*serial, bytes.start);
            let mut segments = self.segments.iter_mut();
            if let (Ok(()), Some(segment)) = (&done, segments.find(|it| it.serial == *serial)) {
                segment.bytes = bytes.start;
            }
            *cut = Some(done);
        }
    }
}

/// Summary of a segment, to decide when the segment is no longer needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentSummary {
    /// Serial of the segment.
    pub serial: u64,
    /// Length of the file.
    pub bytes: u64,
    /// Acceptance time of the last message in the segment.
    pub newest: Option<Millis>,
    /// Last seq given out by the end of the segment, as far as the journal shows. No message read
    /// from the segment has a higher seq.
    pub last: Seq,
}
