//! Applies facts. Apart from the recorded state (`recorded.rs`), no other code adds or removes
//! members, moves cursors, numbers messages or decides epochs.

use std::num::NonZeroU64;

use super::ids::{LinkId, MemberSlot, Ticket};
use super::links::{ConnectBack, ConnectPhase, Link};
use super::sends::SendOrder;
use super::{ChangeKind, Group};
use crate::facts::{Fact, Ordered, Recorded, StateMachine};
use crate::protocol::{
    ANNOUNCER, Announcement, Bye, Conflict, Delivery, Reply, RequestError, Seq, Text,
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
            Fact::Returned { id, before, owner, address, acked } => {
                let owners = (before, owner);
                FactApplier::new(self, ticket, at).apply_returned(id, owners, address, acked);
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
            Fact::Expired { before } => state.apply_expired(before),
            Fact::Lost { first, last } => state.restore_lost(first, last),
            #[cfg(feature = "engine")]
            Fact::Entered { id, owner, address, start } => {
                FactApplier::new(self, ticket, at).apply_entered(id, owner, address, start);
            }
            #[cfg(feature = "engine")]
            Fact::Located { id, name, site } => super::sites::locate(self, id, name, site),
            #[cfg(feature = "engine")]
            Fact::Horizon { seq } => state.history.horizon = Some(seq),
            Fact::Recovered { epoch } => {
                state.finish_recovery(epoch, at);
                self.refresh_all();
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
        withdraw(self, fact, ticket, RequestError::JournalFails);
    }
}

/// Refuses the request of a proposed fact that will never have a place in the order.
pub(super) fn withdraw(group: &mut Group, fact: Fact<'_>, ticket: Ticket, refusal: RequestError) {
    if let (Fact::Deregistered { id }, Ticket::Forgotten) = (fact, ticket)
        && let Some(slot) = group.state.members.find(id)
    {
        group.state.members.mark_leaving(slot, false, group.now);
    }
    if let Fact::Accepted { sender, number: Some(_), .. } = fact {
        group.state.members.withdraw_sends(sender);
    }
    if let Fact::Accepted { sender: ANNOUNCER, text, .. } = fact
        && let Some(announcement) = parse_announcement(text)
    {
        group.state.mark_announcement(announcement.id, false);
    }
    let now = group.now;
    FactApplier::new(group, Some(ticket), now).refuse(refusal);
}

/// The group and the request of a fact that is being applied.
pub(super) struct FactApplier<'a> {
    pub(super) group: &'a mut Group,
    /// `None` if the fact was not proposed by this program run.
    pub(super) ticket: Option<Ticket>,
    /// Time of the fact.
    pub(super) at: Millis,
}

impl<'a> FactApplier<'a> {
    fn new(group: &'a mut Group, ticket: Option<Ticket>, at: Millis) -> Self {
        Self { group, ticket, at }
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
            self.group.state.members.trim_one(&mut self.group.state.history);
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
    pub(super) fn refuse(&mut self, refusal: RequestError) {
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
    pub(super) fn proposed(&self) -> Option<(LinkId, ConnectBack)> {
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
