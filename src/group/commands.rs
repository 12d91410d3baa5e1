//! Requests: each one is checked, and becomes a reply, a list, a connect-back or a fact.

use std::net::IpAddr;
use std::num::NonZeroU64;

use super::access::{is_of_own_machine, refuse_unknown};
use super::addresses::{Destination, check_ip};
use super::backlog::{has_room, make_room};
use super::handler::InputHandler;
use super::ids::{LinkId, MemberSlot, Ticket};
use super::links::{ConnectBack, ConnectOptions, ConnectPhase, ConnectPurpose, Link};
use super::member::Member;
use super::sends::SendOrder;
use super::{Effect, Group, OfflineCause, Origin};
use crate::facts::{Fact, Journal};
use crate::limits::OWN_RANGES_MAX;
use crate::protocol::{
    Command, Conflict, DeliverTo, Delivery, LimitReached, Listing, Options, PeerName, Query, Reply,
    Request, RequestError, Seq, Text, Unauthorized,
};

impl<J: Journal<Group>> InputHandler<'_, J> {
    pub(super) fn on_request(&mut self, origin: &Origin<'_>, request: &Request<'_>) {
        match self.execute(origin, request) {
            Ok(Some(reply)) => self.group.reply(origin.conn, reply),
            Ok(None) => (), // A list, a connect-back or a fact answers.
            Err(refusal) => self.group.reply(origin.conn, refusal),
        }
    }

    /// The order of the checks is the order in which their errors take precedence.
    fn execute(
        &mut self,
        origin: &Origin<'_>,
        request: &Request<'_>,
    ) -> Result<Option<Reply>, RequestError> {
        if self.group.is_shutting_down {
            return Err(RequestError::ShuttingDown);
        }
        let peer = origin.peer.to_canonical();
        let ip = request.ip.unwrap_or(peer);
        match request.command {
            Command::Query(Query::List(listing)) => return self.list(origin, request.id, listing),
            Command::Query(Query::Ping) => return Ok(Some(Reply::Ping)),
            Command::Register { to, ref options } => {
                return self.register(origin, request.id, (ip, to), options).map(|()| None);
            }
            Command::Reconnect { to, ref options } => {
                return self.reconnect(origin, request.id, (ip, to), options).map(|()| None);
            }
            Command::Deregister
            | Command::Disconnect
            | Command::Msend { .. }
            | Command::Send { .. } => (),
        }
        let has_rules = self.group.access.has_rules();
        if has_rules {
            self.check_by_rules(origin, request, (peer, ip))?;
        } else {
            if origin.has_no_key() && !is_of_own_machine(origin, &request.command) {
                return Err(Unauthorized::NoCertificate.into());
            }
            check_ip(&self.group.rules, peer, ip)?;
        }
        let Some(slot) = self.group.state.members.find(request.id) else {
            return Err(RequestError::NotAMember);
        };
        if !has_rules && !is_of_own_machine(origin, &request.command) {
            self.group.check_client(slot, origin, ip)?;
        }
        match request.command {
            Command::Deregister => {
                self.group.journal_state.check()?;
                self.propose(Fact::Deregistered { id: request.id }, Ticket::Request(origin.conn));
                Ok(None)
            }
            Command::Disconnect => self.disconnect(slot).map(Some),
            Command::Msend { text } => {
                self.check_message(slot, None, text)?;
                self.propose_message(origin, request.id, None, text);
                Ok(None)
            }
            Command::Send { number, text } => self.send(origin, slot, request.id, number, text),
            // Returned above.
            Command::Register { .. } | Command::Reconnect { .. } | Command::Query(_) => Ok(None),
        }
    }

    /// Checks by the access rules that the client may use the id, and remembers the rights.
    #[inline(never)]
    fn check_by_rules(
        &mut self,
        origin: &Origin<'_>,
        request: &Request<'_>,
        addresses: (IpAddr, IpAddr),
    ) -> Result<(), RequestError> {
        let Group { access, rules, state, .. } = &mut *self.group;
        access.check_request(&mut state.members, rules, origin, request, addresses)
    }

    fn list(
        &mut self,
        origin: &Origin<'_>,
        id: &str,
        listing: Listing,
    ) -> Result<Option<Reply>, RequestError> {
        let Group { access, state, effects, .. } = &mut *self.group;
        access.check_list(&state.members, origin, id)?;
        effects.push_back(Effect::List { to: origin.conn, listing });
        Ok(None)
    }

    /// Checks a `register`, and connects to the new member. Not inlined: most requests are
    /// messages.
    #[inline(never)]
    fn register(
        &mut self,
        origin: &Origin<'_>,
        id: &str,
        (ip, to): (IpAddr, DeliverTo),
        options: &Options<'_>,
    ) -> Result<(), RequestError> {
        let Group { access, state, rules, .. } = &*self.group;
        let decision = access.check(&state.members, origin, (id, ip), options.secret);
        let decision = refuse_unknown(decision)?;
        let to = Destination::check(rules, origin, (ip, decision.is_ok()), to)?;
        let rights = decision?;
        if state.members.find(id).is_some() {
            return Err(Conflict::AlreadyAMember.into());
        }
        if self.group.links.registering.contains_key(id) {
            return Err(Conflict::AlreadyRegistering.into());
        }
        let ip = to.address.ip();
        self.check_room(ip)?;
        let Group { access, state, .. } = &*self.group;
        let owner = access.owner_of_new(&state.members, origin, (id, ip), options.secret)?;
        self.group.journal_state.check()?;
        let purpose = ConnectPurpose::Register(id.into());
        let last = options.last.filter(|_| rights.may_receive).or(options.last.map(|_| 0));
        let link = self.insert_link(origin, purpose, (to, owner), &Options { last, ..*options });
        self.group.links.registering.insert(id.into(), link);
        self.group.state.members.count_registering(id, owner, ip);
        self.connect(origin, link, to);
        Ok(())
    }

    /// Checks `max_members` and `max_members_per_address`.
    fn check_room(&self, ip: IpAddr) -> Result<(), RequestError> {
        let max = self.group.rules.members_max;
        if self.group.state.members.len().saturating_add(self.group.links.registering.len()) >= max
        {
            return Err(LimitReached::Members { max }.into());
        }
        let max = self.group.rules.members_per_address_max;
        match self.group.state.members.per_address.full(ip, max) {
            Some(network) => {
                Err(LimitReached::MembersAt { address: network.to_string().into(), max }.into())
            }
            None => Ok(()),
        }
    }

    #[inline(never)]
    fn reconnect(
        &mut self,
        origin: &Origin<'_>,
        id: &str,
        (ip, to): (IpAddr, DeliverTo),
        options: &Options<'_>,
    ) -> Result<(), RequestError> {
        let Group { access, state, rules, .. } = &*self.group;
        let decision = refuse_unknown(access.check(&state.members, origin, (id, ip), None))?;
        let to = Destination::check(rules, origin, (ip, decision.is_ok()), to)?;
        decision?;
        let slot = state.members.find(id).ok_or(RequestError::NotAMember)?;
        let owner = access.owner_of_returned(origin, to.address.ip())?;
        self.check_since(id, options)?;
        self.group.cancel_reconnect(slot, Conflict::Superseded);
        let link = self.insert_link(origin, ConnectPurpose::Reconnect(slot), (to, owner), options);
        if let Some(member) = self.group.state.members.at_mut(slot) {
            member.reconnecting = Some(link);
        }
        self.group.state.members.update_offline(slot, self.now.steady);
        self.connect(origin, link, to);
        Ok(())
    }

    fn insert_link(
        &mut self,
        origin: &Origin<'_>,
        purpose: ConnectPurpose,
        (Destination { address, is_here }, owner): (Destination, PeerName),
        options: &Options<'_>,
    ) -> LinkId {
        let before = match purpose {
            ConnectPurpose::Register(_) => None,
            ConnectPurpose::Reconnect(slot) => {
                self.group.state.members.at(slot).map(|member| member.access.owner)
            }
        };
        self.group.links.insert(Link::Connecting(ConnectBack {
            purpose,
            owner,
            before,
            identity: self.group.access.kept_identity(origin),
            address,
            conn: origin.conn,
            is_here,
            options: ConnectOptions::new(options),
            phase: ConnectPhase::Connecting,
        }))
    }

    /// Starts a connect-back. With `here` the connection is there already.
    fn connect(&mut self, origin: &Origin<'_>, link: LinkId, to: Destination) {
        if to.is_here {
            return self.on_connected(link);
        }
        let address = to.address;
        let from = (address.ip() == origin.peer.to_canonical()).then_some(origin.local);
        let key = origin.credentials.key().map(Box::new);
        self.group.effects.push_back(Effect::Connect { link, address, from, key });
    }

    fn disconnect(&mut self, slot: MemberSlot) -> Result<Reply, RequestError> {
        let was_reconnecting = self.group.cancel_reconnect(slot, Conflict::Cancelled);
        let link = self.group.state.members.at(slot).and_then(|member| member.link);
        if let Some(link) = link {
            self.group.on_link_end(link, OfflineCause::Disconnected);
        }
        let was_online = link.is_some();
        if was_online || was_reconnecting {
            Ok(Reply::Disconnect)
        } else {
            Err(Conflict::AlreadyOffline.into())
        }
    }

    #[inline(always)]
    fn send(
        &mut self,
        origin: &Origin<'_>,
        slot: MemberSlot,
        id: &str,
        number: NonZeroU64,
        text: Text<'_>,
    ) -> Result<Option<Reply>, RequestError> {
        if !self.check_message(slot, Some(number), text)? {
            return self.answer_repeated(origin, slot, number);
        }
        let applied = self.group.state.order.applied;
        self.propose_message(origin, id, Some(number), text);
        if applied == self.group.state.order.applied {
            self.await_number(slot, number); // The journal applies it later.
        }
        Ok(None)
    }

    /// Lets the numbers after a proposed one follow before it is applied.
    fn await_number(&mut self, slot: MemberSlot, number: NonZeroU64) {
        if let Some(member) = self.group.state.members.at_mut(slot) {
            member.sends.propose(number);
        }
    }

    fn propose_message(
        &mut self,
        origin: &Origin<'_>,
        sender: &str,
        number: Option<NonZeroU64>,
        text: Text<'_>,
    ) {
        let fact = Fact::Accepted { sender, number, accepted: self.now.unix, text };
        self.propose(fact, Ticket::Request(origin.conn));
    }

    /// Answers a `send` whose number is not the next one. A number that was accepted before is a
    /// duplicate, also for an offline member.
    #[cold]
    fn answer_repeated(
        &mut self,
        origin: &Origin<'_>,
        slot: MemberSlot,
        number: NonZeroU64,
    ) -> Result<Option<Reply>, RequestError> {
        let Some(member) = self.group.state.members.at(slot) else {
            return Err(RequestError::NotAMember);
        };
        // The accepted message may not be committed yet.
        let (order, after) = (member.sends.check_request(number), member.sends.accepted_at());
        let reply = match order {
            SendOrder::TooHigh { expected } => {
                check_online(member)?;
                Conflict::NumberTooHigh { expected }.into()
            }
            // The next one is accepted, and not answered here.
            SendOrder::Duplicate | SendOrder::Next => Reply::Send { number, seq: None },
        };
        self.group.reply_after(origin.conn, reply, after);
        Ok(None)
    }

    /// Checks that the member is online, and that its message can be accepted now. Returns false
    /// without further checks if the number is not the next one.
    fn check_message(
        &mut self,
        slot: MemberSlot,
        number: Option<NonZeroU64>,
        text: Text<'_>,
    ) -> Result<bool, RequestError> {
        let Some(member) = self.group.state.members.at(slot) else {
            return Err(RequestError::NotAMember);
        };
        if number.is_some_and(|number| member.sends.check_request(number) != SendOrder::Next) {
            return Ok(false);
        }
        check_online(member)?;
        self.group.journal_state.check()?;
        if self.group.state.history.last() >= Seq::LAST {
            return Err(RequestError::NoNumberLeft);
        }
        if member.own().reach_above(member.acked(), OWN_RANGES_MAX) && member.access.receives {
            return Err(RequestError::TooManyUnacked { max: OWN_RANGES_MAX });
        }
        if self.group.access.has_rules() {
            self.group.access.check_rate(member, self.now.steady)?;
        }
        let (seq, sender, accepted) =
            (self.group.state.history.last().next(), &*member.id, self.now.unix);
        let delivery = Delivery { seq, sender, accepted, text };
        if !has_room(self.group, delivery.encoded_bytes_max() as u64) {
            let line_bytes = delivery.encoded_bytes() as u64;
            make_room(self.group, line_bytes, self.now.steady)?;
        }
        Ok(true)
    }
}

fn check_online(member: &Member) -> Result<(), RequestError> {
    match member.link {
        Some(_) => Ok(()),
        None => Err(Conflict::OfflineCannotSend.into()),
    }
}
