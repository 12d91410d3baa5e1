//! State of the other parts, as the HTTP server reads it.

use super::disk_space::DiskSpace;
use super::readiness::{ReadyParts, ReadyState};
use crate::config::CoordinatorConfig;
use crate::coordinator::commands::CommandStats;
use crate::coordinator::samples::{Samples, Sources};
use crate::group::Group;
use crate::journal::JournalStats;
use crate::limits::Overflow;
use crate::time::Now;

/// The state of the other parts in one turn.
#[derive(Clone, Copy, Debug)]
pub(in crate::coordinator) struct AdminView<'a> {
    pub(super) config: &'a CoordinatorConfig,
    pub(super) group: &'a Group,
    pub(super) commands: CommandStats,
    pub(super) journal: Option<JournalStats<'a>>,
    pub(super) accept_pauses: u64,
    pub(super) uptime_ms: u64,
    pub(super) is_shutting_down: bool,
    pub(super) is_out_of_files: bool,
    pub(super) disk: Option<DiskSpace>,
    pub(super) now: Now,
}

impl<'a> AdminView<'a> {
    /// Makes a view.
    pub(in crate::coordinator) fn new(
        sources: Sources<'a>,
        (is_shutting_down, is_out_of_files): (bool, bool),
        now: Now,
    ) -> Self {
        let Sources { config, group, commands, journal, accept_pauses, uptime_ms } = sources;
        Self {
            config,
            group,
            commands,
            journal,
            accept_pauses,
            uptime_ms,
            is_shutting_down,
            is_out_of_files,
            disk: None,
            now,
        }
    }

    /// Returns the values of the metrics that exist without `http`, too.
    pub(super) fn samples(&self) -> Samples<'a> {
        let Self { config, group, commands, journal, accept_pauses, uptime_ms, .. } = *self;
        Samples::collect(Sources { config, group, commands, journal, accept_pauses, uptime_ms })
    }

    pub(super) fn readiness(&self) -> ReadyState {
        let backlog = (self.config.overflow == Overflow::Reject).then(|| {
            let bytes = self.group.gauges().history_bytes;
            (bytes, self.config.max_line as u64, self.config.max_backlog)
        });
        let is_full =
            |journal: JournalStats<'_>| journal.waiting_bytes >= journal.waiting_bytes_max;
        ReadyParts {
            is_shutting_down: self.is_shutting_down,
            is_out_of_files: self.is_out_of_files,
            is_journal_failing: self.journal.is_some_and(|journal| journal.is_failing),
            is_journal_full: self.journal.is_some_and(is_full),
            backlog,
        }
        .readiness()
    }
}
