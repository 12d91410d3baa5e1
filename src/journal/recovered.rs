//! What a journal comes to.

use super::disk::Disk;
use super::issues::Issue;
use super::segment::SegmentHeader;
use super::store::Store;
use crate::protocol::{Epoch, Seq};
use crate::time::{Millis, UnixMillis};

/// What a journal comes to.
#[derive(Debug, Default)]
pub struct Recovered {
    /// The life of the numbers, if the journal says.
    pub epoch: Option<Epoch>,
    /// The last number given out, as far as is known.
    pub last: Seq,
    /// The last number that is known to have been synced: it was there when the last segment was
    /// begun, or that says so. What came since may not have been, and nobody can tell.
    pub durable: Seq,
    /// The group time of the last record.
    pub at: Millis,
    /// The last group time for which it is known what the wall clock read.
    pub clock: Option<(Millis, UnixMillis)>,
    /// How, and in which life of the machine, the last records were written.
    pub header: Option<SegmentHeader>,
    /// Whether the program had stopped in good order.
    pub is_clean: bool,
    /// Whether numbers above `last` may have been given out, or the epoch may not be the last one.
    pub lost_tail: bool,
    /// Messages that are known to be lost.
    pub messages_lost: u64,
    /// All segments, in order.
    pub segments: Vec<SegmentSummary>,
    /// What somebody must look at.
    pub issues: Vec<Issue>,
}

impl Recovered {
    /// Cuts off what killed programs have left of a record at the end of segments.
    pub(super) fn cut_torn<D: Disk>(&mut self, store: &mut Store<D>) {
        if !store.is_writable() {
            return;
        }
        for issue in &mut self.issues {
            let Issue::Torn { serial, bytes, cut } = issue else { continue };
            let done = store.cut(*serial, bytes.start);
            let mut segments = self.segments.iter_mut();
            if let (Ok(()), Some(segment)) = (&done, segments.find(|it| it.serial == *serial)) {
                segment.bytes = bytes.start;
            }
            *cut = Some(done);
        }
    }
}

/// What must be known of a segment to know when it is no longer needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentSummary {
    /// Its number.
    pub serial: u64,
    /// Its length.
    pub bytes: u64,
    /// When the last message in it was accepted.
    pub newest: Option<Millis>,
    /// The last number that was given out by its end, as far as is known: of the messages that are
    /// read from it, none has a higher one.
    pub last: Seq,
}
