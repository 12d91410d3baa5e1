//! Memory that the coordinator keeps for all clients together.
//!
//! ```text
//!   a client's replies that are not sent     there is room      there is none
//!   up to CLIENT_BYTES_SHARE                 served             served
//!   up to OUTBOX_BYTES_MAX                   served             not served until it has read
//!   above                                    not served until it has read
//! ```
//!
//! So there is always a share for each, and who reads has all it needs, whatever the others do; but
//! for a list that is longer than a share, as no other reply can be: it waits for room.
//!
//! Unfinished lines and requests that cannot be carried out yet have a limit of their own, because
//! a client that never ends its line waits for nothing. Above this limit the longest unfinished
//! lines are refused. A line within the share of a client is never refused, so a client that writes
//! its lines in one go does not notice.

use super::peer::Client;
use crate::limits::{
    CLIENT_BYTES_ALL, CLIENT_BYTES_SHARE, INPUT_BYTES_ALL, OUTBOX_BYTES_MAX, READ_BYTES,
    UNFINISHED_LINES_MIN,
};
use crate::net::Connection;

/// What is kept for all clients, and who waits for it to become less.
#[derive(Debug, Default)]
pub(super) struct Budget {
    /// The sum of what the clients are counted for.
    kept_bytes: usize,
    /// The part of it that is input: unfinished lines, requests not carried out.
    input_bytes: usize,
    /// Limit of `input_bytes`.
    input_bytes_max: usize,
    /// Somebody may be held up only because of what is kept for others.
    throttles: bool,
}

impl Budget {
    /// Starts empty, for `connections_max` clients with lines of `line_bytes_max` bytes.
    pub(super) fn new(connections_max: usize, line_bytes_max: usize) -> Self {
        let shares = connections_max.saturating_mul(CLIENT_BYTES_SHARE);
        let lines = line_bytes_max.saturating_mul(UNFINISHED_LINES_MIN);
        let input_bytes_max = INPUT_BYTES_ALL.max(shares).max(lines);
        Self { input_bytes_max, ..Self::default() }
    }

    /// Whether each client has to make do with its share.
    pub(super) fn is_full(&self) -> bool {
        self.kept_bytes >= CLIENT_BYTES_ALL
    }

    /// Replies waiting for a client from which on it is not served.
    pub(super) fn outbox_bytes_max(&self) -> usize {
        if self.is_full() { CLIENT_BYTES_SHARE } else { OUTBOX_BYTES_MAX }
    }

    /// A client is not served on until it has read, or there is room.
    pub(super) fn record_throttled(&mut self) {
        self.throttles |= self.is_full();
    }

    /// Whether there is room again for those who were held up without; says so once.
    pub(super) fn has_room_again(&mut self) -> bool {
        !self.is_full() && std::mem::take(&mut self.throttles)
    }

    /// The most that is read from a client at once, and kept of its requests if they may not be
    /// carried out, beside a line that is not finished.
    pub(super) fn read_bytes(&self) -> usize {
        if self.is_full() { CLIENT_BYTES_SHARE } else { READ_BYTES }
    }

    /// Counts a client for what is kept for it now.
    pub(super) fn charge(&mut self, connection: &Connection, client: &mut Client) {
        let kept_bytes = kept_bytes(connection, client);
        self.kept_bytes = self.kept_bytes - client.kept_bytes + kept_bytes;
        client.kept_bytes = kept_bytes;
        let input_bytes = connection.input.len();
        self.input_bytes = self.input_bytes - client.input_bytes + input_bytes;
        client.input_bytes = input_bytes;
    }

    /// A client is gone, and all that was kept for it.
    pub(super) fn release(&mut self, connection: &Connection, client: &Client) {
        debug_assert_eq!(client.kept_bytes, kept_bytes(connection, client), "it was not charged");
        self.kept_bytes -= client.kept_bytes;
        self.input_bytes -= client.input_bytes;
    }

    /// Input that must go: none up to the bound, and so much above it that the next time is not
    /// at once. With it the bound.
    pub(super) fn excess_input(&self) -> Option<(usize, usize)> {
        let max = self.input_bytes_max;
        (self.input_bytes > max).then(|| (self.input_bytes - (max - max / 8), max))
    }

    /// Bytes of unfinished lines and of requests that are not carried out, of all clients.
    pub(super) fn input_bytes(&self) -> usize {
        self.input_bytes
    }

    /// What is kept for all clients together.
    pub(super) fn kept_bytes(&self) -> usize {
        self.kept_bytes
    }
}

fn kept_bytes(connection: &Connection, client: &Client) -> usize {
    connection.input.len() + client.unsent_bytes(connection)
}
