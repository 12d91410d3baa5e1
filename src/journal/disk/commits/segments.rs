//! The segments of a journal, as the loop knows them.

use crate::journal::Salt;
use crate::protocol::Seq;
use crate::time::{Millis, Now};

/// The segment that is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenSegment {
    pub(crate) serial: u64,
    pub(crate) salt: Salt,
    /// Commit that starts the segment. The segment exists when this commit is done.
    pub(crate) start_commit: u64,
    pub(crate) bytes: u64,
    /// Bytes after which the next segment starts.
    pub(crate) bytes_max: u64,
    /// Time of both clocks in the last clock record.
    pub(crate) recorded_clocks: Now,
    /// Last seq that the segment records as durable.
    pub(crate) recorded_durable: Seq,
    /// Lower bound of the messages that members need, by the cursors in this segment.
    pub(crate) needed: Seq,
}

/// A segment that is complete.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClosedSegment {
    pub(crate) serial: u64,
    /// Commit that starts the segment.
    pub(crate) start_commit: u64,
    pub(crate) bytes: u64,
    /// Upper bound of the times at which its messages were accepted.
    pub(crate) newest: Millis,
    /// Upper bound of the seqs of its valid messages.
    pub(crate) last: Seq,
}
