//! Connect-backs: success brings a member online. Failure, cancellation and shutdown undo the
//! request. Also closes a member's message socket.

use super::ids::Ticket;
use super::ids::{LinkId, MemberSlot};
use super::links::{ConnectBack, ConnectPhase, ConnectPurpose, Link};
use super::{Effect, Group, OfflineCause};
use crate::facts::Journal;
use crate::protocol::{Bye, Command, Conflict, Request, RequestError};
use crate::time::Now;

impl Group {
    /// Returns the message socket that ends if this connect-back succeeds.
    #[must_use]
    pub fn replaces(&self, link: LinkId) -> Option<LinkId> {
        match self.links.at(link)? {
            Link::Connecting(connect_back) => match connect_back.purpose {
                ConnectPurpose::Reconnect(slot) => self.members.at(slot)?.link,
                ConnectPurpose::Register(_) => None,
            },
            Link::Open { .. } => None,
        }
    }

    /// Returns the message socket that ends if this request succeeds.
    #[must_use]
    pub fn ends(&self, request: &Request<'_>) -> Option<LinkId> {
        match request.command {
            Command::Disconnect => self.members.at(self.members.find(request.id)?)?.link,
            Command::Deregister // The cursor of a removed member no longer matters.
            | Command::Register { .. }
            | Command::Reconnect { .. }
            | Command::Msend { .. }
            | Command::Members
            | Command::Stats
            | Command::Ping => None,
        }
    }

    pub(super) fn on_connected(
        &mut self,
        link: LinkId,
        now: Now,
        journal: &mut impl Journal<Self>,
    ) {
        let Some(Link::Connecting(connect_back)) = self.links.at(link) else { return };
        if connect_back.phase != ConnectPhase::Connecting || self.epochs.defer(link) {
            return;
        }
        let connect_back = connect_back.clone();
        let Some(id) = self.id_of(&connect_back) else {
            debug_assert!(false, "a deregister cancels the reconnect");
            return;
        };
        let Some(fact) = self.joined(&connect_back, &id) else { return };
        if let Some(connect_back) = self.links.connecting_mut(link) {
            connect_back.phase = ConnectPhase::Proposed;
        }
        journal.propose(fact, Ticket::Link(link), self, now);
    }

    /// Returns the id of the member that a connect-back is for.
    fn id_of(&self, connect_back: &ConnectBack) -> Option<Box<str>> {
        match &connect_back.purpose {
            ConnectPurpose::Register(id) => Some(id.clone()),
            ConnectPurpose::Reconnect(slot) => {
                self.members.at(*slot).map(|member| member.id.clone())
            }
        }
    }

    /// Fails a connect-back whose connection ended before it became a message socket.
    pub(super) fn on_connect_back_end(&mut self, link: LinkId, cause: &OfflineCause) {
        match self.links.connecting_mut(link).map(|connect_back| &mut connect_back.phase) {
            Some(ConnectPhase::Connecting) => {
                self.on_connect_failed(link, cause.to_string().into());
                self.give_up(link);
            }
            Some(phase @ ConnectPhase::Proposed) => {
                *phase = ConnectPhase::Ended; // The fact will tell what to reply.
                self.give_up(link);
            }
            Some(ConnectPhase::Ended) | None => (),
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
    pub(super) fn end_connect_back(&mut self, link: LinkId) -> Option<ConnectBack> {
        let Link::Connecting(_) = self.links.at(link)? else { return None };
        let Link::Connecting(connect_back) = self.links.remove(link)? else { return None };
        match &connect_back.purpose {
            ConnectPurpose::Register(id) => {
                self.links.registering.remove(id);
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

    pub(super) fn give_up(&mut self, link: LinkId) {
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
