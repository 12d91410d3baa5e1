//! The group: a deterministic state machine that decides about members, messages and deliveries.
//!
//! An [`Input`] and the current time go into [`Group::handle`]. Each [`Effect`] comes out of
//! [`Group::poll_effect`]. Queries change nothing; the most important one is [`Group::run_for`],
//! which returns the next bytes for a message socket. The group touches no socket, clock or file.
//!
//! ```text
//!                 Input ──► handle(input, now) ──► Effect
//!                              │
//!              members ────────┼──────── links: connect-backs and message sockets
//!         id, acked, own seqs  │         sent, position, partial line
//!                              │
//!                           history: each message once, encoded
//!                  ░░░░░░░░░▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓
//!                 dropped  front      ▲        ▲     last
//!                                   acked   position
//! ```

#![deny(clippy::arithmetic_side_effects)]

mod access;
mod addresses;
mod announcements;
mod apply;
mod backlog;
mod block;
mod commands;
mod cursor_changes;
mod epochs;
mod handler;
mod history;
mod ids;
mod invariants;
mod io;
mod joining;
mod links;
mod member;
mod member_change;
mod members;
mod order;
mod outbound;
mod per_address;
mod presence;
mod ranges;
mod recorded;
mod recovering;
mod registration;
mod sends;
#[cfg(feature = "engine")]
mod sites;
mod sockets;
mod stats;
mod status;

use std::collections::VecDeque;
use std::net::IpAddr;

use crate::access::Credentials;
use crate::facts::{FactIndex, Journal, Recorded};
use crate::protocol::{
    Bye, Command, DeliverTo, Epoch, MemberLine, PeerName, Reply, Request, RequestError, Seq,
};
use crate::time::{Millis, Now, UnixMillis};

use access::AccessState;
use backlog::BacklogState;
use handler::InputHandler;
use history::BegunLines;
use ids::MemberSlot;
use links::{ConnectPurpose, Link, Links};
use order::JournalState;
use ranges::SeqRanges;
use recorded::RecordedState;

pub use backlog::BacklogChange;
pub use ids::{ConnId, LinkId, Ticket};
pub use io::{AccessRules, Effect, Input, Origin, Rules, Sha256};
pub use member_change::{ChangeKind, MemberChange, OfflineCause, SocketEnd};
pub use outbound::Run;
pub use per_address::{Network, PerAddress};
#[cfg(feature = "engine")]
pub use sites::site_of;
pub use stats::{Gauges, Stats};
pub use status::{
    MemberStatus, WaitingMembers, acked_after, member_statuses, waiting_members, written_after,
};

/// The group: its members, links and history.
#[derive(Debug)]
pub struct Group {
    rules: Rules,
    access: AccessState,
    state: RecordedState,
    links: Links,
    begun_lines: BegunLines,
    effects: VecDeque<Effect>,
    is_shutting_down: bool,
    journal_state: JournalState,
    backlog_state: BacklogState,
    /// Time of the input that is being handled.
    now: Millis,
    /// Last time at which messages expired, if no older fact was applied since.
    expired_at: Option<Millis>,
    stats: Stats,
}

impl Group {
    /// Creates a group without members.
    #[must_use]
    pub fn new(rules: Rules, epoch: Epoch) -> Self {
        Self {
            state: RecordedState::new(&rules, epoch),
            access: AccessState::new(&rules),
            rules,
            links: Links::default(),
            begun_lines: BegunLines::default(),
            effects: VecDeque::new(),
            is_shutting_down: false,
            journal_state: JournalState::default(),
            backlog_state: BacklogState::default(),
            now: Millis::ZERO,
            expired_at: None,
            stats: Stats::default(),
        }
    }

    /// Creates an empty group that recovers. The epoch comes from the facts.
    #[must_use]
    pub fn recovering(rules: Rules) -> Self {
        let mut group = Self::new(rules, Epoch::new(0));
        group.state.begin_recovery();
        group
    }

    /// Handles one input at the time `now`. The facts that follow are proposed to the journal.
    pub fn handle(&mut self, input: Input<'_>, now: Now, journal: &mut impl Journal<Self>) {
        InputHandler::new(self, journal, now).handle(input);
    }

    /// Returns the next effect, in order.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Returns the time by which [`Input::Tick`] must be handled.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Millis> {
        let dues = [
            self.state.history.next_expiry(),
            self.next_forgetting(),
            self.backlog_state.ends_at(),
            // A change after the tick of a turn is announced in the next turn.
            self.next_announcing().map(|at| at.max(self.now.plus(1))),
        ];
        dues.into_iter().flatten().min()
    }

    /// Returns the next bytes for a message socket; `None` if no bytes are due.
    #[must_use]
    pub fn run_for(&self, link: LinkId) -> Option<Run<'_>> {
        let (slot, outbound) = self.links.open(link)?;
        outbound.run(&self.state.history, self.state.members.at(slot)?.own())
    }

    /// Returns true if [`Group::run_for`] returns bytes.
    #[must_use]
    pub fn is_due(&self, link: LinkId) -> bool {
        let Some((slot, outbound)) = self.links.open(link) else { return false };
        self.state
            .members
            .at(slot)
            .is_some_and(|member| outbound.is_due(&self.state.history, member.own()))
    }

    /// Returns the last seq that was given out.
    #[must_use]
    pub fn last(&self) -> Seq {
        self.state.history.last()
    }

    /// Returns the last seq that may be sent. When it rises, message sockets may have bytes due.
    #[must_use]
    pub fn released(&self) -> Seq {
        self.state.history.released()
    }

    /// Returns true if due messages may be delivered in a later turn. With a time to live of 0 they
    /// may not: they expire at the end of their turn.
    #[must_use]
    pub fn deliveries_may_wait(&self) -> bool {
        !self.state.history.delivers_once()
    }

    /// Returns true if the member sends acks on this message socket.
    #[must_use]
    pub fn takes_acks(&self, link: LinkId) -> bool {
        self.links.open(link).is_some_and(|(_, outbound)| outbound.acks)
    }

    /// Returns the lines after `OK members`, in byte order of the ids.
    pub fn members(&self) -> impl Iterator<Item = MemberLine<'_>> {
        self.members_after(None)
    }

    /// Returns the lines of [`Group::members`] for ids above `id`.
    pub fn members_after(&self, id: Option<&str>) -> impl Iterator<Item = MemberLine<'_>> {
        self.state.members.sorted_after(id).map(|member| MemberLine {
            id: &member.id,
            online: member.is_online(),
            address: member.address,
            pending: member.pending(&self.state.history),
            acked: member.shown_acked(&self.state.history),
            seconds: self.now.since(member.presence.since()) / 1000,
            oldest_s: member
                .oldest_pending(&self.state.history)
                .map_or(0, |accepted| self.now.since(accepted) / 1000),
        })
    }

    /// Returns the last committed fact. Replies up to it may be sent.
    #[must_use]
    pub fn committed(&self) -> FactIndex {
        self.state.order.committed
    }

    /// Returns the fact that a reply must wait for; `None` if it is committed.
    #[must_use]
    pub fn awaited(&self, after: FactIndex) -> Option<FactIndex> {
        (after > self.state.order.committed).then_some(after)
    }

    /// Returns the message socket that ends if this connect-back succeeds.
    #[must_use]
    pub fn replaces(&self, link: LinkId) -> Option<LinkId> {
        match self.links.at(link)? {
            Link::Connecting(connect_back) => match connect_back.purpose {
                ConnectPurpose::Reconnect(slot) => self.state.members.at(slot)?.link,
                ConnectPurpose::Register(_) => None,
            },
            Link::Open { .. } => None,
        }
    }

    /// Returns the message socket that ends if this request succeeds. A connect-back ends it later:
    /// see [`Group::replaces`].
    #[inline]
    #[must_use]
    pub fn ends(&self, request: &Request<'_>) -> Option<LinkId> {
        let members = &self.state.members;
        match request.command {
            Command::Disconnect | Command::Reconnect { to: DeliverTo::Here, .. } => {
                members.at(members.find(request.id)?)?.link
            }
            Command::Deregister // The cursor of a removed member no longer matters.
            | Command::Register { .. }
            | Command::Reconnect { to: DeliverTo::Port(_), .. }
            | Command::Msend { .. }
            | Command::Send { .. }
            | Command::Query(_) => None,
        }
    }

    /// Returns the credentials with which each message socket and each connect-back was asked for.
    /// They are kept with access rules only.
    pub fn credentials(&self) -> impl Iterator<Item = (LinkId, &Credentials)> {
        let all = self.links.all();
        all.filter_map(|(id, link)| Some((id, self.credentials_of(link)?)))
    }

    /// Returns the first time at which the certificate of a message socket or connect-back no
    /// longer counts; `None` if no certificate of a CA was shown.
    #[must_use]
    pub fn certified_until(&self, link: LinkId) -> Option<UnixMillis> {
        self.credentials_of(self.links.at(link)?)?.certified_until()
    }

    fn credentials_of<'a>(&'a self, link: &'a Link) -> Option<&'a Credentials> {
        let identity = match link {
            Link::Connecting(connect_back) => &connect_back.identity,
            Link::Open { member, .. } => &self.state.members.at(*member)?.access.connected,
        };
        Some(identity.as_ref()?.get().credentials)
    }

    /// Returns the last bytes of a message socket at a shutdown of the coordinator.
    #[must_use]
    pub fn shutdown_bytes(&self, link: LinkId) -> Box<[u8]> {
        let open = self.links.open(link);
        open.map_or_else(Box::default, |(_, outbound)| outbound.closing_bytes(Bye::ShuttingDown))
    }

    /// Returns the counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Returns the number of members.
    #[must_use]
    pub fn member_count(&self) -> usize {
        self.state.members.len()
    }

    /// Returns the gauges. Linear in the members.
    #[must_use]
    pub fn gauges(&self) -> Gauges {
        let needed = self.needed();
        let history = &self.state.history;
        let kept = history.kept_for_newcomers().min(needed);
        Gauges {
            epoch: self.epoch(),
            next_seq: history.last().next(),
            ttl_s: self.ttl_s(),
            members: self.state.members.len(),
            online: self.state.members.online(),
            history_messages: history.others(needed.before(), &SeqRanges::default()),
            history_bytes: history.bytes_from(needed),
            history_age_ms: history.accepted_at(needed).map_or(0, |at| self.now.since(at)),
            newcomer_messages: needed.above(kept),
            newcomer_bytes: history.bytes_from(kept).saturating_sub(history.bytes_from(needed)),
        }
    }

    /// Returns true if the decided epoch is committed. [`Input::EpochCommitted`] begins it.
    #[must_use]
    pub fn is_epoch_due(&self) -> bool {
        self.state.epochs.decided_index().is_some_and(|index| index <= self.state.order.committed)
    }

    /// Returns the time at which the next member is forgotten. No member is forgotten while the
    /// journal refuses facts.
    fn next_forgetting(&self) -> Option<Millis> {
        if self.rules.forget_after_ms == 0 || self.journal_state.check().is_err() {
            return None;
        }
        self.state
            .members
            .offline_longest()
            .map(|(since, _)| since.plus(self.rules.forget_after_ms))
    }

    /// Returns the time of the next announcement. A coordinator that shuts down announces nothing:
    /// its members come back to the next one.
    fn next_announcing(&self) -> Option<Millis> {
        self.state.announcements.next_due().filter(|_| !self.is_shutting_down)
    }

    /// Checks all invariants, linear in the members. Debug builds check the cheap ones too.
    ///
    /// # Panics
    ///
    /// If an invariant is broken: a bug in the group.
    pub fn check(&self) {
        invariants::check(self);
    }

    /// Refuses the use of an id by another client.
    #[inline]
    fn check_client(
        &self,
        slot: MemberSlot,
        origin: &Origin<'_>,
        ip: IpAddr,
    ) -> Result<(), RequestError> {
        let Some(member) = self.state.members.at(slot) else {
            return Err(RequestError::NotAMember);
        };
        // Most clients have no TLS, and use their own id.
        if matches!(origin.credentials, Credentials::Plain)
            && matches!(member.access.owner, PeerName::Address(owner) if owner == ip)
        {
            return Ok(());
        }
        self.access.check_owner(member, origin.owner_at(ip)?, ip)
    }

    fn ttl_s(&self) -> u64 {
        self.rules.ttl_ms / 1000
    }

    fn report_change(&mut self, id: Box<str>, change: ChangeKind) {
        if self.state.order.recovering.is_none() {
            self.stats.record_change(&change);
            self.effects.push_back(Effect::MemberChange(MemberChange { id, change }));
        }
    }

    fn reply(&mut self, to: ConnId, reply: impl Into<Reply>) {
        self.reply_after(to, reply.into(), FactIndex::ZERO);
    }

    /// Replies once a fact is committed.
    fn reply_after(&mut self, to: ConnId, reply: Reply, after: FactIndex) {
        self.effects.push_back(Effect::Reply { to, reply, after });
    }
}

#[cfg(test)]
mod tests;
