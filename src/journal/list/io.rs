//! Jobs and reports between the journal of a site and the engine, and notices for the operator.

use std::fmt;

use bytes::Bytes;

use super::entry::EntryKind;
use super::names::{ListPosition, SiteName};
use super::record::SharedRules;
use super::snapshot::SNAPSHOT_VERSION;
use super::state::VoidReason;
use crate::limits::list::SNAPSHOT_PIECES_MAX;
use crate::text::Counted;
use crate::time::UnixMillis;

/// Job for the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListJob {
    /// Store an entry at the end of the list.
    Publish {
        /// Number that the answer names.
        tag: u64,
        /// Kind of the entry.
        kind: EntryKind,
        /// Bytes of the entry.
        bytes: Bytes,
    },
    /// Subscribe again, and pass all entries from this position on.
    ReadFrom(ListPosition),
    /// Remove the entries below this position.
    Purge {
        /// First position that stays.
        below: ListPosition,
    },
}

/// Report of the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListReport {
    /// The next entry of the list.
    Entry {
        /// Position of the entry.
        position: ListPosition,
        /// Time at which the engine stored the entry.
        stored: UnixMillis,
        /// Kind of the entry.
        kind: EntryKind,
        /// Bytes of the entry.
        bytes: Bytes,
    },
    /// These positions have no entries.
    Missing {
        /// First missing position.
        first: ListPosition,
        /// Last missing position.
        last: ListPosition,
    },
    /// All entries that the list had at the last [`ListJob::ReadFrom`] were passed.
    CaughtUp {
        /// Last position of the list at that time.
        last: ListPosition,
    },
    /// An entry is stored.
    Stored {
        /// Number of the job.
        tag: u64,
        /// Position of the entry.
        position: ListPosition,
    },
    /// An entry is not stored, or nobody knows.
    NotStored {
        /// Number of the job.
        tag: u64,
        /// Reason for people.
        reason: Box<str>,
    },
    /// The engine can be reached.
    Connected,
    /// The engine cannot be reached.
    Disconnected {
        /// Reason for people.
        reason: Box<str>,
    },
    /// The stream is gone, or another one has its name.
    Gone {
        /// Reason for people.
        reason: Box<str>,
    },
    /// The stream ends before an entry that was read or stored, or was made again.
    WentBack {
        /// Last position of the stream.
        last: ListPosition,
    },
}

/// Reason why a process cannot serve as a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SiteEnd {
    /// The list has no group.
    NotFounded,
    /// The config has other settings than the group.
    OtherRules {
        /// Settings of the group.
        group: SharedRules,
        /// Settings of the config.
        config: SharedRules,
    },
    /// Another process serves under the name.
    NameInUse(SiteName),
    /// Another process has begun to serve under the name.
    Superseded(SiteName),
    /// The group has as many sites as it may have.
    TooManySites,
    /// A newer program writes batches in this version.
    NewerVersion(u8),
    /// Entries that are needed are gone, and no whole snapshot follows them.
    NoSnapshot {
        /// Last entry that is gone.
        last: ListPosition,
        /// Version of a snapshot that follows them, and that this program cannot read.
        version: Option<u8>,
    },
    /// The stream is gone, or another one has its name.
    Gone(Box<str>),
    /// Entries were removed before this site read them. A new start reads a snapshot.
    FellBehind {
        /// First entry that was removed.
        first: ListPosition,
        /// Last entry that was removed.
        last: ListPosition,
        /// False if this start had not done yet what it had to: the next one has to do it.
        has_served: bool,
    },
    /// This site was perhaps shown another history. A new start compares.
    Doubtful {
        /// The last entry that the site has read.
        doubt: Doubt,
        /// False if this start had not done yet what it had to.
        has_served: bool,
    },
}

/// An entry and its chain, as a process had read them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// Position of the entry.
    pub position: ListPosition,
    /// The chain there.
    pub chain: super::chain::Chain,
    /// Entry in which the epoch there began.
    pub epoch_began: ListPosition,
}

impl SiteEnd {
    /// Returns true if the config must be changed.
    #[must_use]
    pub const fn is_of_config(&self) -> bool {
        matches!(self, Self::OtherRules { .. })
    }
}

impl fmt::Display for SiteEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFounded => f.write_str(
                "the stream has no group yet: found one with `site --found CONFIG`, once for all \
                 sites",
            ),
            Self::OtherRules { group, config } => write!(
                f,
                "the config says {config}, but the group was founded with {group}: all sites need \
                 the settings of the group"
            ),
            Self::NameInUse(site) => write!(
                f,
                "another process serves as site {site}: each site needs its own name (site=)"
            ),
            Self::Superseded(site) => {
                write!(f, "another process has begun to serve as site {site}: this one ends")
            }
            Self::TooManySites => f.write_str("the group has as many sites as it may have"),
            Self::NewerVersion(version) => write!(
                f,
                "another site writes batches of version {version}, which this program cannot \
                 read: upgrade this site"
            ),
            Self::NoSnapshot { last, version: Some(version) } => {
                write!(
                    f,
                    "entry {last} is gone, and the snapshot behind it has version {version}: this \
                     program reads version {SNAPSHOT_VERSION}. "
                )?;
                f.write_str(match *version > SNAPSHOT_VERSION {
                    true => "Upgrade this site",
                    false => {
                        "Start it with the program that wrote the snapshot, or found a new group"
                    }
                })
            }
            Self::NoSnapshot { last, version: None } => write!(
                f,
                "entry {last} is gone, and no whole snapshot follows it: entries were removed by \
                 hand, or the engine has lost them. Start again once a running site has written a \
                 snapshot"
            ),
            Self::Gone(reason) => f.write_str(reason),
            Self::FellBehind { first, .. } => {
                write!(f, "entry {first} was removed before this site read it")
            }
            Self::Doubtful { doubt, .. } => write!(
                f,
                "the engine showed this site and another one different entries {}",
                doubt.position
            ),
        }
    }
}

impl std::error::Error for SiteEnd {}

/// Advice for an engine that does not answer.
const IF_IT_LASTS: &str = "If this lasts, read the logs of its servers: a server whose disk was \
                           full must be started again";

/// Change for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListNotice {
    /// The engine can be reached, or no longer.
    Engine(Result<(), Box<str>>),
    /// The engine has refused an entry.
    Refused(Box<str>),
    /// A batch does not count.
    Void {
        /// Position of the entry.
        position: ListPosition,
        /// Reason why it is void.
        reason: VoidReason,
    },
    /// Proposals were given up after `engine_timeout`.
    Withdrawn {
        /// Number of proposals.
        proposals: usize,
    },
    /// An entry is stored, and was not read in time. The site subscribes again.
    NotReadBack(ListPosition),
    /// A snapshot is whole.
    Snapshot(ListPosition),
    /// A program of another version has written a snapshot.
    OtherSnapshot {
        /// Position of its first piece that was read.
        position: ListPosition,
        /// Version of the snapshot.
        version: u8,
    },
    /// A snapshot has more pieces than one may have, so nothing is removed from the list.
    SnapshotTooLong {
        /// Number of pieces.
        pieces: usize,
    },
}

impl fmt::Display for ListNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Engine(Ok(())) => f.write_str("engine: connected"),
            Self::Engine(Err(reason)) => write!(
                f,
                "engine: not connected: {reason}; members of this site keep getting what is \
                 known, and requests wait"
            ),
            Self::Refused(reason) => write!(f, "engine: an entry was not stored: {reason}"),
            Self::Void { position, reason } => {
                write!(f, "list: entry {position} does not count: {reason}")
            }
            Self::Withdrawn { proposals: 0 } => write!(
                f,
                "engine: no answer in time: requests get ERR 506 until it answers. {IF_IT_LASTS}"
            ),
            Self::Withdrawn { proposals } => write!(
                f,
                "engine: no answer in time: {} withdrawn, with ERR 506 for the requests. \
                 {IF_IT_LASTS}",
                Counted(*proposals, "proposal is", "proposals are")
            ),
            Self::NotReadBack(position) => write!(
                f,
                "engine: entry {position} is stored, but was not passed in time: reading again \
                 from the leader"
            ),
            Self::Snapshot(base) => write!(f, "list: whole snapshot of entry {base}"),
            Self::OtherSnapshot { position, version } => write!(
                f,
                "list: the snapshot in entry {position} has version {version}, and is not used: \
                 this program reads version {SNAPSHOT_VERSION}. Run one version of the program at \
                 all sites, or this one cannot start once the entries before it are removed"
            ),
            Self::SnapshotTooLong { pieces } => write!(
                f,
                "list: a snapshot would have {pieces} pieces, and may have {SNAPSHOT_PIECES_MAX}: \
                 nothing is removed from the list until members have more of their messages"
            ),
        }
    }
}
