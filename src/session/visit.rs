//! A visit: a participant that works for a moment and leaves its id as it found it.
//!
//! ```text
//!   found            a text is sent as                       at the end
//!   online elsewhere the member that is online, no join      -
//!   offline          after a reconnect                       disconnect
//!   unknown          after a register                        deregister
//! ```

use super::Reason;
use super::join_kind::JoinKind;
use crate::protocol::Command;

/// The way in which a participant works with its id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VisitKind {
    /// No visit: the commands of the user decide, and the participant stays a member.
    #[default]
    Stays,
    /// Leaves the id as found.
    Receives,
    /// As [`VisitKind::Receives`], and joins only if a text is refused because the id is not
    /// online. Takes no message and acknowledges none, so the member gets all of them later.
    SendsOnly,
}

/// State of a visit.
#[derive(Debug)]
pub(super) struct Visit {
    kind: VisitKind,
    /// True if the id was a member before; `None` until that is known.
    was_member: Option<bool>,
    /// The failure reported last: the same failure is reported once.
    reported: Option<Reason>,
    socket: SocketState,
    /// True if the id was online in this visit.
    was_online: bool,
    /// True if the coordinator has refused the id, and the visit ends therefore.
    is_refused: bool,
}

/// State of the last message socket of a visit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum SocketState {
    /// None was open, or the coordinator has ended it.
    #[default]
    Closed,
    Open,
    /// The connection broke. The coordinator may not know, and count the id as online.
    Lost,
    /// Another program has the id.
    TakenOver,
}

impl Visit {
    pub(super) const fn new(kind: VisitKind) -> Self {
        let socket = SocketState::Closed;
        let (was_online, is_refused) = (false, false);
        Self { kind, was_member: None, reported: None, socket, was_online, is_refused }
    }

    /// Returns true if a text is sent before the id is online, to learn if it is online elsewhere.
    pub(super) const fn joins_to_send(&self) -> bool {
        matches!(self.kind, VisitKind::SendsOnly)
    }

    /// Returns true if messages are logged and acknowledged.
    pub(super) const fn takes_messages(&self) -> bool {
        !self.joins_to_send()
    }

    /// The coordinator does not know the id, and this program is about to register it.
    pub(super) const fn on_unknown(&mut self) {
        if self.was_member.is_none() {
            self.was_member = Some(false);
        }
    }

    /// The coordinator knows the id.
    pub(super) const fn on_member(&mut self) {
        if self.was_member.is_none() {
            self.was_member = Some(true);
        }
    }

    /// The coordinator has refused the id. If the first `register` was refused, there is no member
    /// to remove.
    pub(super) fn on_refused(&mut self, asked: JoinKind) {
        self.is_refused = true;
        if asked == JoinKind::Register && !self.was_online {
            self.was_member = None;
        }
    }

    /// Returns true if the coordinator has refused the id, and the visit ends therefore.
    pub(super) const fn is_refused(&self) -> bool {
        self.is_refused
    }

    /// Returns true for a participant that leaves its id as it found it.
    pub(super) const fn is_visit(&self) -> bool {
        !matches!(self.kind, VisitKind::Stays)
    }

    /// The message socket is open.
    pub(super) const fn on_online(&mut self) {
        self.was_online = true;
        self.socket = SocketState::Open;
    }

    /// The message socket has ended. `has_reason` is true if the coordinator has sent a `bye`.
    pub(super) const fn on_stream_ended(&mut self, has_reason: bool) {
        self.socket = if has_reason { SocketState::Closed } else { SocketState::Lost };
    }

    /// Another program has the id now: this visit removes no member.
    pub(super) const fn on_taken_over(&mut self) {
        self.was_member = Some(true);
        self.socket = SocketState::TakenOver;
    }

    /// Returns true if another program has taken the id over.
    pub(super) const fn is_taken_over(&self) -> bool {
        matches!(self.socket, SocketState::TakenOver)
    }

    /// Returns true if the participant deregisters at the end.
    pub(super) const fn must_deregister(&self) -> bool {
        self.is_visit() && matches!(self.was_member, Some(false))
    }

    /// Returns true if there is a last request even without a message socket.
    pub(super) const fn must_leave(&self) -> bool {
        let may_be_online = matches!(self.socket, SocketState::Lost);
        self.must_deregister() || self.is_visit() && may_be_online
    }

    /// Returns the last request.
    pub(super) const fn last_command(&self) -> Command<'static> {
        match self.must_deregister() {
            true => Command::Deregister,
            false => Command::Disconnect,
        }
    }

    /// Returns true if this failure differs from the last reported one.
    pub(super) fn must_report(&mut self, why: &Reason) -> bool {
        let is_new = self.reported.as_ref() != Some(why);
        self.reported = Some(why.clone());
        is_new
    }
}
