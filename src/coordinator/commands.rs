//! Command sockets: requests in.

use std::mem;

use mio::Token;

use super::peer::{ClientPhase, Peer, PeerRole, Refused};
use super::ready::{Queued, Share};
use super::server::{Coordinator, CoordinatorTimer};
use crate::group::{ConnId, Input, Origin};
use crate::limits::{CLIENT_BYTES_SHARE, LINGER_BYTES_MAX, LINGER_MS, READ_BYTES, WORK_BYTES};
use crate::net::{Fill, Key};
use crate::protocol::{Command, LimitReached, LineBuffer, Reply, Request, RequestError, TooLong};
use crate::time::{Millis, Now};

impl Coordinator {
    /// Carries out the requests of a command socket, as far as they are there, may be carried out,
    /// and fit into its share.
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

    /// Reads a piece; whether there may be more.
    ///
    /// A piece is short, so that little is kept of requests that are not carried out in this turn.
    /// Only of a line that is longer more is read at once.
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

    /// Whether nothing more will come from a client.
    fn has_ended(&mut self, key: Key) -> bool {
        let client = self.peers.get_mut(key).and_then(Peer::client);
        client.is_some_and(|(connection, client)| {
            client.has_failed || connection.is_input_ended() //.
        })
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

    /// The bytes before the end of a stream are a request, whatever is missing behind them; but
    /// not those before its failure.
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
                // Nothing for each message above `trace`: there may be a million in a second.
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

    /// Leaves a client until something happens to it, with what was read and not used.
    ///
    /// The time-out of a line runs while the client lets us wait, not while we let it wait.
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
            return; // The input is forgotten.
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

    /// The rest of the line may have arrived: it is refused if a last look does not find it.
    pub(super) fn on_line_timeout(&mut self, key: Key) {
        if let Some((connection, client)) = self.peers.get_mut(key).and_then(Peer::client) {
            client.line_timer = None;
            client.is_overdue = true;
            connection.assume_readable();
            self.wake(key);
        }
    }

    /// Refuses those with the longest unfinished lines, if all clients together have too much.
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
            "{refused} unfinished lines of {freed} bytes refused: {max} bytes are the limit"
        );
    }

    /// Tells a client why it is not served any more, and sees to it that it can read that: closing
    /// at once, with bytes unread, would have TCP throw the reply away.
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

    /// Reads what a refused client still sends, and throws it away.
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
        // The client may take the rest of its replies now, before an event says so.
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
