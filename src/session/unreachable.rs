//! Texts while the coordinator cannot be reached: they wait, and are sent after a pause.

use super::sending_state::SendingState;
use super::{Ask, Notice, Reason, Session, UserCommand};
use crate::time::Millis;

/// Removes and returns the first command of the user's queue, if it is no message and texts wait in
/// an outage. The command fails now, and does not wait with the texts.
pub(super) fn take_command_in_outage(session: &mut Session) -> Option<Ask> {
    let front = session.queue.front();
    let is_command = matches!(front, Some(UserCommand::Ask(ask)) if !ask.is_message());
    if !is_command || session.sending_state() != SendingState::Outage {
        return None;
    }
    let Some(UserCommand::Ask(ask)) = session.queue.pop() else { return None };
    Some(ask)
}

/// Handles a failed dial: queues the next message of the user and starts a pause. Returns false
/// if no message waits, or if messages cannot be sent later.
pub(super) fn wait_for_coordinator(session: &mut Session, now: Millis) -> bool {
    let is_message = matches!(session.queue.front(), Some(UserCommand::Ask(Ask::Msend(_))));
    let waits = !session.outbox.waiting().is_empty() || is_message;
    if !waits || !session.may_send_later() {
        return false;
    }
    if session.outbox.waiting().is_empty()
        && let Some(request) = session.take_unsent(now)
    {
        session.outbox.wait(request, &mut session.output);
    }
    delay_sending(session, now);
    true
}

/// Shows the reason why a visit cannot send yet. A member shows that with its reconnect.
pub(super) fn report_unreachable(session: &mut Session, why: Reason, now: Millis) {
    let Session { requests, visit, outbox, output, .. } = session;
    let Some(deadline) = outbox.waiting().deadline().filter(|_| visit.joins_to_send()) else {
        return;
    };
    if visit.must_report(&why) {
        let next = requests.coordinators().next_attempt(deadline.since(now));
        output.show(Notice::TryFailed { command: "msend", why, next });
    }
}

/// Starts a pause in sending. During a reconnect, the reconnect has its own pauses.
pub(super) fn delay_sending(session: &mut Session, now: Millis) {
    if session.join.is_none() {
        session.outbox.waiting_mut().delay_sending(now);
    }
}
