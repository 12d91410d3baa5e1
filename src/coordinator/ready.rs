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

use std::collections::VecDeque;

use super::peer::{MemberSocket, Peer, PeerRole};
use super::server::Coordinator;
use crate::limits::{
    FRESH_ACK_BYTES_MAX, FRESH_REQUESTS_MAX, READ_BYTES, SHARE_REQUESTS_MAX, TURN_ACK_BYTES_MAX,
    TURN_ACK_WORK_MAX, TURN_WORK_MAX, WORK_ACK_SOCKET, WORK_REQUEST_SOCKET,
};
use crate::net::{Key, Slots};
use crate::time::Now;

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
}

/// Sockets of one kind that are to be served.
#[derive(Debug, Default)]
pub(super) struct Ready {
    fresh: VecDeque<Key>,
    leftover: VecDeque<Key>,
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
const LEFTOVER: Share = Share { requests: SHARE_REQUESTS_MAX, bytes: READ_BYTES };

impl Ready {
    pub(super) fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.leftover.is_empty()
    }

    fn push(&mut self, key: Key, peer: &mut Peer, queued: Queued) {
        if peer.queued == Queued::No {
            peer.queued = queued;
            match queued {
                Queued::Fresh => self.fresh.push_back(key),
                Queued::Leftover => self.leftover.push_back(key),
                Queued::No => (),
            }
        }
    }

    /// Removes and returns the next socket that still exists.
    fn pop(&mut self, is_fresh: bool, peers: &mut Slots<Peer>) -> Option<Key> {
        let queue = if is_fresh { &mut self.fresh } else { &mut self.leftover };
        while let Some(key) = queue.pop_front() {
            if let Some(peer) = peers.get_mut(key) {
                peer.queued = Queued::No;
                return Some(key);
            }
        }
        None
    }
}

impl Coordinator {
    /// Queues a socket that became ready.
    pub(super) fn wake(&mut self, key: Key) {
        self.enqueue(key, Queued::Fresh);
    }

    /// Queues a socket that used up its share.
    pub(super) fn enqueue_leftover(&mut self, key: Key) {
        self.enqueue(key, Queued::Leftover);
    }

    /// Queues a client that was throttled. A client with unused input counts as leftover.
    pub(super) fn resume(&mut self, key: Key) {
        let has_more = self.peers.get(key).is_some_and(|peer| !peer.connection.input.is_empty());
        self.enqueue(key, if has_more { Queued::Leftover } else { Queued::Fresh });
    }

    fn enqueue(&mut self, key: Key, queued: Queued) {
        if let Some(peer) = self.peers.get_mut(key) {
            let ready = match peer.role {
                PeerRole::Client(_) => &mut self.ready_clients,
                PeerRole::Connecting { .. } | PeerRole::MemberSocket(_) => {
                    &mut self.ready_message_sockets
                }
            };
            ready.push(key, peer, queued);
        }
    }

    /// Subtracts work from the limit of this turn.
    pub(super) fn spend(&mut self, work: usize) {
        self.work_left = self.work_left.saturating_sub(work);
    }

    /// Handles acknowledgements and connect-backs, up to the limit of a turn.
    pub(super) fn serve_message_sockets(&mut self, now: Now) {
        self.work_left = TURN_ACK_WORK_MAX;
        while self.work_left > TURN_ACK_WORK_MAX / 4
            && let Some(key) = self.ready_message_sockets.pop(true, &mut self.peers)
        {
            self.on_message_socket_ready(key, FRESH_ACK_BYTES_MAX, now);
        }
        // Each socket once: unlike requests, many acknowledgements need not be handled at once.
        for _ in 0..self.ready_message_sockets.leftover.len() {
            if self.work_left > 0
                && let Some(key) = self.ready_message_sockets.pop(false, &mut self.peers)
            {
                self.on_message_socket_ready(key, TURN_ACK_BYTES_MAX, now);
            }
        }
    }

    /// Executes requests, up to the limit of a turn.
    pub(super) fn serve_clients(&mut self, now: Now) {
        self.work_left = TURN_WORK_MAX;
        while self.work_left > TURN_WORK_MAX / 4
            && let Some(key) = self.ready_clients.pop(true, &mut self.peers)
        {
            self.on_client_ready(key, FRESH, now);
        }
        while self.work_left > 0
            && let Some(key) = self.ready_clients.pop(false, &mut self.peers)
        {
            self.on_client_ready(key, LEFTOVER, now);
        }
    }

    fn on_client_ready(&mut self, key: Key, share: Share, now: Now) {
        self.spend(WORK_REQUEST_SOCKET);
        self.serve(key, share, now);
        self.schedule_flush(key);
    }

    fn on_message_socket_ready(&mut self, key: Key, bytes_max: usize, now: Now) {
        self.spend(WORK_ACK_SOCKET);
        match self.peers.get(key).map(|peer| &peer.role) {
            Some(PeerRole::Connecting { .. }) => self.finish_connect_back(key, now),
            Some(&PeerRole::MemberSocket(MemberSocket { link, .. })) => {
                self.read_acks(bytes_max, key, now);
                if self.group.is_due(link) {
                    self.writable.push(key); // It may have become writable.
                }
            }
            Some(PeerRole::Client(_)) | None => (),
        }
    }
}
