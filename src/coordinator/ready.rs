//! Queues of sockets to be served, and the share of a turn that each socket gets.
//!
//! ```text
//!   event ──► fresh ── a small share ──► nothing left
//!                             │
//!                             ▼ the share is used up
//!                          leftover ──► a share ──► nothing left
//!                             ▲              │
//!                             └──────────────┘
//! ```
//!
//! A socket that becomes ready is served before the sockets that used up their share. So a client
//! with one request does not wait for clients with thousands. A socket is in one queue at a time,
//! and an event does not move it. All sockets together have a limit of work for each turn. Sockets
//! that were not served stay in their queues for the next turn, and that turn does not sleep.
//!
//! Steps of handshakes have a queue and a limit of their own, because each costs much more than a
//! request.

use std::collections::VecDeque;

use crate::limits::{FRESH_REQUESTS_MAX, READ_BYTES, SHARE_REQUESTS_MAX};
use crate::net::Key;

/// Queue of a socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Queued {
    /// The socket is in no queue.
    #[default]
    No,
    /// The socket became ready and was not served since.
    Fresh,
    /// The socket used up its share and has more to be served.
    Leftover,
    /// The handshake of the socket can go on.
    Handshake,
}

impl Queued {
    /// Returns the queue of a socket that got an event.
    #[inline]
    pub(super) fn on_event(is_handshaking: bool) -> Self {
        if is_handshaking { Self::Handshake } else { Self::Fresh }
    }
}

/// Sockets of one kind that are to be served.
#[derive(Debug, Default)]
pub(super) struct Ready {
    fresh: VecDeque<Key>,
    leftover: VecDeque<Key>,
    handshakes: VecDeque<Key>,
}

/// Share of one socket in a turn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    pub(super) requests: usize,
    pub(super) bytes: usize,
}

/// Share of a client that became ready.
pub(super) const FRESH: Share = Share { requests: FRESH_REQUESTS_MAX, bytes: READ_BYTES };
/// Share of a client that used up its first share.
pub(super) const LEFTOVER: Share = Share { requests: SHARE_REQUESTS_MAX, bytes: READ_BYTES };

impl Ready {
    pub(super) fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.leftover.is_empty() && self.handshakes.is_empty()
    }

    /// Returns the number of sockets that used up their share.
    pub(super) fn leftovers(&self) -> usize {
        self.leftover.len()
    }

    /// Returns true if a handshake can go on.
    pub(super) fn has_handshakes(&self) -> bool {
        !self.handshakes.is_empty()
    }

    /// Queues a socket that is in no queue: `queued` is the socket's.
    #[inline]
    pub(super) fn push(&mut self, key: Key, queued: &mut Queued, queue: Queued) {
        if *queued == Queued::No {
            *queued = queue;
            match queue {
                Queued::Fresh => self.fresh.push_back(key),
                Queued::Leftover => self.leftover.push_back(key),
                Queued::Handshake => self.handshakes.push_back(key),
                Queued::No => (),
            }
        }
    }

    /// Removes and returns the first socket of a queue. It may not exist any more.
    pub(super) fn pop(&mut self, queue: Queued) -> Option<Key> {
        match queue {
            Queued::Fresh => self.fresh.pop_front(),
            Queued::Leftover => self.leftover.pop_front(),
            Queued::Handshake => self.handshakes.pop_front(),
            Queued::No => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Slots, SocketTable};

    #[test]
    fn a_socket_is_in_one_queue_at_a_time_and_an_event_does_not_move_it() {
        let (mut ready, mut table) = (Ready::default(), Slots::new(SocketTable::Command));
        let [one, two] = [0; 2].map(|_| table.insert(Queued::No));
        for (key, queue) in [(one, Queued::Leftover), (one, Queued::Fresh), (two, Queued::Fresh)] {
            ready.push(key, table.get_mut(key).unwrap(), queue);
        }
        assert_eq!((table.get(one), ready.leftovers()), (Some(&Queued::Leftover), 1));
        assert_eq!((ready.pop(Queued::Fresh), ready.pop(Queued::Fresh)), (Some(two), None));
        assert!(!ready.is_empty());
        assert_eq!((ready.pop(Queued::Leftover), ready.is_empty()), (Some(one), true));
    }
}
