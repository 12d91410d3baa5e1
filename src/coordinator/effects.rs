//! Runs the effects of the group: replies, connect-backs, closed sockets.

use std::fmt::{Arguments, Write};
use std::net::{IpAddr, SocketAddr};

use mio::Token;
use rustix::io::Errno;

use super::messages::write_last;
use super::peer::{ClientPhase, Peer, PeerRole};
use super::report;
use super::server::{Coordinator, CoordinatorTimer};
use crate::group::{ConnId, Effect, Input, LinkId};
use crate::limits::{TURN_BYTES_MAX, TURN_REPLIES_MAX, TURN_REPLY_BYTES_MAX, WORK_CONNECT};
use crate::net::{Connection, Flush, Key};
use crate::protocol::{Epoch, Reply};
use crate::time::Now;

impl Coordinator {
    /// Runs the effects of the group until none is left.
    pub(super) fn run_effects(&mut self, now: Now) {
        while let Some(effect) = self.group.poll_effect() {
            match effect {
                Effect::Reply { to, reply } => self.answer(to, &reply),
                Effect::List { to, listing } => self.list(to, listing, now),
                Effect::Connect { link, address, from } => {
                    self.connect_back(link, from, address, now);
                }
                Effect::Close { link, closing_bytes } => self.close(link, &closing_bytes),
                Effect::Record(fact) => {
                    if let Some(journal) = &mut self.journal {
                        journal.commits.record(&fact, &self.group, now);
                        self.report_fullness(now);
                    }
                }
                Effect::DrawEpoch => self.draw_epoch(now),
                Effect::MemberChange(change) => report::log_member_change(&change),
                Effect::Backlog(change) => report::log_backlog(&change),
            }
        }
    }

    /// Appends a reply to the output of a client.
    pub(super) fn answer(&mut self, to: ConnId, reply: &Reply) {
        if let Reply::Refused(_) = reply {
            self.counters.errors += 1;
            if let Some((_, client)) = self.peers.get_mut(key_of(to)).and_then(Peer::client) {
                log::debug!("{}: {reply}", client.peer);
            }
        }
        let commit =
            self.journal.as_ref().and_then(|journal| journal.commits.awaited_commit(reply));
        self.append(to, commit, format_args!("{reply}\n"));
    }

    /// Releases the replies that wait for a commit up to `done`.
    pub(super) fn release_replies(&mut self, done: u64) {
        for key in std::mem::take(&mut self.with_pending_replies) {
            let Some((connection, client)) = self.peers.get_mut(key).and_then(Peer::client) else {
                continue;
            };
            while let Some(replies) = client.pending_replies.release(done) {
                if !client.write_closed {
                    connection.output.extend_from_slice(&replies);
                }
            }
            if client.pending_replies.bytes() > 0 {
                self.with_pending_replies.push(key);
            }
            self.schedule_flush(key);
        }
    }

    /// Appends a text to the output of a client, once `commit` is done. The client then has its
    /// reply, so its next request can be served.
    pub(super) fn append(&mut self, to: ConnId, commit: Option<u64>, text: Arguments<'_>) {
        let key = key_of(to);
        let Some((connection, client)) = self.peers.get_mut(key).and_then(Peer::client) else {
            return; // The client is gone. Its request was executed.
        };
        let has_waited = client.phase == ClientPhase::Waiting && client.list.is_empty();
        if has_waited {
            client.phase = ClientPhase::Serving;
        }
        if client.write_closed {
            // The client is gone: the reply is dropped.
        } else if commit.is_none() && client.pending_replies.bytes() == 0 {
            // Appending to memory cannot fail.
            let _ = connection.output.write_fmt(text);
        } else {
            if client.pending_replies.bytes() == 0 {
                self.with_pending_replies.push(key);
            }
            client.pending_replies.push(commit, text.to_string().as_bytes());
        }
        self.budget.charge(connection, client);
        self.schedule_flush(key);
        if has_waited && self.serving != Some(key) {
            self.wake(key);
        }
    }

    /// Marks a client whose replies are to be written at the end of the turn.
    pub(super) fn schedule_flush(&mut self, key: Key) {
        if let Some((_, client)) = self.peers.get_mut(key).and_then(Peer::client)
            && !std::mem::replace(&mut client.is_unflushed, true)
        {
            self.unflushed.push_back(key);
        }
    }

    /// Draws random bits for the next epoch. If this fails, the group asks again later.
    pub(super) fn draw_epoch(&mut self, now: Now) {
        match getrandom::u64() {
            Ok(bits) => self.group.handle(Input::DrawnEpoch(Epoch::new(bits)), now),
            Err(error) => log::error!("cannot begin a new epoch: no random number: {error}"),
        }
    }

    /// Writes replies, up to the limit of a turn. The other clients come first in the next turn.
    pub(super) fn write_replies(&mut self) {
        let mut bytes_left = TURN_REPLY_BYTES_MAX;
        for _ in 0..self.unflushed.len().min(TURN_REPLIES_MAX) {
            if bytes_left == 0 {
                return;
            }
            let Some(key) = self.unflushed.pop_front() else { return };
            bytes_left = bytes_left.saturating_sub(self.write_replies_to(key));
        }
    }

    /// Writes the replies of a client, and marks it for closing at its end. Returns the number of
    /// bytes written.
    fn write_replies_to(&mut self, key: Key) -> usize {
        let Some((connection, client)) = self.peers.get_mut(key).and_then(Peer::client) else {
            return 0;
        };
        client.is_unflushed = false;
        let had_list = !client.list.is_empty();
        if client.write_closed {
            client.list.clear();
        }
        client.unroll_list(&mut connection.output);
        let due = connection.output.len();
        let flushed = connection.flush(TURN_BYTES_MAX).unwrap_or_else(|error| {
            log::debug!("{}: {error}", client.peer);
            client.write_closed = true;
            connection.output.clear();
            client.list.clear();
            Flush::Empty
        });
        let written = due.saturating_sub(connection.output.len());
        if connection.has_written() {
            self.liveness.request_check();
        }
        self.budget.charge(connection, client);
        let unsent_bytes = client.unsent_bytes(connection);
        let mut is_resumed = client.is_throttled && unsent_bytes < self.budget.outbox_bytes_max();
        if is_resumed {
            client.is_throttled = false;
        }
        let (has_list, has_pending_replies) =
            (!client.list.is_empty(), client.pending_replies.bytes() > 0);
        if had_list && !has_list && client.phase == ClientPhase::Waiting {
            client.phase = ClientPhase::Serving;
            is_resumed = true;
        }
        let is_done = flushed == Flush::Empty && unsent_bytes == 0;
        match &mut client.phase {
            ClientPhase::Ended if is_done => self.marked_for_close.push(key),
            ClientPhase::Refused(refused) if is_done && !refused.is_shut_down => {
                refused.is_shut_down = true;
                if client.write_closed || connection.shutdown_write().is_err() {
                    self.marked_for_close.push(key);
                }
            }
            ClientPhase::Serving
            | ClientPhase::Waiting
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

    /// Starts a connect-back.
    fn connect_back(&mut self, link: LinkId, from: Option<IpAddr>, address: SocketAddr, now: Now) {
        self.spend(WORK_CONNECT);
        let key = self.peers.next_key();
        let begun = self.connection_to(address, from).and_then(|mut connection| {
            connection.register(self.poll.registry(), key)?;
            Ok(connection)
        });
        match begun {
            Ok(connection) => {
                let due = now.steady.plus(self.config.connect_timeout_ms);
                let deadline = self.timers.insert(due, CoordinatorTimer::Connect(key));
                self.peers.insert(Peer::new(connection, PeerRole::Connecting { link, deadline }));
                self.links.insert(link, key);
            }
            Err(error) => {
                let reason = error.to_string().into();
                self.group.handle(Input::ConnectFailed { link, reason }, now);
            }
        }
    }

    /// Starts a connection. If no file is free, one file of the reserve is released for it.
    fn connection_to(
        &mut self,
        address: SocketAddr,
        from: Option<IpAddr>,
    ) -> std::io::Result<Connection> {
        let connect = || match from {
            Some(from) => Connection::connect_from(from, address),
            None => Connection::connect(address),
        };
        let begun = connect();
        let errno = begun.as_ref().err().and_then(Errno::from_io_error);
        let is_out_of_files = matches!(errno, Some(Errno::MFILE | Errno::NFILE));
        let is_freed = is_out_of_files
            && self.acceptor.as_mut().is_some_and(|acceptor| acceptor.release_one());
        if is_freed { connect() } else { begun }
    }

    /// Cancels a connect-back, or closes a message socket.
    fn close(&mut self, link: LinkId, closing_bytes: &[u8]) {
        let Some(key) = self.links.remove(&link) else { return };
        if let Some(peer) = self.peers.get_mut(key) {
            // Unread bytes would make TCP discard written bytes that have not arrived.
            peer.connection.assume_readable();
            let _ = peer.connection.fill(&mut self.scratch, TURN_BYTES_MAX);
            write_last(&mut peer.connection, closing_bytes);
        }
        self.marked_for_close.push(key);
    }
}

/// Returns the key of a client by its name in the group.
pub(super) fn key_of(conn: ConnId) -> Key {
    Key::from(Token(conn.0))
}
