//! Serves HTTP on the loop, and records what only HTTP shows. Without `http` nothing is recorded.

use super::Coordinator;
use crate::config::{ConfigError, CoordinatorConfig, Fifos};
use crate::coordinator::admin::{self, AdminView, HttpToken};
use crate::coordinator::platform::Platform;
use crate::coordinator::report;
use crate::coordinator::samples::{Samples, Sources};
use crate::coordinator::shutdown::TurnOutcome;
use crate::group::{Input, LinkId, MemberChange};
use crate::net::{Connection, Key, Readiness, Stopwatch};
use crate::protocol::Seq;
use crate::time::{Millis, Now};

/// Serves HTTP, if it is on.
#[inline]
pub(super) fn serve<P: Platform>(coordinator: &mut Coordinator<P>, now: Now) {
    if coordinator.admin.is_some() {
        serve_admin(coordinator, now);
    }
}

#[cold]
fn serve_admin<P: Platform>(coordinator: &mut Coordinator<P>, now: Now) {
    let Coordinator { config, group, commands, listener, shutdown, started, .. } = coordinator;
    let Coordinator { sockets, platform, admin: Some(admin), .. } = coordinator else { return };
    let sources = Sources {
        config,
        group,
        commands: commands.stats(),
        journal: group.journal.stats(),
        accept_pauses: listener.pauses(),
        uptime_ms: now.steady.since(*started),
        #[cfg(feature = "engine")]
        site: group.journal.site_view(now.steady),
    };
    let is_out_of_files = listener.is_out_of_files() || admin.is_out_of_files();
    admin.leave_file(is_out_of_files && group.journal.is_starting_segment());
    let view = AdminView::new(sources, (shutdown.is_some(), is_out_of_files), now);
    let register = |connection: &mut Connection<P::Stream>, key| platform.register(connection, key);
    let closed = admin.serve(view, sockets, register);
    listener.files_closed(closed);
}

/// Returns the values of the metrics that exist without HTTP, too.
pub(super) fn samples<P: Platform>(coordinator: &Coordinator<P>, now: Millis) -> Samples<'_> {
    let Coordinator { config, group, commands, listener, started, .. } = coordinator;
    Samples::collect(Sources {
        config,
        group,
        commands: commands.stats(),
        journal: group.journal.stats(),
        accept_pauses: listener.pauses(),
        uptime_ms: now.since(*started),
        #[cfg(feature = "engine")]
        site: group.journal.site_view(now),
    })
}

/// Reads the token again, if HTTP is on.
pub(super) fn load_token<P: Platform>(
    coordinator: &Coordinator<P>,
    config: &CoordinatorConfig,
) -> Result<Option<HttpToken>, ConfigError> {
    let is_on = coordinator.admin.is_some();
    if is_on { admin::load_token(&config.http, Fifos::Refused) } else { Ok(None) }
}

/// Puts a token in force. Returns true if it is another one.
pub(super) fn change_token<P: Platform>(
    coordinator: &mut Coordinator<P>,
    token: Option<HttpToken>,
    now: Millis,
) -> bool {
    coordinator.admin.as_mut().is_some_and(|admin| admin.change_token(token, now))
}

/// Returns true if HTTP has nothing to do without an event.
pub(super) fn is_idle<P: Platform>(coordinator: &Coordinator<P>, now: Millis) -> bool {
    coordinator.admin.as_ref().is_none_or(|admin| admin.is_idle(now))
}

pub(super) fn on_listener_event<P: Platform>(coordinator: &mut Coordinator<P>) {
    if let Some(admin) = &mut coordinator.admin {
        admin.on_listener_event();
    }
}

pub(super) fn on_event<P: Platform>(
    coordinator: &mut Coordinator<P>,
    key: Key,
    readiness: Readiness,
) {
    if let Some(admin) = &mut coordinator.admin {
        admin.on_event(key, readiness);
    }
}

pub(super) fn on_timer<P: Platform>(coordinator: &mut Coordinator<P>) {
    if let Some(admin) = &mut coordinator.admin {
        admin.on_timer();
    }
}

/// Logs a change of a member, and keeps the change for the status page.
pub(super) fn report_change<P: Platform>(
    coordinator: &mut Coordinator<P>,
    change: &MemberChange,
    now: Now,
) {
    if let Some(admin) = &mut coordinator.admin {
        admin.observed.record_change(change, now);
    }
    report::log_member_change(change);
}

/// Records a write to a message socket, if it ended with a whole message. Kept out of the hot path:
/// the caller checks that HTTP is on.
#[cold]
pub(super) fn record_write<P: Platform>(
    coordinator: &mut Coordinator<P>,
    (link, through): (LinkId, Option<Seq>),
) {
    if let (Some(admin), Some(through)) = (&mut coordinator.admin, through) {
        admin.observed.record_write(&coordinator.group, link, through);
    }
}

/// Records an acknowledgement before the group handles it. Kept out of the hot path: the caller
/// checks that HTTP is on.
#[cold]
pub(super) fn record_ack<P: Platform>(coordinator: &mut Coordinator<P>, input: &Input<'_>) {
    if let (Some(admin), Input::Acknowledged { link, seq }) = (&mut coordinator.admin, input) {
        admin.observed.record_ack(&coordinator.group, *link, *seq);
    }
}

/// Runs the rest of a turn, and records its time.
#[cold]
pub(super) fn timed<P: Platform>(
    coordinator: &mut Coordinator<P>,
    rest: impl FnOnce(&mut Coordinator<P>) -> TurnOutcome,
) -> TurnOutcome {
    let stopwatch = Stopwatch::start();
    let outcome = rest(coordinator);
    if let Some(admin) = &mut coordinator.admin {
        let micros = stopwatch.elapsed().as_micros();
        admin.observed.record_turn(u64::try_from(micros).unwrap_or(u64::MAX));
    }
    outcome
}
