//! The segments of a journal, as its keeper knows them.

use crate::journal::Salt;
use crate::protocol::Seq;
use crate::time::{Millis, Now};

/// The segment that is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenSegment {
    pub(crate) serial: u64,
    pub(crate) salt: Salt,
    /// The commit that it begins with: before that is done there is no such segment.
    pub(crate) start_commit: u64,
    pub(crate) bytes: u64,
    /// From here on it is closed and another one begun.
    pub(crate) bytes_max: u64,
    /// Both clocks at the last record of them.
    pub(crate) recorded_clocks: Now,
    /// It says of everything up to here that it is safe against power loss.
    pub(crate) recorded_durable: Seq,
    /// Of what is written down in it, no place makes any message before this one needed.
    pub(crate) needed: Seq,
}

/// A segment that is only read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClosedSegment {
    pub(crate) serial: u64,
    /// As [`Current::start_commit`].
    pub(crate) start_commit: u64,
    pub(crate) bytes: u64,
    /// No message in it was accepted later.
    pub(crate) newest: Millis,
    /// No message in it that counts has a higher number.
    pub(crate) last: Seq,
}
