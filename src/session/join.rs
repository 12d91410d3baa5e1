//! Brings the participant online: `register` and `reconnect` of the user, and the automatic
//! reconnect after a broken message socket.
//!
//! ```text
//!            Listening      log written        OK            hello
//!   Opening ──────────> Ready ────────> Asked ────> Confirmed ────> (online)
//!      ^                                  │ hello                      ^
//!      │ after a pause                    └── has_hello ── OK ─────────┘ either order
//!   Paused <──── reply lost, or an automatic reconnect was refused
//! ```
//!
//! With `here` there is no listener: `Opening` is left out, and `OK` makes the command socket the
//! message socket at once. No request leaves behind a `here` before its reply, so a `here` that was
//! given up still ends in a command socket or in a message socket.

mod phase;
mod policy;
mod refused_join;
mod state;
mod way;

use std::net::{IpAddr, SocketAddr};

use super::failover::fail_over;
use super::handler::SessionHandler;
use super::handshake::Stranger;
use super::in_flight::RequestSource;
use super::join_kind::JoinKind;
use super::messages::MessageStream;
use super::{DropReason, MessageSocket, Notice, Reason, Session, SessionEffect};
use crate::protocol::{DeliverTo, Epoch, Fields, Seq};

use refused_join::RefusedJoin;
pub(super) use refused_join::refuse_join;
pub(super) use state::Join;
pub use way::Advertised;
pub(super) use way::{JoinWay, NamedIp};

impl SessionHandler<'_> {
    /// Starts an automatic reconnect after a pause, if the settings allow it and no join runs.
    pub(super) fn resume(&mut self) {
        let session = &mut *self.session;
        let is_idle = session.messages.stream().is_none()
            && session.join.is_none()
            && session.shutdown.is_none();
        let Some(way) = session.automatic_join.way() else { return };
        if !is_idle || !session.settings.reconnects {
            return;
        }
        let ms = session.automatic_join.next_pause_ms();
        session.join = Some(Join::automatic(way, self.now.plus(ms)));
        session.output.show(Notice::Paused(session.requests.coordinators().next_attempt(ms)));
    }

    /// Takes the next step of the join, if it can be taken now.
    pub(super) fn advance_join(&mut self) {
        let Session { join: Some(join), output, .. } = &mut *self.session else { return };
        join.end_pause(output, self.now);
        if join.wants_to_ask() {
            self.ask_to_join();
        }
    }

    fn ask_to_join(&mut self) {
        let Session {
            join: Some(join),
            messages,
            requests,
            outbox,
            output,
            settings,
            own_addresses,
            ..
        } = &mut *self.session
        else {
            return;
        };
        // `since` must name the entries that are on their way into the log, or the coordinator
        // might count them as lost. If the log fails, the user's command says so.
        if join.kind() == JoinKind::Reconnect && !messages.inbox().is_all_written() {
            if join.is_for_user() && messages.inbox().is_failing() {
                self.fail_join(Reason::LogFailed);
            }
            return;
        }
        if requests.is_busy() {
            return;
        }
        if !outbox.is_ready_for(join.kind(), output) {
            if join.is_for_user() && outbox.is_failing() {
                self.fail_join(Reason::OutboxFailed);
            }
            return;
        }
        if !requests.open(output, self.now) {
            return;
        }
        let inbox = messages.inbox();
        let to = join.way().deliver_to(settings.advertised);
        let secret = settings.credentials.secret.as_ref();
        let command = join.command(to, inbox.log_position(), inbox.since(), secret);
        requests.name_ip(join.way().named_ip(settings.advertised));
        let Some(line) = requests.line(&settings.id, &command) else { return };
        match (to, requests.named_ip()) {
            (DeliverTo::Here, _) => own_addresses.push_here(),
            (DeliverTo::Port(port), Some(ip)) => own_addresses.push(SocketAddr::new(ip, port)),
            (DeliverTo::Port(_), None) => (),
        }
        if to == DeliverTo::Here {
            requests.expect_upgrade();
        }
        requests.send(RequestSource::Join, command.word(), line, output, self.now);
        outbox.on_join_asked(join.kind());
        join.mark_asked();
    }

    pub(super) fn on_listening(&mut self, port: u16, nonce: u128) {
        let Session { join, output, .. } = &mut *self.session;
        match join {
            Some(join) => join.on_listening(port, nonce, output),
            None => output.push(SessionEffect::CloseListener),
        }
    }

    pub(super) fn on_listen_failed(&mut self, reason: &str) {
        let Some(join) = &mut self.session.join else { return };
        if let Some(port) = join.on_listen_failed() {
            self.fail_join(Reason::NoListener { port, reason: reason.into() });
        }
    }

    /// Handles a new connection. Behind a forwarded port its address can be that of a gateway.
    pub(super) fn on_accepted(&mut self, socket: MessageSocket, peer: IpAddr) {
        let Session { join, requests, output, settings, .. } = &mut *self.session;
        let coordinator = match settings.advertised {
            Some(_) => Some(peer.to_canonical()),
            None => requests.coordinators().address().map(|coordinator| coordinator.ip()),
        };
        let Some(handshake) = join.as_mut().and_then(Join::open_handshake) else {
            return output.push(SessionEffect::CloseMessageSocket { socket });
        };
        if let Some(stranger) = handshake.accept(socket, peer, coordinator) {
            self.drop_stranger(stranger);
        }
    }

    fn drop_stranger(&mut self, stranger: Stranger) {
        let Session { dropped, output, .. } = &mut *self.session;
        let Stranger { socket, peer, why } = stranger;
        output.push(SessionEffect::CloseMessageSocket { socket });
        dropped.report(output, peer, why, self.now);
    }

    /// Handles the first line of a connection.
    pub(super) fn on_first_line(&mut self, socket: MessageSocket, line: &[u8]) {
        let handshake = self.session.join.as_mut().and_then(Join::open_handshake);
        let Some(handshake) = handshake else { return };
        match handshake.take_first_line(socket, line) {
            Ok(epoch) => self.on_hello(socket, epoch),
            Err(Some(stranger)) => self.drop_stranger(stranger),
            Err(None) => (),
        }
    }

    /// Handles the end of a message socket, or of a connection that has sent no hello.
    pub(super) fn on_message_socket_closed(&mut self, socket: MessageSocket, reason: &str) {
        self.forget_candidate(socket, DropReason::WrongHello);
        if self.session.messages.is_stream(socket) {
            self.end_stream(Reason::System(reason.into()));
        }
    }

    /// Drops a connection that has sent no hello.
    pub(super) fn forget_candidate(&mut self, socket: MessageSocket, why: DropReason) {
        let Session { join, dropped, output, .. } = &mut *self.session;
        let Some(handshake) = join.as_mut().and_then(Join::open_handshake) else { return };
        if let Some(Stranger { peer, .. }) = handshake.forget(socket) {
            dropped.report(output, peer, why, self.now);
        }
    }

    fn drop_silent_candidates(&mut self) {
        while let Some(handshake) = self.session.join.as_mut().and_then(Join::open_handshake)
            && let Some(stranger) = handshake.pop_silent()
        {
            self.drop_stranger(stranger);
        }
    }

    /// The coordinator has sent the hello: this connection is the message socket now.
    fn on_hello(&mut self, socket: MessageSocket, epoch: Epoch) {
        let Session {
            join: Some(join),
            requests,
            messages,
            outbox,
            own_addresses,
            visit,
            output,
            ..
        } = &mut *self.session
        else {
            return;
        };
        requests.coordinators_mut().stay();
        join.on_hello(output);
        visit.on_online();
        outbox.waiting_mut().release();
        own_addresses.clear();
        let is_confirmed = join.is_confirmed();
        let stream = MessageStream::new(socket, join.way(), is_confirmed, self.now);
        messages.open(stream, epoch, output);
        if is_confirmed {
            self.finish_join();
        }
    }

    /// Handles `OK`: shows it at once, and finishes the join when the hello has come too.
    pub(super) fn confirm_join(&mut self, line: &str, fields: Fields<'_>) {
        let Session { join: Some(join), automatic_join, visit, messages, output, outbox, .. } =
            &mut *self.session
        else {
            return;
        };
        join.confirm(line, output, self.now);
        outbox.on_joined(fields, output);
        visit.on_member(); // Unless it was unknown before.
        let (way, has_hello) = (join.way(), join.has_hello());
        automatic_join.allow(way);
        if let (Some(epoch), Some(next)) = (fields.value("epoch"), fields.value("next"))
            && let (epoch @ Some(_), Some(next)) = (Epoch::parse(epoch), Seq::parse(next))
        {
            messages.record_reply(has_hello, (epoch, next), output);
        }
        if has_hello {
            self.finish_join();
        } else if way.is_here() {
            self.upgrade(fields);
        }
    }

    /// Makes the command socket the message socket, after `OK` to a request with `here`.
    fn upgrade(&mut self, fields: Fields<'_>) {
        let Session { requests, output, .. } = &mut *self.session;
        match (fields.value("epoch").and_then(Epoch::parse), requests.upgrade(output)) {
            (Some(epoch), Some(socket)) => self.on_hello(socket, epoch),
            (_, socket) => {
                output.push_close(socket);
                self.fail_join(Reason::BadReply);
            }
        }
    }

    /// Handles `OK` to a `register` or `reconnect` that was given up. After a `here` the command
    /// socket is the message socket, as if the join had succeeded before it was given up.
    pub(super) fn on_late_reply(&mut self, fields: Fields<'_>) {
        let Session { requests, messages, own_addresses, output, .. } = &mut *self.session;
        let Some(socket) = requests.upgrade(output) else { return };
        let number = fields.value("next").and_then(Seq::parse);
        let (Some(epoch), Some(next)) = (fields.value("epoch").and_then(Epoch::parse), number)
        else {
            return output.push_close(Some(socket));
        };
        own_addresses.clear();
        messages.record_reply(false, (Some(epoch), next), output);
        messages.open(MessageStream::new(socket, JoinWay::Here, true, self.now), epoch, output);
    }

    /// Another program has the id. Texts without a reply are given up: the other program may use
    /// their numbers, so nothing would prove that they were accepted. All texts of an id go through
    /// its outbox file, so there the numbers stay. A visit leaves nothing that waits for a join.
    pub(super) fn on_taken_over(&mut self, by: SocketAddr) {
        let session = &mut *self.session;
        session.messages.take_stream();
        session.automatic_join.on_taken_over();
        session.visit.on_taken_over();
        if session.join.as_ref().is_some_and(|join| !join.is_for_user()) {
            session.give_up_join();
        }
        session.output.show(Notice::TakenOver(by));
        if session.visit.joins_to_send() || !session.outbox.has_file() {
            session.outbox.on_forgotten(&mut session.output);
        }
    }

    fn finish_join(&mut self) {
        let session = &mut *self.session;
        if let Some(join) = session.join.take() {
            session.automatic_join.allow(join.way());
        }
        self.resume(); // The new message socket may have ended already.
    }

    /// Handles a lost reply. If the hello has come, and the message socket is open or was taken
    /// over, the join has succeeded. With a journal, a coordinator sends the hello before it can
    /// confirm, and may end in between.
    pub(super) fn on_join_reply_lost(&mut self, why: Reason, fails_over: bool) {
        let Session { join: Some(join), messages, outbox, automatic_join, output, .. } =
            &mut *self.session
        else {
            return;
        };
        // Texts of an outbox file wait for the numbers of the reply.
        let is_online = messages.stream().is_some() && !outbox.has_file();
        if join.has_hello() && (is_online || automatic_join.is_taken_over()) {
            outbox.on_joined_without_reply(output);
            return self.finish_join();
        }
        join.on_reply_lost();
        match fails_over {
            true => join.fail_over(true, output, self.now),
            false => self.try_later(why),
        }
    }

    /// Begins the next attempt at once with another coordinator. Returns false if a pause comes
    /// first. If the request `may_be_done`, the attempt is a `reconnect`.
    pub(super) fn fail_over_join(&mut self, may_be_done: bool, why: &Reason) -> bool {
        let fails_over = fail_over(self.session, why);
        let Session { join, output, .. } = &mut *self.session;
        if let Some(join) = join.as_mut().filter(|_| fails_over) {
            join.fail_over(may_be_done, output, self.now);
        }
        fails_over
    }

    /// Handles an attempt without a reply, or without a hello.
    pub(super) fn fail_join(&mut self, why: Reason) {
        let Session { join: Some(join), output, .. } = &mut *self.session else { return };
        if join.is_retry() {
            return self.try_later(why);
        }
        output.show(Notice::Failed { command: join.word(), why });
        self.end_in_failure();
    }

    pub(super) fn try_later(&mut self, why: Reason) {
        let Session { join: Some(join), requests, automatic_join, output, .. } = &mut *self.session
        else {
            return;
        };
        let next = requests.coordinators().next_attempt(automatic_join.next_pause_ms());
        if !join.try_later(why, next, output, self.now) {
            self.end_in_failure();
        }
    }

    pub(super) fn end_in_failure(&mut self) {
        let Session { join, output, .. } = &mut *self.session;
        if let Some(mut join) = join.take() {
            join.close(output);
        }
        output.fail();
        self.resume();
    }

    pub(super) fn expire_join(&mut self) {
        if !self.session.join.as_ref().is_some_and(|join| join.is_hello_late(self.now)) {
            return;
        }
        self.drop_silent_candidates();
        if !self.fail_over_join(true, &Reason::NoHello) {
            self.fail_join(Reason::NoHello);
        }
    }
}
