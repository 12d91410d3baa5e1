//! Limits that detect peers whose machines are gone.

/// TCP keepalive on all sockets: probes of a silent peer while no bytes are on their way to it.
pub const KEEPALIVE: Keepalive = Keepalive { idle_s: 15, interval_s: 5, probes: 3 };
/// Milliseconds without a TCP acknowledgement after which a peer is lost. Keepalive takes as long,
/// so that bytes on their way make no difference.
pub const PEER_TIMEOUT_MS: u32 = 30_000;
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
