//! Reports of the engine.

use bytes::Bytes;

use crate::time::UnixMillis;

/// The two subjects of a group's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineSubject {
    /// Entries of the list.
    Log,
    /// Pieces of snapshots.
    Snapshot,
}

/// One stored entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineEntry {
    /// Sequence of the entry in the stream, from 1.
    pub position: u64,
    /// Time at which the leader took the entry, in nanoseconds since 1970.
    pub stored_ns: u64,
    pub subject: EngineSubject,
    pub bytes: Bytes,
}

impl EngineEntry {
    /// Returns the time at which the leader took the entry.
    #[must_use]
    pub const fn stored(&self) -> UnixMillis {
        UnixMillis(self.stored_ns / 1_000_000)
    }
}

/// State of the stream, as its leader sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineStream {
    /// Time of the creation in nanoseconds since 1970. A stream that is created again has another.
    pub created_ns: u64,
    /// Time of the engine's clock in nanoseconds since 1970; `None` if the engine did not tell it.
    pub time_ns: Option<u64>,
    /// Position of the first entry. In an empty stream: the position of the next entry.
    pub first: u64,
    /// Position of the last entry, 0 before the first entry. It stays when entries are removed.
    pub last: u64,
    pub bytes: u64,
    pub bytes_max: u64,
    pub replicas: u32,
    /// Name of the server that leads. Empty while there is none.
    pub leader: String,
    pub followers: Vec<Follower>,
}

/// A replica beside the leader.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Follower {
    pub name: String,
    /// True if the replica has all that the leader has.
    pub is_current: bool,
    pub is_offline: bool,
    /// Number of operations that the replica lacks.
    pub lag: u64,
}

/// A fault of the stream that no further reading repairs. Reading stops until the next
/// [`ReadFrom`](super::EngineJob::ReadFrom).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineFault {
    /// There is no such stream.
    Gone,
    /// The stream was deleted and created again.
    Recreated { created_ns: u64 },
    /// The stream ends before an entry that was read, or asked for.
    Rewound { last: u64, expected: u64 },
    /// The feed has another entry at a position that was read.
    Rewritten { position: u64 },
}

/// Report of the engine to the loop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineReport {
    /// The next entry. Positions rise. Each position is an entry or is in [`Self::Missing`].
    Entry(EngineEntry),
    /// The stream no longer has the entries of these positions.
    Missing { first: u64, last: u64 },
    /// All is reported that the leader had when the reading began: up to this position.
    CaughtUp { position: u64 },
    /// The entry is stored.
    Stored { tag: u64, position: u64 },
    /// No position is known. If this is certain, the publish stores nothing. Otherwise the entry
    /// may be stored, now or later.
    NotStored { tag: u64, reason: String, is_certain: bool },
    /// Answer to [`AskStream`](super::EngineJob::AskStream), and first report of a reading.
    Stream(EngineStream),
    /// No answer to [`AskStream`](super::EngineJob::AskStream).
    StreamUnknown { reason: String },
    /// Entries below the position are removed.
    Purged { below: u64 },
    /// It is not known that they are removed.
    NotPurged { below: u64, reason: String },
    /// A connection stands.
    Connected { server: String },
    /// No connection stands, and the client tries again. Each further reason is reported once.
    Disconnected { reason: String },
    /// A connection with other options failed. The earlier one stays.
    LoginFailed { reason: String },
    /// A server refused something, for example a subject without a permission.
    Refused { reason: String },
    /// Reading has stopped.
    Fault(EngineFault),
}

impl EngineReport {
    /// Returns the bytes that the report keeps in memory beside itself.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Entry(entry) => entry.bytes.len(),
            Self::NotStored { reason, .. }
            | Self::StreamUnknown { reason }
            | Self::NotPurged { reason, .. }
            | Self::Disconnected { reason }
            | Self::LoginFailed { reason }
            | Self::Refused { reason } => reason.len(),
            Self::Stream(stream) => stream.followers.len() * size_of::<Follower>(),
            Self::Connected { server } => server.len(),
            Self::Missing { .. }
            | Self::CaughtUp { .. }
            | Self::Stored { .. }
            | Self::Purged { .. }
            | Self::Fault(_) => 0,
        }
    }
}
