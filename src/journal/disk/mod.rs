//! A journal on a disk: records of facts in segments, and their recovery.
//!
//! ```text
//!       Record ──encode──► bytes ──append, sync──► Writer ─┐
//!                                                          │ Store: a directory of segments
//!   RecoveryEvent ◄─────────────recover────────────────────┘
//!         │
//!         └─► replayed by the caller
//! ```
//!
//! Life of a journal:
//!
//! 1. [`Store::open`] locks the directory. [`recover`] passes all records to the caller, in order.
//! 2. [`Store::create`] starts a segment with a snapshot: a [`Record::Epoch`], a [`Record::Member`]
//!    for each member with its [`Record::Own`] ranges, and a [`Record::Clock`]. After that the
//!    members are known without older segments. If there was an earlier segment,
//!    [`Record::Continued`] then becomes its last record.
//! 3. [`Store::append`] writes records, [`Store::sync`] makes them durable, and only then they are
//!    confirmed. After a failed write or sync the writer takes no more records. The caller goes
//!    back to step 2: the `last` of [`Record::Epoch`] is the last durable seq, and all later
//!    messages are written again. After a crash of the program the caller also writes the messages
//!    above [`Recovered::durable`] again, unless the machine has rebooted since.
//!    [`Record::Durable`] keeps their number low.
//! 4. [`Store::remove`] deletes the oldest segments when no message in them is needed.
//! 5. [`Record::Closed`] is the last record of a clean shutdown, and is synced.
//!
//! The journal uses no thread, clock or random numbers: times, salts and boot ids are arguments.

mod directory;
mod file_name;
mod files;
mod issues;
mod record;
mod recovered;
mod recovery;
mod segment;
mod spare;
mod store;

pub use directory::Directory;
pub use files::{Disk, FileId};
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
