//! Counters and gauges of a group, for `stats` and the metrics.

use crate::protocol::{Epoch, Seq};

use super::{OfflineCause, SocketEnd};

/// Counters since the start of the program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Number of accepted messages.
    pub messages_in: u64,
    /// Bytes of the texts of accepted messages.
    pub bytes_in: u64,
    /// Messages written to message sockets, counted once for each socket.
    pub deliveries_out: u64,
    /// Bytes written to message sockets.
    pub bytes_out: u64,
    /// Messages that expired while a member still needed them.
    pub expired: u64,
    /// Messages that were dropped to make room while a member still needed them.
    pub dropped: u64,
    /// Gaps of all members.
    pub gaps: u64,
    /// Members removed after `forget_after`.
    pub forgotten: u64,
    /// Message sockets replaced by a new one.
    pub takeovers: u64,
    /// Message sockets that ended, by cause.
    pub lost: LostSockets,
}

/// Message sockets that ended without a request, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LostSockets {
    /// The participant closed its sending direction.
    pub closed: u64,
    /// The connection was reset.
    pub reset: u64,
    /// TCP got no answer.
    pub timeout: u64,
    /// The socket took no byte for `stall_timeout`.
    pub stalled: u64,
    /// The participant sent a line that is not a valid ack.
    pub bad_ack: u64,
    /// The socket had another error.
    pub error: u64,
}

impl Stats {
    /// Counts the end of a message socket.
    pub(super) fn record_end(&mut self, cause: &OfflineCause) {
        let counter = match cause {
            OfflineCause::Disconnected
            | OfflineCause::NewEpoch
            | OfflineCause::AccessRevoked
            | OfflineCause::CertificateExpired => return,
            OfflineCause::BadAck => &mut self.lost.bad_ack,
            OfflineCause::SocketEnded(SocketEnd::Closed) => &mut self.lost.closed,
            OfflineCause::SocketEnded(SocketEnd::Reset) => &mut self.lost.reset,
            OfflineCause::SocketEnded(SocketEnd::TimedOut) => &mut self.lost.timeout,
            OfflineCause::SocketEnded(SocketEnd::Stalled { .. }) => &mut self.lost.stalled,
            OfflineCause::SocketEnded(SocketEnd::Failed(_)) => &mut self.lost.error,
        };
        *counter = counter.saturating_add(1);
    }
}

/// Current state of a group in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gauges {
    /// Current epoch of the group.
    pub epoch: Epoch,
    /// The seq of the next message.
    pub next_seq: Seq,
    /// Time to live of a message, in seconds.
    pub ttl_s: u64,
    /// Number of members.
    pub members: usize,
    /// Number of members with a message socket.
    pub online: usize,
    /// Number of messages from the oldest one that a member still needs to the newest.
    pub history_messages: u64,
    /// Bytes of the delivery lines of `history_messages`.
    pub history_bytes: u64,
    /// Number of older messages that are kept for newcomers only.
    pub newcomer_messages: u64,
    /// Bytes of the delivery lines of `newcomer_messages`.
    pub newcomer_bytes: u64,
}
