//! Records that are in no commit yet.

use crate::journal::{Record, Salt, encode};
use crate::time::Millis;

/// Records of this turn.
#[derive(Debug, Default)]
pub(super) struct UncommittedRecords {
    bytes: Vec<u8>,
    /// True if a reply or a delivery waits for them.
    must_flush: bool,
}

impl UncommittedRecords {
    /// Adds a record of the group time `at`, for the segment with this salt.
    pub(super) fn put(&mut self, record: &Record<'_>, at: Millis, salt: Salt) {
        encode(record, at, salt, &mut self.bytes);
    }

    /// Notes that a reply or a delivery waits for these records.
    pub(super) fn require_flush(&mut self) {
        self.must_flush = true;
    }

    /// Takes the records, and whether they must be flushed.
    pub(super) fn take(&mut self) -> (Vec<u8>, bool) {
        let Self { bytes, must_flush } = std::mem::take(self);
        (bytes, must_flush)
    }

    /// Drops the records. The flush stays required for the records that follow.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}
