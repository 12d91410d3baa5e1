//! Those that keep messages on a disk, in one order and under one set of questions.

use std::path::Path;

use super::stage::Stage;
use super::{Setup, jetstream, journal, redis_stream};
use crate::failure::Result;
use crate::redis::Redis;

/// Who keeps messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// A coordinator with a journal.
    Groupcast,
    /// A NATS server with a stream in files.
    Nats,
    /// Redis with a stream and an append-only file.
    Redis,
}

/// All, in the order in which they take turns.
pub const STORES: [Store; 3] = [Store::Groupcast, Store::Nats, Store::Redis];

impl Store {
    /// As it is named in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Groupcast => "groupcast",
            Self::Nats => "NATS JetStream",
            Self::Redis => "Redis Streams",
        }
    }

    /// Why it cannot be measured; `None` if it can.
    #[must_use]
    pub fn obstacle(self, setup: &Setup) -> Option<String> {
        match self {
            Self::Groupcast => None,
            Self::Nats => jetstream::obstacle(&setup.nats),
            Self::Redis => Redis::version().is_none().then(|| "NOT INSTALLED".to_owned()),
        }
    }

    /// Starts it on an empty directory and connects the publishers. Nobody receives.
    pub(super) fn begin(self, setup: &Setup, directory: &Path, publishers: usize) -> Result<Stage> {
        match self {
            Self::Groupcast => journal::begin(setup, directory, publishers),
            Self::Nats => jetstream::begin(setup, directory, publishers),
            Self::Redis => redis_stream::begin(setup, directory, publishers),
        }
    }

    /// Starts it again on what it left: how many messages it has.
    pub(super) fn count(self, setup: &Setup, directory: &Path) -> Result<u64> {
        match self {
            Self::Groupcast => journal::count(setup, directory),
            Self::Nats => jetstream::count(setup, directory),
            Self::Redis => redis_stream::count(setup, directory),
        }
    }
}
