//! Counters and gauges of a group, for `stats` and the metrics.

use crate::protocol::{Epoch, Seq};

use super::{ChangeKind, OfflineCause, SocketEnd};

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
    /// Members that came, and those that were removed.
    pub members: MemberCounters,
    /// Message sockets that ended, by cause.
    pub ended: EndedSockets,
}

/// Members that came, and those that were removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemberCounters {
    /// Ids that became members.
    pub registrations: u64,
    /// Members that came online again, takeovers included.
    pub reconnects: u64,
    /// Message sockets replaced by a new one.
    pub takeovers: u64,
    /// Connect-backs that failed.
    pub connect_backs_failed: u64,
    /// Members removed after `forget_after`.
    pub forgotten: u64,
}

/// Message sockets that ended, by cause. Takeovers and deregistrations are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EndedSockets {
    /// The member sent `disconnect`, or an operator.
    pub disconnected: u64,
    /// A new epoch began.
    pub new_epoch: u64,
    /// The access file was changed.
    pub access_revoked: u64,
    /// A certificate ended.
    pub certificate_expired: u64,
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
    /// Counts a change of a member.
    pub(super) fn record_change(&mut self, change: &ChangeKind) {
        match change {
            ChangeKind::Registered(_) => count(&mut self.members.registrations),
            ChangeKind::Reconnected(_) => count(&mut self.members.reconnects),
            ChangeKind::TakenOver { .. } => {
                count(&mut self.members.reconnects);
                count(&mut self.members.takeovers);
            }
            ChangeKind::Offline { cause, .. } => count(self.ended.counter(cause)),
            ChangeKind::Forgotten { .. } => count(&mut self.members.forgotten),
            ChangeKind::NumberNotGivenOut { .. } | ChangeKind::Deregistered => (),
        }
    }

    /// Counts a connect-back that failed.
    pub(super) fn record_failed_connect_back(&mut self) {
        count(&mut self.members.connect_backs_failed);
    }
}

impl EndedSockets {
    /// Returns the counters, each with the word for its cause.
    #[must_use]
    pub const fn by_reason(&self) -> [(&'static str, u64); 10] {
        [
            ("access_revoked", self.access_revoked),
            ("bad_ack", self.bad_ack),
            ("certificate_expired", self.certificate_expired),
            ("closed", self.closed),
            ("disconnected", self.disconnected),
            ("error", self.error),
            ("new_epoch", self.new_epoch),
            ("reset", self.reset),
            ("stalled", self.stalled),
            ("timeout", self.timeout),
        ]
    }

    const fn counter(&mut self, cause: &OfflineCause) -> &mut u64 {
        match cause {
            OfflineCause::Disconnected => &mut self.disconnected,
            OfflineCause::NewEpoch => &mut self.new_epoch,
            OfflineCause::AccessRevoked => &mut self.access_revoked,
            OfflineCause::CertificateExpired => &mut self.certificate_expired,
            OfflineCause::BadAck => &mut self.bad_ack,
            OfflineCause::SocketEnded(SocketEnd::Closed) => &mut self.closed,
            OfflineCause::SocketEnded(SocketEnd::Reset) => &mut self.reset,
            OfflineCause::SocketEnded(SocketEnd::TimedOut) => &mut self.timeout,
            OfflineCause::SocketEnded(SocketEnd::Stalled { .. }) => &mut self.stalled,
            OfflineCause::SocketEnded(SocketEnd::Failed(_)) => &mut self.error,
        }
    }
}

const fn count(counter: &mut u64) {
    *counter = counter.saturating_add(1);
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
    /// Age of the oldest one of `history_messages` in milliseconds; 0 if there is none.
    pub history_age_ms: u64,
    /// Number of older messages that are kept for newcomers only.
    pub newcomer_messages: u64,
    /// Bytes of the delivery lines of `newcomer_messages`.
    pub newcomer_bytes: u64,
}
