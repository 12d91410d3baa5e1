//! Changes that follow from the reports of the engine.

use super::applying::Application;
use super::batch::ListBatch;
use super::chain::ChainCheck;
use super::entry::{EntryKind, ListEntry};
use super::io::{ListJob, ListNotice, ListReport, SiteEnd};
use super::names::ListPosition;
use super::proposals::BatchUnderWay;
use super::site::{SiteJournal, SitePhase};
use super::snapshot::{PieceHeader, restore};
use super::state::{Judgement, VoidReason};
use crate::facts::{Fact, Ordered, Replicated};
use crate::limits::list::RIVAL_WATCH_MS;
use crate::time::{Millis, Now, UnixMillis};

/// The journal of a site and the state machine, while they handle a report.
pub(super) struct ReportHandler<'a, S: Replicated> {
    pub(super) journal: &'a mut SiteJournal<S::Ticket>,
    pub(super) state: &'a mut S,
    pub(super) now: Now,
}

impl<S: Replicated> ReportHandler<'_, S> {
    /// Handles a report. Returns true if facts were applied.
    pub(super) fn handle(&mut self, report: ListReport) -> bool {
        let steady = self.now.steady;
        let journal = &mut *self.journal;
        match report {
            ListReport::Entry { position, stored, kind, bytes } => {
                return self.on_entry(&ListEntry { position, stored, kind, bytes: &bytes });
            }
            ListReport::Missing { first, last } => {
                let next = journal.list.position().next();
                if let SitePhase::Snapshot(begin) = &mut journal.phase {
                    // They were removed since this start has looked where the list begins.
                    *begin = if first <= *begin { last.next().max(*begin) } else { *begin };
                } else if first <= next && next <= last {
                    let has_served = journal.has_served();
                    journal.end(SiteEnd::FellBehind { first: next, last, has_served });
                }
            }
            ListReport::CaughtUp { last } => self.on_caught_up(last),
            ListReport::Stored { tag, position } => journal.on_stored(tag, position, steady),
            ListReport::NotStored { tag, reason } => journal.on_not_stored(tag, reason, steady),
            ListReport::Connected => {
                journal.notices.push_back(ListNotice::Engine(Ok(())));
                journal.upkeep.asked_from = None;
                journal.upkeep.repetition.again_at = Some(steady);
            }
            ListReport::Disconnected { reason } => {
                journal.notices.push_back(ListNotice::Engine(Err(reason)));
            }
            ListReport::Gone { reason } => journal.end(SiteEnd::Gone(reason)),
            ListReport::WentBack { last } => {
                if last < journal.list.position() || last < journal.upkeep.confirmed {
                    journal.end_in_doubt();
                }
            }
        }
        false
    }

    fn on_entry(&mut self, entry: &ListEntry<'_>) -> bool {
        let ListEntry { position, stored, kind, bytes } = *entry;
        let at = self.time_of(stored);
        self.put_horizon(at);
        if kind == EntryKind::Snapshot
            && let Some(version) = self.journal.collector.take_other_version(bytes)
        {
            self.journal.notices.push_back(ListNotice::OtherSnapshot { position, version });
        }
        if let SitePhase::Snapshot(first) = self.journal.phase {
            if kind == EntryKind::Snapshot
                && let Some((header, content)) = self.journal.collector.take(bytes)
            {
                self.begin_at_snapshot(first, &header, &content, at);
            }
            return false;
        }
        let journal = &mut *self.journal;
        let next = journal.list.position().next();
        if position < next {
            // It was read before the last subscription.
            if !journal.list.chain.is_as_read(entry) {
                journal.end_in_doubt();
            }
            return false;
        }
        if position > next {
            // Entries of the earlier subscription may still come: one question is enough.
            if journal.upkeep.asked_from.replace(next) != Some(next) {
                journal.jobs.push_back(ListJob::ReadFrom(next));
            }
            return false;
        }
        journal.upkeep.asked_from = None;
        journal.upkeep.observed.on_entry(self.now.steady);
        journal.upkeep.snapshots.count_bytes(bytes.len());
        let applied = match kind {
            EntryKind::Log => self.read_log(entry, at),
            EntryKind::Snapshot => {
                if let Some(name) = journal.list.read_piece(entry) {
                    journal.upkeep.snapshots.is_whole(&name);
                    journal.notices.push_back(ListNotice::Snapshot(name.base));
                }
                false
            }
        };
        self.settle_doubt();
        self.journal.list.raise_horizon(self.state.position().last);
        self.put_horizon(at);
        self.locate_changes(at);
        self.check_rival();
        applied
    }

    /// Returns the group time of an entry. A running site takes the time at which it applies the
    /// entry, because its clock may differ from that of the engine.
    fn time_of(&self, stored: UnixMillis) -> Millis {
        match self.journal.phase {
            SitePhase::Snapshot(_) | SitePhase::Replay => {
                // The age now, less the time since the start: a clock may be set meanwhile.
                let Now { steady, unix } = self.journal.options.engine_time;
                let age_ms = unix.0.saturating_sub(stored.0);
                let begun_later_ms = stored.0.saturating_sub(unix.0);
                let at = steady.as_u64().saturating_sub(age_ms).saturating_add(begun_later_ms);
                self.now.steady.min(Millis::new(at))
            }
            SitePhase::Watching { .. }
            | SitePhase::Beginning
            | SitePhase::Serving
            | SitePhase::Ended(_) => self.now.steady,
        }
    }

    fn read_log(&mut self, entry: &ListEntry<'_>, at: Millis) -> bool {
        match self.journal.list.read(entry) {
            Judgement::Counts(batch) => {
                self.apply(entry.position, &batch, at);
                true
            }
            Judgement::Void(reason) => {
                self.on_void(entry, reason);
                false
            }
            Judgement::Newer(version) => {
                self.journal.end(SiteEnd::NewerVersion(version));
                false
            }
        }
    }

    fn apply(&mut self, position: ListPosition, batch: &ListBatch<'_>, at: Millis) {
        let (header, journal) = (&batch.header, &mut *self.journal);
        let is_own = header.site == journal.options.site && header.life == journal.life;
        journal.upkeep.observed.on_batch(&header.site, header.seen);
        let mut tickets = Vec::new();
        if is_own && let Some(mine) = journal.proposals.finish() {
            journal.number = header.number;
            journal.upkeep.decided(position);
            let BatchUnderWay { content, .. } = mine;
            if batch.count() == content.tickets.len() {
                tickets = content.tickets;
            } else {
                journal.withdraw_all(content, self.state); // The empty batch came first.
            }
        }
        let (site, list, state) = (&header.site, &mut journal.list, &mut *self.state);
        let (seen, has_joined) = (header.seen, &mut journal.located.has_joined);
        Application { list, state, position, seen, site, is_own, at, index: 0, has_joined }
            .apply(batch, tickets);
        self.state.drop_excess();
        if is_own && journal.phase == SitePhase::Beginning {
            journal.phase = SitePhase::Serving;
            journal.options.tasks.doubt = None;
            // The end of the process before this one may have come since they were located.
            self.locate_all(at);
        }
    }

    /// Handles a batch that does not count. If it is the one under way, it may be encoded
    /// again.
    fn on_void(&mut self, entry: &ListEntry<'_>, reason: VoidReason) {
        let ListEntry { position, bytes, .. } = *entry;
        let journal = &mut *self.journal;
        if journal.phase != SitePhase::Replay {
            journal.upkeep.observed.on_void(&reason);
        }
        if !matches!(reason, VoidReason::OtherNumber { .. }) {
            journal.notices.push_back(ListNotice::Void { position, reason });
        }
        let is_mine = journal.proposals.under_way.as_ref().is_some_and(|mine| mine.bytes == bytes);
        match reason {
            VoidReason::OtherHistory { position, .. } => journal.compare_again(position),
            VoidReason::TooOld if is_mine => journal.upkeep.repetition.renew = true,
            VoidReason::TooManySites if is_mine => journal.end(SiteEnd::TooManySites),
            VoidReason::OtherLife if is_mine && journal.phase == SitePhase::Beginning => {
                journal.end(SiteEnd::NameInUse(journal.options.site.clone()));
            }
            VoidReason::TooOld
            | VoidReason::TooManySites
            | VoidReason::OtherLife
            | VoidReason::Damaged
            | VoidReason::OtherNumber { .. }
            | VoidReason::Founding => (),
        }
    }

    /// Ends the service if another process serves under this name.
    fn check_rival(&mut self) {
        let journal = &mut *self.journal;
        let name = &journal.options.site;
        let latest = journal.list.site(name);
        let end = match journal.phase {
            SitePhase::Serving if latest.is_none_or(|latest| latest.life != journal.life) => {
                SiteEnd::Superseded(name.clone())
            }
            // One batch of a process that is dead can be on its way.
            SitePhase::Watching { number, life, .. }
                if latest.is_some_and(|it| {
                    let is_live = it.life != life || it.number > number.saturating_add(1);
                    is_live && !it.has_ended
                }) =>
            {
                SiteEnd::NameInUse(name.clone())
            }
            SitePhase::Snapshot(_)
            | SitePhase::Replay
            | SitePhase::Watching { .. }
            | SitePhase::Beginning
            | SitePhase::Serving
            | SitePhase::Ended(_) => return,
        };
        journal.end(end);
    }

    fn begin_at_snapshot(
        &mut self,
        first: ListPosition,
        header: &PieceHeader,
        content: &[u8],
        at: Millis,
    ) {
        let base = header.name.base;
        if base < first.before() {
            return; // Entries between the snapshot and the first entry are gone.
        }
        let version = self.journal.collector.other_version;
        if base > first.before() && version.is_some() {
            // Perhaps nothing is missing for those who can read that one.
            return self.journal.end(SiteEnd::NoSnapshot { last: first.before(), version });
        }
        let Some(list) = restore(content, self.state, at) else { return };
        let journal = &mut *self.journal;
        journal.list = list;
        journal.collector.clear();
        if base > first.before() || journal.options.tasks.missing > ListPosition::ZERO {
            // Entries from before the snapshot are gone, and with them perhaps messages.
            journal.doubtful_epoch = Some(self.state.epoch());
        }
        journal.phase = SitePhase::Replay;
        journal.upkeep.asked_from = Some(base.next());
        journal.jobs.push_back(ListJob::ReadFrom(base.next()));
        self.settle_doubt();
    }

    /// Ends the doubt of the process before this one if its last entry has come again: the list has
    /// all that it had read.
    fn settle_doubt(&mut self) {
        let SiteJournal { options, list, .. } = &mut *self.journal;
        options
            .tasks
            .doubt
            .take_if(|doubt| list.check_chain(doubt.position, doubt.chain) == ChainCheck::Same);
    }

    fn on_caught_up(&mut self, last: ListPosition) {
        let (journal, steady) = (&mut *self.journal, self.now.steady);
        match journal.phase {
            SitePhase::Snapshot(first) => {
                let (last, version) = (first.before(), journal.collector.other_version);
                return journal.end(SiteEnd::NoSnapshot { last, version });
            }
            SitePhase::Replay if last <= journal.list.position() => (),
            // The report of an earlier subscription.
            SitePhase::Replay
            | SitePhase::Watching { .. }
            | SitePhase::Beginning
            | SitePhase::Serving
            | SitePhase::Ended(_) => return,
        }
        let Some(group) = journal.list.rules() else { return journal.end(SiteEnd::NotFounded) };
        let config = journal.options.rules;
        if group != config {
            return journal.end(SiteEnd::OtherRules { group, config });
        }
        let known = journal.list.site(&journal.options.site).filter(|it| !it.has_ended);
        journal.phase = match known {
            Some(other) => {
                let until = steady.plus(RIVAL_WATCH_MS);
                SitePhase::Watching { until, number: other.number, life: other.life }
            }
            None => SitePhase::Beginning,
        };
        self.put(Fact::Recovered { epoch: self.state.epoch() }, steady);
        self.locate_all(steady);
    }

    /// Tells the state machine the horizon, if it has moved.
    fn put_horizon(&mut self, at: Millis) {
        let seq = self.journal.list.horizon();
        if self.journal.located.horizon != Some(seq) {
            self.journal.located.horizon = Some(seq);
            self.put(Fact::Horizon { seq }, at);
        }
    }

    fn put(&mut self, fact: Fact<'_>, at: Millis) {
        put(self.state, fact, at);
    }
}

pub(super) fn put<S: Replicated>(state: &mut S, fact: Fact<'_>, at: Millis) {
    state.apply(fact, Ordered { ticket: None, is_committed: true }, at);
}
