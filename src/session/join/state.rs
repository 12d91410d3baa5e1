//! State of one `register` or `reconnect`, through all its tries.

use crate::session::handshake::Handshake;
use crate::session::join_kind::JoinKind;
use crate::session::{Reason, SessionState};
use crate::time::Millis;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::session) struct Port {
    pub(in crate::session) number: u16,
    /// The user left it to the operating system: another one will do as well.
    pub(super) is_any: bool,
}

/// One `register` or `reconnect`, through all its tries.
#[derive(Debug)]
pub(in crate::session) struct Join {
    pub(super) kind: JoinKind,
    /// Asked by the user, who waits for it; otherwise the session's own idea.
    pub(super) is_for_user: bool,
    /// On 404 it becomes a `register`: a lost one may not have been carried out.
    pub(super) may_register: bool,
    pub(super) port: Port,
    pub(super) phase: JoinPhase,
    pub(in crate::session) handshake: Handshake,
    pub(in crate::session) greeted: bool,
    /// No message of the epoch had been taken when the coordinator greeted, so the session takes
    /// messages that come before the reply.
    pub(in crate::session) began_empty: bool,
    /// Tries since a reply to the user's was lost.
    pub(super) lost_replies: u32,
    /// What was said last about a failure, so that it is said once.
    pub(super) reported: Option<Reason>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JoinPhase {
    Paused { until: Millis },
    Opening,
    Ready,
    Asked,
    Confirmed { until: Millis },
}

impl Join {
    pub(super) fn new(kind: JoinKind, is_for_user: bool, port: Port, phase: JoinPhase) -> Self {
        Self {
            kind,
            is_for_user,
            may_register: !is_for_user,
            port,
            phase,
            handshake: Handshake::default(),
            greeted: false,
            began_empty: false,
            lost_replies: 0,
            reported: None,
        }
    }

    pub(in crate::session) const fn is_for_user(&self) -> bool {
        self.is_for_user
    }

    /// Whether the user asked for it, and nothing says yet that it has come about.
    pub(in crate::session) const fn is_waited_for(&self) -> bool {
        self.is_for_user && !self.is_confirmed() && !self.greeted
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

    pub(in crate::session) const fn wants_to_ask(&self) -> bool {
        matches!(self.phase, JoinPhase::Ready)
    }

    pub(in crate::session) const fn port(&self) -> Port {
        self.port
    }

    /// Whether the message socket that is there must not be read: what `since` names is exact
    /// only if nothing is taken between the request and the new socket.
    pub(in crate::session) const fn stops_reading(&self) -> bool {
        let is_under_way =
            matches!(self.phase, JoinPhase::Ready | JoinPhase::Asked | JoinPhase::Confirmed { .. });
        is_under_way && !self.greeted && matches!(self.kind, JoinKind::Reconnect)
    }

    /// Whether the coordinator may already have closed the old socket for the new one.
    pub(in crate::session) const fn may_take_over(&self) -> bool {
        matches!(self.phase, JoinPhase::Asked | JoinPhase::Confirmed { .. }) && !self.greeted
    }

    /// `None` once it is online and only the reply is missing.
    pub(in crate::session) fn state(&self, now: Millis) -> Option<SessionState> {
        match (self.phase, self.kind) {
            (JoinPhase::Paused { until }, _) => Some(SessionState::Paused { ms: until.since(now) }),
            _ if self.greeted => None,
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
        let must_be_closed = self.greeted || self.is_waiting();
        assert!(
            !must_be_closed || self.handshake.is_closed(),
            "one connection, then the door is shut"
        );
    }
}
