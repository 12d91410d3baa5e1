//! Applies the facts that bring a member online: a registration, and a return.

use std::net::SocketAddr;

use super::apply::FactApplier;
use super::cursor_changes::CursorChange;
use super::history::History;
use super::ids::{LinkId, MemberSlot};
use super::links::{ConnectBack, ConnectPhase};
use super::outbound::Outbound;
use super::recorded::RecordedState;
use super::{ChangeKind, Effect, Group, OfflineCause};
use crate::facts::Recorded;
use crate::protocol::{Bye, Conflict, LimitReached, PeerName, Reply, RequestError, Seq};

impl FactApplier<'_> {
    pub(super) fn apply_registered(
        &mut self,
        id: &str,
        owner: PeerName,
        address: SocketAddr,
        past: u64,
    ) {
        let at = self.at;
        let start = |history: &History| history.start_of_newcomer(past, at);
        self.apply_new_member(id, owner, address, start);
    }

    /// Adds a member of one of several sites. All sites apply the same start.
    #[cfg(feature = "engine")]
    pub(super) fn apply_entered(
        &mut self,
        id: &str,
        owner: PeerName,
        address: SocketAddr,
        start: Seq,
    ) {
        self.apply_new_member(id, owner, address, |_| start);
    }

    /// Adds a member whose first message comes after `start`.
    #[inline]
    fn apply_new_member(
        &mut self,
        id: &str,
        owner: PeerName,
        address: SocketAddr,
        start: impl FnOnce(&History) -> Seq,
    ) {
        if let Some(member) = self.group.state.members.of(id) {
            let refusal = self.group.access.check_owner(member, owner, address.ip());
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
            self.group.state.members.end_registering(id, owner, address.ip());
        }
        let now = self.group.now;
        let RecordedState { members, history, .. } = &mut self.group.state;
        let start = start(history);
        let slot = members.insert(id.into(), owner, address, start, history, now);
        self.group.report_change(id.into(), ChangeKind::Registered(address));
        let fits = self.admit(slot, waiting.as_ref());
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
        self.end_unfit(slot, fits);
    }

    /// Keeps the identity of a message socket that is about to be established. Returns false if no
    /// access rule fits now.
    fn admit(&mut self, slot: MemberSlot, proposed: Option<&(LinkId, ConnectBack)>) -> bool {
        let Group { access, state, .. } = &mut *self.group;
        if !access.has_rules() || state.is_recovering() {
            return true;
        }
        if let Some(member) = state.members.at_mut(slot) {
            member.access.connected = proposed.and_then(|(_, it)| it.identity.clone());
        }
        let member = state.members.at(slot);
        let rights = member.and_then(|member| access.rights_of(&state.members, member));
        if let Some(rights) = rights {
            self.group.set_receives(slot, rights.may_receive);
        }
        rights.is_some()
    }

    /// Ends the message socket of a member if no access rule fits now: the rules have changed while
    /// its fact was on the way.
    fn end_unfit(&mut self, slot: MemberSlot, fits: bool) {
        let link = self.group.state.members.at(slot).and_then(|member| member.link);
        if let Some(link) = link.filter(|_| !fits) {
            self.group.on_link_end(link, OfflineCause::AccessRevoked);
        }
    }

    /// Updates the next announcement about a member that joined here, or at another coordinator.
    fn update_announcement(&mut self, id: &str) {
        self.group.state.announcements.joined(id, self.ticket.is_none());
        self.group.state.update_announcement(id);
    }

    /// Brings a member back: deliveries continue after the cursor. A gap comes first if messages
    /// after the cursor are missing. Without a waiting connect-back, the member came back to
    /// another coordinator.
    pub(super) fn apply_returned(
        &mut self,
        id: &str,
        (before, owner): (PeerName, PeerName),
        address: SocketAddr,
        acked: Seq,
    ) {
        let Some(slot) = self.group.state.members.find(id) else {
            return self.refuse(RequestError::NotAMember);
        };
        if let Some(member) = self.group.state.members.at(slot)
            && member.access.owner != before
            && let Err(refusal) = self.group.access.check_owner(member, owner, address.ip())
        {
            return self.refuse(refusal); // Another client got the id after the check.
        }
        let from = self.group.state.members.at(slot).map_or(address, |member| member.address);
        let was_online = self.group.close_link(slot, Some(Bye::TakenOver(address)));
        self.group.state.members.set_address(slot, address);
        self.group.state.members.set_owner(slot, owner);
        let proposed = self.proposed();
        if let Some(member) = self.group.state.members.at_mut(slot) {
            member.resume_at(acked, &mut self.group.state.history);
        }
        self.group.state.members.cursor_went_back();
        let fits = self.admit(slot, proposed.as_ref());
        if let Some((link, connect_back)) = proposed {
            self.establish_again(link, slot, &connect_back);
        }
        self.group.state.members.update_offline(slot, self.group.now);
        self.update_announcement(id);
        self.group.state.members.changes.mark(slot, CursorChange::Returned);
        self.group.report_change(
            id.into(),
            match was_online {
                true => ChangeKind::TakenOver { by: address, from },
                false => ChangeKind::Reconnected(address),
            },
        );
        self.end_unfit(slot, fits);
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
        mut outbound: Outbound,
        connect_back: &ConnectBack,
    ) {
        match &connect_back.phase {
            ConnectPhase::Connecting | ConnectPhase::Proposed => {
                if self.group.state.members.at(slot).is_some_and(|it| !it.access.receives) {
                    outbound.mute();
                }
                let last_before = self.group.last();
                self.group.links.establish(link, (slot, outbound), last_before);
                if connect_back.is_here {
                    let from = connect_back.conn;
                    self.group.effects.push_back(Effect::Upgrade { from, link });
                }
                if let Some(member) = self.group.state.members.at_mut(slot) {
                    member.link = Some(link);
                }
            }
            ConnectPhase::Ended => {
                self.group.links.remove(link);
                self.group.state.members.mark_gone(slot);
            }
        }
    }
}
