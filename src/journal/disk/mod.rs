//! A journal on a disk: records of facts in segments, their commits, and their recovery.
//!
//! Its two sides run on two threads. The caller passes the time, carries jobs to the writer's
//! thread and reports back, and keeps replies until the fact that they confirm is committed:
//!
//! ```text
//!   start    JournalContents::read ─► open ─► state, Commits, JournalWriter
//!
//!   loop     state ─ Fact ──► Commits ─ WriterJob ────► JournalWriter ─► Store     thread
//!              ▲               │ ▲                        │
//!              └─ committed ───┘ └─ WriterReport ◄────────┘
//! ```
//!
//! In each turn facts are proposed. [`Commits`] orders each fact at once: it applies the fact to
//! the state, and encodes a record. At the end of the turn [`Commits::commit`] makes one job of the
//! records for the [`JournalWriter`]. The report of the writer, which may come much later on a slow
//! disk, goes to [`Commits::take`]. The resulting [`Progress`] says which facts are committed, and
//! whether the journal fails. [`Commits::take_fullness`] reports that facts must not be proposed,
//! and that they may be again.
//!
//! The files:
//!
//! ```text
//!       Record ──encode──► bytes ──append, sync──► SegmentFile ─┐
//!                                                               │ Store: a directory of segments
//!   RecoveryEvent ◄───────────────recover───────────────────────┘
//! ```
//!
//! Life of a journal:
//!
//! 1. [`Store::open`] locks the directory. [`recover`] passes all records to the caller, in order.
//! 2. [`Store::create`] starts a segment with a snapshot: a [`Record::Epoch`], a [`Record::Member`]
//!    for each member with its [`Record::Own`] ranges, a [`Record::Announced`] for each announced
//!    id, and a [`Record::Clock`]. After that the members are known without older segments. If
//!    there was an earlier segment, [`Record::Continued`] then becomes its last record.
//! 3. [`Store::append`] writes records, [`Store::sync`] makes them durable, and only then they are
//!    confirmed. After a failed write or sync the writer takes no further records. The caller goes
//!    back to step 2: the `last` of [`Record::Epoch`] is the last durable seq, and all later
//!    messages are written again. After a crash of the program the caller also writes the messages
//!    above [`Recovered::durable`] again, unless the machine has rebooted since.
//!    [`Record::Durable`] keeps their number low.
//! 4. [`Store::remove`] deletes the oldest segments when no message in them is needed.
//! 5. [`Record::Closed`] is the last record of a clean shutdown, and is synced.
//!
//! The journal uses no thread, clock or random numbers, and logs nothing: times, salts and boot ids
//! are arguments. It accesses files only through a [`Disk`].

mod checks;
mod commits;
mod cursors;
mod directory;
mod file_name;
mod files;
mod issues;
mod metrics;
mod notice;
mod record;
mod recovered;
mod recovery;
mod segment;
mod snapshot;
mod spare;
mod startup;
mod store;
#[cfg(test)]
mod testing;
mod writer;

use crate::limits::{SEGMENT_SNAPSHOTS_MIN, SyncPolicy};

pub use commits::{Commits, JournalEnd, Progress};
pub use directory::Directory;
pub use files::{Disk, FileId};
pub use issues::{Issue, JournalError, Rejected};
pub use metrics::JournalStats;
pub use notice::JournalNotice;
pub use record::{BODY_BYTES_MAX, EncodedRanges, Record, RecordKind, Salt, delivery, encode};
pub use recovered::{Recovered, SegmentSummary};
pub use recovery::{RecoveryEvent, recover, recover_unless};
pub use segment::{
    BadHeader, BootId, HEADER_BYTES, Records, SegmentHeader, SegmentItem, SyncMode, read,
};
pub use startup::{JournalContents, OpenedJournal, RandomValues, finish_recovery};
pub use store::{SegmentFile, Store};
pub use writer::{JournalWriter, NewSegment, WriterJob, WriterReport};

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

#[cfg(test)]
mod tests;
