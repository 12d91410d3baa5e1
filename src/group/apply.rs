//! Applies facts. Apart from the recorded state (`recorded.rs`), no other code adds or removes
//! members, moves cursors, numbers messages or decides epochs.

use std::net::SocketAddr;

use super::cursor_changes::CursorChange;
use super::ids::{LinkId, MemberSlot, Ticket};
use super::links::{ConnectBack, ConnectPhase, ConnectPurpose, Link};
use super::outbound::Outbound;
use super::{ChangeKind, Effect, Group, MemberChange};
use crate::facts::{Fact, JournalPosition, Ordered, Owner, Recorded, StateMachine};
use crate::protocol::{Bye, Conflict, Delivery, LimitReached, Reply, RequestError, Seq};
use crate::time::{Millis, UnixMillis};

impl StateMachine for Group {
    type Ticket = Ticket;

    fn apply(&mut self, fact: Fact<'_>, ordered: Ordered<Ticket>, at: Millis) {
        let Ordered { ticket, is_committed } = ordered;
        self.order.applied = self.order.applied.next();
        self.before_restored(&fact);
        match fact {
            Fact::Registered { id, owner, address } => {
                self.apply_registered(id, owner, address, ticket);
            }
            Fact::Returned { id, owner, address, acked } => {
                self.apply_returned(id, owner, address, acked, ticket);
            }
            Fact::Deregistered { id } => self.apply_deregistered(id, ticket),
            Fact::Accepted { sender, accepted, text } => {
                self.apply_accepted(sender, accepted, text, at, ticket);
            }
            Fact::Acked { id, acked } => self.apply_recorded_ack(id, acked),
            Fact::NewEpoch { epoch } => self.epochs.decide(epoch, self.order.applied),
            Fact::Snapshot { epoch, last } => self.restore_snapshot(epoch, last),
            Fact::Member(state) => self.restore_member(&state),
            Fact::Own { id, ranges } => self.restore_own(id, ranges),
            Fact::AllNamed => self.restrict_to_named(),
            Fact::Recovered { epoch } => self.finish_recovery(epoch, at),
            Fact::Numbered { delivery, line } => self.restore_message(&delivery, line, at),
            Fact::Lost { first, last } => self.restore_lost(first, last),
        }
        if is_committed {
            self.commit(self.position());
        }
        self.after_restored(at);
    }

    fn withdraw(&mut self, fact: Fact<'_>, ticket: Ticket) {
        if let (Fact::Deregistered { id }, Ticket::Forgotten) = (fact, ticket)
            && let Some(slot) = self.members.find(id)
        {
            self.members.mark_leaving(slot, false, self.now);
        }
        self.refuse(Some(ticket), RequestError::JournalFails);
    }
}

impl Group {
    /// Allows the replies and deliveries of all facts up to `through`.
    pub(super) fn commit(&mut self, through: JournalPosition) {
        self.order.committed = self.order.committed.max(through.index);
        self.history.release(through.last);
    }

    /// Moves the cursor of a member, and over the member's own seqs that follow.
    pub(super) fn apply_acked(&mut self, slot: MemberSlot, acked: Seq) {
        let Some(member) = self.members.at_mut(slot) else { return };
        if member.move_cursor(acked, &mut self.history) && self.order.recovering.is_none() {
            member.trim_own(&self.history);
        }
        self.members.changes.mark(slot, CursorChange::Acked);
    }

    /// Moves the cursor to the seq of a fact. In a live group an older fact moves no cursor
    /// back: only a member that returns goes back.
    fn apply_recorded_ack(&mut self, id: &str, acked: Seq) {
        let is_live = self.order.recovering.is_none();
        if let Some(slot) = self.members.find(id)
            && let Some(member) = self.members.at(slot)
            && (!is_live || acked > member.acked())
        {
            self.apply_acked(slot, acked);
        }
    }

    fn apply_registered(
        &mut self,
        id: &str,
        owner: Owner,
        address: SocketAddr,
        ticket: Option<Ticket>,
    ) {
        if let Some(slot) = self.members.find(id) {
            let refusal = self.check_owner(slot, address.ip());
            let refusal = refusal.err().unwrap_or_else(|| Conflict::AlreadyAMember.into());
            return self.refuse(ticket, refusal);
        }
        let max = self.rules.members_max;
        if self.members.len() >= max {
            return self.refuse(ticket, LimitReached::Members { max }.into());
        }
        let waiting = self.proposed(ticket);
        if waiting.is_some() {
            self.links.registering.remove(id);
            self.members.per_address.remove(address.ip());
        }
        let slot = self.members.insert(id.into(), owner, address, &mut self.history);
        self.report_change(id.into(), ChangeKind::Registered(address));
        let acked = self.history.last();
        if let Some((link, connect_back)) = waiting {
            let options = &connect_back.options;
            let outbound = Outbound::new(options.acks, options.hello(self.epoch()), acked);
            self.establish(link, slot, outbound, &connect_back);
            let reply = Reply::Register {
                epoch: self.epoch(),
                next: acked.next(),
                ttl_s: self.ttl_s(),
                line_bytes_max: self.rules.line_bytes_max,
            };
            self.reply_after(connect_back.conn, reply, self.order.applied);
        }
        self.members.update_offline(slot, self.now);
    }

    /// Brings a member back: deliveries continue after the cursor. A gap comes first if messages
    /// after the cursor are missing. Without a waiting connect-back, the member came back to
    /// another coordinator.
    fn apply_returned(
        &mut self,
        id: &str,
        owner: Owner,
        address: SocketAddr,
        acked: Seq,
        ticket: Option<Ticket>,
    ) {
        let Some(slot) = self.members.find(id) else {
            return self.refuse(ticket, RequestError::NotAMember);
        };
        let Owner::Ip(ip) = owner;
        if let Err(refusal) = self.check_owner(slot, ip) {
            return self.refuse(ticket, refusal);
        }
        let from = self.members.at(slot).map_or(address, |member| member.address);
        let was_online = self.close_link(slot, Some(Bye::TakenOver(address)));
        self.members.set_address(slot, address);
        if let Some(member) = self.members.at_mut(slot) {
            member.owner = owner;
            member.resume_at(acked, &mut self.history);
        }
        self.members.cursor_went_back();
        if let Some((link, connect_back)) = self.proposed(ticket) {
            self.establish_again(link, slot, &connect_back);
        }
        self.members.update_offline(slot, self.now);
        self.stats.takeovers = self.stats.takeovers.saturating_add(u64::from(was_online));
        self.members.changes.mark(slot, CursorChange::Returned);
        self.report_change(
            id.into(),
            match was_online {
                true => ChangeKind::TakenOver { by: address, from },
                false => ChangeKind::Reconnected(address),
            },
        );
    }

    /// Turns the connect-back of a reconnect into a message socket, and replies.
    fn establish_again(&mut self, link: LinkId, slot: MemberSlot, connect_back: &ConnectBack) {
        let (epoch, options) = (self.epoch(), &connect_back.options);
        let Some(member) = self.members.at_mut(slot) else { return };
        member.reconnecting = None;
        let mut outbound = Outbound::new(options.acks, options.hello(epoch), member.acked());
        let expired = outbound.skip_missing(&self.history, member.own());
        let reply = Reply::Reconnect {
            epoch,
            next: outbound.next(),
            ttl_s: self.rules.ttl_ms / 1000,
            missed: member.pending(&self.history),
            expired,
            line_bytes_max: self.rules.line_bytes_max,
        };
        let (acks, sent) = (outbound.acks, outbound.sent());
        self.stats.gaps = self.stats.gaps.saturating_add(u64::from(expired > 0));
        self.establish(link, slot, outbound, connect_back);
        if !acks {
            self.apply_acked(slot, sent);
        }
        // The reply does not wait for the disk, so that a full disk keeps no member from its
        // messages.
        self.reply(connect_back.conn, reply);
    }

    /// Turns a connect-back into the message socket of a member, unless the connection has ended
    /// while its fact was on the way.
    fn establish(
        &mut self,
        link: LinkId,
        slot: MemberSlot,
        outbound: Outbound,
        connect_back: &ConnectBack,
    ) {
        match &connect_back.phase {
            ConnectPhase::Connecting | ConnectPhase::Proposed => {
                self.links.establish(link, slot, outbound);
                if let Some(member) = self.members.at_mut(slot) {
                    member.link = Some(link);
                }
            }
            ConnectPhase::Ended => drop(self.links.remove(link)),
        }
    }

    fn apply_deregistered(&mut self, id: &str, ticket: Option<Ticket>) {
        let Some(slot) = self.members.find(id) else {
            return self.refuse(ticket, RequestError::NotAMember);
        };
        self.cancel_reconnect(slot, Conflict::Cancelled);
        self.close_link(slot, Some(Bye::Deregistered));
        self.members.remove(slot, &mut self.history);
        if ticket == Some(Ticket::Forgotten) {
            self.stats.forgotten = self.stats.forgotten.saturating_add(1);
            let after_ms = self.rules.forget_after_ms;
            self.report_change(id.into(), ChangeKind::Forgotten { after_ms });
        } else {
            self.report_change(id.into(), ChangeKind::Deregistered);
        }
        if let Some(Ticket::Request(conn)) = ticket {
            self.reply_after(conn, Reply::Deregister, self.order.applied);
        }
    }

    fn apply_accepted(
        &mut self,
        sender: &str,
        accepted: UnixMillis,
        text: &str,
        at: Millis,
        ticket: Option<Ticket>,
    ) {
        let Some(slot) = self.members.find(sender) else {
            return self.refuse(ticket, RequestError::NotAMember);
        };
        if self.history.last() >= Seq::LAST {
            return self.refuse(ticket, RequestError::NoNumberLeft);
        }
        let seq = self.history.last().next();
        self.history.append_message(&Delivery { seq, sender, accepted, text }, at);
        if self.order.recovering.is_none() {
            self.members.trim_one(&self.history);
        }
        self.published(slot, seq);
        self.stats.messages_in = self.stats.messages_in.saturating_add(1);
        self.stats.bytes_in = self.stats.bytes_in.saturating_add(text.len() as u64);
        if let Some(Ticket::Request(conn)) = ticket {
            self.reply_after(conn, Reply::Msend { seq }, self.order.applied);
        }
    }

    /// Notes that `seq` is a member's own message, which is never sent to the member.
    pub(super) fn published(&mut self, slot: MemberSlot, seq: Seq) {
        let Some(member) = self.members.at_mut(slot) else { return };
        member.add_own(seq);
        if let Some((_, outbound)) = member.link.and_then(|link| self.links.open_mut(link)) {
            outbound.skip_missing(&self.history, member.own());
        }
        self.apply_acked(slot, self.members.at(slot).map_or(seq, |member| member.acked()));
    }

    /// Refuses the request of a proposed fact.
    fn refuse(&mut self, ticket: Option<Ticket>, refusal: RequestError) {
        match ticket {
            Some(Ticket::Request(conn)) => self.reply(conn, refusal),
            Some(Ticket::Link(link)) => {
                if let Some(connect_back) = self.end_connect_back(link) {
                    if connect_back.phase != ConnectPhase::Ended {
                        self.give_up(link);
                    }
                    self.reply(connect_back.conn, refusal);
                }
            }
            Some(Ticket::Forgotten | Ticket::Nobody) | None => (),
        }
    }

    /// Returns the connect-back that waits for a fact, if it still does.
    fn proposed(&self, ticket: Option<Ticket>) -> Option<(LinkId, ConnectBack)> {
        let Some(Ticket::Link(link)) = ticket else { return None };
        match self.links.at(link)? {
            Link::Connecting(connect_back) => Some((link, connect_back.clone())),
            Link::Open { .. } => None,
        }
    }

    /// Returns the cursor at which a member resumes. The cursor goes back to `since` as far as
    /// messages are kept, but not before the registration.
    pub(super) fn resumption(&self, slot: MemberSlot, connect_back: &ConnectBack) -> Option<Seq> {
        let member = self.members.at(slot)?;
        let since = connect_back.options.since.filter(|since| since.epoch == self.epoch());
        Some(since.map_or(member.acked(), |since| member.resumption(since.seq, &self.history)))
    }

    /// Returns the fact of a connect-back that has succeeded.
    pub(super) fn joined<'a>(
        &self,
        connect_back: &'a ConnectBack,
        id: &'a str,
    ) -> Option<Fact<'a>> {
        let address = connect_back.address;
        let owner = Owner::Ip(address.ip());
        match &connect_back.purpose {
            ConnectPurpose::Register(_) => Some(Fact::Registered { id, owner, address }),
            ConnectPurpose::Reconnect(slot) => {
                let acked = self.resumption(*slot, connect_back)?;
                Some(Fact::Returned { id, owner, address, acked })
            }
        }
    }

    pub(super) fn report_change(&mut self, id: Box<str>, change: ChangeKind) {
        if self.order.recovering.is_none() {
            self.effects.push_back(Effect::MemberChange(MemberChange { id, change }));
        }
    }
}
