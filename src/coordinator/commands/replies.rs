//! Replies: answers, lists, and the end of command sockets.

use std::mem;

use bytes::BytesMut;
use mio::Token;

use super::admission::CommandStats;
use super::client::ClientPhase;
use super::{CommandSockets, undecided};
use crate::coordinator::sockets::Sockets;
use crate::facts::FactIndex;
use crate::group::{ConnId, Group};
use crate::limits::{
    CLIENT_BYTES_ALL, LIST_LINES_MAX, TURN_BYTES_MAX, TURN_REPLIES_MAX, TURN_REPLY_BYTES_MAX,
    WORK_LIST_LINES,
};
use crate::net::{Flush, Key, Stream};
use crate::protocol::{Reply, ReplyEncoder, RequestError};

impl<S: Stream> CommandSockets<S> {
    pub(in crate::coordinator) fn stats(&self) -> CommandStats {
        CommandStats {
            connections: self.admission.served(),
            admission: self.admission.counters(),
            kept_bytes: self.budget.kept_bytes(),
            input_bytes: self.budget.input_bytes(),
            kept_bytes_max: CLIENT_BYTES_ALL,
            refused: self.refused,
        }
    }

    /// Appends a reply to the output of a client, once the fact `after` is committed.
    pub(in crate::coordinator) fn answer(
        &mut self,
        to: ConnId,
        reply: &Reply,
        after: Option<FactIndex>,
    ) {
        if let Reply::Refused(error) = reply {
            self.refused.record(error.code());
            if let Some(socket) = self.sockets.get(key_of(to)) {
                log::debug!("{}: {reply}", socket.client.addresses.peer);
            }
        }
        self.append(to, after, |encoder, out| encoder.encode(reply, out));
    }

    /// Lets `write` append to the output of a client, once the fact `after` is committed. Then the
    /// client has its reply, and its next request can be served.
    pub(super) fn append(
        &mut self,
        to: ConnId,
        after: Option<FactIndex>,
        write: impl FnOnce(&mut ReplyEncoder, &mut BytesMut),
    ) {
        let Some(write) = undecided::append(self, to, write) else { return };
        let key = key_of(to);
        let Some(socket) = self.sockets.get_mut(key) else { return };
        let client = &mut socket.client;
        let has_waited = client.has_waited();
        if client.write_closed {
            // The client is gone: the reply is dropped.
        } else if after.is_none() && client.pending_replies.bytes() == 0 {
            write(&mut socket.encoder, &mut socket.connection.output);
        } else {
            if client.pending_replies.bytes() == 0 {
                self.with_pending_replies.push(key);
            }
            let write = |out: &mut _| write(&mut socket.encoder, out);
            client.pending_replies.push(after.unwrap_or_default(), write);
        }
        self.budget.charge(socket);
        socket.schedule_flush(key, &mut self.unflushed);
        if has_waited && self.serving != Some(key) {
            self.wake(key);
        }
    }

    /// Releases the replies whose facts are committed.
    pub(in crate::coordinator) fn release_replies(&mut self, committed: FactIndex) {
        for key in mem::take(&mut self.with_pending_replies) {
            let Some(socket) = self.sockets.get_mut(key) else { continue };
            let client = &mut socket.client;
            let mut dropped = BytesMut::new();
            let output = &mut socket.connection.output;
            let output = if client.write_closed { &mut dropped } else { output };
            client.pending_replies.release(committed, output);
            if client.pending_replies.bytes() > 0 {
                self.with_pending_replies.push(key);
            }
            self.schedule_flush(key);
        }
    }

    /// Marks a client whose replies are to be written at the end of the turn.
    pub(in crate::coordinator) fn schedule_flush(&mut self, key: Key) {
        if let Some(socket) = self.sockets.get_mut(key) {
            socket.schedule_flush(key, &mut self.unflushed);
        }
    }

    /// Writes replies, up to the limit of a turn. The other clients come first in the next turn.
    /// Returns true if written bytes may be unacknowledged.
    pub(in crate::coordinator) fn write_replies(&mut self) -> bool {
        let (mut bytes_left, mut has_written) = (TURN_REPLY_BYTES_MAX, false);
        for _ in 0..self.unflushed.len().min(TURN_REPLIES_MAX) {
            if bytes_left == 0 {
                break;
            }
            let Some(key) = self.unflushed.pop_front() else { break };
            bytes_left = bytes_left.saturating_sub(self.write_replies_to(key));
            has_written |=
                self.sockets.get(key).is_some_and(|socket| socket.connection.has_written());
        }
        has_written
    }

    /// Writes the replies of a client, and marks it for closing at its end. Returns the number of
    /// bytes written.
    fn write_replies_to(&mut self, key: Key) -> usize {
        let Some(socket) = self.sockets.get_mut(key) else { return 0 };
        socket.client.is_unflushed = false;
        let had_list = !socket.client.list.is_empty();
        if socket.client.write_closed {
            socket.client.list.clear();
        }
        socket.unroll_list();
        let due = socket.connection.output.len();
        let flushed = socket.connection.flush(TURN_BYTES_MAX).unwrap_or_else(|error| {
            log::debug!("{}: {error}", socket.client.addresses.peer);
            socket.close_write();
            socket.client.list.clear();
            Flush::Empty
        });
        let written = due.saturating_sub(socket.connection.output.len());
        self.budget.charge(socket);
        let unsent_bytes = socket.unsent_bytes();
        let client = &mut socket.client;
        let mut is_resumed = client.is_throttled && unsent_bytes < self.budget.unread_bytes_max();
        if is_resumed {
            client.is_throttled = false;
        }
        let (has_list, has_pending_replies) =
            (!client.list.is_empty(), client.pending_replies.bytes() > 0);
        if had_list {
            is_resumed |= client.has_waited();
        }
        let is_done = flushed == Flush::Empty && unsent_bytes == 0;
        match &mut client.phase {
            ClientPhase::Ended if is_done => self.marked_for_close.push(key),
            ClientPhase::Upgrading(_) if is_done => self.upgrades.add_written(key),
            ClientPhase::Refused(refused) if is_done && !refused.is_shut_down => {
                refused.is_shut_down = true;
                if client.write_closed || socket.connection.shutdown_write().is_err() {
                    self.marked_for_close.push(key);
                }
            }
            ClientPhase::Serving
            | ClientPhase::Waiting
            | ClientPhase::Upgrading(_)
            | ClientPhase::Ended
            | ClientPhase::Refused(_) => (),
        }
        if is_resumed {
            self.resume(key);
        }
        if flushed == Flush::Yielded
            || (flushed == Flush::Empty && has_list && !has_pending_replies)
        {
            self.schedule_flush(key);
        }
        written
    }

    /// Replies with the list of members. A short list is made at once. A client gets at most one
    /// list in a turn, because a list costs much more than its request.
    pub(in crate::coordinator) fn list_members(
        &mut self,
        to: ConnId,
        group: &Group,
        sockets: &mut Sockets,
    ) {
        let count = group.member_count();
        if count <= LIST_LINES_MAX {
            sockets.spend(count * WORK_LIST_LINES);
        }
        match self.lists.short(group, &self.budget) {
            Some(lines) => self.append_short_list(to, &lines),
            None => self.lists.wait(to, &self.budget),
        }
    }

    /// Returns true if a client can still get a reply.
    pub(in crate::coordinator) fn is_reachable(&self, to: ConnId) -> bool {
        self.sockets.get(key_of(to)).is_some_and(|socket| !socket.client.write_closed)
    }

    pub(in crate::coordinator) fn append_short_list(&mut self, to: ConnId, lines: &str) {
        if let Some(socket) = self.sockets.get_mut(key_of(to)) {
            socket.client.has_list = true;
        }
        self.append(to, None, |_, out| out.extend_from_slice(lines.as_bytes()));
    }

    /// Resumes throttled clients and waiting lists if the budget has room again.
    pub(in crate::coordinator) fn resume_waiting(&mut self, group: &Group) {
        if self.budget.has_room_again() {
            let throttled = self.sockets.iter().filter(|(_, socket)| socket.client.is_throttled);
            let keys: Vec<Key> = throttled.map(|(key, _)| key).collect();
            // A client without room of its own is throttled again.
            keys.into_iter().for_each(|key| self.resume(key));
        }
        self.serve_lists(group);
    }

    /// Makes a piece of a long list. Sends finished lists to waiting clients while memory allows.
    fn serve_lists(&mut self, group: &Group) {
        if self.lists.is_idle(&self.budget) {
            return;
        }
        self.lists.make(group);
        while !self.budget.is_full()
            && let Some((to, reply, lines)) = self.lists.next()
        {
            // The list is copied to the output piece by piece.
            if let Some(socket) = self.sockets.get_mut(key_of(to))
                && !socket.client.write_closed
            {
                socket.client.list = lines;
            }
            self.append(to, None, |encoder, out| encoder.encode(&reply, out));
        }
        self.lists.report_end();
    }

    /// Refuses all waiting lists, and flushes all sockets.
    pub(in crate::coordinator) fn begin_shutdown(&mut self) {
        for to in self.lists.take_waiting() {
            self.answer(to, &Reply::Refused(RequestError::ShuttingDown), None);
        }
        let keys: Vec<Key> = self.sockets.keys().collect();
        keys.into_iter().for_each(|key| self.schedule_flush(key));
    }

    /// Returns true if all replies were sent.
    pub(in crate::coordinator) fn is_drained(&self) -> bool {
        let mut connections = self.sockets.iter().map(|(_, socket)| &socket.connection);
        connections.all(|connection| connection.output.is_empty() && !connection.wants_write())
    }

    /// Returns the sockets with written bytes that may be unacknowledged.
    pub(in crate::coordinator) fn written(&self) -> impl Iterator<Item = Key> {
        let written = self.sockets.iter().filter(|(_, socket)| socket.connection.has_written());
        written.map(|(key, _)| key)
    }

    pub(in crate::coordinator) fn contains(&self, key: Key) -> bool {
        self.sockets.contains(key)
    }

    /// Closes our side of all sockets. A peer for which this fails is gone already.
    pub(in crate::coordinator) fn shut_down(&mut self) {
        self.sockets.iter_mut().for_each(|(_, socket)| drop(socket.connection.shutdown_write()));
    }

    /// Closes the sockets that were marked in this turn. Returns their number.
    pub(in crate::coordinator) fn close_marked(&mut self, sockets: &mut Sockets) -> usize {
        let mut closed = 0;
        for key in mem::take(&mut self.marked_for_close) {
            let Some(mut socket) = self.sockets.remove(key) else { continue };
            socket.connection.notify_close();
            self.budget.release(&socket);
            sockets.cancel(socket.client.line_deadline.timer);
            sockets.certificates().change(key, socket.certified_until(), None);
            if let Some(handshake) = socket.handshake.take() {
                self.admission.end_handshake(handshake.serial);
                sockets.cancel(Some(handshake.timer));
            }
            self.admission.on_closed(&mut socket.client);
            closed += 1;
            let is_counted = !self.admission.is_empty() || self.budget.kept_bytes() == 0;
            debug_assert!(is_counted, "without command sockets no bytes are counted");
        }
        closed
    }
}

/// Returns the key of a client by its name in the group.
pub(super) fn key_of(conn: ConnId) -> Key {
    Key::from(Token(conn.0))
}

/// Returns the name of a client in the group.
pub(super) fn conn_of(key: Key) -> ConnId {
    ConnId(Token::from(key).0)
}
