//! Command sockets: reads requests and executes them.

use std::mem;

use mio::Token;

use super::peer::{ClientPhase, Peer, PeerRole, Refused};
use super::ready::{Queued, Share};
use super::server::{Coordinator, CoordinatorTimer};
use crate::group::{ConnId, Input, Origin};
use crate::limits::{CLIENT_BYTES_SHARE, LINGER_BYTES_MAX, LINGER_MS, READ_BYTES, WORK_BYTES};
use crate::net::{Fill, Key};
use crate::protocol::{Command, LimitReached, LineBuffer, Reply, Request, RequestError, TooLong};
use crate::text::Counted;
use crate::time::{Millis, Now};

impl Coordinator {
    /// Executes the requests of a command socket, up to its share of the turn.
    pub(super) fn serve(&mut self, key: Key, share: Share, now: Now) {
        let Some((connection, client)) = self.peers.get_mut(key).and_then(Peer::client) else {
            return;
        };
        if let ClientPhase::Refused(_) = client.phase {
            return self.discard(key, share.bytes);
        }
        client.has_list = false;
        let mut input = mem::take(&mut connection.input);
        self.serving = Some(key);
        let (mut left, mut may_be_more) = (share, true);
        self.serve_lines(key, &mut input, &mut left, now);
        while may_be_more && left.requests > 0 && left.bytes > 0 && self.may_be_served(key) {
            may_be_more = self.read(key, &mut input, &mut left);
            self.serve_lines(key, &mut input, &mut left, now);
        }
        let is_share_used = (left.requests == 0 && !input.is_empty()) || may_be_more;
        let has_leftover = is_share_used && self.may_be_served(key);
        if !has_leftover && self.has_ended(key) && self.may_be_served(key) {
            self.serve_last_line(key, &mut input, &mut left, now);
        }
        self.serving = None;
        let requests = share.requests - left.requests;
        self.spend(requests + (share.bytes - left.bytes) / WORK_BYTES);
        if has_leftover {
            self.enqueue_leftover(key);
        }
        self.pause(key, input, requests > 0, has_leftover, now.steady);
    }

    /// Reads a piece. Returns true if there may be more.
    ///
    /// A piece is short, so that few bytes are buffered of requests that are not executed in this
    /// turn. Only a long line is read in larger pieces.
    fn read(&mut self, key: Key, input: &mut LineBuffer, left: &mut Share) -> bool {
        let Some((connection, client)) = self.peers.get_mut(key).and_then(Peer::client) else {
            return false;
        };
        let piece_bytes =
            input.len().clamp(CLIENT_BYTES_SHARE, self.budget.read_bytes()).min(left.bytes);
        connection.input = mem::take(input);
        let filled = connection.fill(&mut self.scratch, piece_bytes);
        *input = mem::take(&mut connection.input);
        match filled {
            Ok(filled) => {
                left.bytes = left.bytes.saturating_sub(filled.bytes());
                matches!(filled, Fill::Yielded(_))
            }
            Err(error) => {
                log::debug!("{}: {error}", client.peer);
                client.has_failed = true;
                client.write_closed = true;
                false
            }
        }
    }

    /// Returns true if the client will send no more bytes.
    fn has_ended(&mut self, key: Key) -> bool {
        let client = self.peers.get_mut(key).and_then(Peer::client);
        client.is_some_and(|(connection, client)| client.has_failed || connection.is_input_ended())
    }

    fn may_be_served(&mut self, key: Key) -> bool {
        let client = self.peers.get_mut(key).and_then(Peer::client);
        client.is_some_and(|(connection, client)| {
            let has_room = client.unsent_bytes(connection) < self.budget.outbox_bytes_max();
            client.phase == ClientPhase::Serving && has_room && !client.has_list
        })
    }

    fn serve_lines(&mut self, key: Key, input: &mut LineBuffer, left: &mut Share, now: Now) {
        while left.requests > 0 && self.may_be_served(key) {
            match input.next_line(self.config.max_line) {
                Ok(Some(line)) => self.serve_line(key, line, now),
                Ok(None) => return,
                Err(TooLong { max }) => {
                    self.refuse(key, &RequestError::TooLong { max }, now.steady);
                }
            }
            left.requests -= 1;
        }
    }

    /// Executes the bytes before the end of the stream as a request, even without a line feed. If
    /// the connection failed, those bytes are dropped.
    fn serve_last_line(&mut self, key: Key, input: &mut LineBuffer, left: &mut Share, now: Now) {
        let Some((_, client)) = self.peers.get_mut(key).and_then(Peer::client) else { return };
        let was_cut = client.has_failed;
        if let Some(line) = input.last_line()
            && !was_cut
        {
            self.serve_line(key, line, now);
            left.requests = left.requests.saturating_sub(1);
        }
        if let Some((_, client)) = self.peers.get_mut(key).and_then(Peer::client)
            && client.phase == ClientPhase::Serving
        {
            client.phase = ClientPhase::Ended;
        }
    }

    fn serve_line(&mut self, key: Key, line: &[u8], now: Now) {
        let Some((_, client)) = self.peers.get_mut(key).and_then(Peer::client) else { return };
        self.admission.on_line(client);
        let conn = ConnId(Token::from(key).0);
        match Request::parse(line) {
            Ok(request) => {
                client.phase = ClientPhase::Waiting;
                let origin = Origin { conn, peer: client.peer, local: client.local };
                // Messages are logged at `trace` only: there may be a million in a second.
                let is_message = matches!(request.command, Command::Msend { .. });
                let level = if is_message { log::Level::Trace } else { log::Level::Debug };
                log::log!(level, "{}: {request}", client.peer);
                if let Some(link) = self.group.ends(&request) {
                    // Acknowledgements that have arrived still count.
                    self.read_all_acks(link, now);
                }
                self.group.handle(Input::Request { origin, request }, now);
                self.run_effects(now);
            }
            Err(malformed) => self.answer(conn, &Reply::from(malformed)),
        }
    }

    /// Stops serving a client until its next event, and keeps its unused input.
    ///
    /// The line timeout runs while the client must send the rest of a line. It does not run while
    /// the client is throttled.
    fn pause(
        &mut self,
        key: Key,
        input: LineBuffer,
        is_served: bool,
        has_leftover: bool,
        now: Millis,
    ) {
        let ends = self.has_ended(key);
        let may_go_on = self.may_be_served(key);
        let Some((connection, client)) = self.peers.get_mut(key).and_then(Peer::client) else {
            return;
        };
        if let ClientPhase::Refused(_) = client.phase {
            return; // The input is dropped.
        }
        client.is_throttled = client.phase == ClientPhase::Serving && !may_go_on;
        if client.is_throttled {
            self.budget.record_throttled();
        }
        let is_unfinished = may_go_on && !ends && !input.is_empty();
        connection.input = input;
        connection.input.shrink();
        self.budget.charge(connection, client);
        if is_served || !is_unfinished {
            client.is_overdue = false;
            if let Some(timer) = client.line_timer.take() {
                self.timers.cancel(timer);
            }
        }
        if has_leftover || !is_unfinished {
            return;
        }
        if client.is_overdue {
            let timeout_ms = self.config.line_timeout_ms;
            return self.refuse(key, &RequestError::Unfinished { timeout_ms }, now);
        }
        if client.line_timer.is_none() {
            let due = now.plus(self.config.line_timeout_ms);
            client.line_timer = Some(self.timers.insert(due, CoordinatorTimer::Line(key)));
        }
    }

    /// Marks an unfinished line as overdue. If one more read does not finish it, the client is
    /// refused.
    pub(super) fn on_line_timeout(&mut self, key: Key) {
        if let Some((connection, client)) = self.peers.get_mut(key).and_then(Peer::client) {
            client.line_timer = None;
            client.is_overdue = true;
            connection.assume_readable();
            self.wake(key);
        }
    }

    /// Refuses the clients with the longest unfinished lines if the input of all clients exceeds
    /// its limit.
    pub(super) fn limit_input(&mut self, now: Millis) {
        let Some((excess, max)) = self.budget.excess_input() else { return };
        let long = self.peers.iter().filter_map(|(key, peer)| match &peer.role {
            PeerRole::Client(client)
                if client.phase == ClientPhase::Serving
                    && client.input_bytes > CLIENT_BYTES_SHARE
                    && peer.queued == Queued::No =>
            {
                Some((client.input_bytes, key))
            }
            PeerRole::Client(_) | PeerRole::Connecting { .. } | PeerRole::MemberSocket(_) => None,
        });
        let mut long: Vec<(usize, Key)> = long.collect();
        long.sort_unstable_by(|one, other| other.cmp(one));
        let (mut freed, mut refused) = (0, 0);
        for (bytes, key) in long {
            if freed >= excess {
                break;
            }
            freed += bytes;
            refused += 1;
            self.refuse(key, &RequestError::TooMuchUnfinished { bytes, max }, now);
        }
        log::debug!(
            "{} refused, {freed} bytes in all: {max} bytes is the limit for all clients",
            Counted(refused, "unfinished line was", "unfinished lines were"),
        );
    }

    /// Sends a client the reason why it is refused. The socket stays open until the client can have
    /// read the reply: closing with unread bytes would make TCP discard it.
    pub(super) fn refuse(&mut self, key: Key, refusal: &RequestError, now: Millis) {
        self.answer(ConnId(Token::from(key).0), &Reply::Refused(refusal.clone()));
        let Some((connection, client)) = self.peers.get_mut(key).and_then(Peer::client) else {
            return;
        };
        if let Some(timer) = client.line_timer.take() {
            self.timers.cancel(timer);
        }
        let over_limit = matches!(refusal, RequestError::LimitReached(_));
        if over_limit {
            let is_silent =
                matches!(refusal, RequestError::LimitReached(LimitReached::Silent { .. }));
            self.admission.on_refused(client, is_silent);
        } else {
            self.admission.on_line(client);
        }
        connection.input.clear();
        client.phase = ClientPhase::Refused(Refused {
            discard_bytes: LINGER_BYTES_MAX,
            unsent_bytes: client.unsent_bytes(connection),
            is_shut_down: false,
            over_limit,
        });
        self.budget.charge(connection, client);
        self.timers.insert(now.plus(LINGER_MS), CoordinatorTimer::Linger(key));
    }

    /// Reads and drops the bytes that a refused client still sends.
    fn discard(&mut self, key: Key, bytes_max: usize) {
        let Some((connection, client)) = self.peers.get_mut(key).and_then(Peer::client) else {
            return;
        };
        let has_unsent = client.unsent_bytes(connection) > 0;
        let ClientPhase::Refused(refused) = &mut client.phase else { return };
        let filled = connection.fill(&mut self.scratch, refused.discard_bytes.clamp(1, bytes_max));
        connection.input.clear();
        match filled {
            Ok(Fill::Drained(bytes) | Fill::Yielded(bytes)) if bytes < refused.discard_bytes => {
                refused.discard_bytes -= bytes;
                self.spend(bytes / WORK_BYTES);
                if let Ok(Fill::Yielded(_)) = filled {
                    self.enqueue_leftover(key);
                }
            }
            Ok(Fill::Eof(_)) if has_unsent => (),
            Ok(_) | Err(_) => self.marked_for_close.push(key),
        }
    }

    pub(super) fn on_linger_timeout(&mut self, key: Key, now: Millis) {
        let Some((connection, client)) = self.peers.get_mut(key).and_then(Peer::client) else {
            return;
        };
        // The client may take the rest of its replies now, before an event reports this.
        connection.assume_writable();
        let is_gone = connection.flush(READ_BYTES).is_err();
        self.budget.charge(connection, client);
        let unsent = client.unsent_bytes(connection);
        let ClientPhase::Refused(refused) = &mut client.phase else { return };
        if is_gone || unsent == 0 || unsent >= refused.unsent_bytes {
            return self.marked_for_close.push(key);
        }
        refused.unsent_bytes = unsent; // A slow reader of earlier replies is still a reader.
        self.timers.insert(now.plus(LINGER_MS), CoordinatorTimer::Linger(key));
    }
}
