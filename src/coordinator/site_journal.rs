//! The journal of a running site: the deciding half, and the way to the engine.

use std::collections::VecDeque;
use std::fmt;

use log::Level;

use crate::facts::{Fact, Journal};
use crate::group::{Group, Input, Ticket};
use crate::journal::{
    JournalEnd, ListJob, ListNotice, ListPosition, ListReport, ListStats, SiteEnd, SiteJournal,
    SitePhase,
};
use crate::limits::list::TURN_REPORTS_MAX;
use crate::net::engine::EngineOptions;
use crate::protocol::Seq;
use crate::time::{Millis, Now};

/// The way of jobs to the engine, and of its reports back.
pub trait EngineQueue: fmt::Debug {
    /// Queues a job. Returns the job if there is no room.
    ///
    /// # Errors
    ///
    /// The job.
    fn try_submit(&mut self, job: ListJob) -> Result<(), ListJob>;

    /// Appends the reports since the last call, in order.
    fn take_reports(&mut self, reports: &mut VecDeque<ListReport>);

    /// Returns the time in nanoseconds at which the stream of the list was made, if it is known.
    fn created_ns(&self) -> Option<u64> {
        None
    }

    /// Connects again, if the credentials or the CA differ. Returns false if they do not.
    fn log_in_again(&mut self, options: EngineOptions) -> bool {
        let _ = options;
        false
    }

    /// Returns what is known of the engine.
    fn look(&self) -> EngineLook<'_> {
        EngineLook::default()
    }
}

/// The engine, as a site sees it.
#[derive(Clone, Copy, Debug, Default)]
pub struct EngineLook<'a> {
    /// True while a server is connected.
    pub is_connected: bool,
    /// Reason of the last lost connection.
    pub failure: &'a str,
    /// Server that leads the list; empty if nobody is known.
    pub leader: &'a str,
    /// Changes of the leader so far.
    pub elections: u64,
    /// Last entry that the leader had when it was asked last.
    pub last: ListPosition,
}

/// A site in numbers: its journal, and the engine.
#[derive(Clone, Copy, Debug)]
pub(super) struct SiteView<'a> {
    pub(super) list: ListStats<'a>,
    pub(super) engine: EngineLook<'a>,
    /// True while requests are refused because the engine does not answer.
    pub(super) is_failing: bool,
}

impl SiteView<'_> {
    /// Returns the number of entries that the leader has, and this site has not read.
    pub(super) fn lag(&self) -> u64 {
        let leader = self.engine.last.max(self.list.confirmed);
        leader.0.saturating_sub(self.list.position.0)
    }
}

/// Both sides of the journal of a site.
#[derive(Debug)]
pub struct EngineJournal {
    pub(super) journal: SiteJournal<Ticket>,
    engine: Box<dyn EngineQueue>,
    /// Reports that are not handled.
    reports: VecDeque<ListReport>,
}

impl Journal<Group> for EngineJournal {
    fn propose(&mut self, fact: Fact<'_>, ticket: Ticket, group: &mut Group, now: Now) {
        self.journal.propose(fact, ticket, group, now);
    }

    fn is_lost(&mut self, seq: Seq) -> bool {
        Journal::<Group>::is_lost(&mut self.journal, seq)
    }
}

impl EngineJournal {
    /// Makes a journal of both its sides.
    #[must_use]
    pub fn new(journal: SiteJournal<Ticket>, engine: Box<dyn EngineQueue>) -> Self {
        Self { journal, engine, reports: VecDeque::new() }
    }

    /// Handles reports of the engine, up to the limit of a turn. The reports after a new epoch wait
    /// until the epoch has begun. Returns true if facts were applied.
    pub(super) fn advance(&mut self, group: &mut Group, now: Now) -> bool {
        if self.reports.len() < TURN_REPORTS_MAX {
            self.engine.take_reports(&mut self.reports); // Else they wait in a bounded queue.
        }
        let mut has_applied = false;
        for _ in 0..TURN_REPORTS_MAX {
            if group.is_epoch_due() {
                break;
            }
            let Some(report) = self.reports.pop_front() else { break };
            has_applied |= self.journal.handle(report, group, now);
        }
        self.log_notices();
        has_applied
    }

    /// Ends a turn: the proposals become a batch.
    pub(super) fn commit(
        &mut self,
        group: &mut Group,
        now: Now,
        random: impl FnMut() -> Option<u64>,
    ) {
        self.journal.commit(group, now, random);
        self.log_notices();
        self.submit_jobs();
    }

    fn submit_jobs(&mut self) {
        while let Some(job) = self.journal.poll_job() {
            if let Err(job) = self.engine.try_submit(job) {
                // The report of an earlier job starts the next turn.
                return self.journal.requeue(job);
            }
        }
    }

    fn log_notices(&mut self) {
        while let Some(notice) = self.journal.poll_notice() {
            let level = match notice {
                ListNotice::Engine(Ok(())) => Level::Info,
                ListNotice::Snapshot(_) => Level::Debug,
                ListNotice::Engine(Err(_))
                | ListNotice::Refused(_)
                | ListNotice::Void { .. }
                | ListNotice::OtherSnapshot { .. }
                | ListNotice::Withdrawn { .. }
                | ListNotice::NotReadBack(_) => Level::Warn,
                ListNotice::SnapshotTooLong { .. } => Level::Error,
            };
            log::log!(level, "{notice}");
        }
    }

    /// Connects to the engine again, if the credentials or the CA differ. Returns false if not.
    pub(super) fn log_in_again(&mut self, options: EngineOptions) -> bool {
        self.engine.log_in_again(options)
    }

    /// Returns the site in numbers.
    pub(super) fn view(&self, now: Millis) -> SiteView<'_> {
        SiteView {
            list: ListStats::of(&self.journal, now),
            engine: self.engine.look(),
            is_failing: self.journal.is_failing(),
        }
    }

    /// Returns true if reports are left for the next turn.
    pub(super) fn has_reports(&self) -> bool {
        !self.reports.is_empty()
    }

    /// Returns the reason why this process cannot serve.
    pub(super) fn site_end(&self) -> Option<&SiteEnd> {
        self.journal.ended()
    }

    /// Returns the time at which the stream of the list was made.
    pub(super) fn created_ns(&self) -> Option<u64> {
        self.engine.created_ns()
    }

    /// Begins the end of the journal.
    pub(super) fn close(&mut self, group: &mut Group, now: Now) {
        self.journal.close(group);
        self.commit(group, now, || None);
    }

    /// Continues the end of the journal, and returns its outcome.
    pub(super) fn end(&mut self, group: &mut Group, now: Now) -> JournalEnd {
        self.advance(group, now);
        if group.is_epoch_due() {
            group.handle(Input::EpochCommitted, now, self); // The reports behind it wait for it.
        }
        self.commit(group, now, || None);
        let is_serving = *self.journal.phase() == SitePhase::Serving;
        if is_serving && !self.journal.is_idle() {
            return JournalEnd::Pending;
        }
        JournalEnd::Written
    }

    pub(super) fn deadline(&self) -> Option<Millis> {
        self.journal.deadline()
    }
}
