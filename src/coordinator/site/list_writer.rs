//! Writes the first entries of a list, and reads each of them back.

use std::collections::VecDeque;

use bytes::Bytes;
use mio::{Events, Poll};

use super::{EngineThread, new_poll, wait};
use crate::coordinator::CoordinatorError;
use crate::coordinator::site_journal::EngineQueue as _;
use crate::journal::{EntryKind, ListEntry, ListImport, ListJob, ListPosition, ListReport};
use crate::limits::list::{FOUND_WAIT_MS, PURGE_TRIES_MAX};
use crate::net::Clock;
use crate::net::engine::{Engine, EngineError, EngineOptions, NewStream};

/// A list in the engine, while its first entries are written.
pub(super) struct ListWriter {
    thread: EngineThread,
    poll: Poll,
    pub(super) clock: Clock,
    pub(super) list: ListImport,
    tag: u64,
    /// Reports that are not handled.
    reports: VecDeque<ListReport>,
}

/// Reason for which an entry was not written.
#[derive(Debug)]
pub(super) enum NotWritten {
    /// The engine does not work, for this reason.
    Engine(String),
    /// The loop of this process does not work.
    System(CoordinatorError),
}

impl NotWritten {
    /// Returns the error of a task that has failed, with advice for the operator.
    pub(super) fn into_error(self, task: &'static str, advice: &str) -> CoordinatorError {
        match self {
            Self::Engine(reason) => {
                let error = std::io::Error::other(format!("{reason}; {advice}"));
                CoordinatorError::System(task, error)
            }
            Self::System(error) => error,
        }
    }
}

fn failed(reason: &str) -> NotWritten {
    NotWritten::Engine(reason.to_owned())
}

/// Makes the stream of a group. One that is empty is good, too: a founding was interrupted.
pub(super) fn make_stream(options: &EngineOptions, new: NewStream) -> Result<(), CoordinatorError> {
    match Engine::found(options, new) {
        Err(exists @ EngineError::Exists { .. }) => {
            let (_, stream) = super::open(options, &new_poll()?)?;
            let has = NewStream { replicas: stream.replicas, bytes_max: stream.bytes_max };
            if stream.last > 0 {
                return Err(CoordinatorError::Engine(exists));
            }
            if has == new {
                return Ok(());
            }
            let NewStream { replicas, bytes_max } = has;
            let error = std::io::Error::other(format!(
                "the empty stream GC_{} has engine_replicas={replicas} and \
                 engine_bytes={bytes_max}, from an earlier try: set both, or delete the stream",
                options.group
            ));
            Err(CoordinatorError::System(super::NOT_FOUNDED, error))
        }
        made => made.map(drop).map_err(CoordinatorError::Engine),
    }
}

impl ListWriter {
    /// Connects, and reads from the entry behind the last one of `list`.
    pub(super) fn open(options: &EngineOptions, list: ListImport) -> Result<Self, NotWritten> {
        let poll = new_poll().map_err(NotWritten::System)?;
        let (mut thread, _) = super::open(options, &poll).map_err(NotWritten::System)?;
        let from = list.position().next();
        if thread.try_submit(ListJob::ReadFrom(from)).is_err() {
            return Err(failed("the engine takes no job"));
        }
        Ok(Self { thread, poll, clock: Clock::start(), list, tag: 0, reports: VecDeque::new() })
    }

    /// Stores an entry, and reads it back.
    pub(super) fn put(&mut self, kind: EntryKind, entry: Vec<u8>) -> Result<(), NotWritten> {
        let (entry, mut events) = (Bytes::from(entry), Events::with_capacity(16));
        let mut is_due = true;
        let mut failure = "no answer of the engine in time".to_owned();
        let until = self.clock.now().steady.plus(FOUND_WAIT_MS);
        while self.clock.now().steady < until {
            if std::mem::take(&mut is_due) {
                self.tag += 1;
                let job = ListJob::Publish { tag: self.tag, kind, bytes: entry.clone() };
                is_due = self.thread.try_submit(job).is_err();
            }
            self.thread.take_reports(&mut self.reports);
            while let Some(report) = self.reports.pop_front() {
                match report {
                    ListReport::Entry { position, stored, kind, bytes } => {
                        let read = ListEntry { position, stored, kind, bytes: &bytes };
                        let counts = self.list.read(&read);
                        let is_mine = bytes == entry;
                        if is_mine && counts {
                            return Ok(());
                        }
                        // A late copy of an earlier entry is void, and does no harm.
                        if is_mine || counts && kind == EntryKind::Log {
                            return Err(failed("another program writes into the stream"));
                        }
                    }
                    ListReport::NotStored { tag, reason } if tag == self.tag => {
                        (failure, is_due) = (format!("an entry was not stored: {reason}"), true);
                    }
                    ListReport::Gone { reason } => return Err(failed(&reason)),
                    ListReport::NotStored { .. }
                    | ListReport::Missing { .. }
                    | ListReport::CaughtUp { .. }
                    | ListReport::Stored { .. }
                    | ListReport::Connected
                    | ListReport::Disconnected { .. }
                    | ListReport::WentBack { .. } => (),
                }
            }
            wait(&mut self.poll, &mut events).map_err(NotWritten::System)?;
        }
        Err(NotWritten::Engine(failure))
    }

    /// Removes the first entry: a start then begins at the snapshot.
    pub(super) fn purged(mut self, options: &EngineOptions) -> Result<Self, NotWritten> {
        let below = ListPosition(2);
        for _ in 0..PURGE_TRIES_MAX {
            if self.thread.try_submit(ListJob::Purge { below }).is_err() {
                return Err(failed("the engine takes no job"));
            }
            let mut events = Events::with_capacity(16);
            wait(&mut self.poll, &mut events).map_err(NotWritten::System)?;
            let poll = new_poll().map_err(NotWritten::System)?;
            let (_, stream) = super::open(options, &poll).map_err(NotWritten::System)?;
            if stream.first == below.0 {
                return Self::open(options, self.list);
            }
        }
        Err(failed("the engine does not remove the first entry"))
    }
}
