//! Reports on their way to the loop, bounded in number and bytes.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mio::Waker;
use tokio::sync::Notify;

use super::report::EngineReport;
use crate::limits::engine::{REPORT_BYTES_MAX, REPORTS_MAX};

/// The queue between the engine's thread and the loop.
pub(super) struct ReportQueue {
    state: Mutex<QueuedReports>,
    room: Notify,
    closed: Notify,
    waker: Arc<Waker>,
}

#[derive(Default)]
struct QueuedReports {
    reports: Vec<EngineReport>,
    bytes: usize,
    is_closed: bool,
}

impl ReportQueue {
    pub(super) fn new(waker: Arc<Waker>) -> Self {
        Self { state: Mutex::default(), room: Notify::new(), closed: Notify::new(), waker }
    }

    fn state(&self) -> MutexGuard<'_, QueuedReports> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a report, and wakes the loop if it is the first one. The caller has seen that the
    /// queue is not full.
    pub(super) fn push(&self, report: EngineReport) {
        let mut state = self.state();
        state.bytes += report.weight();
        state.reports.push(report);
        let is_first = state.reports.len() == 1;
        drop(state);
        if is_first {
            // This fails only if the file descriptor is bad. Then the poll fails, too.
            let _ = self.waker.wake();
        }
    }

    /// Returns true if the loop has to take reports before the engine does more.
    pub(super) fn is_full(&self) -> bool {
        let state = self.state();
        let is_full = state.reports.len() >= REPORTS_MAX || state.bytes >= REPORT_BYTES_MAX;
        is_full && !state.is_closed
    }

    /// Waits until the loop has taken the reports, or takes no more.
    pub(super) async fn until_taken(&self) {
        while self.is_full() {
            self.room.notified().await;
        }
    }

    pub(super) fn take(&self) -> Vec<EngineReport> {
        let mut state = self.state();
        state.bytes = 0;
        let reports = mem::take(&mut state.reports);
        drop(state);
        self.room.notify_one();
        reports
    }

    /// Ends the engine's thread.
    pub(super) fn close(&self) {
        self.state().is_closed = true;
        self.room.notify_one();
        self.closed.notify_one();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state().is_closed
    }

    pub(super) async fn until_closed(&self) {
        self.closed.notified().await;
    }
}
