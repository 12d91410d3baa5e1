//! Command sockets: requests in, replies out.
//!
//! ```text
//!   begin ─► RequestBatch ─► next ─► request ─► the loop passes it to the group
//!              ▲        │
//!              │        ▼ no whole line
//!            finish ◄─ read
//! ```
//!
//! The loop executes each request before it asks for the next one: replies may throttle a client.

mod admission;
mod batch;
mod budget;
mod client;
mod config_change;
mod handshakes;
mod lists;
mod pending;
mod refusals;
pub(super) mod refused_clients;
mod replies;
#[cfg(test)]
mod tests;
pub(super) mod undecided;
mod upgrades;

use std::collections::VecDeque;
use std::io;

use super::ready::{Queued, Ready, Share};
use super::sockets::{CoordinatorTimer, Sockets};
use crate::config::CoordinatorConfig;
use crate::limits::WORK_BYTES;
use crate::net::{self, Key, Slots, SocketTable, Stream};
use crate::protocol::{LimitReached, LineBuffer, Reply, Request, RequestError, TooLong};
use crate::time::Millis;
use admission::Admission;
use batch::{LineLimits, OwnedOrigin, RequestBatch};
use budget::Budget;
use client::{Client, ClientPhase, ClientSocket, LineDeadline};
use handshakes::Handshakes;
use lists::Lists;
use refusals::RefusalCounts;
use refused_clients::{discard, refuse};
use replies::conn_of;
use upgrades::{UpgradeQueue, Upgrades};

pub(super) use admission::CommandStats;
pub(super) use batch::Next;
pub(super) use client::Addresses;
pub(super) use config_change::change_config;

/// Command sockets.
#[derive(Debug)]
pub(super) struct CommandSockets<S = net::Transport> {
    sockets: Slots<ClientSocket<S>>,
    /// Number and limits of the sockets.
    admission: Admission,
    /// Memory of all sockets.
    budget: Budget,
    lists: Lists,
    /// Sockets to be served.
    ready: Ready,
    /// Sockets with replies to be written, or to be closed after their last reply.
    unflushed: VecDeque<Key>,
    /// Clients with replies that wait for a commit.
    with_pending_replies: Vec<Key>,
    /// Sockets to be closed at the end of the turn.
    marked_for_close: Vec<Key>,
    /// Client whose requests are being executed.
    serving: Option<Key>,
    refused: RefusalCounts,
    lines: LineLimits,
    upgrades: UpgradeQueue,
}

impl<S: Stream> CommandSockets<S> {
    pub(super) fn new(config: &CoordinatorConfig) -> Self {
        Self {
            sockets: Slots::new(SocketTable::Command),
            admission: Admission::new(config),
            budget: Budget::new(config.counts.max_connections, config.max_line),
            lists: Lists::default(),
            ready: Ready::default(),
            unflushed: VecDeque::new(),
            with_pending_replies: Vec::new(),
            marked_for_close: Vec::new(),
            serving: None,
            refused: RefusalCounts::default(),
            lines: LineLimits { bytes_max: config.max_line, timeout_ms: config.timeouts.line_ms },
            upgrades: UpgradeQueue::new(config.timeouts.stall_ms),
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.ready.is_empty() && self.unflushed.is_empty() && self.lists.is_idle(&self.budget)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sockets.is_empty()
    }

    pub(super) fn on_event(&mut self, key: Key, event: impl Into<net::Readiness>) {
        if let Some(socket) = self.sockets.get_mut(key) {
            socket.connection.on_event(event);
            let queue = Queued::on_event(socket.connection.is_handshaking());
            self.ready.push(key, &mut socket.queued, queue);
        }
    }

    fn wake(&mut self, key: Key) {
        if let Some(socket) = self.sockets.get_mut(key) {
            self.ready.push(key, &mut socket.queued, Queued::Fresh);
        }
    }

    /// Queues a client that was throttled. A client with unused input counts as leftover.
    fn resume(&mut self, key: Key) {
        if let Some(socket) = self.sockets.get_mut(key) {
            let has_more = !socket.connection.input.is_empty();
            let queue = if has_more { Queued::Leftover } else { Queued::Fresh };
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

    /// Returns the limits on command sockets.
    pub(super) fn admission(&mut self) -> &mut Admission {
        &mut self.admission
    }

    pub(super) fn next_key(&self) -> Key {
        self.sockets.next_key()
    }

    /// Adds a command socket, or one that is refused. Its handshake comes first, if it has one.
    pub(super) fn add(
        &mut self,
        connection: net::Connection<S>,
        addresses: Addresses,
        refusal: Option<LimitReached>,
        sockets: &mut Sockets,
        now: Millis,
    ) {
        if let Err(error) = connection.keep_alive(sockets.keepalive()) {
            log::warn!("{}: cannot set keepalive: {error}", addresses.peer);
        }
        let (key, mut client) = (self.next_key(), Client::new(addresses));
        self.admission.on_accepted(key, &mut client, now);
        let is_handshaking = connection.is_handshaking();
        self.sockets.insert(ClientSocket::new(connection, client));
        if is_handshaking {
            self.handshakes().begin(key, refusal, sockets, now);
        } else if let Some(refusal) = refusal {
            refuse(self, key, &refusal.into(), sockets, now);
        }
    }

    /// Returns the oldest command socket that has sent no whole line. A request of it may have
    /// arrived already, so the next read tries without an event.
    pub(super) fn oldest_silent(&mut self) -> Option<Key> {
        let key = self.admission.oldest_silent()?;
        self.sockets.get_mut(key)?.connection.assume_readable();
        Some(key)
    }

    /// Refuses the oldest silent socket, if it is still `key`. Then returns true.
    pub(super) fn displace(
        &mut self,
        key: Key,
        why: &LimitReached,
        sockets: &mut Sockets,
        now: Millis,
    ) -> bool {
        if self.admission.oldest_silent() != Some(key) {
            return false;
        }
        let is_handshaking = self.sockets.get(key).is_some_and(|it| it.handshake.is_some());
        let is_closed_now = is_handshaking
            || self.admission.is_crowded()
            || matches!(why, LimitReached::Silent { max: None });
        refuse(self, key, &why.clone().into(), sockets, now);
        if is_closed_now {
            // The reply is written before, if the socket has room.
            self.marked_for_close.push(key);
        }
        true
    }

    /// Begins to serve a command socket. A refused one is only read from.
    pub(super) fn begin(
        &mut self,
        key: Key,
        share: Share,
        sockets: &mut Sockets,
    ) -> Option<(RequestBatch, OwnedOrigin)> {
        let socket = self.sockets.get_mut(key).filter(|socket| socket.handshake.is_none())?;
        if socket.client.is_refused() {
            discard(self, key, share.bytes, sockets);
            return None;
        }
        socket.client.has_list = false;
        self.serving = Some(key);
        let source = OwnedOrigin::new(key, socket);
        Some((RequestBatch::new(key, share, socket), source))
    }

    fn may_be_served(&self, key: Key) -> bool {
        let unsent_max = self.budget.unread_bytes_max();
        self.sockets.get(key).is_some_and(|socket| socket.may_be_served(unsent_max))
    }

    /// Returns true if the next line may be taken. Reads a piece if no whole line is there.
    pub(super) fn advance(&mut self, batch: &mut RequestBatch, sockets: &mut Sockets) -> bool {
        if batch.is_last {
            return false;
        }
        let may_go_on = batch.left.requests > 0 && self.may_be_served(batch.key);
        if may_go_on && (!batch.needs_bytes || self.read(batch, sockets)) {
            return undecided::may_take_next(self, batch);
        }
        self.begin_last(batch)
    }

    /// Takes the next line, as a request.
    pub(super) fn next<'b>(
        &mut self,
        batch: &'b mut RequestBatch,
        sockets: &mut Sockets,
        now: Millis,
    ) -> Next<'b> {
        let key = batch.key;
        let line = if batch.is_last {
            Ok(batch.input.last_line())
        } else {
            batch.input.next_line(self.lines.bytes_max)
        };
        let line = match line {
            Ok(line) => line,
            Err(TooLong { max }) => {
                batch.left.requests -= 1;
                refuse(self, key, &RequestError::TooLong { max }, sockets, now);
                return Next::Answered;
            }
        };
        let (Some(line), Some(socket)) = (line, self.sockets.get_mut(key)) else {
            batch.needs_bytes = true;
            return Next::Nothing;
        };
        batch.left.requests = batch.left.requests.saturating_sub(1);
        let client = &mut socket.client;
        self.admission.on_line(client);
        match Request::parse_after(line, &mut batch.last_request) {
            Ok(request) => {
                client.phase = ClientPhase::Waiting;
                Next::Request(request)
            }
            Err(malformed) => {
                self.answer(conn_of(key), &Reply::from(malformed), None);
                Next::Answered
            }
        }
    }

    /// Reads a piece. Returns false if there is nothing to be read, or the share is used up.
    fn read(&mut self, batch: &mut RequestBatch, sockets: &mut Sockets) -> bool {
        let read_bytes = self.budget.read_bytes();
        let socket = self.sockets.get_mut(batch.key);
        socket.is_some_and(|socket| batch.read(socket, read_bytes, sockets.scratch()))
    }

    /// Begins with the bytes before the end of the stream, which are a request even without a line
    /// feed. If the connection failed, those bytes are dropped. Returns false before the end.
    fn begin_last(&mut self, batch: &mut RequestBatch) -> bool {
        let is_at_end = !batch.is_share_used() && self.may_be_served(batch.key);
        let Some(socket) = self.sockets.get(batch.key) else { return false };
        batch.is_last = is_at_end && socket.has_ended();
        if batch.is_last && socket.client.has_failed {
            batch.input.clear();
        }
        batch.is_last
    }

    /// Ends a batch: stops serving the client until its next event, and keeps its unused input.
    pub(super) fn finish(&mut self, batch: RequestBatch, sockets: &mut Sockets, now: Millis) {
        self.serving = None;
        let (Share { requests, bytes }, is_share_used) = (batch.used(), batch.is_share_used());
        let RequestBatch { key, input, last_request, is_last, .. } = batch;
        sockets.spend(requests + bytes / WORK_BYTES);
        let unsent_max = self.budget.unread_bytes_max();
        let Some(socket) = self.sockets.get_mut(key) else { return };
        socket.last_request = Some(last_request);
        if is_last && socket.client.phase == ClientPhase::Serving {
            socket.client.phase = ClientPhase::Ended;
        }
        let may_go_on = socket.may_be_served(unsent_max);
        let has_leftover = !is_last && is_share_used && may_go_on;
        if has_leftover {
            self.ready.push(key, &mut socket.queued, Queued::Leftover);
        }
        if !socket.client.is_refused() {
            let is_served = requests > 0;
            self.pause(key, input, [is_served, has_leftover, may_go_on], sockets, now);
        }
    }

    /// The line timeout runs while the client must send the rest of a line. It does not run while
    /// the client is throttled.
    fn pause(
        &mut self,
        key: Key,
        input: LineBuffer,
        [is_served, has_leftover, may_go_on]: [bool; 3],
        sockets: &mut Sockets,
        now: Millis,
    ) {
        let Some(socket) = self.sockets.get_mut(key) else { return };
        let has_begun = !input.is_empty() || socket.connection.stream().is_unfinished();
        let is_unfinished = may_go_on && !socket.has_ended() && has_begun;
        let client = &mut socket.client;
        client.is_throttled = client.phase == ClientPhase::Serving && !may_go_on;
        if client.is_throttled {
            self.budget.record_throttled();
        }
        if is_served || !is_unfinished {
            client.line_deadline.is_overdue = false;
            sockets.cancel(client.line_deadline.timer.take());
        }
        socket.connection.input = input;
        sockets.scratch().settle(&mut socket.connection.input);
        self.budget.charge(socket);
        if has_leftover || !is_unfinished {
            return;
        }
        let deadline = &mut socket.client.line_deadline;
        let timeout_ms = self.lines.timeout_ms;
        if deadline.is_overdue {
            refuse(self, key, &RequestError::Unfinished { timeout_ms }, sockets, now);
        } else if deadline.timer.is_none() {
            let timer = CoordinatorTimer::Line(key);
            deadline.timer = Some(sockets.set_timer(now.plus(timeout_ms), timer));
        }
    }

    /// Marks an unfinished line as overdue. One more read must end it, or the client is refused.
    pub(super) fn on_line_timeout(&mut self, key: Key) {
        if let Some(socket) = self.sockets.get_mut(key) {
            socket.client.line_deadline = LineDeadline { timer: None, is_overdue: true };
            socket.connection.assume_readable();
            self.wake(key);
        }
    }

    pub(super) fn on_postponed(&mut self, key: Key, timer: net::TimerId) {
        if let Some(socket) = self.sockets.get_mut(key) {
            socket.client.line_deadline.timer = Some(timer);
        }
    }

    /// Asks the system whether the machine of a peer has acknowledged the written bytes.
    pub(super) fn check_peer(&mut self, key: Key) -> Option<io::Result<net::UnackedBytes>> {
        Some(self.sockets.get_mut(key)?.connection.check_peer())
    }

    /// Returns the unfinished handshakes.
    pub(super) fn handshakes(&mut self) -> Handshakes<'_, S> {
        Handshakes::new(self)
    }

    /// Returns the command sockets that become message sockets.
    pub(super) fn upgrades(&mut self) -> Upgrades<'_, S> {
        Upgrades::new(self)
    }

    /// Ends a client whose machine does not answer.
    pub(super) fn on_machine_gone(&mut self, key: Key) {
        let Some(socket) = self.sockets.get_mut(key) else { return };
        log::debug!("{}: its machine does not answer", socket.client.addresses.peer);
        socket.client.has_failed = true;
        socket.close_write();
        self.budget.charge(socket); // A refused client is closed in this turn.
        if socket.client.is_refused() {
            self.marked_for_close.push(key);
        }
        self.wake(key);
        self.schedule_flush(key);
    }
}
