//! The journal: the order of facts, in memory ([`MemoryJournal`]), on the coordinator's disk
//! ([`Commits`]), or in a list that several sites share (`SiteJournal`, with the feature `engine`),
//! and their recovery from the disk or the list.
//!
//! The seam is [`Journal`](crate::facts::Journal): a journal gets the facts that a state machine
//! proposes, gives them their order, and has them applied. The journal knows no group.

#![deny(clippy::arithmetic_side_effects)]

mod disk;
mod fields;
#[cfg(feature = "engine")]
mod list;
mod memory;

pub use disk::{
    BODY_BYTES_MAX, BadHeader, BootId, Commits, Directory, Disk, EncodedRanges, FileId,
    HEADER_BYTES, Issue, JournalContents, JournalEnd, JournalError, JournalNotice, JournalOptions,
    JournalStats, JournalWriter, NewSegment, OpenedJournal, Progress, RandomValues, Record,
    RecordKind, Records, Recovered, RecoveryEvent, Rejected, Salt, SegmentFile, SegmentHeader,
    SegmentItem, SegmentSummary, Store, SyncMode, WriterJob, WriterReport, delivery, encode,
    finish_recovery, read, recover, recover_unless,
};
#[cfg(feature = "engine")]
pub use list::{
    BATCH_VERSION, BatchHeader, Chain, Doubt, EntryKind, Home, Homes, Life, ListBatch, ListEntry,
    ListImport, ListJob, ListNotice, ListPosition, ListRecord, ListReport, ListState, ListStats,
    MemberVisit, NoBatch, SNAPSHOT_VERSION, SharedRules, SiteEnd, SiteJournal, SiteName,
    SiteOptions, SitePhase, SiteState, SiteStats, SnapshotMark, StartTasks, VoidReason, founding,
};
pub use memory::MemoryJournal;
