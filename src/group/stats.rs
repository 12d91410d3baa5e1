//! What a group counts.

use crate::protocol::{Epoch, Seq};

use super::ranges::SeqRanges;
use super::{Group, OfflineCause, SocketEnd};

/// Counters since the start, and how things stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Messages accepted.
    pub messages_in: u64,
    /// Bytes of their texts.
    pub bytes_in: u64,
    /// Messages handed to message sockets, each as often as it was.
    pub deliveries_out: u64,
    /// Bytes handed to message sockets.
    pub bytes_out: u64,
    /// Messages whose time ran out while some member still needed them.
    pub expired: u64,
    /// Messages that had to make room while some member still needed them.
    pub dropped: u64,
    /// How often a member found messages lost.
    pub gaps: u64,
    /// Members forgotten as they were offline for too long.
    pub forgotten: u64,
    /// Message sockets that a new one replaced.
    pub takeovers: u64,
    /// Message sockets that ended, by how.
    pub lost: LostSockets,
}

/// Message sockets that ended without a request, by how they did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LostSockets {
    /// The participant ended its direction.
    pub closed: u64,
    /// The connection was reset.
    pub reset: u64,
    /// TCP got no answer.
    pub timeout: u64,
    /// The socket took nothing for `stall_timeout`.
    pub stalled: u64,
    /// The participant broke the rules of acknowledging.
    pub bad_ack: u64,
    /// Another error.
    pub error: u64,
}

impl Stats {
    /// A message socket has ended.
    pub(super) fn record_end(&mut self, cause: &OfflineCause) {
        let counter = match cause {
            OfflineCause::Disconnected | OfflineCause::NewEpoch => return,
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

/// How a group stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gauges {
    /// The life of the numbers.
    pub epoch: Epoch,
    /// The next number to be given out.
    pub next_seq: Seq,
    /// Seconds that a message lives.
    pub ttl_s: u64,
    /// All members.
    pub members: usize,
    /// Those with a message socket.
    pub online: usize,
    /// Kept messages that some member still needs, and those after them.
    pub history_messages: u64,
    /// Bytes of their lines.
    pub history_bytes: u64,
}

impl Group {
    /// The counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// The number of members.
    #[must_use]
    pub fn member_count(&self) -> usize {
        self.members.len()
    }

    /// How things stand. Linear in the members.
    #[must_use]
    pub fn gauges(&self) -> Gauges {
        let needed = self.needed();
        Gauges {
            epoch: self.epoch(),
            next_seq: self.history.last().next(),
            ttl_s: self.ttl_s(),
            members: self.members.len(),
            online: self.members.online(),
            history_messages: self.history.others(needed.before(), &SeqRanges::default()),
            history_bytes: self.history.bytes_from(needed),
        }
    }
}
