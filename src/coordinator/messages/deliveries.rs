//! Deliveries: rounds over the message sockets, runs of messages, stalls.

use std::io;
use std::mem;

use super::MessageSockets;
use super::socket::{MessagePhase, write_last};
use crate::coordinator::sockets::{CoordinatorTimer, Sockets};
use crate::group::{Group, LinkId, SocketEnd};
use crate::limits::{TURN_BYTES_MAX, TURN_DELIVERY_BYTES_MAX, TURN_DELIVERY_SOCKETS_MAX};
use crate::net::{Key, Stream};
use crate::protocol::Seq;
use crate::time::Millis;

/// Deliveries of one turn.
#[derive(Debug)]
pub(in crate::coordinator) struct Round {
    keys: Vec<Key>,
    /// Position in `keys` at which the round starts.
    first: usize,
    /// Number of sockets that had their turn.
    taken: usize,
    written: usize,
    sockets: usize,
}

impl Round {
    /// Returns the next socket.
    pub(in crate::coordinator) fn next(&mut self) -> Option<Key> {
        if self.taken == self.keys.len() {
            return None;
        }
        let at = self.first + self.taken;
        let at = if at >= self.keys.len() { at - self.keys.len() } else { at };
        self.taken += 1;
        self.keys.get(at).copied()
    }

    /// Counts the bytes that a socket took. Returns true if the limit of a turn is reached.
    pub(in crate::coordinator) fn add(&mut self, bytes: usize) -> bool {
        self.written += bytes;
        self.sockets += usize::from(bytes > 0);
        self.written >= TURN_DELIVERY_BYTES_MAX || self.sockets >= TURN_DELIVERY_SOCKETS_MAX
    }
}

/// Result of a write to a message socket.
#[derive(Debug)]
pub(in crate::coordinator) enum RunWrite {
    /// The socket took bytes of a run.
    Wrote {
        link: LinkId,
        bytes: usize,
        /// See [`Input::Wrote`](crate::group::Input::Wrote).
        through: Option<Seq>,
        /// True if nothing else is due on the socket, and no stall timer runs.
        is_last: bool,
    },
    /// Nothing is due, or the socket has no room, or its share is used up.
    Done,
    /// The socket has failed.
    Failed(io::Error),
}

impl<S: Stream> MessageSockets<S> {
    /// Marks a message socket with due bytes: it may have become writable.
    pub(in crate::coordinator) fn expect_room(&mut self, key: Key) {
        self.writable.push(key);
    }

    /// Returns true if the stream of a message socket holds bytes.
    #[cfg(test)]
    pub(in crate::coordinator) fn wants_write(&self, key: Key) -> bool {
        self.sockets.get(key).is_some_and(|socket| socket.connection.wants_write())
    }

    /// Marks all message sockets as perhaps writable.
    pub(in crate::coordinator) fn expect_room_everywhere(&mut self) {
        self.writable.extend(self.links.values());
    }

    /// Begins the deliveries of a turn: to all message sockets if there is a new message, else to
    /// the sockets that have room again. The sockets that waited for others in the previous turn
    /// come first. If none waited, each turn starts at another socket.
    pub(in crate::coordinator) fn begin_round(&mut self, released: Seq) -> Round {
        let mut keys = mem::take(&mut self.writable);
        // Each of them once. A socket that is listed twice must not get two shares of a turn.
        keys.sort_unstable();
        keys.dedup();
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
        Round { keys, first, taken: 0, written: 0, sockets: 0 }
    }

    /// Ends a round at `last`. The other sockets come first in the next turn.
    pub(in crate::coordinator) fn stop_round(&mut self, last: Key) {
        self.delivered_last = Some(last);
    }

    /// Ends a round. Returns true if bytes were written.
    pub(in crate::coordinator) fn end_round(&mut self, mut round: Round) -> bool {
        while let Some(key) = round.next() {
            self.writable.push(key);
        }
        round.written > 0
    }

    /// Sends the next due run to a member that got `written` bytes in this turn.
    #[inline]
    pub(in crate::coordinator) fn write_run(
        &mut self,
        key: Key,
        written: usize,
        group: &Group,
    ) -> RunWrite {
        let Some(socket) = self.sockets.get_mut(key).filter(|socket| socket.is_open()) else {
            return RunWrite::Done;
        };
        let link = socket.link;
        if !socket.connection.is_writable() {
            return RunWrite::Done;
        }
        let Some(run) = group.run_for(link) else {
            let flushed = socket.connection.flush_stream();
            return flushed.map_or_else(RunWrite::Failed, |_| RunWrite::Done);
        };
        if written >= TURN_BYTES_MAX && group.deliveries_may_wait() {
            self.writable.push(key); // The others come first, and no event reports this socket.
            return RunWrite::Done;
        }
        let connection = &mut socket.connection;
        let (wrote, through) = run.write(|slices, through| {
            let wrote = connection.write_vectored(slices);
            let due = slices.first().map(|slice| slice.len());
            let took_all = due.is_some() && due == wrote.as_ref().ok().copied();
            (wrote, through.filter(|_| took_all))
        });
        match wrote {
            Ok(0) => RunWrite::Done,
            Ok(bytes) => {
                let is_last = through.is_some()
                    && !connection.wants_write()
                    && matches!(socket.phase, MessagePhase::Open { stall_timer: None });
                RunWrite::Wrote { link, bytes, through, is_last }
            }
            Err(error) => RunWrite::Failed(error),
        }
    }

    /// Runs the stall timer while bytes are due and the socket has no room.
    pub(in crate::coordinator) fn watch_for_stall(
        &mut self,
        key: Key,
        has_moved: bool,
        group: &Group,
        sockets: &mut Sockets,
        now: Millis,
    ) {
        let Some(socket) = self.sockets.get_mut(key) else { return };
        let is_stuck = !socket.connection.is_writable() && socket.is_due(group);
        let Some(stall_timer) = socket.stall_timer() else { return };
        if has_moved || !is_stuck {
            sockets.cancel(stall_timer.take());
        }
        if is_stuck && stall_timer.is_none() {
            let due = now.plus(self.stall_timeout_ms);
            *stall_timer = Some(sockets.set_timer(due, CoordinatorTimer::Stall(key)));
        }
    }

    /// Returns the end of a message socket that took no bytes for `stall_timeout`. A socket that
    /// became writable in this turn stays. No write is tried on a socket that is not writable: the
    /// system takes a few bytes even if the peer takes none.
    pub(in crate::coordinator) fn on_stall(
        &mut self,
        key: Key,
        group: &Group,
    ) -> Option<SocketEnd> {
        let socket = self.sockets.get_mut(key)?;
        *socket.stall_timer()? = None;
        let is_stuck = !socket.connection.is_writable() && socket.is_due(group);
        is_stuck.then_some(SocketEnd::Stalled { timeout_ms: self.stall_timeout_ms })
    }

    /// Sends a `bye` line to all members that acknowledge.
    pub(in crate::coordinator) fn send_byes(&mut self, group: &Group) {
        for (&link, &key) in &self.links {
            if let Some(socket) = self.sockets.get_mut(key).filter(|socket| socket.is_open()) {
                write_last(&mut socket.connection, &group.shutdown_bytes(link));
            }
        }
    }

    /// Closes our side of all sockets. A peer for which this fails is gone already.
    pub(in crate::coordinator) fn shut_down(&mut self) {
        self.sockets.iter_mut().for_each(|(_, socket)| drop(socket.connection.shutdown_write()));
    }

    /// Returns true if bytes are due on a socket.
    pub(in crate::coordinator) fn has_due(&self, group: &Group) -> bool {
        let is_due = |key: &Key| self.sockets.get(*key).is_some_and(|socket| socket.is_due(group));
        self.links.values().any(is_due)
    }
}
