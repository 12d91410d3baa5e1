//! The journal: the order of facts, in memory ([`MemoryJournal`]) or on the coordinator's disk, and
//! their recovery from the disk.
//!
//! The seam is [`Journal`](crate::facts::Journal): a journal gets the facts that a state machine
//! proposes, gives them their order, and has them applied. The journal knows no group.

#![deny(clippy::arithmetic_side_effects)]

mod disk;
mod memory;

pub use disk::{
    BODY_BYTES_MAX, BadHeader, BootId, Directory, Disk, EncodedRanges, FileId, HEADER_BYTES, Issue,
    JournalError, Record, RecordKind, Records, Recovered, RecoveryEvent, Rejected, Salt,
    SegmentHeader, SegmentItem, SegmentSummary, Store, SyncMode, Writer, delivery, encode, read,
    recover, recover_unless,
};
pub use memory::MemoryJournal;
