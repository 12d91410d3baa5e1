//! The journal of a site: one totally ordered list that several coordinators share.
//!
//! ```text
//!   site a ─ batches ─┐                                     ┌─► site a: judge, apply
//!   site b ─ batches ─┼─► the list: one order, in an engine ─┼─► site b: judge, apply
//!   site c ─ batches ─┘                                     └─► site c: judge, apply
//! ```
//!
//! Sites propose batches. What comes of a batch follows from the list up to the batch alone, so all
//! sites come to the same state without asking each other. What needs a clock or a bound in bytes
//! is decided before a proposal, or after the state has changed, and never while it changes.
//!
//! A batch counts if it is the next one of the latest life of its site, and if its site has read
//! the same entries as its reader. Repetitions, late copies and batches of a site that was shown
//! another history are void at every site alike.
//!
//! This part decides, and touches no engine, thread or clock: [`ListJob`]s go out, [`ListReport`]s
//! come in.

mod applying;
mod batch;
mod chain;
mod entry;
mod homes;
mod import;
mod io;
mod locating;
mod names;
mod observed;
mod proposals;
mod reading;
mod record;
mod replaced_site;
mod site;
mod snapshot;
mod snapshot_schedule;
mod start;
mod state;
mod upkeep;

pub use batch::{BATCH_VERSION, BatchHeader, ListBatch, NoBatch, founding};
pub use chain::Chain;
pub use entry::{EntryKind, ListEntry};
pub use homes::{Home, Homes};
pub use import::ListImport;
pub use io::{Doubt, ListJob, ListNotice, ListReport, SiteEnd};
pub use names::{Life, ListPosition, MemberVisit, SiteName};
pub use observed::{ListStats, SiteStats};
pub use record::{ListRecord, SharedRules};
pub use site::{SiteJournal, SiteOptions, SitePhase};
pub use snapshot::SNAPSHOT_VERSION;
pub use start::StartTasks;
pub use state::{ListState, SiteState, SnapshotMark, VoidReason};

#[cfg(test)]
mod tests;
