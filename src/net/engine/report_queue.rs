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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use mio::{Events, Poll};

    use super::*;
    use crate::limits::engine::ENTRY_BYTES_MAX;
    use crate::net::Pool;
    use crate::net::engine::{EngineEntry, EngineSubject};

    fn queue() -> (Poll, ReportQueue) {
        let poll = Poll::new().unwrap();
        let waker = Pool::new(poll.registry()).unwrap().waker();
        (poll, ReportQueue::new(waker))
    }

    fn entry(bytes: usize) -> EngineReport {
        let (subject, bytes) = (EngineSubject::Log, Bytes::from(vec![b'x'; bytes]));
        EngineReport::Entry(EngineEntry { position: 1, stored_ns: 1, subject, bytes })
    }

    #[test]
    fn a_queue_is_full_at_its_bounds_until_it_is_taken_or_closed() {
        for (bytes, expected) in
            [(0, REPORTS_MAX), (ENTRY_BYTES_MAX, REPORT_BYTES_MAX / ENTRY_BYTES_MAX)]
        {
            let (_poll, queue) = queue();
            let mut count = 0;
            while !queue.is_full() {
                queue.push(entry(bytes));
                count += 1;
            }
            assert_eq!(count, expected, "{bytes} bytes each");
            assert_eq!(queue.take().len(), expected);
            assert!(!queue.is_full());
        }
        let (_poll, queue) = queue();
        (0..REPORTS_MAX).for_each(|_| queue.push(entry(0)));
        assert!(queue.is_full());
        queue.close();
        assert!(!queue.is_full() && queue.is_closed(), "the thread can end");
    }

    #[test]
    fn the_loop_is_woken_for_the_first_report_after_each_take() {
        let (mut poll, queue) = queue();
        let mut events = Events::with_capacity(4);
        let mut is_woken = || {
            poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
            !events.is_empty()
        };
        for _ in 0..3 {
            queue.push(entry(1));
            assert!(is_woken());
            queue.push(entry(1));
            assert!(!is_woken(), "the loop knows already");
            assert_eq!(queue.take().len(), 2);
        }
    }
}
