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

mod state;

use std::net::{IpAddr, SocketAddr};

use super::handshake::Stranger;
use super::in_flight::RequestSource;
use super::join_kind::JoinKind;
use super::refused::why_refused;
use super::{MessageSocket, Notice, Reason, Session, SessionEffect};
use crate::limits::{HELLO_TIMEOUT_MS, LOST_REPLIES_MAX};
use crate::protocol::{Command, Epoch, Fields, Options, Seq};
use crate::time::Millis;

use state::JoinPhase;

pub(super) use state::{Join, Port};

impl Session {
    /// Starts the user's `register` or `reconnect`. An automatic reconnect is cancelled.
    pub(super) fn join(&mut self, kind: JoinKind, port: u16) {
        self.give_up_join();
        let port = Port { number: port, is_any: port == 0 };
        self.join = Some(Join::new(kind, true, port, JoinPhase::Opening));
        self.output.push(SessionEffect::Listen { port: port.number });
    }

    /// Starts an automatic reconnect after a pause, if the settings allow it and no join runs.
    pub(super) fn resume(&mut self, now: Millis) {
        let is_idle = self.stream.is_none() && self.join.is_none() && self.shutdown.is_none();
        let Some(port) = self.automatic_join.port() else { return };
        if !is_idle || !self.settings.reconnects {
            return;
        }
        let ms = self.automatic_join.next_pause_ms();
        let phase = JoinPhase::Paused { until: now.plus(ms) };
        self.join = Some(Join::new(JoinKind::Reconnect, false, port, phase));
        self.show(Notice::Paused { ms });
    }

    /// Cancels the join. A message socket that it has opened stays open.
    pub(super) fn give_up_join(&mut self) {
        self.close_handshake();
        self.join = None;
        self.requests.abandon_join();
    }

    pub(super) fn advance(&mut self, now: Millis) {
        let Some(join) = &mut self.join else { return };
        match join.phase {
            JoinPhase::Paused { until } if until <= now => {
                join.phase = JoinPhase::Opening;
                join.has_hello = false;
                self.output.push(SessionEffect::Listen { port: join.port.number });
            }
            JoinPhase::Ready => self.ask_to_join(now),
            JoinPhase::Paused { .. }
            | JoinPhase::Opening
            | JoinPhase::Asked
            | JoinPhase::Confirmed { .. } => (),
        }
    }

    fn ask_to_join(&mut self, now: Millis) {
        let Some(join) = &self.join else { return };
        let kind = join.kind;
        // `since` must name the entries that are on their way into the log, or the coordinator
        // might count them as lost. If the log fails, the user's command fails instead of waiting.
        if kind == JoinKind::Reconnect && !self.inbox.is_all_written() {
            if join.is_for_user && self.inbox.is_failing() {
                self.fail_join(Reason::LogFailed, now);
            }
            return;
        }
        if self.requests.is_busy() || !self.has_command_socket(now) {
            return;
        }
        let Some(join) = &self.join else { return };
        let port = join.port.number;
        let options = Options { acks: true, nonce: Some(join.handshake.nonce()), since: None };
        let since = self.inbox.since();
        let command = match kind {
            JoinKind::Register => Command::Register { port, options },
            JoinKind::Reconnect => {
                Command::Reconnect { port, options: Options { since, ..options } }
            }
        };
        let Some(line) = self.request_line(&command) else { return };
        if let Some(ip) = self.ip() {
            self.own_addresses.push(SocketAddr::new(ip, port));
        }
        self.send(RequestSource::Join, kind.word(), line, now);
        if let Some(join) = &mut self.join {
            join.phase = JoinPhase::Asked;
        }
    }

    /// The coordinator has not read the request: sends it again.
    pub(super) fn ask_again(&mut self) {
        if let Some(join) = &mut self.join {
            join.phase = JoinPhase::Ready;
        }
    }

    pub(super) fn on_listening(&mut self, port: u16, nonce: u128) {
        let Some(join) = &mut self.join else {
            return self.output.push(SessionEffect::CloseListener);
        };
        if join.phase != JoinPhase::Opening {
            return;
        }
        let says_where = join.is_for_user && join.port.number == 0;
        join.port.number = port;
        join.handshake.open(nonce);
        join.phase = JoinPhase::Ready;
        if says_where {
            self.show(Notice::Listening { port });
        }
    }

    pub(super) fn on_listen_failed(&mut self, reason: &str, now: Millis) {
        let Some(join) = &mut self.join else { return };
        if join.phase != JoinPhase::Opening {
            return;
        }
        let port = join.port.number;
        if join.port.is_any {
            join.port.number = 0;
        }
        self.fail_join(Reason::NoListener { port, reason: reason.into() }, now);
    }

    /// Returns true if a connection has sent no hello yet.
    pub(super) fn is_candidate(&self, socket: MessageSocket) -> bool {
        self.join.as_ref().is_some_and(|join| join.handshake.is_candidate(socket))
    }

    /// Handles a new connection.
    pub(super) fn on_accepted(&mut self, socket: MessageSocket, peer: IpAddr, now: Millis) {
        let coordinator = self.requests.coordinator().map(|coordinator| coordinator.ip());
        let handshake = self.join.as_mut().map(|join| &mut join.handshake);
        let Some(handshake) = handshake.filter(|handshake| handshake.is_open()) else {
            return self.output.push(SessionEffect::CloseMessageSocket { socket });
        };
        if let Some(stranger) = handshake.accept(socket, peer, coordinator, now) {
            self.drop_stranger(stranger, now);
        }
    }

    fn drop_stranger(&mut self, stranger: Stranger, now: Millis) {
        let Stranger { socket, peer, why } = stranger;
        self.output.push(SessionEffect::CloseMessageSocket { socket });
        self.dropped.report(&mut self.output, peer, why, now);
    }

    /// Handles the first line of a connection.
    pub(super) fn on_first_line(&mut self, socket: MessageSocket, line: &[u8], now: Millis) {
        let Some(join) = &mut self.join else { return };
        match join.handshake.take_first_line(socket, line) {
            Ok(epoch) => self.on_hello(socket, epoch, now),
            Err(Some(stranger)) => self.drop_stranger(stranger, now),
            Err(None) => (),
        }
    }

    /// Handles the end of a connection that has sent no hello.
    pub(super) fn forget_candidate(&mut self, socket: MessageSocket, now: Millis) {
        let handshake = self.join.as_mut().map(|join| &mut join.handshake);
        if let Some(Stranger { peer, why, .. }) =
            handshake.and_then(|handshake| handshake.forget(socket))
        {
            self.dropped.report(&mut self.output, peer, why, now);
        }
    }

    fn close_handshake(&mut self) {
        if let Some(join) = &mut self.join {
            join.handshake.close(&mut self.output);
        }
    }

    fn expire_candidates(&mut self, now: Millis) {
        while let Some(join) = &mut self.join
            && let Some(stranger) = join.handshake.pop_expired(now)
        {
            self.drop_stranger(stranger, now);
        }
    }

    /// The coordinator has sent the hello: this connection is the message socket now.
    fn on_hello(&mut self, socket: MessageSocket, epoch: Epoch, now: Millis) {
        self.close_handshake();
        let Some(join) = &mut self.join else { return };
        join.has_hello = true;
        let port = join.port;
        let is_confirmed = matches!(join.phase, JoinPhase::Confirmed { .. });
        self.replace_stream(socket, port, epoch, is_confirmed, now);
        if is_confirmed {
            self.finish_join(now);
        }
    }

    /// Handles `OK`: shows it at once, and finishes the join when the hello has come too.
    pub(super) fn confirm_join(&mut self, line: &str, fields: Fields<'_>, now: Millis) {
        let Some(join) = &mut self.join else { return };
        join.phase = JoinPhase::Confirmed { until: now.plus(HELLO_TIMEOUT_MS) };
        self.automatic_join.allow(join.port);
        let reply = line.into();
        let has_hello = join.has_hello;
        let notice = match (join.is_for_user, join.kind) {
            (true, _) => Notice::Reply(reply),
            (false, JoinKind::Register) => Notice::RegisteredAgain { reply },
            (false, JoinKind::Reconnect) => Notice::Reconnected { reply },
        };
        self.show(notice);
        if let (Some(epoch), Some(next)) = (fields.value("epoch"), fields.value("next"))
            && let (epoch @ Some(_), Some(next)) = (Epoch::parse(epoch), Seq::parse(next))
        {
            self.record_reply(epoch, next);
        }
        if has_hello {
            self.finish_join(now);
        }
    }

    fn finish_join(&mut self, now: Millis) {
        if let Some(join) = self.join.take() {
            self.automatic_join.allow(join.port);
        }
        self.resume(now); // The new message socket may have ended already.
    }

    /// Handles `ERR`: registers after a 404, retries, or fails.
    pub(super) fn refuse_join(&mut self, code: u16, line: &str, now: Millis) {
        self.drop_new_stream();
        let Some(join) = &mut self.join else { return };
        if code == 404
            && join.kind == JoinKind::Reconnect
            && join.may_register
            && join.handshake.is_open()
        {
            // A 404 is decided before the connect-back: listener and nonce can be used again.
            join.kind = JoinKind::Register;
            join.phase = JoinPhase::Ready;
            return self.show(Notice::Forgotten);
        }
        if join.is_for_user && join.lost_replies == 0 {
            self.show(Notice::Reply(line.into()));
            return self.end_in_failure(now);
        }
        let is_for_user = join.is_for_user;
        if code == 403 {
            self.automatic_join.slow_down(); // It lasts until an operator acts.
        }
        let why = why_refused(code, line, &self.settings.id, self.requests.own_ip());
        match (is_for_user, code) {
            // The request whose reply was lost is still under way at the coordinator.
            (true, 409) | (false, _) => self.try_later(why, now),
            (true, _) => {
                self.show(Notice::Reply(line.into()));
                self.end_in_failure(now);
            }
        }
    }

    /// Handles a lost reply. If the hello has come and the message socket is open, the join has
    /// succeeded. With a journal, a coordinator sends the hello before it can confirm, and may end
    /// in between.
    pub(super) fn on_join_reply_lost(&mut self, why: Reason, now: Millis) {
        let Some(join) = &mut self.join else { return };
        if join.has_hello && self.stream.is_some() {
            return self.finish_join(now);
        }
        join.may_register |= join.kind == JoinKind::Register;
        self.try_later(why, now);
    }

    /// Handles an attempt without a reply, or without a hello.
    pub(super) fn fail_join(&mut self, why: Reason, now: Millis) {
        let Some(join) = &mut self.join else { return };
        let command = join.kind.word();
        if !join.is_for_user || join.lost_replies > 0 {
            return self.try_later(why, now);
        }
        self.show(Notice::Failed { command, why });
        self.end_in_failure(now);
    }

    fn try_later(&mut self, why: Reason, now: Millis) {
        self.close_handshake();
        let Some(join) = &mut self.join else { return };
        let command = join.kind.word();
        if join.is_for_user {
            join.lost_replies = join.lost_replies.saturating_add(1);
        }
        if join.is_for_user && join.lost_replies > LOST_REPLIES_MAX {
            self.show(Notice::Failed { command, why });
            return self.end_in_failure(now);
        }
        let ms = self.automatic_join.next_pause_ms();
        join.kind = JoinKind::Reconnect;
        join.phase = JoinPhase::Paused { until: now.plus(ms) };
        join.has_hello = false;
        if join.reported.replace(why.clone()) != Some(why.clone()) {
            self.show(Notice::TryFailed { command, why, ms });
        }
    }

    fn end_in_failure(&mut self, now: Millis) {
        self.close_handshake();
        self.join = None;
        self.output.fail();
        self.resume(now);
    }

    fn drop_new_stream(&mut self) {
        if self.join.as_ref().is_some_and(|join| join.has_hello)
            && let Some(stream) = self.stream.take()
        {
            self.output.push(SessionEffect::CloseMessageSocket { socket: stream.socket });
        }
    }

    pub(super) fn expire_join(&mut self, now: Millis) {
        self.expire_candidates(now);
        let Some(join) = &self.join else { return };
        match join.phase {
            JoinPhase::Confirmed { until } if until <= now => {
                self.fail_join(Reason::NoHello, now);
            }
            JoinPhase::Confirmed { .. }
            | JoinPhase::Paused { .. }
            | JoinPhase::Opening
            | JoinPhase::Ready
            | JoinPhase::Asked => (),
        }
    }
}
