//! The way from the journal of a site to the thread of the engine, and back.

use std::collections::VecDeque;

use super::site_journal::EngineQueue;
use crate::journal::{EntryKind, ListJob, ListPosition, ListReport};
use crate::net::Full;
use crate::net::engine::{
    Engine, EngineEntry, EngineFault, EngineJob, EngineReport, EngineStream, EngineSubject,
};

/// Reason for which a site ends if another stream has the name of its own one.
pub(super) const MADE_AGAIN: &str = "the stream of the group was deleted and made again";

/// The thread of the engine.
#[derive(Debug)]
pub(super) struct EngineThread {
    engine: Engine,
    created_ns: u64,
    /// Job for which the thread had no room.
    refused: Option<EngineJob>,
}

impl EngineThread {
    pub(super) fn new(engine: Engine, stream: &EngineStream) -> Self {
        Self { engine, created_ns: stream.created_ns, refused: None }
    }
}

impl EngineQueue for EngineThread {
    fn try_submit(&mut self, job: ListJob) -> Result<(), ListJob> {
        if let Some(refused) = self.refused.take()
            && let Err(Full(refused)) = self.engine.try_submit(refused)
        {
            self.refused = Some(refused);
            return Err(job);
        }
        let submitted = match job {
            ListJob::Publish { tag, kind, bytes } => {
                EngineJob::Publish { tag, subject: subject(kind), bytes }
            }
            ListJob::ReadFrom(ListPosition(position)) => EngineJob::ReadFrom { position },
            ListJob::Purge { below: ListPosition(below) } => EngineJob::Purge { below },
        };
        if let Err(Full(refused)) = self.engine.try_submit(submitted) {
            self.refused = Some(refused); // The next call submits it first.
        }
        Ok(())
    }

    fn take_reports(&mut self, reports: &mut VecDeque<ListReport>) {
        reports.extend(self.engine.reports().into_iter().filter_map(translated));
    }

    fn created_ns(&self) -> Option<u64> {
        Some(self.created_ns)
    }
}

fn subject(kind: EntryKind) -> EngineSubject {
    match kind {
        EntryKind::Log => EngineSubject::Log,
        EntryKind::Snapshot => EngineSubject::Snapshot,
    }
}

/// Returns what a report means for the journal; `None` if it means nothing.
fn translated(report: EngineReport) -> Option<ListReport> {
    Some(match report {
        EngineReport::Entry(entry) => {
            let stored = entry.stored();
            let EngineEntry { position, subject, bytes, .. } = entry;
            let kind = match subject {
                EngineSubject::Log => EntryKind::Log,
                EngineSubject::Snapshot => EntryKind::Snapshot,
            };
            ListReport::Entry { position: ListPosition(position), stored, kind, bytes }
        }
        EngineReport::Missing { first, last } => {
            ListReport::Missing { first: ListPosition(first), last: ListPosition(last) }
        }
        EngineReport::CaughtUp { position } => {
            ListReport::CaughtUp { last: ListPosition(position) }
        }
        EngineReport::Stored { tag, position } => {
            ListReport::Stored { tag, position: ListPosition(position) }
        }
        EngineReport::NotStored { tag, reason, .. } => {
            ListReport::NotStored { tag, reason: reason.into() }
        }
        EngineReport::Connected { .. } => ListReport::Connected,
        EngineReport::Disconnected { reason } => ListReport::Disconnected { reason: reason.into() },
        EngineReport::Fault(fault) => of_fault(fault),
        EngineReport::Refused { reason } => {
            log::warn!("engine: {reason}");
            return None;
        }
        EngineReport::NotPurged { reason, .. } => {
            log::warn!("engine: entries that nobody needs are not removed: {reason}");
            return None;
        }
        EngineReport::Stream(_)
        | EngineReport::StreamUnknown { .. }
        | EngineReport::Purged { .. } => return None,
    })
}

fn of_fault(fault: EngineFault) -> ListReport {
    match fault {
        EngineFault::Gone => {
            let reason = "the stream of the group is gone: it was deleted in the engine";
            ListReport::Gone { reason: reason.into() }
        }
        EngineFault::Recreated { .. } => ListReport::Gone { reason: MADE_AGAIN.into() },
        EngineFault::Rewound { last, .. } => ListReport::WentBack { last: ListPosition(last) },
        EngineFault::Rewritten { position } => {
            ListReport::WentBack { last: ListPosition(position).before() }
        }
    }
}
