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

mod durability;
mod failure;
mod queue;
mod reports;
mod retention;
mod segments;
mod uncommitted;

use std::collections::VecDeque;

use super::JournalOptions;
use super::checks::LocationChecks;
use super::cursors;
use super::metrics::JournalMetrics;
use super::notice::JournalNotice;
use super::snapshot::{Snapshot, file_bytes, mode, snapshot};
use super::writer::{NewSegment, WriterJob};
use crate::facts::{Fact, FactIndex, Journal, JournalPosition, MemberState, Ordered, Recorded};
use crate::journal::{Record, Salt, SegmentHeader, encode};
use crate::limits::SyncPolicy;
use crate::protocol::{Epoch, Seq};
use crate::time::{Millis, Now};

use durability::Durability;
use failure::Failure;
use queue::CommitQueue;
use segments::Segments;
use uncommitted::UncommittedRecords;

pub(super) use segments::{ClosedSegment, OpenSegment, oldest_needed};

/// The loop's side of the journal.
#[derive(Debug)]
pub struct Commits {
    options: JournalOptions,
    /// Jobs for the writer.
    jobs: VecDeque<WriterJob>,
    segments: Segments,
    records: UncommittedRecords,
    queue: CommitQueue,
    durability: Durability,
    failure: Failure,
    checks: LocationChecks,
    cursor_flush: cursors::CursorFlush,
    /// Commit of a new epoch, until it is done, and the last fact before the new epoch.
    new_epoch: Option<(u64, FactIndex)>,
    metrics: JournalMetrics,
    /// Commit of the clean end of the journal.
    closing: Option<u64>,
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

/// State of the end of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalEnd {
    /// The writer has not written the end yet.
    Pending,
    /// All records are durable.
    Written,
    /// The end cannot be written.
    Failed,
}

impl<S: Recorded> Journal<S> for Commits {
    /// Orders the fact at once. The writer commits it later.
    fn propose(&mut self, fact: Fact<'_>, ticket: S::Ticket, state: &mut S, now: Now) {
        let ordered = Ordered { ticket: Some(ticket), is_committed: false };
        state.apply(fact, ordered, now.steady);
        self.record(&fact, state, now);
    }
}

impl Commits {
    pub(super) fn new(start: ResumePoint) -> Self {
        let ResumePoint { options, ttl_ms, segment, durable, position, closed } = start;
        Self {
            options,
            jobs: VecDeque::new(),
            segments: Segments::new(segment, closed, ttl_ms),
            records: UncommittedRecords::default(),
            queue: CommitQueue::new(position),
            durability: Durability::new(options.sync, durable, position),
            failure: Failure::default(),
            checks: LocationChecks::new(segment.recorded_clocks.steady),
            cursor_flush: cursors::CursorFlush::default(),
            new_epoch: None,
            metrics: JournalMetrics::default(),
            closing: None,
        }
    }

    /// Takes the settings of a group that have changed: the time to live, and messages that are
    /// kept for more newcomers.
    pub fn on_rules_changed(&mut self, state: &impl Recorded) {
        self.segments.ttl_ms = state.ttl_ms();
        self.segments.open_mut().keep_from(oldest_needed(state));
    }

    /// Returns the next job for the writer.
    pub fn poll_job(&mut self) -> Option<WriterJob> {
        self.jobs.pop_front()
    }

    /// Puts back a job for which the writer had no room. It is the next job again.
    pub fn requeue(&mut self, job: WriterJob) {
        self.jobs.push_front(job);
    }

    fn put(&mut self, record: &Record<'_>, at: Millis) {
        self.records.put(record, at, self.segments.open().salt);
    }

    /// Encodes a fact that was applied as records of the next commit. A member that returned is
    /// recorded later, together with the cursors.
    fn record(&mut self, fact: &Fact<'_>, state: &impl Recorded, now: Now) {
        if !matches!(fact, Fact::Returned { .. }) {
            self.records.require_flush();
        }
        self.record_clock(now);
        match *fact {
            Fact::Returned { id, .. } => {
                // The messages above the cursor must still exist when the cursor is recorded.
                if let Some(member) = state.member_state(id) {
                    self.segments.open_mut().keep_from(member.acked.next());
                }
            }
            Fact::Registered { id, .. } | Fact::Member(MemberState { id, .. }) => {
                if let Some(announced) = state.announced_state(id) {
                    self.put(&Record::Announced { id, announced }, now.steady);
                }
                if let Some(member) = state.member_state(id) {
                    self.put(&Record::Member(member), now.steady);
                }
            }
            Fact::Deregistered { id } => {
                self.put(&Record::Deregistered { id }, now.steady);
                self.durability.add_deregistered(self.queue.next(), id);
            }
            Fact::NewEpoch { epoch } => {
                let before = state.position().index.before();
                self.put_new_epoch(epoch, before, now.steady);
            }
            Fact::Accepted { number, .. } => {
                if let Some((_, line, at)) = state.lines(state.position().last.before()).next() {
                    self.put(&Record::Accepted { number, line }, at);
                }
            }
            Fact::Acked { id, acked } => self.put(&Record::Acked { id, acked }, now.steady),
            Fact::Expired { before } => self.put(&Record::Expired { before }, now.steady),
            Fact::Snapshot { .. }
            | Fact::Own { .. }
            | Fact::Announced { .. }
            | Fact::AllNamed
            | Fact::Recovered { .. }
            | Fact::Numbered { .. }
            | Fact::Published { .. }
            | Fact::Lost { .. } => debug_assert!(false, "only a recovery makes these facts"),
            #[cfg(feature = "engine")]
            Fact::Entered { .. } | Fact::Located { .. } | Fact::Horizon { .. } => {
                debug_assert!(false, "only a list makes these facts");
            }
        }
    }

    /// Adds the record of a new epoch, which is synced in every mode. `before` is the last fact
    /// before the epoch.
    fn put_new_epoch(&mut self, epoch: Epoch, before: FactIndex, at: Millis) {
        self.put(&Record::NewEpoch { epoch }, at);
        self.records.require_flush();
        self.new_epoch = Some((self.queue.next(), before));
    }

    /// Records the cursors that have moved, and the members that have reconnected.
    fn put_cursors(&mut self, state: &mut impl Recorded, at: Millis) {
        let (records, salt) = (&mut self.records, self.segments.open().salt);
        cursors::put(state, |record| records.put(&record, at, salt));
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
                self.put_cursors(state, now.steady);
            }
        }
        if self.failure.waits() {
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
        if self.queue.is_full() {
            return; // The next turn includes these records.
        }
        // A start writes all messages after the last durable seq again.
        let last = self.durability.durable();
        if self.segments.open_mut().must_record_durable(last) {
            self.put(&Record::Durable { last }, now.steady);
        }
        let is_always = self.options.sync == SyncPolicy::Always
            || self.new_epoch.is_some_and(|(commit, _)| commit == self.queue.next());
        if self.checks.precedes_write(now.steady) {
            self.jobs.push_back(WriterJob::Check);
        }
        let (records, must_flush) = self.records.take();
        self.segments.open_mut().grow(records.len());
        self.append(records, must_flush && is_always, state.position());
        if self.segments.open().is_full()
            && let Some(salt) = draw()
        {
            let after = state.position().last;
            self.start_segment(state, SegmentStart { after, salt, is_rescue: false }, now);
        }
    }

    /// Submits the next commit.
    fn append(&mut self, records: Vec<u8>, must_sync: bool, position: JournalPosition) {
        let (commit, bytes) = (self.queue.next(), records.len());
        self.metrics.commit_bytes.record(bytes as u64);
        self.jobs.push_back(WriterJob::Append { commit, records, must_sync });
        self.queue.push(bytes, position);
    }

    /// Records the wall clock when it has moved against the steady clock, even in a turn without
    /// facts. Otherwise messages would be younger after a restart. Later facts may be cut off, so
    /// it comes first.
    fn record_clock(&mut self, now: Now) {
        if self.segments.open_mut().must_record_clocks(now) {
            self.put(&Record::Clock { unix: now.unix }, now.steady);
            self.records.require_flush(); // A power loss may follow.
        }
    }

    /// Starts a segment with the members, their cursors and messages.
    fn start_segment(&mut self, state: &impl Recorded, start: SegmentStart, now: Now) {
        let SegmentStart { after, salt, is_rescue } = start;
        let (old, commit) = (*self.segments.open(), self.queue.next());
        let mut continued = Vec::new();
        encode(&Record::Continued, now.steady, old.salt, &mut continued);
        let serial = old.serial.saturating_add(1);
        let (boot, sync) = (self.options.boot, mode(self.options.sync));
        let header = SegmentHeader { serial, salt, boot, sync, repeats: is_rescue };
        // A rescue writes records of the old epoch; the record of a new epoch comes after them.
        let epoch = if is_rescue { state.epoch() } else { state.decided_epoch() };
        let Snapshot { mut records, members_bytes } = snapshot(state, epoch, after, &header, now);
        for id in self.durability.deregistered().filter(|id| state.member_state(id).is_none()) {
            encode(&Record::Deregistered { id }, now.steady, salt, &mut records);
        }
        let position = state.position();
        let next = OpenSegment {
            serial,
            salt,
            start_commit: commit,
            bytes: file_bytes(&records),
            bytes_max: self.options.segment_bytes(members_bytes),
            recorded_clocks: now,
            recorded_durable: position.last,
            needed: oldest_needed(state),
        };
        let closing_bytes = if is_rescue { 0 } else { continued.len() as u64 };
        self.segments.start(next, closing_bytes, now.steady, position.last);
        self.checks.mark_checked(now.steady);
        let (bytes, is_whole) = (records.len(), self.durability.durable() == Seq::ZERO);
        self.jobs.push_back(WriterJob::NewSegment(NewSegment {
            commit,
            header,
            records,
            continued,
            is_rescue,
            is_whole,
        }));
        if !is_rescue {
            return self.queue.push(bytes, position);
        }
        // The segment replaces all failed commits.
        self.segments.retain_started(self.queue.done().0);
        self.queue.drop_in_progress();
        self.records.clear();
        self.failure.try_again(commit);
        let Some((_, before)) = self.new_epoch else { return self.queue.push(bytes, position) };
        // The record of the new epoch is in the next commit.
        self.queue.push(bytes, JournalPosition { index: before, ..position });
        self.put_new_epoch(state.decided_epoch(), before, now.steady);
    }

    /// Does what is due: a removal, a retry, a check, a sync.
    fn run_due(
        &mut self,
        state: &mut impl Recorded,
        now: Now,
        draw: &mut dyn FnMut() -> Option<Salt>,
    ) {
        if let Some(oldest) = self.segments.remove_due(self.queue.done().0, now.steady) {
            oldest.forget.into_iter().for_each(|last| state.forget_through(last));
            self.jobs.push_back(WriterJob::Remove { serial: oldest.serial });
        }
        if self.failure.is_retry_due(now.steady) {
            match draw() {
                Some(salt) => {
                    // Expired messages are not written. Their numbers stay used.
                    let kept = state.lines(self.durability.durable()).next();
                    let after = kept.map_or(state.position().last, |(seq, ..)| seq.before());
                    self.start_segment(state, SegmentStart { after, salt, is_rescue: true }, now);
                }
                None => self.failure.retry_later(now.steady),
            }
        }
        if self.failure.is_failing() {
            return; // There is no segment to sync.
        }
        if self.checks.is_due(now.steady) {
            self.jobs.push_back(WriterJob::Check);
        }
        if self.durability.must_sync(self.queue.done().0, self.queue.latest(), now.steady) {
            self.jobs.push_back(WriterJob::Sync);
        }
    }

    /// Writes the last cursors and the record of a clean end.
    pub fn close(&mut self, state: &mut impl Recorded, now: Now) {
        self.put_cursors(state, now.steady);
        if !self.failure.is_failing() {
            self.put(&Record::Closed, now.steady);
            self.closing = Some(self.queue.next());
            let (records, _) = self.records.take();
            self.append(records, true, state.position());
        }
    }
}

#[cfg(test)]
mod tests;
