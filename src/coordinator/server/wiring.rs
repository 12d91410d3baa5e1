//! Wires the parts: passes their inputs to the group, and the effects of the group to the parts.

use std::net::{IpAddr, SocketAddr};

use super::{Coordinator, certificates, epochs, http, site};
use crate::coordinator::accept::Accepted;
use crate::coordinator::commands::{Addresses, Next};
use crate::coordinator::messages::{Acks, RunWrite};
use crate::coordinator::platform::Platform;
use crate::coordinator::ready::{FRESH, LEFTOVER, Queued, Share};
use crate::coordinator::report;
use crate::group::{ConnId, Effect, Input, LinkId, Origin, SocketEnd};
use crate::limits::{
    FRESH_ACK_BYTES_MAX, TURN_ACK_BYTES_MAX, TURN_ACK_WORK_MAX, TURN_WORK_MAX, WORK_ACK_SOCKET,
    WORK_CONNECT, WORK_REQUEST_SOCKET, WORK_STATS,
};
use crate::net::{Connection, Key};
use crate::protocol::{Command, KeyName, LimitReached, Listing, Request};
use crate::time::Now;

impl<P: Platform> Coordinator<P> {
    /// Passes an input to the group, and runs its effects.
    #[inline]
    pub(super) fn handle(&mut self, input: Input<'_>, now: Now) {
        self.group.handle(input, now);
        self.run_effects(now);
    }

    /// Runs the effects of the group until none is left.
    pub(super) fn run_effects(&mut self, now: Now) {
        while let Some(effect) = self.group.poll_effect(now) {
            match &effect {
                Effect::Reply { to, reply, after } => {
                    let after = self.group.awaited(*after);
                    self.commands.answer(*to, reply, after);
                }
                Effect::List { to, listing } => self.list(*to, *listing, now),
                Effect::Connect { link, address, from, key } => {
                    self.sockets.spend(WORK_CONNECT);
                    self.connect_back(*link, (*from, *address, key.as_deref().copied()), now);
                }
                Effect::Upgrade { from, link } => {
                    let sockets = &mut self.sockets;
                    if !self.commands.upgrades().begin(*from, *link, sockets, now.steady) {
                        let (link, how) = (*link, SocketEnd::Reset);
                        self.group.handle(Input::Lost { link, how }, now);
                    }
                }
                Effect::Close { link, closing_bytes } => {
                    let (link, sockets) = (*link, &mut self.sockets);
                    if !self.messages.close(link, closing_bytes, sockets.scratch()) {
                        self.commands.upgrades().end(link, closing_bytes, sockets, now.steady);
                    }
                }
                Effect::DrawEpoch => epochs::draw(self, now),
                Effect::MemberChange(change) => http::report_change(self, change, now),
                Effect::Backlog(change) => report::log_backlog(change),
            }
        }
    }

    /// Starts a connect-back.
    fn connect_back(
        &mut self,
        link: LinkId,
        (from, address, peer_key): (Option<IpAddr>, SocketAddr, Option<KeyName>),
        now: Now,
    ) {
        let key = self.messages.next_key();
        let connect = || self.platform.connect(from, address, peer_key);
        let begun = self.listener.connect(connect).and_then(|mut connection| {
            self.platform.register(&mut connection, key)?;
            Ok(connection)
        });
        match begun {
            Ok(connection) => {
                self.messages.add(link, connection, &mut self.sockets, now.steady);
                certificates::watch(self, link);
            }
            Err(error) => {
                let reason = error.to_string().into();
                self.group.handle(Input::ConnectFailed { link, reason }, now);
            }
        }
    }

    /// Replies with a list.
    fn list(&mut self, to: ConnId, listing: Listing, now: Now) {
        match listing {
            _ if !self.commands.is_reachable(to) => self.commands.append_short_list(to, ""),
            Listing::Members => self.commands.list_members(to, &self.group, &mut self.sockets),
            Listing::Stats => {
                self.sockets.spend(WORK_STATS + self.group.member_count() / WORK_STATS);
                let lines = http::samples(self, now.steady).stats_list();
                self.commands.append_short_list(to, &lines);
            }
        }
    }

    /// Executes requests, up to the limit of a turn.
    pub(super) fn serve_commands(&mut self, now: Now) {
        self.sockets.begin_work(TURN_WORK_MAX);
        while self.sockets.work_left() > TURN_WORK_MAX / 4
            && let Some(key) = self.commands.next_ready(Queued::Fresh)
        {
            self.serve(key, FRESH, now);
        }
        while self.sockets.work_left() > 0
            && let Some(key) = self.commands.next_ready(Queued::Leftover)
        {
            self.serve(key, LEFTOVER, now);
        }
    }

    /// Executes the requests of a command socket, up to its share of the turn.
    fn serve(&mut self, key: Key, share: Share, now: Now) {
        self.sockets.spend(WORK_REQUEST_SOCKET);
        self.serve_share(key, share, now);
        self.commands.schedule_flush(key);
    }

    fn serve_share(&mut self, key: Key, share: Share, now: Now) {
        let begun = self.commands.begin(key, share, &mut self.sockets);
        let Some((mut batch, source)) = begun else { return };
        let origin = source.origin();
        while self.commands.advance(&mut batch, &mut self.sockets) {
            match self.commands.next(&mut batch, &mut self.sockets, now.steady) {
                Next::Request(request) => self.execute(&origin, &request, now),
                Next::Answered | Next::Nothing => (),
            }
        }
        self.commands.finish(batch, &mut self.sockets, now.steady);
    }

    #[inline]
    fn execute(&mut self, origin: &Origin<'_>, request: &Request<'_>, now: Now) {
        // Messages are logged at `trace` only: there may be a million in a second.
        let is_message = matches!(request.command, Command::Msend { .. });
        let level = if is_message { log::Level::Trace } else { log::Level::Debug };
        log::log!(level, "{}: {request}", origin.peer);
        // Acknowledgements that have arrived still count.
        self.group.ends(request).into_iter().for_each(|link| self.read_all_acks(link, now));
        self.handle(Input::Request { origin, request }, now);
        site::go_on(self, origin.conn, request);
    }

    /// Accepts waiting connections, up to the limit of a turn.
    pub(super) fn accept(&mut self, now: Now) {
        if self.group.journal.is_starting_segment() {
            self.listener.leave_file(now.steady);
        }
        loop {
            match self.listener.accept(&mut self.sockets, now.steady) {
                Accepted::Connection(connection, peer) => self.add_client(connection, peer, now),
                Accepted::Done => return,
                Accepted::OutOfFiles => {
                    if self.commands.admission().is_oldest_overdue(now.steady) {
                        self.make_room(&LimitReached::Silent { max: None }, now);
                    }
                    return;
                }
            }
        }
    }

    /// Adds a command socket. If there is no room, the oldest silent command socket makes room.
    fn add_client(&mut self, connection: Connection<P::Stream>, address: SocketAddr, now: Now) {
        let Ok(local) = connection.local_addr() else { return }; // The client is gone already.
        let refusal = self.commands.admission().refusal_for(address.ip()).or_else(|| {
            let (full, displaced) = self.commands.admission().full()?;
            (!self.make_room(&displaced, now)).then_some(full)
        });
        if refusal.is_some() && self.commands.admission().count_if_crowded() {
            log::debug!("{address}: closed without a reply: too many clients are being refused");
            return;
        }
        let key = self.commands.next_key();
        let begun = self.platform.begin(connection).and_then(|mut connection| {
            self.platform.register(&mut connection, key)?;
            Ok(connection)
        });
        let connection = match begun {
            Ok(connection) => connection,
            Err(error) => return log::warn!("{address}: closed: cannot be served: {error}"),
        };
        log::debug!("{address}: connected");
        let (peer, local) = (address.ip().to_canonical(), local.ip().to_canonical());
        let addresses = Addresses { peer, peer_port: address.port(), local };
        self.commands.add(connection, addresses, refusal, &mut self.sockets, now.steady);
    }

    /// Refuses the oldest command socket that has sent no whole line. Returns false if there is
    /// none. Reads from that client first, because its request may have arrived already.
    fn make_room(&mut self, why: &LimitReached, now: Now) -> bool {
        while let Some(key) = self.commands.oldest_silent() {
            self.serve_share(key, FRESH, now);
            self.commands.schedule_flush(key);
            if self.commands.displace(key, why, &mut self.sockets, now.steady) {
                return true;
            }
        }
        false
    }

    /// Handles acknowledgements and connect-backs, up to the limit of a turn.
    pub(super) fn serve_messages(&mut self, now: Now) {
        self.sockets.begin_work(TURN_ACK_WORK_MAX);
        while self.sockets.work_left() > TURN_ACK_WORK_MAX / 4
            && let Some(key) = self.messages.next_ready(Queued::Fresh)
        {
            self.on_message_socket_ready(key, FRESH_ACK_BYTES_MAX, now);
        }
        // Each socket once: unlike requests, many acknowledgements need not be handled at once.
        for _ in 0..self.messages.leftovers() {
            if self.sockets.work_left() > 0
                && let Some(key) = self.messages.next_ready(Queued::Leftover)
            {
                self.on_message_socket_ready(key, TURN_ACK_BYTES_MAX, now);
            }
        }
    }

    fn on_message_socket_ready(&mut self, key: Key, bytes_max: usize, now: Now) {
        self.sockets.spend(WORK_ACK_SOCKET);
        let Some(acks) = self.messages.read_acks(key, bytes_max, &mut self.sockets) else {
            let input = self.messages.finish_connect_back(key, &mut self.sockets);
            return self.on_connect_back(key, input, now);
        };
        let (link, wants_write) = (acks.link(), acks.wants_write());
        self.take_acks(acks, now);
        if self.group.is_due(link) || wants_write {
            self.messages.expect_room(key); // It may have become writable.
        }
    }

    /// Continues handshakes of both kinds of sockets in turn, up to the time limit of a turn.
    pub(super) fn continue_handshakes(&mut self, now: Now) {
        while (self.commands.handshakes().has_ready() || self.messages.has_ready_handshakes())
            && self.platform.has_handshake_time()
        {
            if let Some(key) = self.commands.next_ready(Queued::Handshake) {
                self.continue_handshake(key, now);
            }
            if let Some(key) = self.messages.next_ready(Queued::Handshake) {
                self.on_message_socket_ready(key, TURN_ACK_BYTES_MAX, now);
            }
        }
    }

    fn continue_handshake(&mut self, key: Key, now: Now) {
        let advanced = self.commands.handshakes().advance(key);
        let (platform, sockets) = (&mut self.platform, &mut self.sockets);
        let Some(connection) = self.commands.handshakes().connection(key) else { return };
        match advanced {
            None | Some(Ok(false)) => (),
            Some(Ok(true)) => {
                let credentials = platform.credentials(connection, now.unix);
                self.commands.handshakes().finish(key, credentials, sockets, now.steady);
            }
            Some(Err(error)) => {
                let reads_plain_text = platform.answer_in_plain_text(connection);
                let handshakes = self.commands.handshakes();
                handshakes.fail(key, &error, reads_plain_text, sockets, now.steady);
            }
        }
        self.commands.schedule_flush(key);
    }

    /// Passes the outcome of a connect-back to the group.
    pub(super) fn on_connect_back(&mut self, key: Key, input: Option<Input<'_>>, now: Now) {
        let Some(input) = input else { return };
        let Input::Connected { link } = input else { return self.handle(input, now) };
        if let Some(old) = self.group.replaces(link) {
            self.read_all_acks(old, now);
        }
        self.handle(input, now);
        self.sockets.spend(WORK_CONNECT);
        // The event may have reported readable bytes, too.
        if let Some(acks) = self.messages.read_acks(key, TURN_ACK_BYTES_MAX, &mut self.sockets) {
            self.take_acks(acks, now);
        }
    }

    /// Moves command sockets whose `OK` to a request with `here` is written to the message sockets.
    pub(super) fn move_upgraded(&mut self, now: Now) {
        while let Some((link, mut connection)) = self.commands.upgrades().next(&mut self.sockets) {
            match self.platform.reregister(&mut connection, self.messages.next_key()) {
                Ok(()) => self.messages.add_upgraded(link, connection),
                Err(error) => self.handle(Input::Lost { link, how: error.into() }, now),
            }
            certificates::watch(self, link);
        }
    }

    pub(super) fn read_all_acks(&mut self, link: LinkId, now: Now) {
        if let Some(acks) = self.messages.read_all_acks(link, &mut self.sockets) {
            self.take_acks(acks, now);
        }
    }

    /// Passes acknowledgements to the group, and the end of their socket.
    fn take_acks(&mut self, mut acks: Acks, now: Now) {
        while let Some(input) = acks.next(&self.group) {
            if self.admin.is_some() {
                http::record_ack(self, &input);
            }
            self.handle(input, now);
        }
        if let Some(end) = self.messages.finish_acks(acks, self.sockets.scratch()) {
            self.handle(end, now);
        }
    }

    /// Sends deliveries, up to the limit of a turn.
    pub(super) fn deliver(&mut self, now: Now) {
        let mut round = self.messages.begin_round(self.group.released());
        while let Some(key) = round.next() {
            let bytes = self.deliver_to(key, now);
            if round.add(bytes) && self.group.deliveries_may_wait() {
                self.messages.stop_round(key);
                break;
            }
        }
        if self.messages.end_round(round) {
            self.liveness.request_check();
        }
        self.group.handle(Input::Delivered, now);
    }

    /// Sends due messages to one member, up to its share of the turn. Returns the bytes written.
    fn deliver_to(&mut self, key: Key, now: Now) -> usize {
        let mut written = 0;
        loop {
            match self.messages.write_run(key, written, &self.group) {
                RunWrite::Wrote { link, bytes, through, is_last } => {
                    written += bytes;
                    if self.admin.is_some() {
                        http::record_write(self, (link, through));
                    }
                    self.group.handle(Input::Wrote { link, bytes, through }, now);
                    if is_last {
                        return written;
                    }
                }
                RunWrite::Done => break,
                RunWrite::Failed(error) => {
                    self.end_failed(key, error.into(), now);
                    return written;
                }
            }
        }
        let sockets = &mut self.sockets;
        self.messages.watch_for_stall(key, written > 0, &self.group, sockets, now.steady);
        written
    }

    /// Ends a message socket that has failed. The acknowledgements that arrived before still count.
    pub(super) fn end_failed(&mut self, key: Key, how: SocketEnd, now: Now) {
        let Some(link) = self.messages.link_of(key) else { return };
        self.read_all_acks(link, now);
        if self.messages.has_link(link) {
            self.handle(Input::Lost { link, how }, now);
        }
    }

    /// Takes new commits, and releases their replies and deliveries.
    pub(super) fn take_committed(&mut self, now: Now) {
        if self.group.take_committed(now) {
            site::run_effects(self, now);
            epochs::begin_due(self, now);
            self.commands.release_replies(self.group.committed());
        }
    }

    /// Submits the facts of this turn to the journal.
    pub(super) fn commit_turn(&mut self, now: Now) {
        self.group.commit(now, || self.platform.random().ok());
        site::run_effects(self, now);
        epochs::begin_due(self, now);
    }
}
