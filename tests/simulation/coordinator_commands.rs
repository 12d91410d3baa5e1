//! The simulated shell of the coordinator: command sockets, their requests and their replies.

use std::net::IpAddr;

use groupcast::facts::FactIndex;
use groupcast::group::{ConnId, Input, Origin};
use groupcast::protocol::{LineBuffer, Request};

use crate::coordinator::COORDINATOR_IP;
use crate::coordinator_journal::Waiting;
use crate::coverage::CoveragePoint;
use crate::model_journal::FactId;
use crate::net::{CloseKind, End};
use crate::world::World;

/// Longest request line.
const LINE_BYTES: usize = 65_536;
/// There is no room for a command socket.
const FULL: &[u8] = b"ERR 421 too many connections: 10 is the limit\n";
/// Replies that a client has not taken, from which on it is not served.
const OUTBOX_BYTES: usize = 600;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Serving,
    Waiting,
    Ended,
    /// The connection was refused because a limit was reached.
    Refused,
}

/// A command socket.
#[derive(Debug)]
pub(crate) struct Client {
    peer: IpAddr,
    input: LineBuffer,
    pub(crate) output: Vec<u8>,
    pub(crate) waiting: Waiting,
    phase: Phase,
    close_kind: Option<CloseKind>,
    pub(crate) write_closed: bool,
    is_shut_down: bool,
    /// It is not served as its replies are not read, or wait.
    is_throttled: bool,
    /// No whole line has come.
    is_silent: bool,
}

impl World {
    pub(crate) fn add_client(&mut self, end: End) {
        let peer = self.environment.conns[end.conn].from;
        let is_full = !self.environment.calm && self.environment.rng.percent(4);
        let mut client = Client {
            peer,
            input: LineBuffer::default(),
            output: Vec::new(),
            waiting: Waiting::default(),
            phase: Phase::Serving,
            close_kind: None,
            write_closed: false,
            is_shut_down: false,
            is_throttled: false,
            is_silent: true,
        };
        if is_full && !self.make_room() {
            client.output.extend(FULL);
            client.phase = Phase::Refused;
        }
        self.coordinator().clients.insert(end, client);
        self.serve(end);
    }

    /// Has a command socket that has brought nothing give way, if there is one.
    fn make_room(&mut self) -> bool {
        for end in self.coordinator().clients.keys().copied().collect::<Vec<End>>() {
            if !self.coordinator().clients[&end].is_silent {
                continue;
            }
            self.serve(end); // It may have brought something.
            let Some(client) = self.coordinator().clients.get_mut(&end) else { continue };
            if client.is_silent && client.phase == Phase::Serving {
                client.is_silent = false;
                client.output.extend(FULL);
                client.phase = Phase::Refused;
                self.coordinator().runnable.insert(end);
                self.model.cover(CoveragePoint::GaveWay);
                return true;
            }
        }
        false
    }

    fn may_be_served(&mut self, end: End) -> bool {
        let client = self.coordinator().clients.get(&end);
        client.is_some_and(|at| {
            at.phase == Phase::Serving && at.output.len() + at.waiting.bytes() < OUTBOX_BYTES
        })
    }

    /// Carries out the requests of a command socket, one after another.
    pub(crate) fn serve(&mut self, end: End) {
        let Some(client) = self.coordinator().clients.get_mut(&end) else { return };
        if client.phase == Phase::Refused {
            let (_, close_kind) = self.environment.read(end, usize::MAX);
            if close_kind.is_some() {
                self.coordinator().clients.remove(&end);
                self.environment.close(end);
            }
            return;
        }
        let mut input = std::mem::take(&mut client.input);
        self.coordinator().serving = Some(end);
        self.serve_lines(end, &mut input);
        if self.may_be_served(end) {
            let (bytes, close_kind) = self.environment.read(end, usize::MAX);
            input.extend(&bytes);
            let client = self.coordinator().clients.get_mut(&end);
            let Some(client) = client else { return };
            client.close_kind = close_kind;
            client.write_closed |= close_kind == Some(CloseKind::Reset);
            self.serve_lines(end, &mut input);
        }
        let close_kind = self.coordinator().clients.get(&end).and_then(|client| client.close_kind);
        if close_kind.is_some() && self.may_be_served(end) {
            if let (Some(line), Some(CloseKind::Closed)) = (input.last_line(), close_kind) {
                let line = line.to_vec();
                self.serve_line(end, &line);
            }
            if let Some(client) = self.coordinator().clients.get_mut(&end)
                && client.phase == Phase::Serving
            {
                client.phase = Phase::Ended;
            }
        }
        self.coordinator().serving = None;
        if let Some(client) = self.coordinator().clients.get_mut(&end) {
            client.input = input;
            let unsent = client.output.len() + client.waiting.bytes();
            client.is_throttled = unsent >= OUTBOX_BYTES;
        }
    }

    fn serve_lines(&mut self, end: End, input: &mut LineBuffer) {
        while self.may_be_served(end) {
            let line = input.next_line(LINE_BYTES).expect("nobody writes so much");
            let Some(line) = line.map(<[u8]>::to_vec) else { return };
            self.serve_line(end, &line);
        }
    }

    fn serve_line(&mut self, end: End, line: &[u8]) {
        let conn = ConnId(end.conn);
        let Some(client) = self.coordinator().clients.get_mut(&end) else { return };
        client.is_silent = false;
        match Request::parse(line) {
            Ok(request) => {
                client.phase = Phase::Waiting;
                let origin = Origin { conn, peer: client.peer, local: COORDINATOR_IP };
                if let Some(link) = self.coordinator().group.ends(&request) {
                    self.read_acks(link);
                }
                self.trace(|| format!("hub: {request}"));
                self.handle_input(Input::Request { origin, request });
            }
            Err(malformed) => {
                self.reply(conn, &format!("ERR 400 {malformed}"), FactIndex::ZERO, None);
            }
        }
    }

    pub(crate) fn write_replies(&mut self) {
        for end in self.coordinator().clients.keys().copied().collect::<Vec<End>>() {
            let World { coordinator: Some(coordinator), environment, .. } = self else { return };
            let Some(client) = coordinator.clients.get_mut(&end) else { continue };
            loop {
                match environment.write(end, &client.output) {
                    Ok(0) => break,
                    Ok(count) => drop(client.output.drain(..count)),
                    Err(_) => {
                        client.write_closed = true;
                        client.output.clear();
                        break;
                    }
                }
            }
            let unsent = client.output.len() + client.waiting.bytes();
            if client.is_throttled && unsent < OUTBOX_BYTES {
                client.is_throttled = false;
                coordinator.runnable.insert(end);
            }
            if unsent > 0 {
                continue;
            }
            match client.phase {
                Phase::Serving | Phase::Waiting => (),
                Phase::Refused if !client.is_shut_down && !client.write_closed => {
                    client.is_shut_down = true;
                    environment.shut_down(end);
                }
                Phase::Refused if !client.write_closed => (),
                Phase::Refused | Phase::Ended => {
                    coordinator.clients.remove(&end);
                    environment.close(end);
                }
            }
        }
    }

    pub(crate) fn reply(
        &mut self,
        to: ConnId,
        reply: &str,
        after: FactIndex,
        fact: Option<FactId>,
    ) {
        let end = End { conn: to.0, side: 1 };
        let coordinator = self.coordinator();
        // The client is gone, and its request was executed.
        let Some(client) = coordinator.clients.get_mut(&end) else { return };
        if client.phase == Phase::Waiting {
            client.phase = Phase::Serving;
            if coordinator.serving != Some(end) {
                coordinator.runnable.insert(end);
            }
        }
        if !client.write_closed {
            client.waiting.hold(after, &format!("{reply}\n"), fact);
            self.release_replies(end);
        }
    }
}
