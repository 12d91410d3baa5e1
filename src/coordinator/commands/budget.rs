//! Memory budget for the replies and the input of all clients.
//!
//! ```text
//!   unsent replies of a client        budget has room             budget is full
//!   up to CLIENT_BYTES_SHARE          served                      served
//!   up to UNREAD_REPLIES_BYTES_MAX    served                      throttled until it reads
//!   above                             throttled until it reads    throttled until it reads
//! ```
//!
//! So each client always has its share, and a client that reads its replies is served, whatever the
//! others do. The exception is a list that is longer than a share: it waits until there is room. No
//! other reply is longer than a share.
//!
//! Unfinished lines and unexecuted requests have a limit of their own, because a client that never
//! ends its line does not wait for a reply. Above this limit the longest unfinished lines are
//! refused. A line within the share of a client is never refused, so a client that writes each line
//! at once never notices the limit.

use super::client::ClientSocket;
use crate::limits::{
    CLIENT_BYTES_ALL, CLIENT_BYTES_SHARE, INPUT_BYTES_ALL, READ_BYTES, UNFINISHED_LINES_MIN,
    UNREAD_REPLIES_BYTES_MAX,
};
use crate::net::Stream;

/// Bytes that are kept for all clients.
#[derive(Debug, Default)]
pub(super) struct Budget {
    /// Sum over all clients.
    kept_bytes: usize,
    /// Input bytes among `kept_bytes`: unfinished lines and unexecuted requests.
    input_bytes: usize,
    /// Limit of `input_bytes`.
    input_bytes_max: usize,
    /// True if a client may be throttled only because the budget is full.
    has_throttled: bool,
}

impl Budget {
    /// Makes an empty budget for `connections_max` clients with lines of `line_bytes_max` bytes.
    pub(super) fn new(connections_max: usize, line_bytes_max: usize) -> Self {
        let mut budget = Self::default();
        budget.change_config(connections_max, line_bytes_max);
        budget
    }

    /// Sets the limit of the input bytes.
    pub(super) fn change_config(&mut self, connections_max: usize, line_bytes_max: usize) {
        let shares = connections_max.saturating_mul(CLIENT_BYTES_SHARE);
        let lines = line_bytes_max.saturating_mul(UNFINISHED_LINES_MIN);
        self.input_bytes_max = INPUT_BYTES_ALL.max(shares).max(lines);
    }

    /// Returns true if each client is limited to its share.
    pub(super) fn is_full(&self) -> bool {
        self.kept_bytes >= CLIENT_BYTES_ALL
    }

    /// Returns the number of unsent reply bytes from which a client is throttled.
    pub(super) fn unread_bytes_max(&self) -> usize {
        if self.is_full() { CLIENT_BYTES_SHARE } else { UNREAD_REPLIES_BYTES_MAX }
    }

    /// Records that a client is throttled.
    pub(super) fn record_throttled(&mut self) {
        self.has_throttled |= self.is_full();
    }

    /// Returns true once when the budget has room again for throttled clients.
    pub(super) fn has_room_again(&mut self) -> bool {
        !self.is_full() && std::mem::take(&mut self.has_throttled)
    }

    /// Returns the most bytes that are read from a client at once. These bytes stay in memory if
    /// their requests cannot be executed yet.
    pub(super) fn read_bytes(&self) -> usize {
        if self.is_full() { CLIENT_BYTES_SHARE } else { READ_BYTES }
    }

    /// Updates the bytes that are counted for a client.
    pub(super) fn charge<S: Stream>(&mut self, socket: &mut ClientSocket<S>) {
        let (old, new) = (socket.client.charged, socket.charge());
        self.kept_bytes = self.kept_bytes - old.kept_bytes + new.kept_bytes;
        self.input_bytes = self.input_bytes - old.input_bytes + new.input_bytes;
        socket.client.charged = new;
    }

    /// Subtracts the bytes of a client that is closed.
    pub(super) fn release<S: Stream>(&mut self, socket: &ClientSocket<S>) {
        let charged = socket.client.charged;
        debug_assert_eq!(charged, socket.charge(), "it was not charged");
        self.kept_bytes -= charged.kept_bytes;
        self.input_bytes -= charged.input_bytes;
    }

    /// Returns the input bytes that must be dropped, and the limit. Returns `None` below the limit.
    /// The bytes include an eighth of the limit, so that it is not reached again at once.
    pub(super) fn excess_input(&self) -> Option<(usize, usize)> {
        let max = self.input_bytes_max;
        (self.input_bytes > max).then(|| (self.input_bytes - (max - max / 8), max))
    }

    /// Returns the bytes of unfinished lines and unexecuted requests of all clients.
    pub(super) fn input_bytes(&self) -> usize {
        self.input_bytes
    }

    /// Returns the bytes that are kept for all clients.
    pub(super) fn kept_bytes(&self) -> usize {
        self.kept_bytes
    }
}
