//! Message sockets: connect-backs, deliveries and acknowledgements.
//!
//! ```text
//!   connect ──► connecting ──► open ──► marked for close
//!                   └──────────────────────▲
//! ```
//!
//! Each event on a socket becomes an [`Input`] for the group. The loop passes the input on.

mod deliveries;
mod socket;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::mem;

use rustix::io::Errno;

use super::ready::{Queued, Ready};
use super::sockets::{CoordinatorTimer, Sockets};
use crate::config::CoordinatorConfig;
use crate::group::{Group, Input, LinkId, SocketEnd};
use crate::limits::{ACK_LINE_BYTES_MAX, TURN_BYTES_MAX, WORK_ACK_BYTES};
use crate::net::{
    Connection, Fill, Key, Readiness, Rotation, Scratch, Slots, SocketTable, Stream, TimerId,
    Transport, UnackedBytes,
};
use crate::protocol::{Ack, LineBuffer, Seq};
use crate::time::{Millis, UnixMillis};
use socket::{MemberSocket, MessagePhase, write_last};

pub(super) use deliveries::RunWrite;

/// Connect-backs and message sockets.
#[derive(Debug)]
pub(super) struct MessageSockets<S = Transport> {
    sockets: Slots<MemberSocket<S>>,
    /// Sockets by their names in the group.
    links: BTreeMap<LinkId, Key>,
    /// Sockets to be served.
    ready: Ready,
    /// Message sockets that may have room for more deliveries.
    writable: Vec<Key>,
    /// Sockets to be closed at the end of the turn.
    marked_for_close: Vec<Key>,
    /// Last message that was offered to all message sockets.
    delivered_through: Seq,
    /// Message socket after which deliveries continue, if the last turn reached its limit.
    delivered_last: Option<Key>,
    /// Starting position of deliveries if no member waits from the previous turn.
    rotation: Rotation,
    connect_timeout_ms: u64,
    stall_timeout_ms: u64,
}

/// Bytes that were read from a message socket. [`MessageSockets::finish_acks`] takes the rest back.
#[derive(Debug)]
pub(super) struct Acks {
    key: Key,
    link: LinkId,
    input: LineBuffer,
    filled: io::Result<Fill>,
    /// True if the stream holds bytes that it may have room for.
    wants_write: bool,
}

impl Acks {
    pub(super) fn link(&self) -> LinkId {
        self.link
    }

    pub(super) fn wants_write(&self) -> bool {
        self.wants_write
    }

    /// Returns the next acknowledgement that has arrived. It counts if the group takes it.
    #[inline]
    pub(super) fn next(&mut self, group: &Group) -> Option<Input<'static>> {
        let link = self.link;
        if !group.takes_acks(link) {
            self.input.clear(); // This socket takes no acknowledgements, so its input is dropped.
            return None;
        }
        let acknowledged = match self.input.next_line(ACK_LINE_BYTES_MAX) {
            Ok(None) => return None,
            Ok(Some(line)) => Ack::parse(line).ok(),
            Err(_) => None,
        };
        Some(match acknowledged {
            Some(Ack { seq }) => Input::Acknowledged { link, seq },
            None => Input::Garbled { link },
        })
    }
}

impl<S: Stream> MessageSockets<S> {
    pub(super) fn new(config: &CoordinatorConfig) -> Self {
        Self {
            sockets: Slots::new(SocketTable::Message),
            links: BTreeMap::new(),
            ready: Ready::default(),
            writable: Vec::new(),
            marked_for_close: Vec::new(),
            delivered_through: Seq::ZERO,
            delivered_last: None,
            rotation: Rotation::default(),
            connect_timeout_ms: config.timeouts.connect_ms,
            stall_timeout_ms: config.timeouts.stall_ms,
        }
    }

    /// Puts other timeouts in force. A timer that runs ends as it began.
    pub(super) fn change_config(&mut self, config: &CoordinatorConfig) {
        self.connect_timeout_ms = config.timeouts.connect_ms;
        self.stall_timeout_ms = config.timeouts.stall_ms;
        for (_, socket) in self.sockets.iter() {
            // The socket may have failed already. Its next read returns the error.
            let _ = socket.connection.keep_alive(config.timeouts.peer.keepalive());
        }
    }

    /// Returns true if no socket waits to be served.
    pub(super) fn is_idle(&self) -> bool {
        self.ready.is_empty() && self.writable.is_empty()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sockets.is_empty()
    }

    pub(super) fn has_link(&self, link: LinkId) -> bool {
        self.links.contains_key(&link)
    }

    pub(super) fn links(&self) -> impl Iterator<Item = LinkId> {
        self.links.keys().copied()
    }

    /// Returns the link of a message socket. A connect-back has none.
    pub(super) fn link_of(&self, key: Key) -> Option<LinkId> {
        self.sockets.get(key).filter(|socket| socket.is_open()).map(|socket| socket.link)
    }

    pub(super) fn on_event(&mut self, key: Key, event: impl Into<Readiness>) {
        if let Some(socket) = self.sockets.get_mut(key) {
            socket.connection.on_event(event);
            let queue = Queued::on_event(socket.connection.is_handshaking());
            self.ready.push(key, &mut socket.queued, queue);
        }
    }

    /// Removes and returns the next socket of a queue.
    pub(super) fn next_ready(&mut self, queue: Queued) -> Option<Key> {
        while let Some(key) = self.ready.pop(queue) {
            if let Some(socket) = self.sockets.get_mut(key) {
                socket.queued = Queued::No;
                return Some(key);
            }
        }
        None
    }

    /// Returns true if the handshake of a connect-back can go on.
    pub(super) fn has_ready_handshakes(&self) -> bool {
        self.ready.has_handshakes()
    }

    /// Returns the number of sockets that used up their share.
    pub(super) fn leftovers(&self) -> usize {
        self.ready.leftovers()
    }

    /// Returns the key of the next socket.
    pub(super) fn next_key(&self) -> Key {
        self.sockets.next_key()
    }

    /// Adds a connect-back that was started.
    pub(super) fn add(
        &mut self,
        link: LinkId,
        connection: Connection<S>,
        sockets: &mut Sockets,
        now: Millis,
    ) {
        let (key, due) = (self.next_key(), now.plus(self.connect_timeout_ms));
        let deadline = sockets.set_timer(due, CoordinatorTimer::Connect(key));
        let phase = MessagePhase::Connecting { deadline };
        self.sockets.insert(MemberSocket::new(connection, link, phase));
        self.links.insert(link, key);
    }

    /// Adds a message socket that was a command socket. Bytes that it has received may be in its
    /// input, and events that are under way name its old key.
    pub(super) fn add_upgraded(&mut self, link: LinkId, mut connection: Connection<S>) {
        connection.assume_readable();
        connection.assume_writable();
        let phase = MessagePhase::Open { stall_timer: None };
        let key = self.sockets.insert(MemberSocket::new(connection, link, phase));
        self.links.insert(link, key);
        self.writable.push(key);
        if let Some(socket) = self.sockets.get_mut(key) {
            self.ready.push(key, &mut socket.queued, Queued::Fresh);
        }
    }

    /// Changes the time at which the certificate of a socket no longer counts.
    pub(super) fn set_certified_until(
        &mut self,
        link: LinkId,
        until: Option<UnixMillis>,
        sockets: &mut Sockets,
    ) {
        let Some(key) = self.links.get(&link) else { return };
        if let Some(socket) = self.sockets.get_mut(*key) {
            let before = mem::replace(&mut socket.certified_until, until);
            sockets.certificates().change(*key, before, until);
        }
    }

    /// The certificate of a socket is no longer valid. Returns the link of the socket.
    pub(super) fn expire_certificate(&mut self, key: Key) -> Option<LinkId> {
        let socket = self.sockets.get_mut(key)?;
        socket.certified_until = None;
        self.links.contains_key(&socket.link).then_some(socket.link)
    }

    /// Finishes a connect-back that has succeeded or failed. Returns `None` while it is in
    /// progress.
    pub(super) fn finish_connect_back(
        &mut self,
        key: Key,
        sockets: &mut Sockets,
    ) -> Option<Input<'static>> {
        let socket = self.sockets.get_mut(key)?;
        let (link, MessagePhase::Connecting { deadline }) = (socket.link, socket.phase) else {
            return None;
        };
        match socket.connection.connected() {
            Ok(false) => None,
            Ok(true) => {
                sockets.cancel(Some(deadline));
                if let Err(error) = socket.connection.keep_alive(sockets.keepalive()) {
                    log::warn!("message socket {link}: cannot set keepalive: {error}");
                }
                socket.phase = MessagePhase::Open { stall_timer: None };
                self.writable.push(key);
                Some(Input::Connected { link })
            }
            Err(error) => Some(self.fail_connect_back(key, link, &error)),
        }
    }

    /// Fails a connect-back after a last check, because it may have succeeded without an event.
    pub(super) fn on_connect_timeout(
        &mut self,
        key: Key,
        sockets: &mut Sockets,
    ) -> Option<Input<'static>> {
        let socket = self.sockets.get_mut(key)?;
        let link = socket.link;
        match socket.connection.connected() {
            Ok(false) => Some(self.fail_connect_back(key, link, &Errno::TIMEDOUT.into())),
            Ok(true) | Err(_) => self.finish_connect_back(key, sockets),
        }
    }

    fn fail_connect_back(&mut self, key: Key, link: LinkId, error: &io::Error) -> Input<'static> {
        self.links.remove(&link);
        self.marked_for_close.push(key);
        Input::ConnectFailed { link, reason: error.to_string().into() }
    }

    /// Cancels a connect-back, or closes a message socket. Returns false if the link has no socket
    /// here.
    pub(super) fn close(
        &mut self,
        link: LinkId,
        closing_bytes: &[u8],
        scratch: &mut Scratch,
    ) -> bool {
        let Some(key) = self.links.remove(&link) else { return false };
        if let Some(MemberSocket { connection, .. }) = self.sockets.get_mut(key) {
            // Unread bytes would make TCP discard written bytes that have not arrived.
            connection.assume_readable();
            let _ = connection.fill(scratch, TURN_BYTES_MAX);
            write_last(connection, closing_bytes);
        }
        self.marked_for_close.push(key);
        true
    }

    /// Closes the sockets that were marked in this turn. Returns their number.
    pub(super) fn close_marked(&mut self, sockets: &mut Sockets) -> usize {
        let mut closed = 0;
        for key in mem::take(&mut self.marked_for_close) {
            if let Some(mut socket) = self.sockets.remove(key) {
                socket.connection.notify_close();
                sockets.cancel(socket.timer());
                sockets.certificates().change(key, socket.certified_until, None);
                closed += 1;
            }
        }
        closed
    }

    /// Replaces the timer of a socket, which was postponed.
    pub(super) fn on_postponed(&mut self, key: Key, timer: TimerId) {
        if let Some(socket) = self.sockets.get_mut(key) {
            socket.phase = match socket.phase {
                MessagePhase::Connecting { .. } => MessagePhase::Connecting { deadline: timer },
                MessagePhase::Open { .. } => MessagePhase::Open { stall_timer: Some(timer) },
            };
        }
    }

    /// Reads about `bytes_max` bytes of acknowledgements from a message socket.
    #[inline]
    pub(super) fn read_acks(
        &mut self,
        key: Key,
        bytes_max: usize,
        sockets: &mut Sockets,
    ) -> Option<Acks> {
        let socket = self.sockets.get_mut(key).filter(|socket| socket.is_open())?;
        let filled = socket.connection.fill(sockets.scratch(), bytes_max);
        sockets.spend(filled.as_ref().map_or(0, |filled| filled.bytes() / WORK_ACK_BYTES));
        let input = mem::take(&mut socket.connection.input);
        let wants_write = socket.connection.wants_write();
        Some(Acks { key, link: socket.link, input, filled, wants_write })
    }

    /// Reads the acknowledgements that have arrived on a message socket that is about to end, even
    /// without an event.
    pub(super) fn read_all_acks(&mut self, link: LinkId, sockets: &mut Sockets) -> Option<Acks> {
        let key = *self.links.get(&link)?;
        self.sockets.get_mut(key)?.connection.assume_readable();
        self.read_acks(key, TURN_BYTES_MAX, sockets)
    }

    /// Keeps the start of an unfinished acknowledgement. Returns the end of a socket that ended.
    #[inline]
    pub(super) fn finish_acks(
        &mut self,
        acks: Acks,
        scratch: &mut Scratch,
    ) -> Option<Input<'static>> {
        let Acks { key, link, mut input, filled, wants_write: _ } = acks;
        scratch.settle(&mut input);
        let socket = self.sockets.get_mut(key)?;
        socket.connection.input = input;
        let how = match filled {
            Ok(Fill::Drained(_)) => return None,
            Ok(Fill::Yielded(_)) => {
                self.ready.push(key, &mut socket.queued, Queued::Leftover);
                return None;
            }
            Ok(Fill::Eof(_)) => SocketEnd::Closed,
            Err(error) => SocketEnd::from(error),
        };
        self.has_link(link).then_some(Input::Lost { link, how })
    }

    /// Returns the sockets with written bytes that may be unacknowledged.
    pub(super) fn written(&self) -> impl Iterator<Item = Key> {
        let written = self.sockets.iter().filter(|(_, socket)| socket.connection.has_written());
        written.map(|(key, _)| key)
    }

    pub(super) fn contains(&self, key: Key) -> bool {
        self.sockets.contains(key)
    }

    /// Asks the system whether the peer's machine has acknowledged the written bytes.
    pub(super) fn check_peer(&mut self, key: Key) -> Option<io::Result<UnackedBytes>> {
        Some(self.sockets.get_mut(key)?.connection.check_peer())
    }
}
