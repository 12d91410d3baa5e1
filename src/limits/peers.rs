//! Limits that detect peers whose machines are gone.

/// Highest `keepalive`, in seconds: Linux accepts no higher value.
pub const KEEPALIVE_S_HIGHEST: u64 = 32_767;
/// Unanswered probes after which a silent peer is gone.
pub const KEEPALIVE_PROBES: u32 = 3;
/// Lowest `user_timeout` but 0.
pub const USER_TIMEOUT_MS_LOWEST: u64 = 5_000;
/// Highest `user_timeout`: one day.
pub const USER_TIMEOUT_MS_HIGHEST: u64 = 86_400_000;
/// Milliseconds between two checks of sockets with bytes that the peer has not acknowledged.
pub const PEER_CHECK_MS: u64 = 4_000;
/// Milliseconds from a write to the first such check, if the last check is longer ago than the
/// interval.
pub const PEER_CHECK_FIRST_MS: u64 = 500;
/// Most sockets checked in one turn.
pub const TURN_PEER_CHECKS_MAX: usize = 256;

/// TCP keepalive: the probes of a silent peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// Seconds of silence before the first probe.
    pub idle_s: u64,
    /// Seconds from each probe to the next.
    pub interval_s: u64,
    /// Unanswered probes after which the connection is closed.
    pub probes: u32,
}

impl Keepalive {
    /// Returns the probes that begin after `idle_s` seconds of silence; `None` for 0. A peer that
    /// is gone is noticed after twice this time.
    #[must_use]
    pub const fn after(idle_s: u64) -> Option<Self> {
        let interval_s = idle_s.div_euclid(KEEPALIVE_PROBES as u64);
        let interval_s = if interval_s == 0 { 1 } else { interval_s };
        let keepalive = Self { idle_s, interval_s, probes: KEEPALIVE_PROBES };
        if idle_s == 0 { None } else { Some(keepalive) }
    }
}
