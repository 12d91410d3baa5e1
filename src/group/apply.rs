//! Applies facts. Apart from the recorded state (`recorded.rs`), no other code adds or removes
//! members, moves cursors, numbers messages or decides epochs.

use std::net::SocketAddr;
use std::num::NonZeroU64;

use super::cursor_changes::CursorChange;
use super::ids::{LinkId, MemberSlot, Ticket};
use super::links::{ConnectBack, ConnectPhase, Link};
use super::outbound::Outbound;
use super::recorded::RecordedState;
use super::sends::SendOrder;
use super::{ChangeKind, Effect, Group};
use crate::facts::{Fact, Ordered, Recorded, StateMachine};
use crate::protocol::{
    ANNOUNCER, Announcement, Bye, Conflict, Delivery, LimitReached, PeerName, Reply, RequestError,
    Seq, Text,
};
use crate::time::{Millis, UnixMillis};

impl StateMachine for Group {
    type Ticket = Ticket;

    fn apply(&mut self, fact: Fact<'_>, ordered: Ordered<Ticket>, at: Millis) {
        let Ordered { ticket, is_committed } = ordered;
        let state = &mut self.state;
        let commits_more = is_committed && state.order.committed < state.order.applied;
        if commits_more || self.expired_at.is_some_and(|expired_at| at < expired_at) {
            self.expired_at = None; // Older messages are released, and may have expired.
        }
        state.order.applied = state.order.applied.next();
        state.before_restored(&fact);
        match fact {
            Fact::Registered { id, owner, address, past } => {
                FactApplier::new(self, ticket, at).apply_registered(id, owner, address, past);
            }
            Fact::Returned { id, owner, address, acked } => {
                FactApplier::new(self, ticket, at).apply_returned(id, owner, address, acked);
            }
            Fact::Deregistered { id } => FactApplier::new(self, ticket, at).apply_deregistered(id),
            Fact::Accepted { sender, number, accepted, text } => {
                FactApplier::new(self, ticket, at).apply_accepted(sender, number, accepted, text);
            }
            Fact::Acked { id, acked } => state.apply_recorded_ack(id, acked),
            Fact::NewEpoch { epoch } => state.epochs.decide(epoch, state.order.applied),
            Fact::Snapshot { epoch, last } => state.restore_snapshot(epoch, last),
            Fact::Member(member) => state.restore_member(&member),
            Fact::Own { id, ranges } => state.restore_own(id, ranges),
            Fact::Announced { id, announced } => state.restore_announced(id, announced, at),
            Fact::AllNamed => state.restrict_to_named(),
            Fact::Numbered { delivery, line, number } => {
                state.restore_message(&delivery, line, number, at);
            }
            Fact::Published { id, number } => state.restore_published(id, number),
            Fact::Lost { first, last } => state.restore_lost(first, last),
            Fact::Recovered { epoch } => {
                state.finish_recovery(epoch, at);
                if cfg!(debug_assertions) {
                    self.check();
                }
            }
        }
        if is_committed {
            let position = self.position();
            self.state.commit(position);
        }
        self.state.after_restored(at);
    }

    fn withdraw(&mut self, fact: Fact<'_>, ticket: Ticket) {
        if let (Fact::Deregistered { id }, Ticket::Forgotten) = (fact, ticket)
            && let Some(slot) = self.state.members.find(id)
        {
            self.state.members.mark_leaving(slot, false, self.now);
        }
        if let Fact::Accepted { sender, number: Some(_), .. } = fact {
            self.state.members.withdraw_sends(sender);
        }
        if let Fact::Accepted { sender: ANNOUNCER, text, .. } = fact
            && let Some(announcement) = parse_announcement(text)
        {
            self.state.mark_announcement(announcement.id, false);
        }
        let now = self.now;
        FactApplier::new(self, Some(ticket), now).refuse(RequestError::JournalFails);
    }
}

/// The group and the request of a fact that is being applied.
struct FactApplier<'a> {
    group: &'a mut Group,
    /// `None` if the fact was not proposed by this program run.
    ticket: Option<Ticket>,
    /// Time of the fact.
    at: Millis,
}

impl<'a> FactApplier<'a> {
    fn new(group: &'a mut Group, ticket: Option<Ticket>, at: Millis) -> Self {
        Self { group, ticket, at }
    }

    fn apply_registered(&mut self, id: &str, owner: PeerName, address: SocketAddr, past: u64) {
        if let Some(slot) = self.group.state.members.find(id) {
            let refusal = self.group.check_owner(slot, owner, address.ip());
            let refusal = refusal.err().unwrap_or_else(|| Conflict::AlreadyAMember.into());
            return self.refuse(refusal);
        }
        let max = self.group.rules.members_max;
        if self.group.state.members.len() >= max {
            return self.refuse(LimitReached::Members { max }.into());
        }
        let waiting = self.proposed();
        if waiting.is_some() {
            self.group.links.registering.remove(id);
            self.group.state.members.per_address.remove(address.ip());
        }
        let (now, at) = (self.group.now, self.at);
        let RecordedState { members, history, .. } = &mut self.group.state;
        let start = history.start_of_newcomer(past, at);
        let slot = members.insert(id.into(), owner, address, start, history, now);
        self.group.report_change(id.into(), ChangeKind::Registered(address));
        if let Some((link, connect_back)) = waiting {
            let options = &connect_back.options;
            let outbound = Outbound::new(options.acks, options.hello(self.group.epoch()), start);
            self.establish(link, slot, outbound, &connect_back);
            let reply = Reply::Register {
                epoch: self.group.epoch(),
                next: start.next(),
                ttl_s: self.group.ttl_s(),
                line_bytes_max: self.group.rules.line_bytes_max,
                past: options.last.map(|_| self.group.state.history.last().above(start)),
            };
            self.group.reply_after(connect_back.conn, reply, self.group.state.order.applied);
        }
        self.group.state.members.update_offline(slot, self.group.now);
        self.update_announcement(id);
    }

    /// Updates the next announcement about a member that joined here, or at another coordinator.
    fn update_announcement(&mut self, id: &str) {
        self.group.state.announcements.joined(id, self.ticket.is_none());
        self.group.state.update_announcement(id);
    }

    /// Brings a member back: deliveries continue after the cursor. A gap comes first if messages
    /// after the cursor are missing. Without a waiting connect-back, the member came back to
    /// another coordinator.
    fn apply_returned(&mut self, id: &str, owner: PeerName, address: SocketAddr, acked: Seq) {
        let Some(slot) = self.group.state.members.find(id) else {
            return self.refuse(RequestError::NotAMember);
        };
        if let Err(refusal) = self.group.check_owner(slot, owner, address.ip()) {
            return self.refuse(refusal);
        }
        let from = self.group.state.members.at(slot).map_or(address, |member| member.address);
        let was_online = self.group.close_link(slot, Some(Bye::TakenOver(address)));
        self.group.state.members.set_address(slot, address);
        if let Some(member) = self.group.state.members.at_mut(slot) {
            member.owner = owner;
            member.resume_at(acked, &mut self.group.state.history);
        }
        self.group.state.members.cursor_went_back();
        if let Some((link, connect_back)) = self.proposed() {
            self.establish_again(link, slot, &connect_back);
        }
        self.group.state.members.update_offline(slot, self.group.now);
        self.update_announcement(id);
        self.group.stats.takeovers =
            self.group.stats.takeovers.saturating_add(u64::from(was_online));
        self.group.state.members.changes.mark(slot, CursorChange::Returned);
        self.group.report_change(
            id.into(),
            match was_online {
                true => ChangeKind::TakenOver { by: address, from },
                false => ChangeKind::Reconnected(address),
            },
        );
    }

    /// Turns the connect-back of a reconnect into a message socket, and replies.
    fn establish_again(&mut self, link: LinkId, slot: MemberSlot, connect_back: &ConnectBack) {
        let (epoch, options) = (self.group.epoch(), &connect_back.options);
        let Some(member) = self.group.state.members.at_mut(slot) else { return };
        member.reconnecting = None;
        let mut outbound = Outbound::new(options.acks, options.hello(epoch), member.acked());
        let expired = outbound.skip_missing(&self.group.state.history, member.own());
        let reply = Reply::Reconnect {
            epoch,
            next: outbound.next(),
            ttl_s: self.group.rules.ttl_ms / 1000,
            missed: member.pending(&self.group.state.history),
            expired,
            line_bytes_max: self.group.rules.line_bytes_max,
            published: member.sends.published(),
        };
        let after = member.sends.accepted_at();
        let (acks, sent) = (outbound.acks, outbound.sent());
        self.group.stats.gaps = self.group.stats.gaps.saturating_add(u64::from(expired > 0));
        self.establish(link, slot, outbound, connect_back);
        if !acks {
            self.group.state.apply_acked(slot, sent);
        }
        // The reply waits for the disk only if it names a number that is not committed. So a full
        // disk keeps no member from its messages.
        self.group.reply_after(connect_back.conn, reply, after);
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
                self.group.links.establish(link, slot, outbound);
                if connect_back.is_here {
                    let from = connect_back.conn;
                    self.group.effects.push_back(Effect::Upgrade { from, link });
                }
                if let Some(member) = self.group.state.members.at_mut(slot) {
                    member.link = Some(link);
                }
            }
            ConnectPhase::Ended => drop(self.group.links.remove(link)),
        }
    }

    fn apply_deregistered(&mut self, id: &str) {
        let Some(slot) = self.group.state.members.find(id) else {
            return self.refuse(RequestError::NotAMember);
        };
        self.group.cancel_reconnect(slot, Conflict::Cancelled);
        self.group.close_link(slot, Some(Bye::Deregistered));
        self.group.state.members.remove(slot, &mut self.group.state.history);
        self.group.state.announcements.left(id);
        self.group.state.update_announcement(id);
        if self.ticket == Some(Ticket::Forgotten) {
            self.group.stats.forgotten = self.group.stats.forgotten.saturating_add(1);
            let after_ms = self.group.rules.forget_after_ms;
            self.group.report_change(id.into(), ChangeKind::Forgotten { after_ms });
        } else {
            self.group.report_change(id.into(), ChangeKind::Deregistered);
        }
        if let Some(Ticket::Request(conn)) = self.ticket {
            self.group.reply_after(conn, Reply::Deregister, self.group.state.order.applied);
        }
    }

    fn apply_accepted(
        &mut self,
        sender: &str,
        number: Option<NonZeroU64>,
        accepted: UnixMillis,
        text: Text<'_>,
    ) {
        let sender_slot = self.group.state.members.find(sender);
        if sender_slot.is_none() && !self.is_announcement(sender, text) {
            return;
        }
        if let (Some(slot), Some(number)) = (sender_slot, number)
            && !self.is_next(slot, number)
        {
            return;
        }
        if self.group.state.history.last() >= Seq::LAST {
            return self.refuse(RequestError::NoNumberLeft);
        }
        let seq = self.group.state.history.last().next();
        self.group.state.history.append_message(&Delivery { seq, sender, accepted, text }, self.at);
        if self.group.state.order.recovering.is_none() {
            self.group.state.members.trim_one(&self.group.state.history);
        }
        if let Some(slot) = sender_slot {
            self.add_own(slot, seq, number);
        }
        self.group.stats.messages_in = self.group.stats.messages_in.saturating_add(1);
        self.group.stats.bytes_in =
            self.group.stats.bytes_in.saturating_add(text.as_bytes().len() as u64);
        if let Some(Ticket::Request(conn)) = self.ticket {
            let reply = match number {
                None => Reply::Msend { seq },
                Some(number) => Reply::Send { number, seq: Some(seq) },
            };
            self.group.reply_after(conn, reply, self.group.state.order.applied);
        }
    }

    /// Returns true for an announcement that is still true, which is nobody's own message. Any
    /// other message without a member is refused.
    #[cold]
    fn is_announcement(&mut self, sender: &str, text: Text<'_>) -> bool {
        if sender != ANNOUNCER {
            self.refuse(RequestError::NotAMember);
            return false;
        }
        let Some(announcement) = parse_announcement(text) else { return false };
        self.group.state.apply_announcement(announcement, self.at)
    }

    /// Returns true if the number of a `send` is the member's next one. If another fact came first,
    /// the request gets its answer.
    fn is_next(&mut self, slot: MemberSlot, number: NonZeroU64) -> bool {
        let Some(member) = self.group.state.members.at_mut(slot) else { return false };
        match member.sends.check_fact(number) {
            SendOrder::Next => return true,
            SendOrder::Duplicate => {
                if let Some(Ticket::Request(conn)) = self.ticket {
                    let after = member.sends.accepted_at();
                    self.group.reply_after(conn, Reply::Send { number, seq: None }, after);
                }
            }
            SendOrder::TooHigh { expected } => {
                member.sends.withdraw();
                let after = member.sends.accepted_at();
                if let Some(Ticket::Request(conn)) = self.ticket {
                    let refusal = Conflict::NumberTooHigh { expected }.into();
                    self.group.reply_after(conn, Reply::Refused(refusal), after);
                }
            }
        }
        false
    }

    /// Notes that `seq` is a member's own message, which is never sent to the member.
    fn add_own(&mut self, slot: MemberSlot, seq: Seq, number: Option<NonZeroU64>) {
        let Group { state, links, .. } = &mut *self.group;
        let Some(member) = state.members.at_mut(slot) else { return };
        member.add_own(seq);
        member.sends.accept(number, state.order.applied);
        if let Some((_, outbound)) = member.link.and_then(|link| links.open_mut(link)) {
            outbound.pass_own(seq, &state.history, member.own());
        }
        state.pass_own(slot, seq);
    }

    /// Refuses the request of a proposed fact.
    fn refuse(&mut self, refusal: RequestError) {
        match self.ticket {
            Some(Ticket::Request(conn)) => self.group.reply(conn, refusal),
            Some(Ticket::Link(link)) => {
                if let Some(connect_back) = self.group.end_connect_back(link) {
                    if connect_back.phase != ConnectPhase::Ended {
                        self.group.give_up(link);
                    }
                    self.group.reply(connect_back.conn, refusal);
                }
            }
            Some(Ticket::Forgotten | Ticket::Nobody) | None => (),
        }
    }

    /// Returns the connect-back that waits for a fact, if it still does.
    fn proposed(&self) -> Option<(LinkId, ConnectBack)> {
        let Some(Ticket::Link(link)) = self.ticket else { return None };
        match self.group.links.at(link)? {
            Link::Connecting(connect_back) => Some((link, connect_back.clone())),
            Link::Open { .. } => None,
        }
    }
}

fn parse_announcement(text: Text<'_>) -> Option<Announcement<'_>> {
    std::str::from_utf8(text.as_bytes()).ok().and_then(Announcement::parse)
}
