//! Refused clients: their last reply, what they still send, and their end.
//!
//! ```text
//!   refuse ─► last reply ─► our side closed ─► discard what comes ─► the client closes ─► closed
//!                │                                    └─► more than its share ────────────► closed
//!                └─► LINGER_MS, in which it takes nothing ──────────────────────────────► closed
//! ```

use super::CommandSockets;
use super::client::ClientPhase;
use super::replies::conn_of;
use crate::coordinator::ready::Queued;
use crate::coordinator::sockets::{CoordinatorTimer, Sockets};
use crate::limits::{CLIENT_BYTES_SHARE, LINGER_MS, READ_BYTES, WORK_BYTES};
use crate::net::{Fill, Key, Stream};
use crate::protocol::{LimitReached, Reply, RequestError};
use crate::text::Counted;
use crate::time::Millis;

/// Refuses the clients with the longest unfinished lines if the input of all clients exceeds
/// its limit.
pub(in crate::coordinator) fn limit_input<S: Stream>(
    commands: &mut CommandSockets<S>,
    sockets: &mut Sockets,
    now: Millis,
) {
    let Some((excess, max)) = commands.budget.excess_input() else { return };
    let long = commands.sockets.iter().filter_map(|(key, socket)| {
        let bytes = socket.client.charged.input_bytes;
        let may_be_refused = socket.client.phase == ClientPhase::Serving
            && bytes > CLIENT_BYTES_SHARE
            && socket.queued == Queued::No;
        may_be_refused.then_some((bytes, key))
    });
    let mut long: Vec<(usize, Key)> = long.collect();
    long.sort_unstable_by(|one, other| other.cmp(one));
    let (mut freed, mut refused) = (0, 0);
    for (bytes, key) in long {
        if freed >= excess {
            break;
        }
        freed += bytes;
        refused += 1;
        refuse(commands, key, &RequestError::TooMuchUnfinished { bytes, max }, sockets, now);
    }
    log::debug!(
        "{} refused, {freed} bytes in all: {max} bytes is the limit for all clients",
        Counted(refused, "unfinished line was", "unfinished lines were"),
    );
}

/// Refuses a client, behind earlier replies. The connection stays open until the client has
/// read them: TCP discards what is on its way if a side closes with unread bytes.
pub(super) fn refuse<S: Stream>(
    commands: &mut CommandSockets<S>,
    key: Key,
    refusal: &RequestError,
    sockets: &mut Sockets,
    now: Millis,
) {
    let serving = commands.serving.replace(key);
    commands.answer(conn_of(key), &Reply::Refused(refusal.clone()), None);
    commands.serving = serving;
    let Some(socket) = commands.sockets.get_mut(key) else { return };
    let client = &mut socket.client;
    sockets.cancel(client.line_deadline.timer.take());
    let over_limit = matches!(refusal, RequestError::LimitReached(_));
    if over_limit {
        let is_silent = matches!(refusal, RequestError::LimitReached(LimitReached::Silent { .. }));
        commands.admission.on_refused(client, is_silent);
    } else {
        commands.admission.on_line(client);
    }
    socket.refuse(over_limit);
    commands.budget.charge(socket);
    sockets.set_timer(now.plus(LINGER_MS), CoordinatorTimer::Linger(key));
}

/// Reads and drops the bytes that a refused client still sends.
pub(super) fn discard<S: Stream>(
    commands: &mut CommandSockets<S>,
    key: Key,
    bytes_max: usize,
    sockets: &mut Sockets,
) {
    let Some(socket) = commands.sockets.get_mut(key) else { return };
    let has_unsent = socket.unsent_bytes() > 0;
    let ClientPhase::Refused(refused) = &mut socket.client.phase else { return };
    let bytes_max = refused.discard_bytes.clamp(1, bytes_max);
    let filled = socket.connection.fill(sockets.scratch(), bytes_max);
    socket.connection.input.clear();
    match filled {
        Ok(Fill::Drained(bytes) | Fill::Yielded(bytes)) if bytes < refused.discard_bytes => {
            refused.discard_bytes -= bytes;
            sockets.spend(bytes / WORK_BYTES);
            if let Ok(Fill::Yielded(_)) = filled {
                commands.ready.push(key, &mut socket.queued, Queued::Leftover);
            }
        }
        Ok(Fill::Eof(_)) if has_unsent => (),
        Ok(_) | Err(_) => commands.marked_for_close.push(key),
    }
}

pub(in crate::coordinator) fn on_linger_timeout<S: Stream>(
    commands: &mut CommandSockets<S>,
    key: Key,
    sockets: &mut Sockets,
    now: Millis,
) {
    let Some(socket) = commands.sockets.get_mut(key) else { return };
    // The client may take the rest of its replies now, before an event reports this.
    socket.connection.assume_writable();
    let is_gone = socket.connection.flush(READ_BYTES).is_err();
    commands.budget.charge(socket);
    let unsent = socket.unsent_bytes();
    // While a reply waits for its commit, the client cannot take it.
    let waits = socket.client.pending_replies.bytes() > 0;
    let ClientPhase::Refused(refused) = &mut socket.client.phase else { return };
    let takes_nothing = unsent >= refused.unsent_bytes && !waits;
    if is_gone || unsent == 0 || takes_nothing {
        return commands.marked_for_close.push(key);
    }
    refused.unsent_bytes = unsent; // A slow reader of earlier replies is still a reader.
    sockets.set_timer(now.plus(LINGER_MS), CoordinatorTimer::Linger(key));
}
