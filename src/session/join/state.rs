//! The state of one `register` or `reconnect`, over all its attempts.

use super::phase::JoinPhase;
use super::policy::JoinPolicy;
use super::{JoinWay, RefusedJoin};
use crate::limits::{HELLO_TIMEOUT_MS, LOST_REPLIES_MAX};
use crate::protocol::{Command, DeliverTo, Options, Secret, SecretText, Since};
use crate::session::handshake::Handshake;
use crate::session::join_kind::JoinKind;
use crate::session::output::SessionOutput;
use crate::session::{LogPosition, MessageSocket, NextAttempt, Notice, Reason, SessionState};
use crate::time::Millis;

/// A `register` or `reconnect`, over all its attempts.
#[derive(Debug)]
pub(in crate::session) struct Join {
    kind: JoinKind,
    policy: JoinPolicy,
    /// True if a 404 turns the attempt into a `register`: unless the user asked for a `reconnect`,
    /// and after a `register` whose reply was lost.
    may_register: bool,
    /// True if the message log has seen no coordinator yet: a new member misses nothing.
    is_new: bool,
    /// Messages from before a registration to ask for.
    past: Option<u64>,
    way: JoinWay,
    phase: JoinPhase,
    handshake: Handshake,
    /// The hello has come: the message socket is open.
    has_hello: bool,
    /// Number of attempts since a reply to the user's command was lost.
    lost_replies: u32,
    /// The failure reported last: the same failure is reported once.
    reported: Option<Reason>,
}

impl Join {
    /// Creates the `register` or `reconnect` of the user, and opens the listener if it needs one.
    pub(in crate::session) fn of_user(
        kind: JoinKind,
        way: JoinWay,
        past: Option<u64>,
        output: &mut SessionOutput,
    ) -> Self {
        let phase = JoinPhase::open(way, output);
        Self { past, ..Self::new(kind, JoinPolicy::Once, way, phase) }
    }

    /// Creates the `join` of the user, and opens the listener if it needs one: reconnects, or
    /// registers if the coordinator does not know the id. `is_new` tells that the message log is
    /// new.
    pub(in crate::session) fn until_online(
        way: JoinWay,
        is_new: bool,
        past: Option<u64>,
        output: &mut SessionOutput,
    ) -> Self {
        let phase = JoinPhase::open(way, output);
        let join = Self::new(JoinKind::Reconnect, JoinPolicy::UntilOnline, way, phase);
        Self { is_new, past, ..join }
    }

    /// Creates an automatic reconnect, whose first attempt starts after a pause.
    pub(in crate::session) fn automatic(way: JoinWay, until: Millis) -> Self {
        Self::new(JoinKind::Reconnect, JoinPolicy::Automatic, way, JoinPhase::Paused { until })
    }

    fn new(kind: JoinKind, policy: JoinPolicy, way: JoinWay, phase: JoinPhase) -> Self {
        Self {
            kind,
            policy,
            may_register: policy != JoinPolicy::Once,
            is_new: false,
            past: None,
            way,
            phase,
            handshake: Handshake::default(),
            has_hello: false,
            lost_replies: 0,
            reported: None,
        }
    }

    pub(in crate::session) const fn kind(&self) -> JoinKind {
        self.kind
    }

    pub(in crate::session) const fn has_hello(&self) -> bool {
        self.has_hello
    }

    /// Returns true if the hello has come and the reply has not.
    pub(in crate::session) const fn has_hello_only(&self) -> bool {
        self.has_hello && matches!(self.phase, JoinPhase::Asked)
    }

    /// Returns true if a failed attempt is tried again. A request of the user whose reply was lost
    /// may have been carried out.
    pub(in crate::session) const fn is_retry(&self) -> bool {
        !self.is_once() || self.lost_replies > 0
    }

    /// Returns true for a `register` or `reconnect` of the user.
    pub(in crate::session) const fn is_once(&self) -> bool {
        matches!(self.policy, JoinPolicy::Once)
    }

    /// Returns true if the next commands of the user wait for this join.
    pub(in crate::session) const fn is_for_user(&self) -> bool {
        matches!(self.policy, JoinPolicy::Once | JoinPolicy::UntilOnline)
    }

    /// Returns true for a `join` of the user that has neither a reply nor a hello yet.
    pub(in crate::session) const fn is_until_online(&self) -> bool {
        matches!(self.policy, JoinPolicy::UntilOnline | JoinPolicy::KeepsTrying)
            && !self.is_confirmed()
            && !self.has_hello
    }

    /// Returns true if the message log has seen no coordinator yet.
    pub(in crate::session) const fn is_new(&self) -> bool {
        self.is_new
    }

    /// Returns the word of the user's command, or of the request.
    pub(in crate::session) const fn word(&self) -> &'static str {
        match self.policy {
            JoinPolicy::UntilOnline | JoinPolicy::KeepsTrying => "join",
            JoinPolicy::Once | JoinPolicy::Automatic => self.kind.word(),
        }
    }

    /// Returns true for a `register` or `reconnect` of the user that has neither a reply nor a
    /// hello yet.
    pub(in crate::session) const fn is_waited_for(&self) -> bool {
        self.is_once() && !self.is_confirmed() && !self.has_hello
    }

    pub(in crate::session) const fn is_waiting(&self) -> bool {
        matches!(self.phase, JoinPhase::Paused { .. })
    }

    pub(in crate::session) const fn is_confirmed(&self) -> bool {
        matches!(self.phase, JoinPhase::Confirmed { .. })
    }

    /// Returns true if this connection has sent no hello yet.
    pub(in crate::session) fn is_candidate(&self, socket: MessageSocket) -> bool {
        self.handshake.is_candidate(socket)
    }

    /// Returns the handshake while the listener is open.
    pub(in crate::session) fn open_handshake(&mut self) -> Option<&mut Handshake> {
        Some(&mut self.handshake).filter(|handshake| handshake.is_open())
    }

    /// Begins the next attempt when the pause is over, and opens the listener if it needs one.
    pub(in crate::session) fn end_pause(&mut self, output: &mut SessionOutput, now: Millis) {
        if let JoinPhase::Paused { until } = self.phase
            && until <= now
        {
            self.phase = JoinPhase::open(self.way, output);
        }
    }

    /// The listener is open: the request can be sent.
    pub(in crate::session) fn on_listening(
        &mut self,
        port: u16,
        nonce: u128,
        output: &mut SessionOutput,
    ) {
        let is_for_user = self.is_for_user();
        let JoinWay::Listen(asked) = &mut self.way else { return };
        if self.phase != JoinPhase::Opening {
            return;
        }
        if is_for_user && asked.number == 0 {
            output.show(Notice::Listening { port });
        }
        asked.number = port;
        self.handshake.open(nonce);
        self.phase = JoinPhase::Ready;
    }

    /// Returns the port that could not be opened. The next attempt takes any port if the user did
    /// not name this one.
    pub(in crate::session) fn on_listen_failed(&mut self) -> Option<u16> {
        let JoinWay::Listen(port) = &mut self.way else { return None };
        if self.phase != JoinPhase::Opening {
            return None;
        }
        let number = port.number;
        if port.is_any {
            port.number = 0;
        }
        Some(number)
    }

    /// Returns the request, which names the way as `to`. A `reconnect` names the last number of
    /// the log. A `register` asks for earlier messages only if the log is still new: else it could
    /// have them already. It brings the secret of the invitation.
    pub(in crate::session) fn command<'a>(
        &'a self,
        to: DeliverTo,
        log_position: LogPosition,
        since: Option<Since>,
        secret: Option<&'a Secret>,
    ) -> Command<'a> {
        let nonce = (!self.way.is_here()).then(|| self.handshake.nonce());
        let options = Options { acks: true, nonce, ..Options::default() };
        match self.kind {
            JoinKind::Register => {
                let last = self.past.filter(|_| log_position.epoch.is_none());
                let secret = secret.map(SecretText::from);
                Command::Register { to, options: Options { last, secret, ..options } }
            }
            JoinKind::Reconnect => Command::Reconnect { to, options: Options { since, ..options } },
        }
    }

    /// The request was sent.
    pub(in crate::session) const fn mark_asked(&mut self) {
        self.phase = JoinPhase::Asked;
    }

    /// Sends the request again: the coordinator has not read it.
    pub(in crate::session) const fn ask_again(&mut self) {
        self.phase = JoinPhase::Ready;
    }

    /// The hello has come: the message socket is open, and the listener closes.
    pub(in crate::session) fn on_hello(&mut self, output: &mut SessionOutput) {
        self.handshake.close(output);
        self.has_hello = true;
    }

    /// Handles `OK`, and shows it. The hello must come in time.
    pub(in crate::session) fn confirm(
        &mut self,
        line: &str,
        output: &mut SessionOutput,
        now: Millis,
    ) {
        self.phase = JoinPhase::Confirmed { until: now.plus(HELLO_TIMEOUT_MS) };
        let reply = line.into();
        output.show(match (self.policy, self.kind) {
            (JoinPolicy::Once, JoinKind::Register) => Notice::Reply(reply),
            (_, JoinKind::Register) if !self.is_new => Notice::RegisteredAgain { reply },
            (JoinPolicy::Automatic, JoinKind::Reconnect) => Notice::Reconnected { reply },
            (_, JoinKind::Register | JoinKind::Reconnect) => Notice::Reply(reply),
        });
    }

    /// Handles `ERR`, and returns what follows. A 401 to a `reconnect` may mean that the key is new
    /// to the coordinator: with a secret, `register` may follow.
    pub(in crate::session) fn refuse(&mut self, code: u16, has_secret: bool) -> RefusedJoin {
        let is_reconnect = self.kind == JoinKind::Reconnect;
        // A coordinator that knows `here` knows `last=`, too.
        if code == 400 && !is_reconnect && self.past.is_some() && self.handshake.is_open() {
            self.past = None;
            self.phase = JoinPhase::Ready;
            return RefusedJoin::RegistersWithoutPast;
        }
        let may_ask = self.handshake.is_open() || self.way.is_here();
        let may_be_new = code == 404 || code == 401 && has_secret;
        if may_be_new && is_reconnect && self.may_register && may_ask {
            // This is decided before the connect-back: listener and nonce can be used again.
            self.kind = JoinKind::Register;
            self.phase = JoinPhase::Ready;
            return RefusedJoin::Registers;
        }
        match (self.is_once(), code) {
            (false, _) => RefusedJoin::Retries,
            // The request whose reply was lost is still under way at the coordinator.
            (true, 409) if self.lost_replies > 0 => RefusedJoin::Retries,
            (true, _) => RefusedJoin::Fails,
        }
    }

    /// The reply was lost: the coordinator may have carried out the request.
    pub(in crate::session) fn on_reply_lost(&mut self) {
        self.may_register |= self.kind == JoinKind::Register;
    }

    /// Plans a `reconnect` after a pause. Returns false if no attempt is left.
    pub(in crate::session) fn try_later(
        &mut self,
        why: Reason,
        next: NextAttempt,
        output: &mut SessionOutput,
        now: Millis,
    ) -> bool {
        self.close(output);
        let command = self.word();
        match self.policy {
            JoinPolicy::Once => self.lost_replies = self.lost_replies.saturating_add(1),
            JoinPolicy::UntilOnline => self.policy = JoinPolicy::KeepsTrying,
            JoinPolicy::KeepsTrying | JoinPolicy::Automatic => (),
        }
        if self.lost_replies > LOST_REPLIES_MAX {
            output.show(Notice::Failed { command, why });
            return false;
        }
        self.kind = JoinKind::Reconnect;
        self.phase = JoinPhase::Paused { until: now.plus(next.ms) };
        self.has_hello = false;
        if self.reported.as_ref() != Some(&why) {
            self.reported = Some(why.clone());
            output.show(Notice::TryFailed { command, why, next });
        }
        true
    }

    /// Begins the next attempt at once, with another coordinator. If the request `may_be_done`, its
    /// reply is lost, and the attempt is a `reconnect`.
    pub(in crate::session) fn fail_over(
        &mut self,
        may_be_done: bool,
        output: &mut SessionOutput,
        now: Millis,
    ) {
        self.close(output);
        let is_lost = may_be_done && self.is_once();
        self.lost_replies = self.lost_replies.saturating_add(u32::from(is_lost));
        if may_be_done || !self.is_once() {
            self.kind = JoinKind::Reconnect;
        }
        self.phase = JoinPhase::Paused { until: now };
        self.has_hello = false;
    }

    /// Closes the listener and the connections without a hello.
    pub(in crate::session) fn close(&mut self, output: &mut SessionOutput) {
        self.handshake.close(output);
    }

    /// Returns true if `OK` has come and the hello is overdue.
    pub(in crate::session) fn is_hello_late(&self, now: Millis) -> bool {
        matches!(self.phase, JoinPhase::Confirmed { until } if until <= now)
    }

    pub(in crate::session) const fn wants_to_ask(&self) -> bool {
        matches!(self.phase, JoinPhase::Ready)
    }

    pub(in crate::session) const fn way(&self) -> JoinWay {
        self.way
    }

    /// Returns true if the present message socket must not be read. `since` is exact only if no
    /// message is taken between the request and the new socket.
    pub(in crate::session) const fn stops_reading(&self) -> bool {
        let is_under_way =
            matches!(self.phase, JoinPhase::Ready | JoinPhase::Asked | JoinPhase::Confirmed { .. });
        is_under_way && !self.has_hello && matches!(self.kind, JoinKind::Reconnect)
    }

    /// Returns true if the coordinator may already have closed the old socket for the new one.
    pub(in crate::session) const fn may_take_over(&self) -> bool {
        matches!(self.phase, JoinPhase::Asked | JoinPhase::Confirmed { .. }) && !self.has_hello
    }

    /// Returns the state to show, or `None` if the participant is online and only lacks the reply.
    pub(in crate::session) fn state(&self, now: Millis) -> Option<SessionState> {
        match (self.phase, self.kind) {
            (JoinPhase::Paused { until }, _) => Some(SessionState::Paused { ms: until.since(now) }),
            _ if self.has_hello => None,
            (_, JoinKind::Register) => Some(SessionState::Registering),
            (_, JoinKind::Reconnect) => Some(SessionState::Reconnecting),
        }
    }

    pub(in crate::session) fn deadline(&self) -> Option<Millis> {
        match self.phase {
            JoinPhase::Paused { until } | JoinPhase::Confirmed { until } => Some(until),
            JoinPhase::Opening | JoinPhase::Ready | JoinPhase::Asked => None,
        }
    }

    pub(in crate::session) fn check(&self) {
        self.handshake.check();
        let must_be_closed = self.has_hello || self.is_waiting();
        assert!(
            !must_be_closed || self.handshake.is_closed(),
            "the listener closes after the hello"
        );
    }
}

#[cfg(test)]
mod tests;
