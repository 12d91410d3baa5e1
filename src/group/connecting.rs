//! Connect-backs: success brings a member online. Failure, cancellation and shutdown undo the
//! request. Also closes a member's message socket.

use std::net::SocketAddr;

use super::ids::{LinkId, MemberSlot};
use super::links::{ConnectBack, ConnectOptions, ConnectPurpose, Link};
use super::outbound::Outbound;
use super::{ChangeKind, Effect, Group, OfflineCause};
use crate::protocol::{Bye, Conflict, Reply, RequestError};

impl Group {
    pub(super) fn on_connected(&mut self, link: LinkId) {
        let Some(Link::Connecting(connect_back)) = self.links.at(link) else { return };
        if self.epochs.defer(link) {
            return;
        }
        let ConnectBack { purpose, address, conn, options } = connect_back.clone();
        let reply = match purpose {
            ConnectPurpose::Register(id) => self.add_member(link, id, address, &options),
            ConnectPurpose::Reconnect(slot) => self.reconnect_member(link, slot, address, &options),
        };
        self.reply(conn, reply);
    }

    /// Completes a registration: the new member gets every message that is accepted from now on.
    fn add_member(
        &mut self,
        link: LinkId,
        id: Box<str>,
        address: SocketAddr,
        options: &ConnectOptions,
    ) -> Reply {
        self.registering.remove(&id);
        self.members.per_address.remove(address.ip());
        let slot = self.members.insert(id.clone(), address, &mut self.history);
        let acked = self.history.last();
        self.links.establish(
            link,
            slot,
            Outbound::new(options.acks, options.hello(self.epoch()), acked),
        );
        if let Some(member) = self.members.at_mut(slot) {
            member.link = Some(link);
        }
        self.record_member(slot);
        self.report_change(id, ChangeKind::Registered(address));
        Reply::Register {
            epoch: self.epoch(),
            next: acked.next(),
            ttl_s: self.ttl_s(),
            line_bytes_max: self.rules.line_bytes_max,
        }
    }

    /// Completes a reconnect: deliveries continue after the member's cursor. A gap comes first if
    /// messages after the cursor are missing.
    fn reconnect_member(
        &mut self,
        link: LinkId,
        slot: MemberSlot,
        address: SocketAddr,
        options: &ConnectOptions,
    ) -> Reply {
        let epoch = self.epoch();
        let was_online = self.close_link(slot, Some(Bye::TakenOver(address)));
        let from = self.members.at(slot).map_or(address, |member| member.address);
        self.members.set_address(slot, address);
        let Some(member) = self.members.at_mut(slot) else {
            debug_assert!(false, "a deregister cancels the reconnect");
            return Conflict::Cancelled.into();
        };
        member.reconnecting = None;
        member.link = Some(link);
        if let Some(since) = options.since.filter(|since| since.epoch == epoch) {
            member.resume_after(since.seq, &mut self.history);
        }
        let acked = member.acked();
        let mut outbound = Outbound::new(options.acks, options.hello(epoch), acked);
        let expired = outbound.skip_missing(&self.history, member.own());
        let reply = Reply::Reconnect {
            epoch,
            next: outbound.next(),
            ttl_s: self.rules.ttl_ms / 1000,
            missed: member.pending(&self.history),
            expired,
            line_bytes_max: self.rules.line_bytes_max,
        };
        if !outbound.acks {
            member.acknowledge_through(outbound.sent(), &mut self.history);
        }
        self.members.cursor_went_back();
        self.members.update_offline(slot, self.now);
        self.stats.gaps = self.stats.gaps.saturating_add(u64::from(expired > 0));
        self.stats.takeovers = self.stats.takeovers.saturating_add(u64::from(was_online));
        self.links.establish(link, slot, outbound);
        self.mark_reconnected(slot);
        if let Some(id) = self.members.at(slot).map(|member| member.id.clone()) {
            self.report_change(
                id,
                match was_online {
                    true => ChangeKind::TakenOver { by: address, from },
                    false => ChangeKind::Reconnected(address),
                },
            );
        }
        reply
    }

    /// Fails a connect-back whose connection ended before it became a message socket.
    pub(super) fn on_connect_back_end(&mut self, link: LinkId, cause: &OfflineCause) {
        if matches!(self.links.at(link), Some(Link::Connecting(_))) {
            self.on_connect_failed(link, cause.to_string().into());
            self.give_up(link);
        }
    }

    pub(super) fn on_connect_failed(&mut self, link: LinkId, reason: Box<str>) {
        if let Some(connect_back) = self.end_connect_back(link) {
            let refusal = RequestError::ConnectFailed { address: connect_back.address, reason };
            self.reply(connect_back.conn, refusal);
        }
    }

    /// Refuses all registrations and reconnects under way, and starts no new one.
    pub(super) fn on_shut_down(&mut self) {
        self.is_shutting_down = true;
        let pending: Vec<LinkId> = self.links.connecting().collect();
        for link in pending {
            if let Some(connect_back) = self.end_connect_back(link) {
                self.give_up(link);
                self.reply(connect_back.conn, RequestError::ShuttingDown);
            }
        }
    }

    /// Removes a connect-back and restores the state from before its request.
    fn end_connect_back(&mut self, link: LinkId) -> Option<ConnectBack> {
        let Link::Connecting(_) = self.links.at(link)? else { return None };
        let Link::Connecting(connect_back) = self.links.remove(link)? else { return None };
        match &connect_back.purpose {
            ConnectPurpose::Register(id) => {
                self.registering.remove(id);
                self.members.per_address.remove(connect_back.address.ip());
            }
            ConnectPurpose::Reconnect(slot) => {
                if let Some(member) = self.members.at_mut(*slot) {
                    member.reconnecting = None;
                }
                self.members.update_offline(*slot, self.now);
            }
        }
        Some(connect_back)
    }

    /// Cancels the connect-back of a `reconnect`. Returns false if none is under way.
    pub(super) fn cancel_reconnect(&mut self, slot: MemberSlot, why: Conflict) -> bool {
        let reconnecting = self.members.at(slot).and_then(|member| member.reconnecting);
        let Some((link, connect_back)) =
            reconnecting.and_then(|link| Some((link, self.end_connect_back(link)?)))
        else {
            return false;
        };
        self.give_up(link);
        self.reply(connect_back.conn, why);
        true
    }

    fn give_up(&mut self, link: LinkId) {
        self.effects.push_back(Effect::Close { link, closing_bytes: Box::default() });
    }

    /// Closes a member's message socket with a `bye` line, if a reason is given. Returns false if
    /// the member has no message socket.
    pub(super) fn close_link(&mut self, slot: MemberSlot, bye: Option<Bye>) -> bool {
        let Some(link) = self.members.at_mut(slot).and_then(|member| member.link.take()) else {
            return false;
        };
        let outbound = self.links.open(link).map(|(_, outbound)| outbound);
        let closing_bytes = outbound.zip(bye).map(|(outbound, bye)| outbound.closing_bytes(bye));
        self.links.remove(link);
        self.members.update_offline(slot, self.now);
        let closing_bytes = closing_bytes.unwrap_or_default();
        self.effects.push_back(Effect::Close { link, closing_bytes });
        true
    }

    pub(super) fn ttl_s(&self) -> u64 {
        self.rules.ttl_ms / 1000
    }
}
