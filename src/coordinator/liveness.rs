//! Finds machines that have gone while bytes were on their way to them.
//!
//! TCP's keepalive probes a silent peer only while nothing is on its way to it. For the rest there
//! is `TCP_USER_TIMEOUT`, but it also ends a connection whose peer is there and does not read. Such
//! a member has `stall_timeout`, and such a client is throttled without a time limit. So the
//! coordinator checks its sockets itself, as long as written bytes are outstanding.

use std::collections::BTreeMap;
use std::mem;

use super::peer::{ClientPhase, PeerRole};
use super::server::{Coordinator, CoordinatorTimer};
use crate::group::SocketEnd;
use crate::limits::{
    KEEPALIVE, PEER_CHECK_FIRST_MS, PEER_CHECK_MS, PEER_TIMEOUT_MS, TURN_PEER_CHECKS_MAX,
};
use crate::net::{Key, UnackedBytes};
use crate::time::{Millis, Now};

/// Schedule of the checks of sockets, and the sockets that still wait for theirs.
#[derive(Debug, Default)]
pub(super) struct Liveness {
    /// Something was written that no check has seen acknowledged.
    is_wanted: bool,
    is_armed: bool,
    /// The last time that a check began.
    last: Option<Millis>,
    /// Sockets that the present check has not come to.
    waiting: Vec<Key>,
    /// Sockets whose peer has left something unanswered, and since which check.
    unanswered: BTreeMap<Key, Millis>,
}

impl Liveness {
    /// Something was written.
    pub(super) fn want(&mut self) {
        self.is_wanted = true;
    }

    /// Returns true if a check goes on in the next turn.
    pub(super) fn is_under_way(&self) -> bool {
        !self.waiting.is_empty()
    }
}

impl Coordinator {
    /// The time for a check has come: of all sockets that something was written to.
    pub(super) fn begin_peer_check(&mut self, now: Millis) {
        let written = self.peers.iter().filter(|(_, peer)| peer.connection.has_written());
        let waiting = written.map(|(key, _)| key).collect();
        let mut unanswered = mem::take(&mut self.liveness.unanswered);
        unanswered.retain(|key, _| self.peers.contains(*key));
        let (is_wanted, is_armed, last) = (false, false, Some(now));
        self.liveness = Liveness { is_wanted, is_armed, last, waiting, unanswered };
    }

    /// Continues a check, a share of it in each turn, and arms the timer of the next one.
    pub(super) fn check_peers(&mut self, now: Now) {
        for _ in 0..TURN_PEER_CHECKS_MAX {
            let Some(key) = self.liveness.waiting.pop() else { break };
            self.check_peer(key, now);
        }
        let checks = &mut self.liveness;
        if checks.is_wanted && !checks.is_armed && checks.waiting.is_empty() {
            checks.is_armed = true;
            let soon = now.steady.plus(PEER_CHECK_FIRST_MS);
            let due = checks.last.map_or(soon, |last| soon.max(last.plus(PEER_CHECK_MS)));
            self.timers.insert(due, CoordinatorTimer::PeerCheck);
        }
    }

    fn check_peer(&mut self, key: Key, now: Now) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let checks = &mut self.liveness;
        match peer.connection.check_peer() {
            Ok(UnackedBytes::Nothing | UnackedBytes::Unknown) => {
                checks.unanswered.remove(&key);
            }
            Ok(UnackedBytes::Pending) => {
                checks.unanswered.remove(&key);
                checks.want();
            }
            Ok(UnackedBytes::Unanswered { tries, silent_ms }) => {
                checks.want();
                let since = *checks.unanswered.entry(key).or_insert(now.steady);
                if is_gone(tries, silent_ms, now.steady.since(since)) {
                    self.on_machine_gone(key, now);
                }
            }
            // The socket has failed, which its next read says.
            Err(error) => log::debug!("cannot read the TCP state of a socket: {error}"),
        }
    }

    fn on_machine_gone(&mut self, key: Key, now: Now) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        match &mut peer.role {
            PeerRole::Client(client) => {
                log::debug!("{}: its machine does not answer", client.peer);
                client.has_failed = true;
                client.write_closed = true;
                peer.connection.output.clear();
                if let ClientPhase::Refused(_) = client.phase {
                    self.marked_for_close.push(key);
                }
                self.wake(key);
                self.schedule_flush(key);
            }
            PeerRole::MemberSocket(_) => self.end_failed(key, SocketEnd::TimedOut, now),
            PeerRole::Connecting { .. } => (), // It has a deadline of its own.
        }
    }
}

/// Decides that a machine has gone: `tries` were not answered, nothing came for `silent_ms`, and
/// all checks of the last `unanswered_ms` saw something unanswered.
///
/// Silence alone says less: before the first try there may have been nothing to answer. A machine
/// that hears nothing can still be heard; it has gone when all checks for as long saw that.
fn is_gone(tries: u8, silent_ms: u32, unanswered_ms: u64) -> bool {
    let timeout_ms = u64::from(PEER_TIMEOUT_MS);
    let is_silent = u32::from(tries) >= KEEPALIVE.probes && u64::from(silent_ms) >= timeout_ms;
    is_silent || unanswered_ms >= timeout_ms - PEER_CHECK_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_has_gone_that_was_asked_thrice_and_is_silent_or_that_had_its_time_to_answer() {
        for (tries, silent_ms, unanswered_ms, gone) in [
            (1, 0, 0, false),
            (2, 3_600_000, 0, false),
            (3, 29_999, 25_999, false),
            (3, 30_000, 0, true),
            (1, 100, 26_000, true),
        ] {
            let found = is_gone(tries, silent_ms, unanswered_ms);
            assert_eq!(found, gone, "{tries} {silent_ms} {unanswered_ms}");
        }
    }
}
