//! A coordinator that is one site of several: its loop ends when its journal says so.

#[cfg(feature = "engine")]
use crate::coordinator::CoordinatorError;
#[cfg(feature = "engine")]
use crate::coordinator::commands::undecided;
use crate::coordinator::platform::Platform;
use crate::coordinator::server::Coordinator;
#[cfg(feature = "engine")]
use crate::coordinator::server::http;
#[cfg(feature = "engine")]
use crate::coordinator::shutdown::Shutdown;
use crate::group::ConnId;
#[cfg(feature = "engine")]
use crate::protocol::Command;
use crate::protocol::Request;
use crate::time::Now;

/// Returns true if reports of the engine are left for the next turn.
#[inline]
pub(super) fn has_reports<P: Platform>(coordinator: &Coordinator<P>) -> bool {
    #[cfg(feature = "engine")]
    return coordinator.group.journal.has_reports();
    #[cfg(not(feature = "engine"))]
    return {
        let _ = coordinator;
        false
    };
}

/// Returns true if the journal asks for the end: a site that can no longer serve shuts down.
#[inline]
pub(super) fn must_end<P: Platform>(coordinator: &Coordinator<P>) -> bool {
    #[cfg(feature = "engine")]
    if coordinator.shutdown.is_none()
        && let Some(end) = coordinator.group.journal.site_end()
    {
        log::error!("{end}");
        return true;
    }
    let _ = coordinator;
    false
}

/// Lets a client go on after a message that the list of several sites has not decided.
#[inline]
pub(super) fn go_on<P: Platform>(
    coordinator: &mut Coordinator<P>,
    from: ConnId,
    request: &Request<'_>,
) {
    #[cfg(feature = "engine")]
    if matches!(request.command, Command::Msend { .. } | Command::Send { .. })
        && coordinator.group.journal.is_list()
    {
        undecided::go_on(&mut coordinator.commands, from);
    }
    let _ = (coordinator, from, request);
}

/// Runs the effects of what a list of several sites says. The replies among them are of earlier
/// requests, and must not meet the execution of a later one.
#[inline]
pub(super) fn run_effects<P: Platform>(coordinator: &mut Coordinator<P>, now: Now) {
    #[cfg(feature = "engine")]
    {
        coordinator.run_effects(now);
        if coordinator.group.journal.take_joined() {
            coordinator.messages.expect_room_everywhere();
        }
    }
    let _ = (coordinator, now);
}

/// Accepts connections in the next turn that came before the loop ran.
#[cfg(feature = "engine")]
pub(in crate::coordinator) fn look_at_listeners<P: Platform>(coordinator: &mut Coordinator<P>) {
    coordinator.on_listener_event();
    http::on_listener_event(coordinator);
}

/// Returns the reason for which this process cannot serve as a site.
#[cfg(feature = "engine")]
pub(in crate::coordinator) fn failure<P: Platform>(
    coordinator: &Coordinator<P>,
) -> Option<CoordinatorError> {
    let journal = &coordinator.group.journal;
    let end = journal.site_end()?;
    Some(match coordinator.shutdown.is_some_and(Shutdown::is_asked) {
        true => CoordinatorError::StoppedSite(end.clone()),
        false => CoordinatorError::Site(end.clone(), journal.created_ns()),
    })
}
