//! A refused attempt of a join, and the next step.

use crate::session::failover::may_join_elsewhere;
use crate::session::handler::SessionHandler;
use crate::session::refused::{end_visit, is_here_unknown, lasts, why_refused};
use crate::session::{NoPast, Notice, Reason, Session};

/// The next step after a refused attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::session) enum RefusedJoin {
    /// The member or its key is unknown: the same attempt goes on as a `register`.
    Registers,
    /// The coordinator does not know `last=`: the same attempt goes on without it.
    RegistersWithoutPast,
    /// Another attempt follows after a pause.
    Retries,
    /// The join has failed.
    Fails,
}

/// Handles `ERR`: asks another coordinator, registers after a 404, retries, or fails.
pub(in crate::session) fn refuse_join(handler: &mut SessionHandler<'_>, code: u16, line: &str) {
    let Session { join: Some(join), messages, outbox, output, own_addresses, .. } =
        &mut *handler.session
    else {
        return;
    };
    outbox.on_join_refused(join.kind(), output);
    if join.way().is_here() {
        own_addresses.remove_here();
    }
    if join.has_hello() {
        messages.close(output);
    }
    let fails_over =
        may_join_elsewhere(code) && handler.fail_over_join(false, &Reason::Refused(line.into()));
    if !fails_over {
        take_next_step(handler, code, line);
    }
}

fn take_next_step(handler: &mut SessionHandler<'_>, code: u16, line: &str) {
    let Session {
        join: Some(join), automatic_join, outbox, visit, output, settings, requests, ..
    } = &mut *handler.session
    else {
        return;
    };
    match join.refuse(code, settings.credentials.secret.is_some()) {
        RefusedJoin::Registers if code == 401 => visit.on_unknown(),
        RefusedJoin::Registers => {
            visit.on_unknown();
            outbox.on_forgotten(output);
            if !join.is_new() {
                output.show(Notice::Forgotten);
            }
        }
        RefusedJoin::RegistersWithoutPast => {
            output.show(Notice::NoPast(NoPast::OlderCoordinator));
        }
        RefusedJoin::Retries => {
            if lasts(code) || join.way().is_here() && is_here_unknown(code, line) {
                automatic_join.slow_down();
            }
            let own_ip = requests.own_ip().filter(|_| settings.credentials.key.is_none());
            let why = why_refused(code, line, &settings.id, own_ip);
            if lasts(code) && visit.is_visit() {
                return end_visit(handler.session, why, handler.now);
            }
            handler.try_later(why);
        }
        RefusedJoin::Fails => {
            output.show(Notice::Reply(line.into()));
            if code == 404 {
                outbox.on_forgotten(output);
            }
            handler.end_in_failure();
        }
    }
}
