//! Detects peer machines that are gone while bytes are on their way to them.
//!
//! TCP keepalive probes a peer only while no bytes are on their way. `TCP_USER_TIMEOUT` covers the
//! other case, but it also ends a connection whose peer is alive and does not read. For such a
//! member there is `stall_timeout`, and such a client is throttled without a timeout. So the
//! coordinator checks its sockets itself while written bytes are unacknowledged.

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

/// Schedule of the checks, and the sockets that wait for theirs.
#[derive(Debug, Default)]
pub(super) struct Liveness {
    /// True if written bytes may be unacknowledged.
    is_wanted: bool,
    is_armed: bool,
    /// Start of the last check.
    last: Option<Millis>,
    /// Sockets that the current check has not reached yet.
    waiting: Vec<Key>,
    /// Sockets with unanswered retransmissions or probes, with the time of the first such check.
    unanswered: BTreeMap<Key, Millis>,
}

impl Liveness {
    /// Requests a check, because bytes were written.
    pub(super) fn request_check(&mut self) {
        self.is_wanted = true;
    }

    /// Returns true if a check continues in the next turn.
    pub(super) fn is_under_way(&self) -> bool {
        !self.waiting.is_empty()
    }
}

impl Coordinator {
    /// Begins a check of all sockets with written bytes.
    pub(super) fn begin_peer_check(&mut self, now: Millis) {
        let written = self.peers.iter().filter(|(_, peer)| peer.connection.has_written());
        let waiting = written.map(|(key, _)| key).collect();
        let mut unanswered = mem::take(&mut self.liveness.unanswered);
        unanswered.retain(|key, _| self.peers.contains(*key));
        let (is_wanted, is_armed, last) = (false, false, Some(now));
        self.liveness = Liveness { is_wanted, is_armed, last, waiting, unanswered };
    }

    /// Continues a check, a part in each turn, and arms the timer of the next check.
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
                checks.request_check();
            }
            Ok(UnackedBytes::Unanswered { tries, silent_ms }) => {
                checks.request_check();
                let since = *checks.unanswered.entry(key).or_insert(now.steady);
                if is_gone(tries, silent_ms, now.steady.since(since)) {
                    self.on_machine_gone(key, now);
                }
            }
            // The socket has failed. Its next read returns the error.
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
            PeerRole::Connecting { .. } => (), // A connect-back has its own deadline.
        }
    }
}

/// Returns true if a machine is gone: `tries` were not answered and no segment came for
/// `silent_ms`, or all checks of the last `unanswered_ms` found unanswered tries.
///
/// Silence alone proves less, because before the first try there may have been nothing to answer. A
/// machine that receives nothing may still send. It is gone when all checks found unanswered tries.
fn is_gone(tries: u8, silent_ms: u32, unanswered_ms: u64) -> bool {
    let timeout_ms = u64::from(PEER_TIMEOUT_MS);
    let is_silent = u32::from(tries) >= KEEPALIVE.probes && u64::from(silent_ms) >= timeout_ms;
    is_silent || unanswered_ms >= timeout_ms - PEER_CHECK_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_gone_after_three_tries_and_silence_or_after_the_timeout_without_an_answer() {
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
