//! What the group wants done, and replies out.

use std::fmt::{Arguments, Write};
use std::net::{IpAddr, SocketAddr};

use mio::Token;
use rustix::io::Errno;

use super::peer::{Peer, Phase, Role};
use super::report;
use super::turn::{Coordinator, Timer, take_distinct};
use crate::event_loop::{Connection, Flush, Key};
use crate::group::{ConnId, Effect, Input, LinkId};
use crate::limits::TURN_BYTES_MAX;
use crate::protocol::Reply;
use crate::time::Now;

impl Coordinator {
    /// Does what the group wants, until it wants nothing more.
    pub(super) fn carry_out(&mut self, now: Now) {
        while let Some(effect) = self.group.poll_effect() {
            match effect {
                Effect::Reply { to, reply } => self.answer(to, &reply),
                Effect::List { to, listing } => self.list(to, listing, now),
                Effect::Connect { link, address, from } => self.dial(link, from, address, now),
                Effect::Close { link } => self.close(link),
                Effect::Record(fact) => {
                    if let Some(journal) = &mut self.journal {
                        journal.keeper.record(&fact, &self.group, now);
                        self.report_fullness(now);
                    }
                }
                Effect::Note(note) => report::log_note(&note),
                Effect::Backlog(change) => report::log_backlog(&change),
            }
        }
    }

    /// Puts a reply behind those that its client has not been sent yet.
    pub(super) fn answer(&mut self, to: ConnId, reply: &Reply) {
        if let Reply::Refused(_) = reply {
            self.counters.errors += 1;
            if let Some((_, client)) = self.peers.get_mut(key_of(to)).and_then(Peer::client) {
                log::debug!("{}: {reply}", client.peer);
            }
        }
        let commit = self.journal.as_ref().and_then(|journal| journal.keeper.awaited(reply));
        self.append(to, commit, format_args!("{reply}\n"));
    }

    /// Commits up to `done` are: whoever waits for one of them may be answered.
    pub(super) fn release_replies(&mut self, done: u64) {
        for key in std::mem::take(&mut self.holding) {
            let Some((connection, client)) = self.peers.get_mut(key).and_then(Peer::client) else {
                continue;
            };
            while let Some(replies) = client.held.release(done) {
                if !client.is_deaf {
                    connection.output.extend_from_slice(&replies);
                }
                self.unflushed.push(key);
            }
            if client.held.bytes() > 0 {
                self.holding.push(key);
            }
        }
    }

    /// Appends to what a client is to be sent, once `commit` is done; it may be served on, as it
    /// has its reply now.
    pub(super) fn append(&mut self, to: ConnId, commit: Option<u64>, text: Arguments<'_>) {
        let key = key_of(to);
        let Some((connection, client)) = self.peers.get_mut(key).and_then(Peer::client) else {
            return; // It is gone; what it asked for was done.
        };
        if client.phase == Phase::Waiting {
            client.phase = Phase::Serving;
            if self.serving != Some(key) {
                self.runnable.push(key);
            }
        }
        if client.is_deaf {
            return self.unflushed.push(key);
        }
        if commit.is_none() && client.held.bytes() == 0 {
            // Appending to memory cannot fail.
            let _ = connection.output.write_fmt(text);
            self.client_memory.charge(connection, client);
            return self.unflushed.push(key);
        }
        if client.held.bytes() == 0 {
            self.holding.push(key);
        }
        client.held.hold(commit, text.to_string().as_bytes());
        self.client_memory.charge(connection, client);
    }

    /// Writes the replies of a turn, and ends the clients that have come to their end.
    pub(super) fn write_replies(&mut self) {
        for key in take_distinct(&mut self.unflushed) {
            let Some((connection, client)) = self.peers.get_mut(key).and_then(Peer::client) else {
                continue;
            };
            let flushed = connection.flush(TURN_BYTES_MAX).unwrap_or_else(|error| {
                log::debug!("{}: {error}", client.peer);
                client.is_deaf = true;
                connection.output.clear();
                Flush::Empty
            });
            if flushed == Flush::Yielded {
                self.unflushed.push(key);
            }
            if connection.has_written() {
                self.peer_checks.want();
            }
            self.client_memory.charge(connection, client);
            let unsent_bytes = client.unsent_bytes(connection);
            if client.is_held_up && unsent_bytes < self.client_memory.outbox_bytes_max() {
                client.is_held_up = false;
                self.runnable.push(key);
            }
            if flushed != Flush::Empty || client.held.bytes() > 0 {
                continue;
            }
            match &mut client.phase {
                Phase::Serving | Phase::Waiting => (),
                Phase::Ended => self.buried.push(key),
                Phase::Refused(refused) if !refused.is_shut_down => {
                    refused.is_shut_down = true;
                    if client.is_deaf || connection.shutdown_write().is_err() {
                        self.buried.push(key);
                    }
                }
                Phase::Refused(_) => (),
            }
        }
    }

    /// Begins a connect-back.
    fn dial(&mut self, link: LinkId, from: Option<IpAddr>, address: SocketAddr, now: Now) {
        let key = self.peers.next_key();
        let begun = self.connection_to(address, from).and_then(|mut connection| {
            connection.register(self.poll.registry(), key)?;
            Ok(connection)
        });
        match begun {
            Ok(connection) => {
                let due = now.steady.plus(self.config.connect_timeout_ms);
                let deadline = self.wheel.insert(due, Timer::Connect(key));
                self.peers.insert(Peer { connection, role: Role::Dialing { link, deadline } });
                self.links.insert(link, key);
            }
            Err(error) => {
                let reason = error.to_string().into();
                self.group.handle(Input::ConnectFailed { link, reason }, now);
            }
        }
    }

    /// With all files taken by clients, one is given up from the reserve.
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

    /// Gives up a connect-back, or closes a message socket.
    fn close(&mut self, link: LinkId) {
        let Some(key) = self.links.remove(&link) else { return };
        if let Some(peer) = self.peers.get_mut(key) {
            // Unread bytes would make TCP throw away what was written and has not arrived.
            peer.connection.suspect_input();
            let _ = peer.connection.fill(&mut self.scratch, TURN_BYTES_MAX);
        }
        self.buried.push(key);
    }
}

/// The client that the group knows by this name.
pub(super) fn key_of(conn: ConnId) -> Key {
    Key::from(Token(conn.0))
}
