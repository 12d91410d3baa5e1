//! Handles one input of a group: decides which facts follow, and proposes them to the journal.

use super::backlog::{has_room, make_room};
use super::ids::{LinkId, Ticket};
use super::links::{ConnectBack, ConnectPhase, ConnectPurpose, Link};
use super::{ChangeKind, Effect, Group, Input, OfflineCause, Rules};
use crate::facts::{Fact, Journal, Recorded};
use crate::limits::{Overflow, TURN_ANNOUNCEMENTS_MAX, TURN_FORGETS_MAX};
use crate::protocol::{
    ANNOUNCER, Announcement, Delivery, Malformed, Options, RequestError, Seq, Text,
};
use crate::time::Now;

/// The group, the journal of its facts, and the time of an input.
#[derive(Debug)]
pub(super) struct InputHandler<'a, J> {
    pub(super) group: &'a mut Group,
    journal: &'a mut J,
    pub(super) now: Now,
}

impl<'a, J: Journal<Group>> InputHandler<'a, J> {
    pub(super) fn new(group: &'a mut Group, journal: &'a mut J, now: Now) -> Self {
        Self { group, journal, now }
    }

    /// Proposes a fact. The journal may apply it at once.
    pub(super) fn propose(&mut self, fact: Fact<'_>, ticket: Ticket) {
        self.journal.propose(fact, ticket, self.group, self.now);
    }

    pub(super) fn handle(mut self, input: Input<'_>) {
        let (group, steady) = (&mut *self.group, self.now.steady);
        group.now = steady;
        if group.expired_at != Some(steady) && !group.state.is_recovering() {
            group.expire(steady);
            group.expired_at = Some(steady);
        }
        match input {
            Input::Request { origin, request } => self.on_request(origin, request),
            Input::Connected { link } => self.on_connected(link),
            Input::ConnectFailed { link, reason } => group.on_connect_failed(link, reason),
            Input::Wrote { link, bytes, through } => group.on_wrote(link, bytes, through),
            Input::Delivered => group.on_delivered(),
            Input::Acknowledged { link, seq } => group.on_acknowledged(link, seq),
            Input::Garbled { link } => group.on_link_end(link, OfflineCause::BadAck),
            Input::Lost { link, how } => group.on_link_end(link, OfflineCause::SocketEnded(how)),
            Input::Committed { through } => group.on_committed(through, steady),
            Input::DrawnEpoch(epoch) => group.state.epochs.drawn(epoch),
            Input::CertificateExpired { link } => group.on_certificate_expired(link),
            Input::AccessChanged { table, checked } => group.on_access_changed(table, checked),
            Input::RulesChanged { rules } => self.on_rules_changed(rules),
            Input::BeginEpoch => self.begin_epoch(),
            Input::EpochCommitted => self.on_epoch_committed(),
            Input::JournalFails(fails) => group.journal_state.is_failing = fails,
            Input::JournalFull(is_full) => group.journal_state.is_full = is_full,
            Input::Tick => self.on_tick(),
            Input::ShutDown => group.on_shut_down(),
        }
        let (history, links) = (&self.group.state.history, &self.group.links);
        debug_assert!(history.released() <= history.last(), "sent messages exist");
        debug_assert!(history.front() <= history.last().next(), "expired messages exist");
        debug_assert!(links.registering.len() <= links.len(), "each registration has a link");
    }

    /// Proposes the fact of a connect-back that has succeeded, or of a request with `here`.
    pub(super) fn on_connected(&mut self, link: LinkId) {
        let group = &mut *self.group;
        let Some(Link::Connecting(connect_back)) = group.links.at(link) else { return };
        if connect_back.phase != ConnectPhase::Connecting || group.state.epochs.defer(link) {
            return;
        }
        let connect_back = connect_back.clone();
        let Some(id) = group.id_of(&connect_back) else {
            debug_assert!(false, "a deregister cancels the reconnect");
            return;
        };
        let Some(fact) = self.joined(&connect_back, &id) else { return };
        if let Some(connect_back) = self.group.links.connecting_mut(link) {
            connect_back.phase = ConnectPhase::Proposed;
        }
        self.propose(fact, Ticket::Link(link));
    }

    /// Returns the fact of a connect-back that has succeeded. The cursor of a member that returns
    /// goes back to `since` as far as messages are kept, but not before the registration.
    fn joined<'f>(&self, connect_back: &'f ConnectBack, id: &'f str) -> Option<Fact<'f>> {
        let ConnectBack { before, owner, address, .. } = *connect_back;
        match &connect_back.purpose {
            ConnectPurpose::Register(_) => {
                let past = connect_back.options.last.unwrap_or(0);
                Some(Fact::Registered { id, owner, address, past })
            }
            ConnectPurpose::Reconnect(slot) => {
                let state = &self.group.state;
                let member = state.members.at(*slot)?;
                let current = state.epochs.current();
                let since = connect_back.options.since.filter(|since| since.epoch == current);
                let back_to = |seq: Seq| member.resumption(seq, &state.history);
                let acked = since.map_or(member.acked(), |since| back_to(since.seq));
                let before = before.unwrap_or(member.access.owner);
                Some(Fact::Returned { id, before, owner, address, acked })
            }
        }
    }

    /// Begins a new epoch if `since` names a seq of this epoch above the last one given out. Such a
    /// seq was given out before an older copy replaced the journal, so the seqs went back. Of
    /// several coordinators that share a journal, one may be behind the others instead.
    ///
    /// Any member can name any seq, so this happens at most once in
    /// [`NEW_EPOCH_PAUSE_MS`](crate::limits::NEW_EPOCH_PAUSE_MS).
    pub(super) fn check_since(
        &mut self,
        id: &str,
        options: &Options<'_>,
    ) -> Result<(), RequestError> {
        let (group, now) = (&mut *self.group, self.now.steady);
        let last = group.last();
        let Some(since) = options.since.filter(|since| since.epoch == group.epoch()) else {
            return Ok(());
        };
        let epochs = &mut group.state.epochs;
        if since.seq <= last || epochs.decided_index().is_some() {
            return Ok(()); // A seq of an epoch that ends means nothing in the next one.
        }
        if !self.journal.is_lost(since.seq) {
            return Err(RequestError::JournalBehind(last));
        }
        let Some(begins) = epochs.drawn_for_member(now) else {
            return Err(Malformed::SinceAbove(last).into());
        };
        group.journal_state.check()?;
        epochs.mark_caused_by_member(now);
        let change = ChangeKind::NumberNotGivenOut { named: since, last, begins };
        group.report_change(id.into(), change);
        self.begin_epoch();
        Ok(())
    }

    /// Puts other settings in force. A shorter time to live ends messages now. A longer one keeps
    /// those that are there: the others must not come back with the next start.
    fn on_rules_changed(&mut self, rules: &Rules) {
        let expired_before = self.group.state.history.expired_before();
        let is_longer = rules.ttl_ms > self.group.rules.ttl_ms;
        self.group.change_rules(rules, self.now.steady);
        if is_longer && expired_before > self.group.expired_before() {
            self.propose(Fact::Expired { before: expired_before }, Ticket::Nobody);
        }
    }

    /// Proposes a new epoch, unless one is decided already.
    fn begin_epoch(&mut self) {
        let Some(epoch) = self.group.state.epochs.take_drawn() else { return };
        self.group.effects.push_back(Effect::DrawEpoch);
        self.propose(Fact::NewEpoch { epoch }, Ticket::Nobody);
    }

    /// Begins the decided epoch. Seqs of the old epoch in `since` and acks no longer count.
    fn on_epoch_committed(&mut self) {
        if !self.group.state.epochs.begin() {
            return;
        }
        for link in self.group.links.all_open() {
            self.group.on_link_end(link, OfflineCause::NewEpoch);
        }
        for link in self.group.state.epochs.take_deferred() {
            self.on_connected(link);
        }
    }

    fn on_tick(&mut self) {
        self.forget_offline();
        self.announce();
        let calm = self.group.backlog_state.end(self.group.now);
        self.group.effects.extend(calm.map(Effect::Backlog));
        self.group.state.history.trim();
    }

    /// Announces changes of members, at most [`TURN_ANNOUNCEMENTS_MAX`] in one turn. Most turns
    /// announce nothing, so this stays out of the code of the frequent inputs.
    #[inline(never)]
    fn announce(&mut self) {
        let now = self.now.steady;
        for _ in 0..TURN_ANNOUNCEMENTS_MAX {
            if self.group.next_announcing().is_none_or(|at| at > now) {
                return;
            }
            let Some((id, change)) = self.group.state.next_announcement(now) else { return };
            let text = Announcement { id: &id, change }.to_string();
            let text = Text::from(text.as_str());
            if !self.has_room_for_announcement(text) {
                self.group.state.announcements.wait(now);
                return;
            }
            self.group.state.mark_announcement(&id, true);
            let accepted = self.now.unix;
            let fact = Fact::Accepted { sender: ANNOUNCER, number: None, accepted, text };
            self.propose(fact, Ticket::Nobody);
        }
    }

    /// Returns true if the journal and the backlog take an announcement now.
    fn has_room_for_announcement(&mut self, text: Text<'_>) -> bool {
        let seq = self.group.state.history.last().next();
        let delivery = Delivery { seq, sender: ANNOUNCER, accepted: self.now.unix, text };
        let bytes = delivery.encoded_bytes() as u64;
        if self.group.journal_state.check().is_err() || seq > Seq::LAST {
            return false;
        }
        match self.group.rules.overflow {
            // It is made later, so it does not count as refused.
            Overflow::Reject if !has_room(self.group, bytes) => {
                let oldest = self.group.state.find_needed();
                let needed_bytes = self.group.state.history.bytes_from(oldest);
                needed_bytes.saturating_add(bytes) <= self.group.rules.backlog_bytes_max
            }
            Overflow::Reject => true,
            Overflow::DropOldest => make_room(self.group, bytes, self.now.steady).is_ok(),
        }
    }

    /// Forgets members that were offline for too long, at most [`TURN_FORGETS_MAX`] in one turn.
    fn forget_offline(&mut self) {
        for _ in 0..TURN_FORGETS_MAX {
            let (group, now) = (&mut *self.group, self.now.steady);
            let is_due = group.next_forgetting().is_some_and(|at| at <= now);
            let members = &mut group.state.members;
            let Some((_, slot)) = members.offline_longest().filter(|_| is_due) else { return };
            let Some(id) = members.at(slot).map(|member| member.id.clone()) else { return };
            members.mark_leaving(slot, true, now);
            self.propose(Fact::Deregistered { id: &id }, Ticket::Forgotten);
        }
    }
}
