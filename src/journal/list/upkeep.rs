//! Work of the journal of a site that is due by time: batches, and their repetition.

use super::entry::EntryKind;
use super::io::{ListJob, ListNotice, ListReport, SiteEnd};
use super::names::{Life, ListPosition};
use super::observed::ListObserved;
use super::reading::ReportHandler;
use super::record::ListRecord;
use super::site::{SiteJournal, SitePhase};
use super::snapshot_schedule::{Snapshots, run_snapshots, send_pieces};
use crate::facts::Replicated;
use crate::limits::list::{
    LIST_CURSORS_MS, PUBLISH_AGAIN_MS, PUBLISH_PAUSE_MS, PULSE_MS, READ_BACK_MS, START_SILENCE_MS,
};
use crate::protocol::{Epoch, Seq};
use crate::time::{Millis, Now};

/// Deadlines and counters of a site.
#[derive(Clone, Debug, Default)]
pub(super) struct Upkeep {
    pub(super) last_tag: u64,
    pub(super) repetition: Repetition,
    pub(super) snapshots: Snapshots,
    /// Time of the last batch that this process began.
    batch_at: Millis,
    cursors_at: Option<Millis>,
    /// Time of the last report of the engine.
    pub(super) reported_at: Option<Millis>,
    /// Last position at which the engine told that an entry is stored.
    pub(super) confirmed: ListPosition,
    pub(super) observed: ListObserved,
    /// Position that was asked for last, until an entry comes.
    pub(super) asked_from: Option<ListPosition>,
    was_full: bool,
    was_failing: bool,
    /// Seq above the last one that a member named, and the first batch that begins after that.
    pub(super) asked: Option<(Seq, u64)>,
}

/// Repetition of the batch under way.
#[derive(Clone, Debug, Default)]
pub(super) struct Repetition {
    /// Number of the last publish of the batch.
    tag: u64,
    /// True if the batch must be encoded again, with a new header.
    pub(super) renew: bool,
    /// Time of the next repetition.
    pub(super) again_at: Option<Millis>,
    /// Reason of the last refusal, until a batch is decided. It is reported once.
    refused: Option<Box<str>>,
}

impl Upkeep {
    pub(super) fn next_tag(&mut self) -> u64 {
        self.last_tag = self.last_tag.saturating_add(1);
        self.last_tag
    }

    /// The batch under way was sent.
    pub(super) fn sent(&mut self, tag: u64, now: Millis) {
        let again_at = Some(now.plus(PUBLISH_AGAIN_MS));
        let refused = self.repetition.refused.take();
        self.repetition = Repetition { tag, renew: false, again_at, refused };
        self.batch_at = now;
    }

    /// The batch under way is decided.
    pub(super) fn decided(&mut self, position: ListPosition) {
        self.confirmed = self.confirmed.max(position);
        self.repetition.again_at = None;
        self.repetition.refused = None;
    }
}

impl<T: Copy + Ord> SiteJournal<T> {
    /// Handles a report of the engine. Returns true if facts were applied.
    pub fn handle<S: Replicated<Ticket = T>>(
        &mut self,
        report: ListReport,
        state: &mut S,
        now: Now,
    ) -> bool {
        if self.ended().is_some() {
            return false;
        }
        self.upkeep.reported_at = Some(now.steady);
        ReportHandler { journal: self, state, now }.handle(report)
    }

    pub(super) fn on_stored(&mut self, tag: u64, position: ListPosition, now: Millis) {
        self.upkeep.confirmed = self.upkeep.confirmed.max(position);
        self.upkeep.snapshots.on_stored(tag, now);
        send_pieces(self);
        if tag != self.upkeep.repetition.tag || self.upkeep.repetition.renew {
            return;
        }
        let Some(batch) = &mut self.proposals.under_way else { return };
        if position <= self.list.position() {
            return self.end_in_doubt(); // Another entry was read there.
        }
        if batch.stored.is_none() {
            batch.stored = Some(position);
            self.upkeep.repetition.again_at = Some(now.plus(READ_BACK_MS));
        }
    }

    pub(super) fn on_not_stored(&mut self, tag: u64, reason: Box<str>, now: Millis) {
        if tag == self.upkeep.repetition.tag {
            if self.upkeep.repetition.refused.as_ref() != Some(&reason) {
                self.upkeep.repetition.refused = Some(reason.clone());
                self.notices.push_back(ListNotice::Refused(reason));
            }
            self.upkeep.repetition.again_at = Some(now.plus(PUBLISH_PAUSE_MS));
        } else if self.upkeep.snapshots.give_up(tag) {
            self.notices.push_back(ListNotice::Refused(format!("a snapshot: {reason}").into()));
        }
    }

    /// Ends a turn: makes a batch of the proposals if none is under way, and does what is due.
    /// Nothing is due after the end of the service. `draw` draws random bits.
    pub fn commit<S: Replicated<Ticket = T>>(
        &mut self,
        state: &mut S,
        now: Now,
        mut draw: impl FnMut() -> Option<u64>,
    ) {
        if matches!(self.phase, SitePhase::Watching { .. }) && self.is_beginning(now.steady) {
            self.phase = SitePhase::Beginning;
        }
        match self.phase {
            SitePhase::Beginning if self.proposals.is_idle() => self.try_to_begin(now, &mut draw),
            SitePhase::Serving if self.proposals.are_closed => self.send_rest(now),
            SitePhase::Serving => {
                self.put_cursors(state, now.steady);
                self.begin_batch(state, now, &mut draw);
                run_snapshots(self, state, now, &mut draw);
            }
            SitePhase::Snapshot(_) | SitePhase::Replay => self.read_again(now.steady),
            SitePhase::Beginning | SitePhase::Watching { .. } => (),
            SitePhase::Ended(_) => return,
        }
        self.repeat(state, now);
    }

    /// Subscribes again if a start gets no entries.
    fn read_again(&mut self, now: Millis) {
        let reported_at = *self.upkeep.reported_at.get_or_insert(now);
        if reported_at.plus(START_SILENCE_MS) <= now {
            self.upkeep.reported_at = Some(now);
            let next = match self.phase {
                SitePhase::Snapshot(first) => first,
                SitePhase::Replay
                | SitePhase::Watching { .. }
                | SitePhase::Beginning
                | SitePhase::Serving
                | SitePhase::Ended(_) => self.list.position().next(),
            };
            self.jobs.push_back(ListJob::ReadFrom(next));
        }
    }

    /// Begins the life of this process: its first batch has the life, and perhaps a new epoch.
    fn try_to_begin(&mut self, now: Now, draw: &mut dyn FnMut() -> Option<u64>) {
        let (epoch, tasks) = (&self.list.epoch, &self.options.tasks);
        let is_doubtful =
            epoch.is_doubtful || self.doubtful_epoch == Some(epoch.epoch) || self.doubt().is_some();
        let begins_epoch = tasks.begins_epoch || is_doubtful;
        let bits = if begins_epoch { draw() } else { None };
        if begins_epoch && bits.is_none() {
            return; // The next turn tries again.
        }
        self.life = Life { began: self.list.position(), ..self.life };
        self.proposals.add(&ListRecord::Life, None);
        if let Some(epoch) = bits.map(Epoch::new) {
            self.proposals.add(&ListRecord::Epoch { epoch }, None);
        }
        self.send_batch(now);
    }

    /// Begins the next batch of a life whose end is proposed.
    fn send_rest(&mut self, now: Now) {
        if self.proposals.under_way.is_none() && self.proposals.has_waiting() {
            self.send_batch(now);
        }
    }

    fn send_batch(&mut self, now: Now) {
        let header = self.header(now);
        let bytes = self.proposals.begin(&header, now.steady);
        let tag = self.publish(EntryKind::Log, bytes);
        self.upkeep.sent(tag, now.steady);
    }

    fn put_cursors<S: Replicated<Ticket = T>>(&mut self, state: &mut S, now: Millis) {
        if !state.has_cursor_changes() {
            return;
        }
        let at = *self.upkeep.cursors_at.get_or_insert(now.plus(LIST_CURSORS_MS));
        if at <= now {
            self.upkeep.cursors_at = None;
            self.propose_cursors(state);
        }
    }

    /// Begins the next batch, or an empty one if the last one is long ago. A doubtful epoch ends
    /// with the next batch of one site. While the backlog is full, texts get no batch.
    fn begin_batch<S: Replicated<Ticket = T>>(
        &mut self,
        state: &mut S,
        now: Now,
        draw: &mut dyn FnMut() -> Option<u64>,
    ) {
        if self.proposals.under_way.is_some() {
            return;
        }
        if self.proposals.has_waiting() && state.is_full() {
            self.refuse_texts(state);
        }
        if self.list.epoch.is_doubtful && self.list.lowest_live() == Some(&self.options.site) {
            let Some(epoch) = draw().map(Epoch::new) else { return };
            self.proposals.add_first(&ListRecord::Epoch { epoch });
        }
        let pulse_at = self.upkeep.batch_at.plus(PULSE_MS);
        if self.proposals.has_waiting() || pulse_at <= now.steady {
            self.send_batch(now);
        }
    }

    /// Sends the batch under way again, withdraws it, or reads the list again, if that is due.
    fn repeat<S: Replicated<Ticket = T>>(&mut self, state: &mut S, now: Now) {
        let Some(batch) = &self.proposals.under_way else { return };
        let steady = now.steady;
        let is_late = batch.begun.plus(self.options.engine_timeout_ms) <= steady;
        let withdraws = is_late && !batch.is_withdrawn && self.phase == SitePhase::Serving;
        if withdraws {
            self.withdraw_waiting(state);
        }
        let is_due = self.upkeep.repetition.again_at.is_some_and(|at| at <= steady);
        if withdraws || self.upkeep.repetition.renew {
            // A new header: this site has read more since.
            let header = self.header(now);
            let bytes = self.proposals.renew(&header, withdraws);
            let tag = self.publish(EntryKind::Log, bytes);
            return self.upkeep.sent(tag, steady);
        }
        let Some(batch) = self.proposals.under_way.as_mut().filter(|_| is_due) else { return };
        if let Some(position) = batch.stored.take() {
            self.notices.push_back(ListNotice::NotReadBack(position));
            self.jobs.push_back(ListJob::ReadFrom(self.list.position().next()));
            return self.upkeep.repetition.again_at = Some(steady.plus(READ_BACK_MS));
        }
        let bytes = batch.bytes.clone();
        let tag = self.publish(EntryKind::Log, bytes);
        self.upkeep.sent(tag, steady);
    }

    /// Withdraws the proposals that were never sent: they are certainly not in the list. A client
    /// gets its replies in order, so those behind a proposal that was sent wait for that one.
    fn withdraw_waiting<S: Replicated<Ticket = T>>(&mut self, state: &mut S) {
        let (withdrawn, proposals) = self.proposals.take_withdrawable();
        self.withdraw_all(withdrawn, state);
        self.notices.push_back(ListNotice::Withdrawn { proposals });
    }

    /// Returns the time at which the journal has something to do.
    #[must_use]
    pub fn deadline(&self) -> Option<Millis> {
        if self.ended().is_some() {
            return None;
        }
        let again = self.proposals.under_way.as_ref().and(self.upkeep.repetition.again_at);
        let withdrawal = self.proposals.under_way.as_ref().filter(|batch| !batch.is_withdrawn);
        let withdrawal = withdrawal.map(|batch| batch.begun.plus(self.options.engine_timeout_ms));
        let pulse = match self.phase {
            SitePhase::Serving
                if self.proposals.under_way.is_none() && !self.proposals.are_closed =>
            {
                Some(self.upkeep.batch_at.plus(PULSE_MS))
            }
            SitePhase::Watching { until, .. } => Some(until),
            SitePhase::Snapshot(_) | SitePhase::Replay => {
                self.upkeep.reported_at.map(|at| at.plus(START_SILENCE_MS))
            }
            SitePhase::Serving | SitePhase::Beginning | SitePhase::Ended(_) => None,
        };
        [again, withdrawal, pulse, self.upkeep.cursors_at].into_iter().flatten().min()
    }

    /// Returns true or false if requests are refused, or no longer, since the last call.
    pub fn take_failing(&mut self) -> Option<bool> {
        let is_failing = self.is_failing();
        let was_failing = std::mem::replace(&mut self.upkeep.was_failing, is_failing);
        (was_failing != is_failing).then_some(is_failing)
    }

    /// Returns true while requests are refused, because the engine has not answered in time.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.proposals.under_way.as_ref().is_some_and(|batch| batch.is_withdrawn)
    }

    /// The same as [`SiteJournal::take_failing`], for too many bytes that wait.
    pub fn take_fullness(&mut self) -> Option<bool> {
        let is_full = self.waiting_bytes() >= self.options.waiting_bytes_max;
        let was_full = std::mem::replace(&mut self.upkeep.was_full, is_full);
        (was_full != is_full).then_some(is_full)
    }

    /// Proposes the end of this life, after all other proposals.
    pub fn close<S: Replicated<Ticket = T>>(&mut self, state: &mut S) {
        if self.phase == SitePhase::Serving {
            self.propose_cursors(state);
            self.proposals.add(&ListRecord::End, None);
            (self.proposals.are_closed, self.upkeep.cursors_at) = (true, None);
        }
    }

    /// Returns the reason why the process cannot serve.
    #[must_use]
    pub fn ended(&self) -> Option<&SiteEnd> {
        match &self.phase {
            SitePhase::Ended(reason) => Some(reason),
            SitePhase::Snapshot(_)
            | SitePhase::Replay
            | SitePhase::Watching { .. }
            | SitePhase::Beginning
            | SitePhase::Serving => None,
        }
    }
}
