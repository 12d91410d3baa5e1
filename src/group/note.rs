//! What the log is told of a member.

use std::net::SocketAddr;

/// What became of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Which member.
    pub id: Box<str>,
    /// What.
    pub change: Change,
}

/// What can become of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is a member now, at this address.
    Registered(SocketAddr),
    /// It is back, at this address.
    Reconnected(SocketAddr),
    /// It said `disconnect`.
    Disconnected,
    /// Its message socket ended.
    Lost,
    /// It broke the rules of the message socket.
    Garbled,
    /// It is no member any more.
    Deregistered,
    /// It is no member any more, as it was offline for so long.
    Forgotten {
        /// `forget_after`.
        after_ms: u64,
    },
}
