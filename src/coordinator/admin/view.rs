//! State of the other parts, as the HTTP server reads it.

use super::disk_space::DiskSpace;
use super::readiness::{ReadyParts, ReadyState};
use crate::coordinator::samples::{Samples, Sources};
use crate::journal::JournalStats;
use crate::limits::Overflow;
use crate::time::Now;

/// The state of the other parts in one turn.
#[derive(Clone, Copy, Debug)]
pub(in crate::coordinator) struct AdminView<'a> {
    pub(super) sources: Sources<'a>,
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
        Self { sources, is_shutting_down, is_out_of_files, disk: None, now }
    }

    /// Returns the values of the metrics that exist without `http`, too.
    pub(super) fn samples(&self) -> Samples<'a> {
        Samples::collect(self.sources)
    }

    pub(super) fn readiness(&self) -> ReadyState {
        let Sources { config, group, journal, .. } = self.sources;
        let backlog = (config.overflow == Overflow::Reject).then(|| {
            let bytes = group.gauges().history_bytes;
            (bytes, config.max_line as u64, config.max_backlog)
        });
        let is_full =
            |journal: JournalStats<'_>| journal.waiting_bytes >= journal.waiting_bytes_max;
        ReadyParts {
            is_shutting_down: self.is_shutting_down,
            is_out_of_files: self.is_out_of_files,
            is_journal_failing: journal.is_some_and(|journal| journal.is_failing),
            is_journal_full: journal.is_some_and(is_full),
            backlog,
            #[cfg(feature = "engine")]
            engine_fault: self.sources.site.as_ref().and_then(super::sites::engine_fault),
        }
        .readiness()
    }
}
