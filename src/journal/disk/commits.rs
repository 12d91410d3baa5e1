//! The loop's side of the journal: turns facts into commits, and reports which commits are done.
//!
//! ```text
//!   facts of a turn ─► records ─► commit 7 ─► writer: one write, one sync ─► done ─► replies,
//!                                 commit 8 ─► (waits for the writer)                 deliveries
//! ```
//!
//! After a failed write or sync, nothing is confirmed from that segment again. A new segment gets
//! the members, their cursors, and every message that is not known to be durable. This is retried
//! until it succeeds. Replies that wait for a commit wait for this segment.

mod closing;
mod completion;
mod records;
mod retention;
mod segments;
mod stats;
mod waiting;

use std::collections::VecDeque;

use super::JournalOptions;
use super::checks::LocationChecks;
use super::cursors;
use super::metrics::JournalMetrics;
use super::notice::JournalNotice;
use super::snapshot::{Snapshot, file_bytes, mode, put_member, snapshot};
use super::writer::{NewSegment, WriterJob};
use crate::facts::{FactIndex, JournalPosition, Recorded};
use crate::journal::{Record, Salt, SegmentHeader, encode};
use crate::limits::{CLOCK_DRIFT_MS, JOURNAL_COMMITS_MAX, JOURNAL_RETRY_MS, SyncPolicy};
use crate::protocol::Seq;
use crate::time::{Millis, Now};

use waiting::UnwrittenBytes;

pub use closing::JournalEnd;
pub(super) use segments::{ClosedSegment, OpenSegment};

/// The loop's side of the journal.
#[derive(Debug)]
pub struct Commits {
    options: JournalOptions,
    ttl_ms: u64,
    /// Jobs for the writer.
    jobs: VecDeque<WriterJob>,
    /// Segment that the records are made for.
    segment: OpenSegment,
    /// Records that are in no commit yet.
    records: Vec<u8>,
    waiting: UnwrittenBytes,
    /// True if a reply or a delivery waits for `records`.
    must_flush: bool,
    /// Number of the next commit.
    next: u64,
    /// Last commit that is done or failed.
    finished: u64,
    /// Commits in progress, each with the last fact at its time.
    commits: VecDeque<(u64, JournalPosition)>,
    /// Last commit that is done, with the last fact at its time.
    done: (u64, JournalPosition),
    /// Last commit that is durable.
    synced: u64,
    /// Last seq that is durable.
    durable: Seq,
    failing: Option<Failing>,
    /// Reason of the failure that was reported last.
    reason: String,
    checks: LocationChecks,
    /// Ids that were deregistered, each with its commit, until that commit is durable.
    deregistered: VecDeque<(u64, Box<str>)>,
    cursor_flush: cursors::CursorFlush,
    /// Time of the next sync, if syncs have an interval.
    sync_at: Option<Millis>,
    is_syncing: bool,
    /// Last commit before the latest [`WriterJob::Sync`], with the last fact at its time.
    covered: (u64, JournalPosition),
    /// Closed segments, oldest first.
    closed: VecDeque<ClosedSegment>,
    is_removing: bool,
    /// Commit of a new epoch, until it is done, and the last fact before the new epoch.
    new_epoch: Option<(u64, FactIndex)>,
    metrics: JournalMetrics,
    /// Commit of the clean end of the journal.
    closing: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failing {
    /// Time of the next retry.
    RetryAt(Millis),
    /// Commit of the retry that is in progress.
    Trying(u64),
}

/// Content of a segment to be started.
#[derive(Clone, Copy, Debug)]
struct SegmentStart {
    /// The messages after this one are written to the segment.
    after: Seq,
    salt: Salt,
    /// True if the segment replaces failed commits.
    is_rescue: bool,
}

/// State of a journal at the start.
#[derive(Debug)]
pub(super) struct ResumePoint {
    pub(super) options: JournalOptions,
    pub(super) ttl_ms: u64,
    pub(super) segment: OpenSegment,
    pub(super) durable: Seq,
    /// Last fact of the recovery.
    pub(super) position: JournalPosition,
    pub(super) closed: VecDeque<ClosedSegment>,
}

/// Result of the reports of the writer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Last fact that is committed.
    pub done: Option<JournalPosition>,
    /// True if the journal fails from now on, false if it works again.
    pub fails: Option<bool>,
    /// Changes for the operator, in order.
    pub notices: Vec<JournalNotice>,
}

impl Commits {
    pub(super) fn new(start: ResumePoint) -> Self {
        let ResumePoint { options, ttl_ms, segment, durable, position, closed } = start;
        Self {
            options,
            ttl_ms,
            jobs: VecDeque::new(),
            segment,
            records: Vec::new(),
            waiting: UnwrittenBytes::default(),
            must_flush: false,
            next: 1,
            finished: 0,
            commits: VecDeque::new(),
            done: (0, position),
            synced: 0,
            durable,
            failing: None,
            reason: String::new(),
            checks: LocationChecks::new(segment.recorded_clocks.steady),
            deregistered: VecDeque::new(),
            cursor_flush: cursors::CursorFlush::default(),
            sync_at: None,
            is_syncing: false,
            covered: (0, position),
            closed,
            is_removing: false,
            new_epoch: None,
            metrics: JournalMetrics::default(),
            closing: None,
        }
    }

    /// Returns true if the writer must start a segment, for which it may need a file.
    #[must_use]
    pub fn is_starting_segment(&self) -> bool {
        self.segment.start_commit > self.done.0
    }

    /// Returns the next job for the writer.
    pub fn poll_job(&mut self) -> Option<WriterJob> {
        self.jobs.pop_front()
    }

    /// Puts back a job for which the writer had no room. It is the next job again.
    pub fn requeue(&mut self, job: WriterJob) {
        self.jobs.push_front(job);
    }

    /// Returns true if all facts are committed.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.commits.is_empty() && self.records.is_empty()
    }

    fn put(&mut self, record: &Record<'_>, at: Millis) {
        encode(record, at, self.segment.salt, &mut self.records);
    }

    /// Makes a commit of the facts of this turn. `draw` draws the salt of a new segment.
    pub fn commit(
        &mut self,
        state: &mut impl Recorded,
        now: Now,
        mut draw: impl FnMut() -> Option<Salt>,
    ) {
        self.record_clock(now);
        if self.cursor_flush.is_due(state.has_cursor_changes(), now.steady) {
            if self.is_full() {
                self.cursor_flush.postpone(now.steady); // Cursors can wait.
            } else {
                cursors::put(state, now.steady, self.segment.salt, &mut self.records);
            }
        }
        if let Some(Failing::RetryAt(_)) = self.failing {
            self.records.clear(); // The new segment contains the state of the group at its time.
        } else if !self.records.is_empty() {
            self.make_commit(state, now, &mut draw);
        }
        self.run_due(state, now, &mut draw);
    }

    fn make_commit(
        &mut self,
        state: &impl Recorded,
        now: Now,
        draw: &mut dyn FnMut() -> Option<Salt>,
    ) {
        if self.next.saturating_sub(self.finished) > JOURNAL_COMMITS_MAX {
            return; // The next turn includes these records.
        }
        self.record_durable(now.steady);
        let is_always = self.options.sync == SyncPolicy::Always
            || self.new_epoch.is_some_and(|(commit, _)| commit == self.next);
        let must_sync = std::mem::take(&mut self.must_flush) && is_always;
        let (commit, records) = (self.next, std::mem::take(&mut self.records));
        self.segment.bytes = self.segment.bytes.saturating_add(records.len() as u64);
        if self.checks.precedes_write(now.steady) {
            self.jobs.push_back(WriterJob::Check);
        }
        self.append(commit, records, must_sync, state.position());
        if self.segment.bytes >= self.segment.bytes_max
            && let Some(salt) = draw()
        {
            let after = state.position().last;
            self.start_segment(state, SegmentStart { after, salt, is_rescue: false }, now);
        }
    }

    fn append(
        &mut self,
        commit: u64,
        records: Vec<u8>,
        must_sync: bool,
        position: JournalPosition,
    ) {
        self.waiting.add(commit, records.len());
        self.jobs.push_back(WriterJob::Append { commit, records, must_sync });
        self.push_commit(position);
    }

    fn push_commit(&mut self, position: JournalPosition) {
        self.commits.push_back((self.next, position));
        self.next = self.next.saturating_add(1);
    }

    /// Records the wall clock when it has moved against the steady clock, even in a turn without
    /// facts. Otherwise messages would be younger after a restart. Later facts may be cut off, so
    /// it comes first.
    fn record_clock(&mut self, now: Now) {
        let recorded = self.segment.recorded_clocks;
        let expected = recorded.unix.0.saturating_add(now.steady.since(recorded.steady));
        if expected.abs_diff(now.unix.0) > CLOCK_DRIFT_MS {
            self.put(&Record::Clock { unix: now.unix }, now.steady);
            self.must_flush = true; // A power loss may follow.
            self.segment.recorded_clocks = now;
        }
    }

    /// Records the last durable seq, when other records are written anyway. A start writes all
    /// later messages again.
    fn record_durable(&mut self, at: Millis) {
        if self.durable > self.segment.recorded_durable {
            self.put(&Record::Durable { last: self.durable }, at);
            self.segment.recorded_durable = self.durable;
        }
    }

    /// Starts a segment with the members, their cursors and messages.
    fn start_segment(&mut self, state: &impl Recorded, start: SegmentStart, now: Now) {
        let SegmentStart { after, salt, is_rescue } = start;
        let mut position = state.position();
        let mut continued = Vec::new();
        encode(&Record::Continued, now.steady, self.segment.salt, &mut continued);
        let (serial, commit) = (self.segment.serial.saturating_add(1), self.next);
        let (boot, sync) = (self.options.boot, mode(self.options.sync));
        let header = SegmentHeader { serial, salt, boot, sync };
        // A rescue writes records of the old epoch; the record of a new epoch comes after them.
        let epoch = if is_rescue { state.epoch() } else { state.decided_epoch() };
        let Snapshot { mut records, members_bytes } = snapshot(state, epoch, after, salt, now);
        for (_, id) in self.deregistered.iter().filter(|(_, id)| state.member_state(id).is_none()) {
            encode(&Record::Deregistered { id }, now.steady, salt, &mut records);
        }
        let OpenSegment { serial: old, mut bytes, start_commit, .. } = self.segment;
        if !is_rescue {
            bytes = bytes.saturating_add(continued.len() as u64);
        }
        let (newest, last) = (now.steady, position.last);
        self.closed.push_back(ClosedSegment { serial: old, start_commit, bytes, newest, last });
        let (bytes, needed) = (file_bytes(&records), state.needed());
        let bytes_max = self.options.segment_bytes(members_bytes);
        self.segment = OpenSegment {
            serial,
            salt,
            start_commit: commit,
            bytes,
            bytes_max,
            recorded_clocks: now,
            recorded_durable: position.last,
            needed,
        };
        self.waiting.add(commit, records.len());
        self.checks.mark_checked(now.steady);
        let is_whole = self.durable == Seq::ZERO;
        self.jobs.push_back(WriterJob::NewSegment(NewSegment {
            commit,
            header,
            records,
            continued,
            is_rescue,
            is_whole,
        }));
        if is_rescue {
            // The segment replaces all failed commits.
            let done = self.done.0;
            self.closed.retain(|closed| closed.start_commit <= done);
            self.commits.clear();
            self.records.clear();
            self.failing = Some(Failing::Trying(commit));
        }
        if is_rescue && let Some((_, before)) = self.new_epoch {
            position.index = before; // The record of the new epoch is not in this commit.
            self.push_commit(position);
            self.put_new_epoch(state.decided_epoch(), before, now.steady);
        } else {
            self.push_commit(position);
        }
    }

    /// Does what is due: a removal, a retry, a check, a sync.
    fn run_due(
        &mut self,
        state: &mut impl Recorded,
        now: Now,
        draw: &mut dyn FnMut() -> Option<Salt>,
    ) {
        self.remove_due(state, now.steady);
        if let Some(Failing::RetryAt(at)) = self.failing
            && at <= now.steady
        {
            match draw() {
                Some(salt) => {
                    // Expired messages are not written. Their numbers stay used.
                    let kept = state.lines(self.durable).next();
                    let after = kept.map_or(state.position().last, |(seq, ..)| seq.before());
                    self.start_segment(state, SegmentStart { after, salt, is_rescue: true }, now);
                }
                None => self.retry_later(now.steady),
            }
        }
        if self.failing.is_some() {
            return; // There is no segment to sync.
        }
        if self.checks.is_due(now.steady) {
            self.jobs.push_back(WriterJob::Check);
        }
        if let SyncPolicy::Every(pause_ms) = self.options.sync {
            if self.sync_at.is_some_and(|at| at <= now.steady) {
                self.sync_at = None;
                self.is_syncing = true;
                self.covered = self.commits.back().copied().unwrap_or(self.done);
                self.jobs.push_back(WriterJob::Sync);
            }
            if !self.is_syncing && self.sync_at.is_none() && self.done.0 > self.synced {
                self.sync_at = Some(now.steady.plus(pause_ms));
            }
        }
    }

    fn retry_later(&mut self, now: Millis) {
        self.failing = Some(Failing::RetryAt(now.plus(JOURNAL_RETRY_MS)));
    }

    /// Returns the time at which the journal has something to do without new facts.
    #[must_use]
    pub fn deadline(&self) -> Option<Millis> {
        match self.failing {
            Some(Failing::RetryAt(at)) => Some(at),
            Some(Failing::Trying(_)) => None,
            None => {
                let removal = self.removal_at();
                let check = self.checks.deadline();
                let all = [self.sync_at, self.cursor_flush.deadline(), removal, check];
                all.into_iter().flatten().min()
            }
        }
    }
}

#[cfg(test)]
mod tests;
