//! How much clients make the coordinator keep, all of them together.
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

use std::collections::VecDeque;

use super::peer::Client;
use crate::event_loop::Connection;
use crate::group::{ConnId, Listing};
use crate::limits::{CLIENT_BYTES_ALL, CLIENT_BYTES_SHARE, OUTBOX_BYTES_MAX, TURN_BYTES_MAX};

/// What is kept for all clients, and who waits for it to become less.
#[derive(Debug, Default)]
pub(super) struct ClientMemory {
    /// The sum of what the clients are counted for.
    kept_bytes: usize,
    /// Lists that clients have asked for, in the order of their requests.
    lists: VecDeque<(ConnId, Listing)>,
    /// Somebody may be held up only because of what is kept for others.
    holds_up: bool,
}

impl ClientMemory {
    /// Whether each client has to make do with its share.
    fn is_full(&self) -> bool {
        self.kept_bytes >= CLIENT_BYTES_ALL
    }

    /// Replies waiting for a client from which on it is not served.
    pub(super) fn outbox_bytes_max(&self) -> usize {
        if self.is_full() { CLIENT_BYTES_SHARE } else { OUTBOX_BYTES_MAX }
    }

    /// A client is not served on until it has read, or there is room.
    pub(super) fn note_held_up(&mut self) {
        self.holds_up |= self.is_full();
    }

    /// Whether there is room again for those who were held up without; says so once.
    pub(super) fn has_room_again(&mut self) -> bool {
        !self.is_full() && std::mem::take(&mut self.holds_up)
    }

    /// What is read from a client in one turn: the most that is kept of its requests if they may
    /// not be carried out, beside a line that is not finished.
    pub(super) fn read_bytes(&self) -> usize {
        if self.is_full() { CLIENT_BYTES_SHARE } else { TURN_BYTES_MAX }
    }

    /// Counts a client for what is kept for it now.
    pub(super) fn charge(&mut self, connection: &Connection, client: &mut Client) {
        let kept_bytes = kept_bytes(connection, client);
        self.kept_bytes = self.kept_bytes - client.kept_bytes + kept_bytes;
        client.kept_bytes = kept_bytes;
    }

    /// A client is gone, and all that was kept for it.
    pub(super) fn release(&mut self, connection: &Connection, client: &Client) {
        debug_assert_eq!(client.kept_bytes, kept_bytes(connection, client), "it was not charged");
        self.kept_bytes -= client.kept_bytes;
    }

    /// The longest list that need not wait; nor may one overtake those that do.
    pub(super) fn list_bytes_max(&self) -> usize {
        let is_free = !self.is_full() && self.lists.is_empty();
        if is_free { usize::MAX } else { CLIENT_BYTES_SHARE }
    }

    /// Has a list wait.
    pub(super) fn wait(&mut self, to: ConnId, listing: Listing) {
        if self.lists.is_empty() {
            let kept_bytes = self.kept_bytes;
            log::warn!("long lists wait: {kept_bytes} bytes are kept for clients already");
        }
        self.lists.push_back((to, listing));
    }

    /// The next list that need not wait any more.
    pub(super) fn next(&mut self) -> Option<(ConnId, Listing)> {
        if self.is_full() {
            return None;
        }
        let next = self.lists.pop_front();
        if next.is_some() && self.lists.is_empty() {
            log::info!("lists do not wait any more");
        }
        next
    }

    /// All that wait, who wait for nothing any more.
    pub(super) fn give_up(&mut self) -> VecDeque<(ConnId, Listing)> {
        std::mem::take(&mut self.lists)
    }

    /// What is kept for all clients together.
    pub(super) fn kept_bytes(&self) -> usize {
        self.kept_bytes
    }
}

fn kept_bytes(connection: &Connection, client: &Client) -> usize {
    connection.input.len() + client.unsent_bytes(connection)
}
