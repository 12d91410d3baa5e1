//! Detects peer machines that are gone while bytes are on their way to them.
//!
//! TCP keepalive probes a peer only while no bytes are on their way. `TCP_USER_TIMEOUT` covers the
//! other case, but it also ends a connection whose peer is alive and does not read. For such a
//! member there is `stall_timeout`, and such a client is throttled without a timeout. So the
//! coordinator checks its sockets itself while written bytes are unacknowledged.

use std::collections::BTreeMap;
use std::io;

use super::sockets::{CoordinatorTimer, Sockets};
use crate::config::PeerTimeouts;
use crate::limits::{KEEPALIVE_PROBES, PEER_CHECK_FIRST_MS, PEER_CHECK_MS};
use crate::net::{Key, UnackedBytes};
use crate::time::Millis;

/// Schedule of the checks, and the sockets that wait for theirs.
#[derive(Debug)]
pub(super) struct Liveness {
    /// `user_timeout`; 0: the operating system decides.
    timeout_ms: u64,
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
    pub(super) fn new(timeouts: PeerTimeouts) -> Self {
        Self {
            timeout_ms: u64::from(timeouts.user_ms),
            is_wanted: false,
            is_armed: false,
            last: None,
            waiting: Vec::new(),
            unanswered: BTreeMap::new(),
        }
    }

    pub(super) fn change_timeout(&mut self, timeouts: PeerTimeouts) {
        self.timeout_ms = u64::from(timeouts.user_ms);
    }

    /// Requests a check, because bytes were written.
    pub(super) fn request_check(&mut self) {
        self.is_wanted = true;
    }

    /// Returns true if a check continues in the next turn.
    pub(super) fn is_under_way(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Begins a check of all sockets with written bytes, which are `waiting`.
    pub(super) fn begin(&mut self, waiting: Vec<Key>, is_open: impl Fn(Key) -> bool, now: Millis) {
        self.unanswered.retain(|key, _| is_open(*key));
        self.waiting = waiting;
        (self.is_wanted, self.is_armed, self.last) = (false, false, Some(now));
    }

    /// Returns the next socket to be checked.
    pub(super) fn next(&mut self) -> Option<Key> {
        self.waiting.pop()
    }

    /// Takes the result for a socket. Returns true if the machine of its peer is gone.
    pub(super) fn on_checked(
        &mut self,
        key: Key,
        unacked: io::Result<UnackedBytes>,
        now: Millis,
    ) -> bool {
        match unacked {
            Ok(UnackedBytes::Nothing | UnackedBytes::Unknown) => {
                self.unanswered.remove(&key);
            }
            Ok(UnackedBytes::Pending) => {
                self.unanswered.remove(&key);
                self.request_check();
            }
            Ok(UnackedBytes::Unanswered { tries, silent_ms }) => {
                self.request_check();
                let since = *self.unanswered.entry(key).or_insert(now);
                let (timeout_ms, unanswered_ms) = (self.timeout_ms, now.since(since));
                return timeout_ms > 0 && is_gone(tries, silent_ms, unanswered_ms, timeout_ms);
            }
            // The socket has failed. Its next read returns the error.
            Err(error) => log::debug!("cannot read the TCP state of a socket: {error}"),
        }
        false
    }

    /// Sets the timer of the next check, if one is wanted.
    pub(super) fn arm(&mut self, sockets: &mut Sockets, now: Millis) {
        if self.is_wanted && !self.is_armed && self.waiting.is_empty() {
            self.is_armed = true;
            let soon = now.plus(PEER_CHECK_FIRST_MS);
            let due = self.last.map_or(soon, |last| soon.max(last.plus(PEER_CHECK_MS)));
            sockets.set_timer(due, CoordinatorTimer::PeerCheck);
        }
    }
}

/// Returns true if a machine is gone: `tries` were not answered and no segment came for
/// `silent_ms`, or all checks of the last `unanswered_ms` found unanswered tries.
///
/// Silence alone proves less, because before the first try there may have been nothing to answer. A
/// machine that receives nothing may still send. It is gone when all checks found unanswered tries.
fn is_gone(tries: u8, silent_ms: u32, unanswered_ms: u64, timeout_ms: u64) -> bool {
    let is_silent = u32::from(tries) >= KEEPALIVE_PROBES && u64::from(silent_ms) >= timeout_ms;
    is_silent || unanswered_ms >= timeout_ms.saturating_sub(PEER_CHECK_MS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Slots, SocketTable};

    #[test]
    fn a_machine_is_gone_after_three_tries_and_silence_or_after_the_timeout_without_an_answer() {
        for (tries, silent_ms, unanswered_ms, gone) in [
            (1, 0, 0, false),
            (2, 3_600_000, 0, false),
            (3, 29_999, 25_999, false),
            (3, 30_000, 0, true),
            (1, 100, 26_000, true),
        ] {
            let found = is_gone(tries, silent_ms, unanswered_ms, 30_000);
            assert_eq!(found, gone, "{tries} {silent_ms} {unanswered_ms}");
        }
    }

    #[test]
    fn the_timeout_is_the_one_of_the_config_and_none_for_0() {
        let key = Slots::new(SocketTable::Command).insert(());
        let unanswered = UnackedBytes::Unanswered { tries: 1, silent_ms: 0 };
        for (user_ms, after_ms, gone) in [
            (0, u64::MAX, false),
            (5_000, 999, false),
            (5_000, 1_000, true),
            (60_000, 55_999, false),
        ] {
            let mut liveness = Liveness::new(PeerTimeouts { user_ms, ..PeerTimeouts::new() });
            assert!(!liveness.on_checked(key, Ok(unanswered), Millis::ZERO));
            let now = Millis::new(after_ms);
            assert_eq!(liveness.on_checked(key, Ok(unanswered), now), gone, "{user_ms} {after_ms}");
        }
    }
}
