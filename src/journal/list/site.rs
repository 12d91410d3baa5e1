//! The journal of a site: proposals go into the list, and what the list says is applied.
//!
//! ```text
//!   propose ─► Proposals ─► commit ─► ListJob::Publish ─► engine
//!                                                           │
//!   state ◄── Application ◄── ListState::read ◄── ListReport::Entry
//! ```
//!
//! A fact is applied when its batch comes back, and is committed then. Tickets of own proposals
//! wait until that time.

use std::collections::VecDeque;

use super::applying::fact;
use super::batch::BatchHeader;
use super::chain::Chain;
use super::entry::EntryKind;
use super::io::{Doubt, ListJob, ListNotice, SiteEnd};
use super::locating::Located;
use super::names::{Life, ListPosition, MemberVisit, SiteName};
use super::proposals::{Proposals, RecordBatch};
use super::record::{ListRecord, SharedRules};
use super::snapshot::Collector;
use super::start::StartTasks;
use super::state::ListState;
use super::upkeep::Upkeep;
use crate::facts::{Fact, Journal, MemberState, Replicated};
use crate::protocol::{ANNOUNCER, Epoch, Seq};
use crate::time::{Millis, Now};

/// Settings of the journal of a site.
#[derive(Clone, Debug)]
pub struct SiteOptions {
    /// Name of the site.
    pub site: SiteName,
    /// Settings that the group must have.
    pub rules: SharedRules,
    /// Milliseconds that a proposal waits for the engine.
    pub engine_timeout_ms: u64,
    /// Most bytes of proposals that wait.
    pub waiting_bytes_max: usize,
    /// Tasks from the start or the service before this one.
    pub tasks: StartTasks,
    /// Time of the engine's clock, and the steady time at that moment. The ages of the entries that
    /// a start reads count from it, because the clock of this machine may be wrong.
    pub engine_time: Now,
}

/// State of the start of a site, and of its service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SitePhase {
    /// Reading the first whole snapshot of a list that begins at this position.
    Snapshot(ListPosition),
    /// Reading the list.
    Replay,
    /// Watching until this time for another process of this name.
    Watching {
        /// End of the watch.
        until: Millis,
        /// Number of the last batch of the other process.
        number: u64,
        /// Life of the other process.
        life: Life,
    },
    /// The first batch of this life is on its way.
    Beginning,
    /// Requests are served.
    Serving,
    /// The process can no longer serve.
    Ended(SiteEnd),
}

/// The journal of a site.
#[derive(Debug)]
pub struct SiteJournal<T> {
    pub(super) options: SiteOptions,
    pub(super) list: ListState,
    pub(super) phase: SitePhase,
    pub(super) life: Life,
    /// Number of the last batch of this life that counts.
    pub(super) number: u64,
    pub(super) proposals: Proposals<T>,
    pub(super) jobs: VecDeque<ListJob>,
    pub(super) notices: VecDeque<ListNotice>,
    pub(super) collector: Collector,
    pub(super) located: Located,
    /// Epoch that must end, unless it has ended already.
    pub(super) doubtful_epoch: Option<Epoch>,
    pub(super) upkeep: Upkeep,
}

impl<S: Replicated> Journal<S> for SiteJournal<S::Ticket> {
    fn propose(&mut self, fact: Fact<'_>, ticket: S::Ticket, state: &mut S, now: Now) {
        // Nothing may wait until the engine answers again: the client may be at another site then.
        let may_wait = self.phase == SitePhase::Serving && !self.is_failing();
        let record = self.record::<S>(&fact, ticket, state, now).filter(|_| may_wait);
        match record {
            Some(record) => self.proposals.add(&record, Some(ticket)),
            None => state.withdraw(fact, ticket),
        }
    }

    /// A member had a message from another site before it named the seq. So the message stands
    /// before every batch that begins later.
    fn is_lost(&mut self, seq: Seq) -> bool {
        if let Some((asked, number)) = self.upkeep.asked
            && seq <= asked
        {
            let is_decided = number <= self.number;
            self.upkeep.asked.take_if(|_| is_decided);
            return is_decided;
        }
        let under_way = u64::from(self.proposals.under_way.is_some());
        self.upkeep.asked = Some((seq, self.number.saturating_add(under_way).saturating_add(1)));
        false
    }
}

impl<T: Copy + Ord> SiteJournal<T> {
    /// Creates the journal of a list that begins at `first`. `random` makes this life unlike any
    /// other one.
    #[must_use]
    pub fn new(mut options: SiteOptions, first: ListPosition, random: u64) -> Self {
        let tasks = &mut options.tasks;
        // The list has no entry that is known to be missing, if all up to it were removed.
        tasks.missing = if tasks.missing < first { ListPosition::ZERO } else { tasks.missing };
        let first = if tasks.missing < first { first } else { tasks.missing.next() };
        let is_whole = first.0 <= 1;
        let phase = if is_whole { SitePhase::Replay } else { SitePhase::Snapshot(first) };
        Self {
            options,
            list: ListState::default(),
            phase,
            life: Life { began: ListPosition::ZERO, random },
            number: 0,
            proposals: Proposals::default(),
            jobs: VecDeque::from([ListJob::ReadFrom(ListPosition(first.0.max(1)))]),
            notices: VecDeque::new(),
            collector: Collector::default(),
            located: Located::default(),
            doubtful_epoch: None,
            upkeep: Upkeep::default(),
        }
    }

    /// Returns the next job for the engine.
    pub fn poll_job(&mut self) -> Option<ListJob> {
        self.jobs.pop_front()
    }

    /// Puts back a job for which the engine had no room. It is the next job again.
    pub fn requeue(&mut self, job: ListJob) {
        self.jobs.push_front(job);
    }

    /// Returns the next change for the operator.
    pub fn poll_notice(&mut self) -> Option<ListNotice> {
        self.notices.pop_front()
    }

    /// Returns the state that follows from the list.
    #[must_use]
    pub fn list(&self) -> &ListState {
        &self.list
    }

    /// Returns the phase.
    #[must_use]
    pub fn phase(&self) -> &SitePhase {
        &self.phase
    }

    /// Returns the name of the site.
    #[must_use]
    pub fn name(&self) -> &SiteName {
        &self.options.site
    }

    /// Returns true if a member came to this site since the last call: its message socket may have
    /// bytes due.
    pub fn take_joined(&mut self) -> bool {
        std::mem::take(&mut self.located.has_joined)
    }

    /// Returns true if nothing waits for the list.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.proposals.is_idle()
    }

    /// Returns the bytes of proposals that wait.
    #[must_use]
    pub fn waiting_bytes(&self) -> usize {
        self.proposals.waiting_bytes()
    }

    pub(super) fn end(&mut self, reason: SiteEnd) {
        if !matches!(self.phase, SitePhase::Ended(_)) {
            self.phase = SitePhase::Ended(reason);
        }
    }

    /// Decides who must compare its history with the list, after a batch of a site that was shown
    /// another history and had read as far as `seen`. A site that has begun since has just read the
    /// list, so it is the other one, which does so when it reads a batch of this life.
    pub(super) fn compare_again(&mut self, seen: ListPosition) {
        let own = self.list.site(&self.options.site);
        let knows_this_life = own.is_some_and(|own| own.began_at <= seen);
        if self.phase == SitePhase::Serving && knows_this_life && self.list.may_begin_epoch(seen) {
            self.end_in_doubt();
        }
    }

    /// Returns true if the first batch of this life is sent at this time, or was sent.
    #[must_use]
    pub fn is_beginning(&self, now: Millis) -> bool {
        match self.phase {
            SitePhase::Watching { until, .. } => until <= now,
            SitePhase::Beginning | SitePhase::Serving => true,
            SitePhase::Snapshot(_) | SitePhase::Replay | SitePhase::Ended(_) => false,
        }
    }

    /// Returns what the process before this one had read and the list lacks, if no epoch that began
    /// later has told everybody.
    #[must_use]
    pub fn doubt(&self) -> Option<Doubt> {
        let epoch_began = self.list.epoch.began_at;
        self.options.tasks.doubt.filter(|doubt| epoch_began <= doubt.epoch_began)
    }

    /// Ends the service because the engine showed two histories.
    pub(super) fn end_in_doubt(&mut self) {
        let (position, chain): (ListPosition, Chain) = (self.list.position(), self.list.chain());
        let (epoch_began, has_served) = (self.list.epoch.began_at, self.has_served());
        self.end(SiteEnd::Doubtful { doubt: Doubt { position, chain, epoch_began }, has_served });
    }

    /// Returns true if this start has done what it had to: an epoch that was due began with its
    /// first batch, unless another site had begun one by then.
    pub(super) fn has_served(&self) -> bool {
        self.phase == SitePhase::Serving
    }

    /// Returns the header of the next batch of this life.
    pub(super) fn header(&self, now: Now) -> BatchHeader {
        BatchHeader {
            site: self.options.site.clone(),
            life: self.life,
            number: self.number.saturating_add(1),
            seen: self.list.position(),
            chain: self.list.chain(),
            time: now.unix,
        }
    }

    pub(super) fn publish(&mut self, kind: EntryKind, bytes: bytes::Bytes) -> u64 {
        let tag = self.upkeep.next_tag();
        self.jobs.push_back(ListJob::Publish { tag, kind, bytes });
        tag
    }

    /// Returns the current visit of a member at this site.
    pub(super) fn visit_here(&self, id: &str) -> Option<MemberVisit> {
        let home = self.list.homes().of(id)?;
        (home.site == self.options.site).then_some(home.visit)
    }

    /// Returns the record of a fact; `None` if the fact cannot be proposed.
    fn record<'f, S: Replicated<Ticket = T>>(
        &self,
        fact: &Fact<'f>,
        ticket: T,
        state: &S,
        now: Now,
    ) -> Option<ListRecord<'f>> {
        Some(match *fact {
            Fact::Registered { id, owner, address, past } => {
                let start = state.start_of_newcomer(past, now.steady);
                ListRecord::Enter { owner, address, start, id }
            }
            Fact::Returned { id, before, owner, address, acked } => {
                let visit = self.list.homes().of(id)?.visit;
                ListRecord::Return { before, owner, visit, address, acked, id }
            }
            Fact::Deregistered { id } => {
                let before = state.member_state(id)?.owner;
                let own = &self.options.site;
                let home = self.list.homes().of(id)?;
                let is_forgotten = S::is_timed(ticket);
                if is_forgotten && !self.located.decides_for(home, own) {
                    return None;
                }
                ListRecord::Leave { before, visit: home.visit, is_forgotten, id }
            }
            Fact::Accepted { sender, number, text, .. } => {
                let visit = match sender {
                    ANNOUNCER => None,
                    _ => Some(self.visit_here(sender)?),
                };
                ListRecord::Say { visit, number, id: sender, text }
            }
            Fact::NewEpoch { epoch } => ListRecord::Epoch { epoch },
            Fact::Acked { .. }
            | Fact::Snapshot { .. }
            | Fact::Member(_)
            | Fact::Own { .. }
            | Fact::Announced { .. }
            | Fact::AllNamed
            | Fact::Recovered { .. }
            | Fact::Numbered { .. }
            | Fact::Published { .. }
            | Fact::Expired { .. }
            | Fact::Lost { .. }
            | Fact::Entered { .. }
            | Fact::Located { .. }
            | Fact::Horizon { .. } => return None,
        })
    }

    /// Proposes the cursors that have moved, and the members that have gone.
    pub(super) fn propose_cursors<S: Replicated<Ticket = T>>(&mut self, state: &mut S) {
        let mut changed: Vec<(Box<str>, Seq)> = Vec::new();
        state.take_cursor_changes(|change| {
            if let Fact::Acked { id, acked } | Fact::Member(MemberState { id, acked, .. }) = change
            {
                changed.push((id.into(), acked));
            } else {
                debug_assert!(false, "no other fact is a change of a cursor");
            }
        });
        for (id, acked) in changed {
            let Some(visit) = self.visit_here(&id) else { continue };
            let Some(home) = self.list.homes().of(&id) else { continue };
            if acked > home.acked {
                self.proposals.add(&ListRecord::Acked { visit, acked, id: &id }, None);
            }
            if home.is_online && !state.is_online_here(&id) {
                self.proposals.add(&ListRecord::Gone { visit, id: &id }, None);
            }
        }
    }

    /// Refuses the requests of proposals that will never be in the list. Cursors, and members that
    /// have gone, are proposed again.
    pub(super) fn withdraw_all<S: Replicated<Ticket = T>>(
        &mut self,
        content: RecordBatch<T>,
        state: &mut S,
    ) {
        self.upkeep.observed.on_withdrawn(content.tickets.len());
        let (mut records, time) = (content.records.as_slice(), self.list.time);
        for ticket in content.tickets {
            let Some(record) = ListRecord::take(&mut records) else { return };
            match (record, ticket) {
                // Nothing else says again where a cursor is, or that a member has gone.
                (ListRecord::Acked { .. } | ListRecord::Gone { .. }, None) => {
                    self.proposals.add(&record, None);
                }
                (_, Some(ticket)) => {
                    fact(&record, time).into_iter().for_each(|fact| state.withdraw(fact, ticket));
                }
                (_, None) => (),
            }
        }
    }

    /// Refuses the texts that wait for the next batch, because the backlog is full.
    pub(super) fn refuse_texts<S: Replicated<Ticket = T>>(&mut self, state: &mut S) {
        let content = self.proposals.take_texts();
        let (mut records, time) = (content.records.as_slice(), self.list.time);
        for ticket in content.tickets {
            let Some(record) = ListRecord::take(&mut records) else { return };
            if let (Some(fact), Some(ticket)) = (fact(&record, time), ticket) {
                state.refuse_full(fact, ticket);
            }
        }
    }
}
