//! The journal: records on the coordinator's disk, and their recovery. Bytes in, records out.
//!
//! ```text
//!     Record ──encode──► bytes ──append, sync──► Writer ─┐
//!                                                        │ Store: a directory of segments
//!      Event ◄──────────────recover──────────────────────┘
//!        │
//!        └─► replayed by the caller, who also decides what Recovered means
//! ```
//!
//! How a journal is kept:
//!
//! 1. [`Store::open`] locks the directory, [`recover`] hands out all that it holds, in order.
//! 2. [`Store::create`] a segment. Its first record is [`Record::Epoch`], then come one
//!    [`Record::Member`] for each member, with the [`Record::Own`] that it needs, and a
//!    [`Record::Clock`]: an older segment is never needed to know who is a member, and which
//!    messages are its own, once these are synced. Only then, if a segment was written before,
//!    [`Record::Continued`] is the last record of that one.
//! 3. [`Store::append`] what was decided, [`Store::sync`], and only then confirm it. After a
//!    failure of either the writer takes nothing more: go on with 2, where the `last` of
//!    [`Record::Epoch`] is the last number that is safe, and write everything above it anew.
//!    So it is at a start too with what the last segment was given above [`Recovered::durable`],
//!    unless the machine was started anew since: [`Record::Durable`] says what was synced, so that
//!    this is little.
//! 4. [`Store::remove`] segments from the oldest on, when no message in them is needed any more.
//! 5. [`Record::Closed`] is the last record of a stop in good order, and synced.
//!
//! No thread, no clock and no randomness is in here: times, salts and boot ids are arguments.

#![deny(clippy::arithmetic_side_effects)]

mod directory;
mod disk;
mod file_name;
mod issues;
mod record;
mod recovered;
mod recovery;
mod segment;
mod spare;
mod store;

pub use directory::Directory;
pub use disk::{Disk, FileId};
pub use issues::{Issue, JournalError, Rejected};
pub use record::{BODY_BYTES_MAX, EncodedRanges, Record, RecordKind, Salt, delivery, encode};
pub use recovered::{Recovered, SegmentSummary};
pub use recovery::{RecoveryEvent, recover, recover_unless};
pub use segment::{
    BadHeader, BootId, HEADER_BYTES, Records, SegmentHeader, SegmentItem, SyncMode, read,
};
pub use store::{Store, Writer};

#[cfg(test)]
mod tests;
