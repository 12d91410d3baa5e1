//! Command sockets: requests in.

use std::io;
use std::mem;
use std::net::SocketAddr;

use mio::Token;
use mio::net::TcpStream;

use super::keeping::Keeper;
use super::peer::{Client, Peer, Phase, Refused, Role};
use super::turn::{Coordinator, Timer};
use crate::event_loop::{Accept, Connection, Fill, Key};
use crate::group::{ConnId, Input, Origin};
use crate::limits::{KEEPALIVE, LINGER_BYTES_MAX, LINGER_MS};
use crate::protocol::{Command, LineBuffer, NoRoom, Refusal, Reply, Request, TooLong};
use crate::time::{Millis, Now};

impl Coordinator {
    /// Takes in who is waiting to be accepted.
    pub(super) fn accept(&mut self, now: Now) {
        let keeper = self.journal.as_ref().map(|journal| &journal.keeper);
        let is_beginning = keeper.is_some_and(Keeper::is_beginning);
        if is_beginning && self.is_out_of_files {
            // The one file that may be free meanwhile is that of the segment.
            self.acceptor.iter_mut().for_each(|acceptor| acceptor.put_off(now.steady));
        }
        loop {
            let Some(acceptor) = &mut self.acceptor else { return };
            match acceptor.accept(now.steady) {
                Accept::Taken(stream, peer) => self.admit(stream, peer, now),
                Accept::Yielded => return,
                Accept::Drained => return self.note_files(None),
                Accept::Resting => return self.arm_accept_timer(),
                Accept::OutOfFiles(error) => {
                    self.note_files(Some(&error));
                    return self.arm_accept_timer();
                }
            }
        }
    }

    /// Says when files run out, and when all who waited for one are in; not what is between.
    fn note_files(&mut self, shortage: Option<&io::Error>) {
        let was_out = mem::replace(&mut self.is_out_of_files, shortage.is_some());
        match shortage {
            Some(error) if !was_out => log::warn!("accepting rests: {error}"),
            None if was_out => log::info!("accepting goes on: nobody waits any more"),
            Some(_) | None => (),
        }
    }

    fn arm_accept_timer(&mut self) {
        let due = self.acceptor.as_ref().and_then(|acceptor| acceptor.retry_at());
        if let (None, Some(due)) = (self.accept_timer, due) {
            self.accept_timer = Some(self.wheel.insert(due, Timer::Accept));
        }
    }

    /// Takes a command socket in. One on which nothing has come may give way to it.
    fn admit(&mut self, stream: TcpStream, address: SocketAddr, now: Now) {
        let mut connection = Connection::new(stream);
        let Ok(local) = connection.local_addr() else { return }; // It is gone already.
        let refusal = self.admission.refusal_for(address.ip()).or_else(|| {
            let has_room = !self.admission.is_full() || self.make_room(now);
            (!has_room).then(|| self.admission.full())
        });
        if refusal.is_some() && self.admission.is_crowded() {
            self.admission.note_dropped();
            log::debug!("{address}: dropped, as too many are being refused already");
            return;
        }
        let key = self.peers.next_key();
        if let Err(error) = connection.register(self.poll.registry(), key) {
            log::warn!("{address}: cannot be watched: {error}");
            return;
        }
        if let Err(error) = connection.keep_alive(KEEPALIVE) {
            log::warn!("{address}: no keepalive: {error}");
        }
        let mut client = Client::new(address.ip().to_canonical(), local.ip().to_canonical());
        self.admission.enter(key, &mut client);
        self.peers.insert(Peer { connection, role: Role::Client(client) });
        log::debug!("{address}: connected");
        if let Some(refusal) = refusal {
            self.refuse(key, &refusal.into(), now.steady);
        }
    }

    /// Has the oldest command socket that has brought no line give way; `false` if there is none.
    /// What may have arrived on it is looked at first.
    fn make_room(&mut self, now: Now) -> bool {
        while let Some(key) = self.admission.oldest_silent() {
            if let Some((connection, _)) = self.peers.get_mut(key).and_then(Peer::client) {
                connection.suspect_input();
            }
            self.serve(key, now);
            self.unflushed.push(key);
            if self.admission.oldest_silent() == Some(key) {
                let is_crowded = self.admission.is_crowded();
                self.refuse(key, &self.admission.give_way().into(), now.steady);
                if is_crowded {
                    self.buried.push(key); // With its reply written, if the socket takes it.
                }
                return true;
            }
        }
        false
    }

    /// Carries out the requests of a command socket, as far as they are there and may be.
    pub(super) fn serve(&mut self, key: Key, now: Now) {
        let Some((connection, client)) = self.peers.get_mut(key).and_then(Peer::client) else {
            return;
        };
        if let Phase::Refused(_) = client.phase {
            return self.discard(key);
        }
        client.has_list = false;
        let mut input = mem::take(&mut connection.input);
        self.serving = Some(key);
        let mut requests = self.carry_out_lines(key, &mut input, now);
        if self.may_be_served(key) {
            self.read(key, &mut input);
            requests += self.carry_out_lines(key, &mut input, now);
        }
        if self.has_ended(key) && self.may_be_served(key) {
            requests += self.carry_out_last(key, &mut input, now);
        }
        self.serving = None;
        self.pause(key, input, requests > 0, now.steady);
    }

    /// Reads on, in a fair share.
    fn read(&mut self, key: Key, input: &mut LineBuffer) {
        let Some((connection, client)) = self.peers.get_mut(key).and_then(Peer::client) else {
            return;
        };
        connection.input = mem::take(input);
        let filled = connection.fill(&mut self.scratch, self.client_memory.read_bytes());
        *input = mem::take(&mut connection.input);
        match filled {
            Ok(Fill::Drained(_) | Fill::Eof(_)) => (),
            Ok(Fill::Yielded(_)) => self.runnable.push(key),
            Err(error) => {
                log::debug!("{}: {error}", client.peer);
                client.has_failed = true;
                client.is_deaf = true;
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
            let has_room = client.unsent_bytes(connection) < self.client_memory.outbox_bytes_max();
            client.phase == Phase::Serving && has_room && !client.has_list
        })
    }

    /// Carries out the requests that are there; how many.
    fn carry_out_lines(&mut self, key: Key, input: &mut LineBuffer, now: Now) -> usize {
        let mut requests = 0;
        while self.may_be_served(key) {
            match input.next_line(self.config.max_line) {
                Ok(Some(line)) => self.carry_out_line(key, line, now),
                Ok(None) => break,
                Err(TooLong { max }) => self.refuse(key, &Refusal::TooLong { max }, now.steady),
            }
            requests += 1;
        }
        requests
    }

    /// The bytes before the end of a stream are a request, whatever is missing behind them; but
    /// not those before its failure.
    fn carry_out_last(&mut self, key: Key, input: &mut LineBuffer, now: Now) -> usize {
        let Some((_, client)) = self.peers.get_mut(key).and_then(Peer::client) else { return 0 };
        let was_cut = client.has_failed;
        let requests = match input.last_line() {
            Some(line) if !was_cut => {
                self.carry_out_line(key, line, now);
                1
            }
            Some(_) | None => 0,
        };
        if let Some((_, client)) = self.peers.get_mut(key).and_then(Peer::client)
            && client.phase == Phase::Serving
        {
            client.phase = Phase::Ended;
        }
        requests
    }

    fn carry_out_line(&mut self, key: Key, line: &[u8], now: Now) {
        let Some((_, client)) = self.peers.get_mut(key).and_then(Peer::client) else { return };
        self.admission.on_line(client);
        let conn = ConnId(Token::from(key).0);
        match Request::parse(line) {
            Ok(request) => {
                client.phase = Phase::Waiting;
                let origin = Origin { conn, peer: client.peer, local: client.local };
                // Nothing for each message above `trace`: there may be a million in a second.
                let is_message = matches!(request.command, Command::Msend { .. });
                let level = if is_message { log::Level::Trace } else { log::Level::Debug };
                log::log!(level, "{}: {request}", client.peer);
                if let Some(link) = self.group.ends(&request) {
                    self.hear_out(link, now); // Acknowledgements that have arrived still count.
                }
                self.group.handle(Input::Request { origin, request }, now);
                self.carry_out(now);
            }
            Err(malformed) => self.answer(conn, &Reply::from(malformed)),
        }
    }

    /// Leaves a client until something happens to it, with what was read and not used.
    fn pause(&mut self, key: Key, input: LineBuffer, is_served: bool, now: Millis) {
        let ends = self.has_ended(key);
        let may_go_on = self.may_be_served(key);
        let Some((connection, client)) = self.peers.get_mut(key).and_then(Peer::client) else {
            return;
        };
        if let Phase::Refused(_) = client.phase {
            return; // The input is forgotten.
        }
        client.is_held_up = client.phase == Phase::Serving && !may_go_on;
        if client.is_held_up {
            self.client_memory.note_held_up();
        }
        let is_unfinished = may_go_on && !ends && !input.is_empty();
        connection.input = input;
        connection.input.shrink();
        self.client_memory.charge(connection, client);
        if (is_served || !is_unfinished)
            && let Some(timer) = client.line_timer.take()
        {
            self.wheel.cancel(timer);
        }
        if is_unfinished && client.line_timer.is_none() {
            let due = now.plus(self.config.line_timeout_ms);
            client.line_timer = Some(self.wheel.insert(due, Timer::Line(key)));
        }
    }

    pub(super) fn on_line_timeout(&mut self, key: Key, now: Now) {
        let timeout_ms = self.config.line_timeout_ms;
        if let Some((_, client)) = self.peers.get_mut(key).and_then(Peer::client) {
            client.line_timer = None;
            self.refuse(key, &Refusal::Unfinished { timeout_ms }, now.steady);
        }
    }

    /// Tells a client why it is not served any more, and sees to it that it can read that: closing
    /// at once, with bytes unread, would have TCP throw the reply away.
    fn refuse(&mut self, key: Key, refusal: &Refusal, now: Millis) {
        self.answer(ConnId(Token::from(key).0), &Reply::Refused(refusal.clone()));
        let Some((connection, client)) = self.peers.get_mut(key).and_then(Peer::client) else {
            return;
        };
        if let Some(timer) = client.line_timer.take() {
            self.wheel.cancel(timer);
        }
        let at_the_door = matches!(refusal, Refusal::NoRoom(_));
        if at_the_door {
            let is_silent = matches!(refusal, Refusal::NoRoom(NoRoom::Silent { .. }));
            self.admission.turn_away(client, is_silent);
        } else {
            self.admission.on_line(client);
        }
        connection.input.clear();
        client.phase = Phase::Refused(Refused {
            discard_bytes: LINGER_BYTES_MAX,
            unsent_bytes: client.unsent_bytes(connection),
            is_shut_down: false,
            at_the_door,
        });
        self.client_memory.charge(connection, client);
        self.wheel.insert(now.plus(LINGER_MS), Timer::Linger(key));
    }

    /// Reads what a refused client still sends, and throws it away.
    fn discard(&mut self, key: Key) {
        let Some((connection, client)) = self.peers.get_mut(key).and_then(Peer::client) else {
            return;
        };
        let has_unsent = client.unsent_bytes(connection) > 0;
        let Phase::Refused(refused) = &mut client.phase else { return };
        let filled = connection.fill(&mut self.scratch, refused.discard_bytes.max(1));
        connection.input.clear();
        match filled {
            Ok(Fill::Drained(bytes) | Fill::Yielded(bytes)) if bytes < refused.discard_bytes => {
                refused.discard_bytes -= bytes;
            }
            Ok(Fill::Eof(_)) if has_unsent => (),
            Ok(_) | Err(_) => self.buried.push(key),
        }
    }

    pub(super) fn on_linger_timeout(&mut self, key: Key, now: Millis) {
        let Some((connection, client)) = self.peers.get_mut(key).and_then(Peer::client) else {
            return;
        };
        let unsent = client.unsent_bytes(connection);
        let Phase::Refused(refused) = &mut client.phase else { return };
        if unsent == 0 || unsent >= refused.unsent_bytes {
            return self.buried.push(key);
        }
        refused.unsent_bytes = unsent; // A slow reader of earlier replies is still a reader.
        self.wheel.insert(now.plus(LINGER_MS), Timer::Linger(key));
    }
}
