//! The way from the journal of a site to the thread of the engine, and back.

use std::collections::VecDeque;
use std::fmt;

use super::site_journal::{EngineLook, EngineQueue};
use crate::journal::{EntryKind, ListJob, ListPosition, ListReport};
use crate::net::Full;
use crate::net::engine::{
    Engine, EngineEntry, EngineFault, EngineJob, EngineOptions, EngineReport, EngineStream,
    EngineSubject,
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
    facts: EngineFacts,
    login: EngineLogin,
    /// Options of a connection that must be made again.
    new_login: Option<EngineOptions>,
}

/// Contents of the files with which the engine was connected.
#[derive(PartialEq, Eq)]
struct EngineLogin {
    credentials: Option<String>,
    ca: Option<Vec<u8>>,
}

impl EngineLogin {
    fn of(options: &EngineOptions) -> Self {
        let ca = options.ca.as_ref().and_then(|path| std::fs::read(path).ok());
        Self { credentials: options.credentials.clone(), ca }
    }
}

impl fmt::Debug for EngineLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineLogin").finish_non_exhaustive() // Not the credentials.
    }
}

/// State of the engine, as the reports tell it.
#[derive(Debug, Default)]
struct EngineFacts {
    is_connected: bool,
    failure: String,
    leader: String,
    elections: u64,
    last: u64,
    /// The last connection with other files has failed.
    has_failed_login: bool,
}

impl EngineFacts {
    fn take(&mut self, report: &EngineReport) {
        match report {
            EngineReport::Connected { .. } => self.is_connected = true,
            EngineReport::Disconnected { reason } => {
                self.is_connected = false;
                self.failure.clone_from(reason);
            }
            EngineReport::Stream(stream) => {
                self.last = stream.last;
                if stream.leader.is_empty() || stream.leader == self.leader {
                    return; // There is none during an election.
                }
                if !self.leader.is_empty() {
                    self.elections = self.elections.saturating_add(1);
                    let (old, new) = (&self.leader, &stream.leader);
                    log::info!("engine: {new} leads the list, and no longer {old}");
                }
                self.leader.clone_from(&stream.leader);
            }
            EngineReport::LoginFailed { .. } => self.has_failed_login = true,
            EngineReport::Entry(_)
            | EngineReport::Missing { .. }
            | EngineReport::CaughtUp { .. }
            | EngineReport::Stored { .. }
            | EngineReport::NotStored { .. }
            | EngineReport::StreamUnknown { .. }
            | EngineReport::Purged { .. }
            | EngineReport::NotPurged { .. }
            | EngineReport::Refused { .. }
            | EngineReport::Fault(_) => (),
        }
    }
}

impl EngineThread {
    pub(super) fn new(engine: Engine, options: &EngineOptions, stream: &EngineStream) -> Self {
        let (facts, login) = (EngineFacts::default(), EngineLogin::of(options));
        let created_ns = stream.created_ns;
        Self { engine, created_ns, refused: None, facts, login, new_login: None }
    }

    /// Submits the job for a connection that must be made again. The next call tries again.
    fn submit_login(&mut self) {
        let Some(options) = self.new_login.take() else { return };
        let job = EngineJob::LogInAgain(Box::new(options));
        if let Err(Full(EngineJob::LogInAgain(options))) = self.engine.try_submit(job) {
            self.new_login = Some(*options);
        }
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
        self.submit_login();
        for report in self.engine.reports() {
            self.facts.take(&report);
            reports.extend(translated(report));
        }
    }

    fn log_in_again(&mut self, options: EngineOptions) -> bool {
        let login = EngineLogin::of(&options);
        let has_failed = std::mem::take(&mut self.facts.has_failed_login);
        let differs = login != self.login || has_failed;
        if differs {
            self.login = login;
            self.new_login = Some(options);
            self.submit_login();
        }
        differs
    }

    fn look(&self) -> EngineLook<'_> {
        let EngineFacts { is_connected, ref failure, ref leader, elections, last, .. } = self.facts;
        EngineLook { is_connected, failure, leader, elections, last: ListPosition(last) }
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
        EngineReport::LoginFailed { reason } => {
            log::warn!(
                "engine: the connection stays, the new one failed: {reason}. Correct the files, \
                 and send SIGHUP again"
            );
            return None;
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_election_is_a_change_from_one_leader_to_another() {
        let mut facts = EngineFacts::default();
        for (leader, elections) in [("a", 0), ("a", 0), ("", 0), ("a", 0), ("b", 1), ("a", 2)] {
            let stream = EngineStream { leader: leader.to_owned(), last: 7, ..Default::default() };
            facts.take(&EngineReport::Stream(stream));
            assert_eq!(facts.elections, elections, "{leader}");
        }
        assert_eq!(facts.last, 7);
        facts.take(&EngineReport::Connected { server: "a".to_owned() });
        assert!(facts.is_connected);
        facts.take(&EngineReport::Disconnected { reason: "gone".to_owned() });
        assert!(!facts.is_connected && facts.failure == "gone");
    }
}
