//! A shutdown of the session: stops reading, waits until the log is written, acknowledges, and then
//! sends `disconnect`.

use super::in_flight::RequestSource;
use super::{Notice, Reason, Session};
use crate::limits::QUIT_MS;
use crate::time::Millis;

/// A shutdown under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct SessionShutdown {
    /// The session exits at this time, even if work is left.
    until: Millis,
    /// `disconnect` was sent.
    asked: bool,
    /// The coordinator has sent `OK`, and its connect-back may still come.
    is_awaited: bool,
}

impl SessionShutdown {
    pub(super) const fn new(is_awaited: bool, now: Millis) -> Self {
        Self { until: now.plus(QUIT_MS), asked: false, is_awaited }
    }

    pub(super) const fn deadline(&self) -> Millis {
        self.until
    }

    /// Returns true if `disconnect` was sent.
    pub(super) const fn has_asked(&self) -> bool {
        self.asked
    }

    /// Returns true if a connect-back may still come.
    pub(super) const fn is_awaited(&self) -> bool {
        self.is_awaited
    }

    /// Sets whether `disconnect` was sent. A coordinator that has not read it gets it again.
    pub(super) const fn set_asked(&mut self, asked: bool) {
        self.asked = asked;
    }
}

/// Sends the `disconnect` of a shutdown when nothing else is left to do, or exits.
pub(super) fn leave_if_done(session: &mut Session, now: Millis) {
    let Some(shutdown) = &mut session.shutdown else { return };
    let is_written = session.messages.inbox().is_all_written() && session.outbox.is_all_written();
    let is_done = !session.requests.is_busy() && (is_written || session.outbox.is_failing());
    if session.output.is_over() || shutdown.has_asked() || !is_done {
        return;
    }
    // A cancelled `register` may still make this member online.
    let may_be_online = session.messages.is_online()
        || shutdown.is_awaited()
        || session.requests.is_any_abandoned()
        || session.visit.must_leave();
    if !may_be_online {
        return session.exit(None);
    }
    if !session.requests.open(&mut session.output, now) {
        return;
    }
    let command = session.visit.last_command();
    let Some(line) = session.requests.line(&session.settings.id, &command) else { return };
    session.requests.send(RequestSource::Leave, command.word(), line, &mut session.output, now);
    shutdown.set_asked(true);
}

/// Exits after a refused `disconnect` or `deregister`. If the member was offline or unknown
/// already, or belongs to another address, nothing is left to do.
pub(super) fn on_leave_refused(session: &mut Session, code: u16, line: &str) {
    let is_left = matches!(code, 403 | 404 | 409) || !session.visit.must_deregister();
    if is_left {
        return session.exit(None);
    }
    let (command, why) = (session.visit.last_command().word(), Reason::Refused(line.into()));
    session.exit_failed(Notice::Failed { command, why });
}
