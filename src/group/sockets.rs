//! Connect-backs and message sockets: failure, cancellation and shutdown undo the request of a
//! connect-back; written bytes, acks and the end of a socket move the cursor of its member.

use std::sync::Arc;

use super::ids::{LinkId, MemberSlot};
use super::links::{ConnectBack, ConnectPhase, ConnectPurpose, Link};
use super::{ChangeKind, Effect, Group, OfflineCause, Rules};
use crate::access::{AccessTable, CaCheck, Credentials};
use crate::facts::JournalPosition;
use crate::protocol::{Bye, Conflict, RequestError, Seq};
use crate::time::Millis;

impl Group {
    pub(super) fn on_wrote(&mut self, link: LinkId, bytes: usize, through: Option<Seq>) {
        let Some((slot, outbound)) = self.links.open_mut(link) else { return };
        let Some(member) = self.state.members.at(slot) else { return };
        let deliveries = match through {
            Some(through) => outbound.wrote_through(through, member.own()),
            None => {
                let (history, begun) = (&self.state.history, &mut self.begun_lines);
                outbound.wrote(bytes, history, member.own(), begun)
            }
        };
        let gone = outbound.skip_missing(&self.state.history, member.own());
        let acked = (!outbound.acks).then(|| outbound.sent());
        self.stats.gaps = self.stats.gaps.saturating_add(u64::from(gone > 0));
        self.stats.deliveries_out = self.stats.deliveries_out.saturating_add(deliveries);
        self.stats.bytes_out = self.stats.bytes_out.saturating_add(bytes as u64);
        if let Some(acked) = acked {
            self.state.apply_acked(slot, acked);
        }
    }

    /// Allows all messages up to `through` to be sent.
    pub(super) fn on_committed(&mut self, through: JournalPosition, now: Millis) {
        self.state.commit(through);
        self.expire(now); // A message that expired before its commit is never sent.
    }

    pub(super) fn on_acknowledged(&mut self, link: LinkId, seq: Seq) {
        let Some((slot, outbound)) = self.links.open_mut(link) else { return };
        let Some(member) = self.state.members.at(slot) else { return };
        if !outbound.acks || seq <= member.acked() {
            return;
        }
        if outbound.acknowledge(seq) {
            self.state.apply_acked(slot, seq);
        } else {
            self.on_link_end(link, OfflineCause::BadAck);
        }
    }

    /// Ends a message socket: its member goes offline and keeps its cursor.
    pub(super) fn on_link_end(&mut self, link: LinkId, cause: OfflineCause) {
        let Some((slot, _)) = self.links.open(link) else {
            return self.on_connect_back_end(link, &cause);
        };
        self.close_link(slot, cause.bye());
        self.state.members.update_offline(slot, self.now);
        if let Some(member) = self.state.members.at(slot) {
            let (id, address) = (member.id.clone(), member.address);
            self.state.update_announcement(&id);
            self.report_change(id, ChangeKind::Offline { address, cause });
        }
    }

    /// The certificate of a message socket or of a connect-back is no longer valid.
    pub(super) fn on_certificate_expired(&mut self, link: LinkId) {
        if let Some(credentials) = self.credentials_mut(link) {
            credentials.expire();
        }
        match self.links.open(link).map(|(slot, _)| slot) {
            Some(slot) => self.refresh_access(slot, OfflineCause::CertificateExpired),
            None => self.refuse_unfit(link),
        }
    }

    /// Decides about all members by new rules, and by new results for certificates. The message
    /// sockets of members that no rule fits are closed, and their connect-backs are refused.
    pub(super) fn on_access_changed(
        &mut self,
        table: Arc<AccessTable>,
        checked: &[(LinkId, CaCheck)],
    ) {
        if !self.access.replace(table, &mut self.state.members) {
            return;
        }
        for (link, result) in checked {
            if let Some(credentials) = self.credentials_mut(*link) {
                credentials.check_again(result.clone());
            }
        }
        for link in self.links.connecting().collect::<Vec<LinkId>>() {
            self.refuse_unfit(link);
        }
        self.refresh_all();
    }

    /// Returns the credentials with which a message socket or connect-back was asked for.
    fn credentials_mut(&mut self, link: LinkId) -> Option<&mut Credentials> {
        let identity = match self.links.open(link).map(|(slot, _)| slot) {
            Some(slot) => &mut self.state.members.at_mut(slot)?.access.connected,
            None => &mut self.links.connecting_mut(link)?.identity,
        };
        Some(identity.as_mut()?.credentials_mut())
    }

    /// Refuses a connect-back that no rule fits now.
    fn refuse_unfit(&mut self, link: LinkId) {
        if let Err(refusal) = self.decide_again(link)
            && let Some(connect_back) = self.end_connect_back(link)
        {
            self.give_up(link);
            self.reply(connect_back.conn, refusal);
        }
    }

    /// Decides about all members by the present rules.
    pub(super) fn refresh_all(&mut self) {
        if self.access.has_rules() {
            for slot in self.state.members.slots() {
                self.refresh_access(slot, OfflineCause::AccessRevoked);
            }
        }
    }

    /// Decides about a connect-back that has not succeeded yet. One whose fact is on its way is
    /// decided about when the fact is applied.
    fn decide_again(&self, link: LinkId) -> Result<(), RequestError> {
        let Some(Link::Connecting(connect_back)) = self.links.at(link) else { return Ok(()) };
        let id = self.id_of(connect_back);
        let (Some(id), Some(identity)) = (id, &connect_back.identity) else { return Ok(()) };
        match connect_back.phase {
            ConnectPhase::Connecting => {
                let (identity, owner) = (&identity.get(), connect_back.owner);
                self.access.decide_joining(&self.state.members, identity, &id, owner)
            }
            ConnectPhase::Proposed | ConnectPhase::Ended => Ok(()),
        }
    }

    /// Decides about a member by the present rules. If no rule fits, its message socket is closed.
    pub(super) fn refresh_access(&mut self, slot: MemberSlot, cause: OfflineCause) {
        let Some(member) = self.state.members.at(slot) else { return };
        let link = member.link;
        match (self.access.rights_of(&self.state.members, member), link) {
            (Some(rights), _) => self.set_receives(slot, rights.may_receive),
            (None, Some(link)) => self.on_link_end(link, cause),
            (None, None) => (), // Its messages wait: the rules may change again.
        }
    }

    /// Changes whether a member needs messages. It gets those that are accepted from then on.
    pub(super) fn set_receives(&mut self, slot: MemberSlot, receives: bool) {
        let Some(member) = self.state.members.at_mut(slot) else { return };
        let is_at_end = !receives || !member.access.receives;
        member.access.receives = receives;
        let (link, last) = (member.link, self.state.history.last());
        if is_at_end {
            self.state.apply_acked(slot, last);
        }
        self.state.members.cursor_went_back();
        if let Some((_, outbound)) = link.and_then(|link| self.links.open_mut(link)) {
            if receives { outbound.unmute(last) } else { outbound.mute() }
        }
    }

    /// Puts other settings in force, but for those that stay until a restart.
    pub(super) fn change_rules(&mut self, rules: &Rules, now: Millis) {
        let Rules { line_bytes_max, listening, .. } = self.rules;
        let access = self.rules.access.take();
        self.rules = Rules { line_bytes_max, listening, access, ..rules.clone() };
        self.access.allow_foreign_ip(rules.foreign_ip_allowed);
        self.state.history.change_rules(rules.ttl_ms, rules.newcomer_limits());
        self.state.change_presence_delay(rules.presence_delay_ms);
        self.expire(now);
    }

    /// Ends a turn. With a time to live of 0, all messages of the turn expire now.
    pub(super) fn on_delivered(&mut self) {
        if self.state.history.delivers_once() {
            self.expire_before(self.state.history.released().next());
        }
        self.state.history.trim();
    }

    /// Drops expired messages. An uncommitted message does not expire: after a failure it may turn
    /// out never to have been accepted.
    pub(super) fn expire(&mut self, now: Millis) {
        if !self.state.history.delivers_once() {
            let front = self.state.history.unexpired_released(now);
            self.expire_before(front);
        }
    }

    fn expire_before(&mut self, front: Seq) {
        if front > self.state.history.front() {
            let expired = front.before().above(self.state.find_needed().before());
            self.stats.expired = self.stats.expired.saturating_add(expired);
            self.state.history.expire_before(front);
            self.drop_messages_before(front);
        }
    }

    /// Drops messages before `front`. Cursors below skip them, with a gap if the member has acks.
    pub(super) fn drop_messages_before(&mut self, front: Seq) {
        self.state.history.drop_before(front);
        let mut moved = Vec::new();
        for (slot, outbound) in self.links.all_open_mut() {
            let Some(member) = self.state.members.at(slot) else { continue };
            if outbound.reaches(front) {
                continue;
            }
            if outbound.skip_missing(&self.state.history, member.own()) > 0 {
                self.stats.gaps = self.stats.gaps.saturating_add(1);
            }
            if !outbound.acks {
                moved.push((slot, outbound.sent()));
            }
        }
        moved.into_iter().for_each(|(slot, acked)| self.state.apply_acked(slot, acked));
    }

    /// Returns the id of the member that a connect-back is for.
    pub(super) fn id_of(&self, connect_back: &ConnectBack) -> Option<Box<str>> {
        match &connect_back.purpose {
            ConnectPurpose::Register(id) => Some(id.clone()),
            ConnectPurpose::Reconnect(slot) => {
                self.state.members.at(*slot).map(|member| member.id.clone())
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
            self.stats.record_failed_connect_back();
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
        self.state.epochs.end_deferred(link);
        match &connect_back.purpose {
            ConnectPurpose::Register(id) => {
                self.links.registering.remove(id);
                let ConnectBack { owner, address, .. } = connect_back;
                self.state.members.end_registering(id, owner, address.ip());
            }
            ConnectPurpose::Reconnect(slot) => {
                if let Some(member) = self.state.members.at_mut(*slot) {
                    member.reconnecting = None;
                }
                self.state.members.update_offline(*slot, self.now);
            }
        }
        Some(connect_back)
    }

    /// Cancels the connect-back of a `reconnect`. Returns false if none is under way.
    pub(super) fn cancel_reconnect(&mut self, slot: MemberSlot, why: Conflict) -> bool {
        let reconnecting = self.state.members.at(slot).and_then(|member| member.reconnecting);
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
    /// the member has no message socket. The caller removes the member or updates its presence.
    pub(super) fn close_link(&mut self, slot: MemberSlot, bye: Option<Bye>) -> bool {
        let Some(member) = self.state.members.at_mut(slot) else { return false };
        member.access.connected = None;
        let Some(link) = member.link.take() else { return false };
        self.state.members.mark_gone(slot);
        let outbound = self.links.open(link).map(|(_, outbound)| outbound);
        let closing_bytes = outbound.zip(bye).map(|(outbound, bye)| outbound.closing_bytes(bye));
        self.links.remove(link);
        let closing_bytes = closing_bytes.unwrap_or_default();
        self.effects.push_back(Effect::Close { link, closing_bytes });
        true
    }
}
