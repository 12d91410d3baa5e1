//! The state of one `register` or `reconnect`, over all its attempts.

use crate::session::handshake::Handshake;
use crate::session::join_kind::JoinKind;
use crate::session::{Reason, SessionState};
use crate::time::Millis;

/// The port of the listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::session) struct Port {
    pub(in crate::session) number: u16,
    /// True if the user wrote 0: if the port is taken later, another one is used.
    pub(super) is_any: bool,
}

/// A `register` or `reconnect`, over all its attempts.
#[derive(Debug)]
pub(in crate::session) struct Join {
    pub(super) kind: JoinKind,
    /// True for a command of the user, false for an automatic reconnect.
    pub(super) is_for_user: bool,
    /// True if a 404 turns the attempt into a `register`: for an automatic reconnect, and after a
    /// `register` whose reply was lost.
    pub(super) may_register: bool,
    pub(super) port: Port,
    pub(super) phase: JoinPhase,
    pub(in crate::session) handshake: Handshake,
    /// The hello has come: the message socket is open.
    pub(in crate::session) has_hello: bool,
    /// No message of the epoch had been taken when the hello came, so the session takes messages
    /// that come before the reply.
    pub(in crate::session) began_empty: bool,
    /// Number of attempts since a reply to the user's command was lost.
    pub(super) lost_replies: u32,
    /// The failure reported last: the same failure is reported once.
    pub(super) reported: Option<Reason>,
}

/// The step that an attempt has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::session) enum JoinPhase {
    /// The next attempt starts after a pause.
    Paused { until: Millis },
    /// The listener is being opened.
    Opening,
    /// The request can be sent.
    Ready,
    /// The request was sent.
    Asked,
    /// `OK` has come, the hello has not.
    Confirmed { until: Millis },
}

impl Port {
    /// Returns the port that the user asked for: 0 is any free port.
    pub(in crate::session) const fn asked(number: u16) -> Self {
        Self { number, is_any: number == 0 }
    }
}

impl Join {
    pub(in crate::session) fn new(
        kind: JoinKind,
        is_for_user: bool,
        port: Port,
        phase: JoinPhase,
    ) -> Self {
        Self {
            kind,
            is_for_user,
            may_register: !is_for_user,
            port,
            phase,
            handshake: Handshake::default(),
            has_hello: false,
            began_empty: false,
            lost_replies: 0,
            reported: None,
        }
    }

    pub(in crate::session) const fn is_for_user(&self) -> bool {
        self.is_for_user
    }

    /// Returns true for a command of the user that has neither a reply nor a hello yet.
    pub(in crate::session) const fn is_waited_for(&self) -> bool {
        self.is_for_user && !self.is_confirmed() && !self.has_hello
    }

    pub(in crate::session) const fn is_waiting(&self) -> bool {
        matches!(self.phase, JoinPhase::Paused { .. })
    }

    pub(in crate::session) const fn is_asked(&self) -> bool {
        matches!(self.phase, JoinPhase::Asked)
    }

    pub(in crate::session) const fn is_confirmed(&self) -> bool {
        matches!(self.phase, JoinPhase::Confirmed { .. })
    }

    /// Sends the request again: the coordinator has not read it.
    pub(in crate::session) const fn ask_again(&mut self) {
        self.phase = JoinPhase::Ready;
    }

    pub(in crate::session) const fn wants_to_ask(&self) -> bool {
        matches!(self.phase, JoinPhase::Ready)
    }

    pub(in crate::session) const fn port(&self) -> Port {
        self.port
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
        let phase = match self.phase {
            JoinPhase::Paused { until } | JoinPhase::Confirmed { until } => Some(until),
            JoinPhase::Opening | JoinPhase::Ready | JoinPhase::Asked => None,
        };
        phase.into_iter().chain(self.handshake.deadline()).min()
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
