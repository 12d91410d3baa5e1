//! Keeping a group across any end of its program: what its journal is told, what may be confirmed,
//! and how a group begins with what was kept.
//!
//! Three parts that know neither sockets nor threads nor clocks, and files only as a
//! [`Disk`](crate::journal::Disk). Whoever runs them says what time it is, carries jobs one way and
//! what came of them the other, and holds replies back for as long as they have to wait:
//!
//! ```text
//!   start    Recovery::read ─► open ─► Group, Keeper, Scribe
//!
//!   loop     Group ─ Fact ─► Keeper ─ Job ─────► Scribe ─► Store     worker
//!              ▲               │ ▲                  │
//!              └─ Stored ──────┤ └─ Written ◄───────┘
//!                              └─► Held: replies that wait for their commit
//! ```
//!
//! A turn tells the [`Keeper`] each [`Effect::Record`](crate::group::Effect::Record), ends with
//! [`Keeper::commit`], and hands the jobs to the [`Scribe`], which may be at work for as long as
//! the disk is slow. What it answers goes to [`Keeper::take`]; the [`Progress`] that comes of it
//! goes to the group as [`Input::Stored`](crate::group::Input::Stored) and
//! [`Input::JournalFails`](crate::group::Input::JournalFails), and to [`Held::release`]. Whenever
//! something was told, [`Keeper::take_fullness`] says whether the group may decide more.

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

pub use commits::{End, Keeper, Progress};
pub use pending::Held;
pub use startup::{Draw, Opened, Recovery};
pub(super) use startup::{age, apply};
pub use writer::{Begin, Job, Scribe, Written};

/// How a journal is to be kept.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
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

impl Terms {
    /// Where a segment is closed that says so much of the members at its beginning.
    fn segment_bytes(&self, members_bytes: u64) -> u64 {
        self.segment_bytes_max.max(members_bytes.saturating_mul(SEGMENT_SNAPSHOTS_MIN))
    }
}
