//! Failover: a participant goes on with its next coordinator.

use super::coordinators::Failover;
use super::handler::SessionHandler;
use super::{Join, LeftCoordinator, Notice, Reason, Session};
use crate::protocol::Bye;

/// Uses the next coordinator, because the one of the last dial does not serve this participant now.
/// Returns true if the present coordinator is tried at once, and false if a pause comes first.
///
/// A participant that is online stays: its messages come from this coordinator. The end of the
/// message socket, or several missed replies, tell that the coordinator has gone.
pub(super) fn fail_over(session: &mut Session, why: &Reason) -> bool {
    let Session { requests, messages, join, outbox, output, .. } = session;
    if messages.stream().is_some() {
        return false;
    }
    let coordinators = requests.coordinators_mut();
    match coordinators.fail_over() {
        Failover::AtOnce => {
            // Repeated tries of the same failure must not fill the terminal.
            let is_in_outage = join.as_ref().is_some_and(|join| !Join::is_for_user(join))
                || !outbox.waiting().is_empty();
            if coordinators.must_report(why) || !is_in_outage {
                let (left, why) = (coordinators.dialed_name(), why.clone());
                let next = coordinators.name();
                output.show(Notice::FailedOver(Box::new(LeftCoordinator { left, why, next })));
            }
            true
        }
        Failover::Done => true,
        Failover::AfterPause => false,
    }
}

/// Ends the message socket of a coordinator that has missed several replies in a row: a coordinator
/// that is stopped keeps its sockets open.
pub(super) fn leave_silent(handler: &mut SessionHandler<'_>, why: &Reason) {
    let Session { requests, messages, shutdown, output, .. } = &mut *handler.session;
    if shutdown.is_none() && requests.coordinators().is_silent_for_long() {
        messages.hang_up(output);
        handler.end_stream(why.clone());
    }
}

/// Returns true if this end of the message socket tells that the coordinator has gone. Another
/// coordinator ends a message socket with a reason.
pub(super) fn has_gone(why: &Reason) -> bool {
    match why {
        Reason::System(_) | Reason::NoReply { .. } => true,
        Reason::Bye(reason) => Bye::parse(reason) == Some(Bye::ShuttingDown),
        Reason::Refused(_)
        | Reason::HereUnknown(_)
        | Reason::IdElsewhere { .. }
        | Reason::NoListener { .. }
        | Reason::DialTimeout { .. }
        | Reason::NoHello
        | Reason::LogFailed
        | Reason::OutboxFailed
        | Reason::BadReply
        | Reason::BadMessage => false,
    }
}

/// Returns true if another coordinator may answer with `OK` to the same request.
pub(super) const fn is_elsewhere(code: u16) -> bool {
    matches!(code, 421 | 503 | 506)
}

/// As [`is_elsewhere`], for `register` and `reconnect`: another coordinator may reach the listener.
pub(super) const fn may_join_elsewhere(code: u16) -> bool {
    is_elsewhere(code) || code == 502
}
