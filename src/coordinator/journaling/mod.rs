//! The journal between the group and the disk: records for facts, commits, retention, startup.
//!
//! This module has no sockets, threads or clocks, and logs nothing. It accesses files only through a
//! [`Disk`](crate::journal::Disk). Its caller passes the time, carries jobs to the writer thread
//! and reports back, and keeps replies until their commit is done:
//!
//! ```text
//!   start    JournalContents::read ─► open ─► Group, Commits, SegmentWriter
//!
//!   loop     Group ─ Fact ──► Commits ─ WriterJob ────► SegmentWriter ─► Store     thread
//!              ▲               │ ▲                        │
//!              └─ Committed ───┘ └─ WriterReport ◄────────┘
//! ```
//!
//! In each turn the group proposes facts. [`Commits`] orders each fact at once: it applies the fact
//! to the group, and encodes a record. At the end of the turn [`Commits::commit`] makes one job of
//! the records for the [`SegmentWriter`]. The report of the writer, which may come much later on a
//! slow disk, goes to [`Commits::take`]. The resulting [`Progress`] goes to the group as
//! `Input::Committed` and
//! `Input::JournalFails`, and replies that waited for these facts leave. [`Commits::take_fullness`]
//! reports when the group must stop making facts, and when it may make facts again.

mod checks;
mod commits;
mod cursors;
mod metrics;
mod notice;
mod snapshot;
mod startup;
#[cfg(test)]
mod testing;
mod writer;

use crate::journal::BootId;
use crate::limits::{SEGMENT_SNAPSHOTS_MIN, SyncPolicy};

pub use commits::{Commits, JournalEnd, Progress};
pub use notice::JournalNotice;
pub use startup::{JournalContents, OpenedJournal, RandomValues};
pub(super) use startup::{age, apply, finish};
pub use writer::{NewSegment, SegmentWriter, WriterJob, WriterReport};

/// Options of a journal.
#[derive(Clone, Copy, Debug)]
pub struct JournalOptions {
    /// Time of the fsync, which makes written records durable.
    pub sync: SyncPolicy,
    /// Bytes after which the next segment starts. A segment with a large snapshot may be longer:
    /// see [`SEGMENT_SNAPSHOTS_MIN`].
    pub segment_bytes_max: u64,
    /// Most bytes of records that may wait for the disk.
    pub waiting_bytes_max: usize,
    /// Id of this boot of the machine.
    pub boot: BootId,
}

impl JournalOptions {
    /// Returns the bytes after which a segment with a snapshot of `members_bytes` is closed.
    fn segment_bytes(&self, members_bytes: u64) -> u64 {
        self.segment_bytes_max.max(members_bytes.saturating_mul(SEGMENT_SNAPSHOTS_MIN))
    }
}
