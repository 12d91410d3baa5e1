//! Message sockets: finishes connect-backs, sends deliveries, reads acknowledgements.

use std::io::{self, IoSlice};
use std::mem;

use rustix::io::Errno;

use super::peer::{MemberSocket, Peer, PeerRole};
use super::server::{Coordinator, CoordinatorTimer};
use crate::group::{Input, LinkId, SocketEnd};
use crate::limits::{
    ACK_LINE_BYTES_MAX, KEEPALIVE, TURN_ACK_BYTES_MAX, TURN_BYTES_MAX, TURN_DELIVERY_BYTES_MAX,
    TURN_DELIVERY_SOCKETS_MAX, WORK_ACK_BYTES, WORK_CONNECT,
};
use crate::net::{Connection, Fill, Key};
use crate::protocol::{Ack, LineBuffer};
use crate::time::{Millis, Now};

impl Coordinator {
    /// Handles a connect-back that has succeeded or failed. Does nothing while it is in progress.
    pub(super) fn finish_connect_back(&mut self, key: Key, now: Now) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let PeerRole::Connecting { link, deadline } = peer.role else { return };
        match peer.connection.connected() {
            Ok(false) => (),
            Ok(true) => {
                self.timers.cancel(deadline);
                if let Err(error) = peer.connection.keep_alive(KEEPALIVE) {
                    log::warn!("message socket {link}: cannot turn on keepalive: {error}");
                }
                peer.role = PeerRole::MemberSocket(MemberSocket::new(link));
                if let Some(old) = self.group.replaces(link) {
                    self.read_all_acks(old, now);
                }
                self.group.handle(Input::Connected { link }, now);
                self.run_effects(now);
                self.writable.push(key);
                self.spend(WORK_CONNECT);
                // The event may have reported readable bytes, too.
                self.read_acks(TURN_ACK_BYTES_MAX, key, now);
            }
            Err(error) => self.fail_connect_back(key, &error, now),
        }
    }

    /// Fails a connect-back after a last check, because it may have succeeded without an event.
    pub(super) fn on_connect_timeout(&mut self, key: Key, now: Now) {
        let Some(peer) = self.peers.get(key) else { return };
        match peer.connection.connected() {
            Ok(false) => self.fail_connect_back(key, &Errno::TIMEDOUT.into(), now),
            Ok(true) | Err(_) => self.finish_connect_back(key, now),
        }
    }

    fn fail_connect_back(&mut self, key: Key, error: &io::Error, now: Now) {
        let Some(PeerRole::Connecting { link, .. }) = self.peers.get(key).map(|peer| &peer.role)
        else {
            return;
        };
        let link = *link;
        self.links.remove(&link);
        self.marked_for_close.push(key);
        let reason = error.to_string().into();
        self.group.handle(Input::ConnectFailed { link, reason }, now);
        self.run_effects(now);
    }

    /// Reads the acknowledgements that have arrived on a message socket that is about to end, even
    /// without an event.
    pub(super) fn read_all_acks(&mut self, link: LinkId, now: Now) {
        let Some(&key) = self.links.get(&link) else { return };
        if let Some((connection, _)) = self.peers.get_mut(key).and_then(Peer::message_socket) {
            connection.assume_readable();
            self.read_acks(TURN_BYTES_MAX, key, now);
        }
    }

    /// Reads about `bytes_max` bytes of acknowledgements from a message socket.
    pub(super) fn read_acks(&mut self, bytes_max: usize, key: Key, now: Now) {
        let Some((connection, message_socket)) =
            self.peers.get_mut(key).and_then(Peer::message_socket)
        else {
            return;
        };
        let link = message_socket.link;
        let filled = connection.fill(&mut self.scratch, bytes_max);
        let mut input = mem::take(&mut connection.input);
        self.take_acks(link, &mut input, now);
        if let Some((connection, _)) = self.peers.get_mut(key).and_then(Peer::message_socket) {
            connection.input = input;
        }
        self.spend(filled.as_ref().map_or(0, |filled| filled.bytes() / WORK_ACK_BYTES));
        match filled {
            Ok(Fill::Drained(_)) => (),
            Ok(Fill::Yielded(_)) => self.enqueue_leftover(key),
            Ok(Fill::Eof(_)) => self.end(link, SocketEnd::Closed, now),
            Err(error) => self.end(link, SocketEnd::from(error), now),
        }
    }

    fn take_acks(&mut self, link: LinkId, input: &mut LineBuffer, now: Now) {
        while self.group.takes_acks(link) {
            let acknowledged = match input.next_line(ACK_LINE_BYTES_MAX) {
                Ok(None) => return,
                Ok(Some(line)) => Ack::parse(line).ok(),
                Err(_) => None,
            };
            self.group.handle(
                match acknowledged {
                    Some(Ack { seq }) => Input::Acknowledged { link, seq },
                    None => Input::Garbled { link },
                },
                now,
            );
            self.run_effects(now);
        }
        input.clear(); // This socket takes no acknowledgements, so its input is dropped.
    }

    /// Sends deliveries: to all message sockets if there is a new message, else to the sockets that
    /// have room again. The sockets that waited for others in the previous turn come first. If none
    /// waited, each turn starts at another socket.
    pub(super) fn deliver(&mut self, now: Now) {
        let mut keys = take_distinct(&mut self.writable);
        let released = self.group.released();
        if released > self.delivered_through {
            self.delivered_through = released;
            keys.clear();
            keys.extend(self.links.values());
        }
        let first = match self.delivered_last.take() {
            Some(last) => {
                keys.sort_unstable();
                keys.partition_point(|key| *key <= last)
            }
            None => self.rotation.next(keys.len()),
        };
        let (behind, ahead) = keys.split_at(first.min(keys.len()));
        let (mut written, mut sockets) = (0, 0);
        let mut keys = ahead.iter().chain(behind).copied();
        for key in keys.by_ref() {
            let bytes = self.deliver_to(key, now);
            written += bytes;
            sockets += usize::from(bytes > 0);
            let is_enough =
                written >= TURN_DELIVERY_BYTES_MAX || sockets >= TURN_DELIVERY_SOCKETS_MAX;
            if is_enough && !self.group.delivers_once() {
                self.delivered_last = Some(key);
                break;
            }
        }
        self.writable.extend(keys);
        if written > 0 {
            self.liveness.request_check();
        }
        self.group.handle(Input::Delivered, now);
    }

    /// Sends the due messages to one member, up to its share of the turn. Returns the number of
    /// bytes that the socket took.
    fn deliver_to(&mut self, key: Key, now: Now) -> usize {
        let mut written = 0;
        let failed = loop {
            let Some((connection, message_socket)) =
                self.peers.get_mut(key).and_then(Peer::message_socket)
            else {
                return written;
            };
            let link = message_socket.link;
            if !connection.is_writable() {
                break None;
            }
            let Some(run) = self.group.run_for(link) else { break None };
            if written >= TURN_BYTES_MAX && !self.group.delivers_once() {
                self.writable.push(key); // The others come first, and no event reports this socket.
                break None;
            }
            match connection.write_vectored(run.slices()) {
                Ok(0) => break None,
                Ok(bytes) => {
                    written += bytes;
                    self.group.handle(Input::Wrote { link, bytes }, now);
                }
                Err(error) => break Some(error),
            }
        };
        match failed {
            None => self.watch_for_stall(key, written > 0, now.steady),
            Some(error) => self.end_failed(key, error.into(), now),
        }
        written
    }

    /// Runs the stall timer while bytes are due and the socket has no room.
    fn watch_for_stall(&mut self, key: Key, has_moved: bool, now: Millis) {
        let Some((connection, message_socket)) =
            self.peers.get_mut(key).and_then(Peer::message_socket)
        else {
            return;
        };
        let is_stuck = !connection.is_writable() && self.group.is_due(message_socket.link);
        if (has_moved || !is_stuck)
            && let Some(timer) = message_socket.stall_timer.take()
        {
            self.timers.cancel(timer);
        }
        if is_stuck && message_socket.stall_timer.is_none() {
            let due = now.plus(self.config.stall_timeout_ms);
            message_socket.stall_timer =
                Some(self.timers.insert(due, CoordinatorTimer::Stall(key)));
        }
    }

    /// Ends a message socket that took no bytes for `stall_timeout`. A socket that became writable
    /// in this turn stays. No write is tried on a socket that is not writable: the system takes a
    /// few bytes even if the peer takes none.
    pub(super) fn on_stall(&mut self, key: Key, now: Now) {
        let Some((connection, message_socket)) =
            self.peers.get_mut(key).and_then(Peer::message_socket)
        else {
            return;
        };
        message_socket.stall_timer = None;
        if !connection.is_writable() && self.group.is_due(message_socket.link) {
            let timeout_ms = self.config.stall_timeout_ms;
            self.end_failed(key, SocketEnd::Stalled { timeout_ms }, now);
        }
    }

    /// Ends a message socket that has failed. The acknowledgements that arrived before still count.
    pub(super) fn end_failed(&mut self, key: Key, how: SocketEnd, now: Now) {
        let Some((_, message_socket)) = self.peers.get_mut(key).and_then(Peer::message_socket)
        else {
            return;
        };
        let link = message_socket.link;
        self.read_all_acks(link, now);
        self.end(link, how, now);
    }

    /// Reports the end of a message socket to the group, which closes the socket.
    fn end(&mut self, link: LinkId, how: SocketEnd, now: Now) {
        if self.links.contains_key(&link) {
            self.group.handle(Input::Lost { link, how }, now);
            self.run_effects(now);
        }
    }

    /// Begins a new epoch, which is durable now. All message sockets of the old epoch end.
    pub(super) fn begin_epoch(&mut self, now: Now) {
        for link in self.links.keys().copied().collect::<Vec<LinkId>>() {
            self.read_all_acks(link, now);
        }
        self.group.handle(Input::EpochCommitted, now);
        self.run_effects(now);
        self.writable.extend(self.links.values()); // Sockets that waited now get their hello.
    }

    /// Sends a `bye` line to all members that acknowledge.
    pub(super) fn send_byes(&mut self) {
        for (&link, &key) in &self.links {
            if let Some((connection, _)) = self.peers.get_mut(key).and_then(Peer::message_socket) {
                write_last(connection, &self.group.shutdown_bytes(link));
            }
        }
    }
}

/// Writes as many of `bytes` as the socket takes at once. Ignores an error, because the connection
/// is closed next.
pub(super) fn write_last(connection: &mut Connection, bytes: &[u8]) {
    if !bytes.is_empty() {
        let _ = connection.write_vectored(&[IoSlice::new(bytes)]);
    }
}

impl From<io::Error> for SocketEnd {
    fn from(error: io::Error) -> Self {
        match Errno::from_io_error(&error) {
            Some(Errno::CONNRESET | Errno::PIPE | Errno::CONNABORTED) => Self::Reset,
            Some(Errno::TIMEDOUT | Errno::HOSTUNREACH | Errno::NETUNREACH) => Self::TimedOut,
            Some(_) | None => Self::Failed(error.to_string().into()),
        }
    }
}

/// Takes all keys out, each of them once. A socket that is listed twice must not get two shares of
/// a turn.
fn take_distinct(keys: &mut Vec<Key>) -> Vec<Key> {
    let mut keys = mem::take(keys);
    keys.sort_unstable();
    keys.dedup();
    keys
}
