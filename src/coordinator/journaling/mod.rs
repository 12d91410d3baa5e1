//! The journal between the group and the disk: records for facts, commits, retention, startup.
//!
//! No part of this room knows a socket, a thread or a clock. Files are reached through a
//! [`Disk`](crate::journal::Disk) only. The caller passes the time, carries jobs to the worker and
//! reports back, and keeps replies until their commit is done:
//!
//! ```text
//!   start    JournalContents::read ─► open ─► Group, Commits, SegmentWriter
//!
//!   loop     Group ─ Fact ──► Commits ─ WriterJob ────► SegmentWriter ─► Store     worker
//!              ▲               │ ▲                        │
//!              └─ Stored ──────┤ └─ WriterReport ◄────────┘
//!                              └─► PendingReplies: replies that wait for their commit
//! ```
//!
//! In each turn [`Commits`] takes the [`Effect::Record`](crate::group::Effect::Record) effects of
//! the group. At the end of the turn [`Commits::commit`] makes one job of them for the
//! [`SegmentWriter`]. A slow disk may keep the writer at work for any time. Its report goes to
//! [`Commits::take`]. The [`Progress`] that results goes to the group as
//! [`Input::Committed`](crate::group::Input::Stored) and
//! [`Input::JournalFails`](crate::group::Input::JournalFails), and to [`PendingReplies::release`].
//! [`Commits::take_fullness`] reports when the group must stop making facts, and when it may go on.

mod checks;
mod commits;
mod cursors;
mod metrics;
mod pending;
mod snapshot;
mod startup;
#[cfg(test)]
mod testing;
mod writer;

use crate::journal::BootId;
use crate::limits::{SEGMENT_SNAPSHOTS_MIN, Sync};

pub use commits::{Commits, JournalEnd, Progress};
pub use pending::PendingReplies;
pub use startup::{JournalContents, OpenedJournal, RandomValues};
pub(super) use startup::{age, apply};
pub use writer::{NewSegment, SegmentWriter, WriterJob, WriterReport};

/// How a journal is to be kept.
#[derive(Clone, Copy, Debug)]
pub struct JournalOptions {
    /// When what is written is made safe against power loss.
    pub sync: Sync,
    /// From here on a segment is closed and another one begun, if it is long enough for what it
    /// begins with: see [`SEGMENT_SNAPSHOTS_MIN`].
    pub segment_bytes_max: u64,
    /// Bytes of records that may wait for the disk.
    pub waiting_bytes_max: usize,
    /// The life of the machine.
    pub boot: BootId,
}

impl JournalOptions {
    /// Where a segment is closed that says so much of the members at its beginning.
    fn segment_bytes(&self, members_bytes: u64) -> u64 {
        self.segment_bytes_max.max(members_bytes.saturating_mul(SEGMENT_SNAPSHOTS_MIN))
    }
}
