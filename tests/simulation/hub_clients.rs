//! The coordinator's shell, played: command sockets, the requests that they bring, and the replies
//! that they take.

use std::net::IpAddr;

use groupcast::group::{ConnId, Input, Origin};
use groupcast::protocol::{LineBuffer, Request};

use crate::hub::HUB_IP;
use crate::hub_journal::Waiting;
use crate::model_journal::FactId;
use crate::net::{End, Ending};
use crate::sights::Sight;
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
    /// Refused at the door.
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
    ending: Option<Ending>,
    pub(crate) is_deaf: bool,
    is_shut_down: bool,
    /// It is not served as its replies are not read, or wait.
    is_held_up: bool,
    /// No whole line has come.
    is_silent: bool,
}

impl World {
    pub(crate) fn admit(&mut self, end: End) {
        let peer = self.nature.conns[end.conn].from;
        let is_full = !self.nature.calm && self.nature.rng.percent(4);
        let mut client = Client {
            peer,
            input: LineBuffer::default(),
            output: Vec::new(),
            waiting: Waiting::default(),
            phase: Phase::Serving,
            ending: None,
            is_deaf: false,
            is_shut_down: false,
            is_held_up: false,
            is_silent: true,
        };
        if is_full && !self.make_room() {
            client.output.extend(FULL);
            client.phase = Phase::Refused;
        }
        self.hub().clients.insert(end, client);
        self.serve(end);
    }

    /// Has a command socket that has brought nothing give way, if there is one.
    fn make_room(&mut self) -> bool {
        for end in self.hub().clients.keys().copied().collect::<Vec<End>>() {
            if !self.hub().clients[&end].is_silent {
                continue;
            }
            self.serve(end); // It may have brought something.
            let Some(client) = self.hub().clients.get_mut(&end) else { continue };
            if client.is_silent && client.phase == Phase::Serving {
                client.is_silent = false;
                client.output.extend(FULL);
                client.phase = Phase::Refused;
                self.hub().runnable.insert(end);
                self.model.see(Sight::GaveWay);
                return true;
            }
        }
        false
    }

    fn may_be_served(&mut self, end: End) -> bool {
        let client = self.hub().clients.get(&end);
        client.is_some_and(|at| {
            at.phase == Phase::Serving && at.output.len() + at.waiting.bytes() < OUTBOX_BYTES
        })
    }

    /// Carries out the requests of a command socket, one after another.
    pub(crate) fn serve(&mut self, end: End) {
        let Some(client) = self.hub().clients.get_mut(&end) else { return };
        if client.phase == Phase::Refused {
            let (_, ending) = self.nature.read(end, usize::MAX);
            if ending.is_some() {
                self.hub().clients.remove(&end);
                self.nature.close(end);
            }
            return;
        }
        let mut input = std::mem::take(&mut client.input);
        self.hub().serving = Some(end);
        self.carry_out_lines(end, &mut input);
        if self.may_be_served(end) {
            let (bytes, ending) = self.nature.read(end, usize::MAX);
            input.extend(&bytes);
            let client = self.hub().clients.get_mut(&end);
            let Some(client) = client else { return };
            client.ending = ending;
            client.is_deaf |= ending == Some(Ending::Reset);
            self.carry_out_lines(end, &mut input);
        }
        let ending = self.hub().clients.get(&end).and_then(|client| client.ending);
        if ending.is_some() && self.may_be_served(end) {
            if let (Some(line), Some(Ending::Closed)) = (input.last_line(), ending) {
                let line = line.to_vec();
                self.carry_out_line(end, &line);
            }
            if let Some(client) = self.hub().clients.get_mut(&end)
                && client.phase == Phase::Serving
            {
                client.phase = Phase::Ended;
            }
        }
        self.hub().serving = None;
        if let Some(client) = self.hub().clients.get_mut(&end) {
            client.input = input;
            let unsent = client.output.len() + client.waiting.bytes();
            client.is_held_up = unsent >= OUTBOX_BYTES;
        }
    }

    fn carry_out_lines(&mut self, end: End, input: &mut LineBuffer) {
        while self.may_be_served(end) {
            let line = input.next_line(LINE_BYTES).expect("nobody writes so much");
            let Some(line) = line.map(<[u8]>::to_vec) else { return };
            self.carry_out_line(end, &line);
        }
    }

    fn carry_out_line(&mut self, end: End, line: &[u8]) {
        let conn = ConnId(end.conn);
        let Some(client) = self.hub().clients.get_mut(&end) else { return };
        client.is_silent = false;
        match Request::parse(line) {
            Ok(request) => {
                client.phase = Phase::Waiting;
                let origin = Origin { conn, peer: client.peer, local: HUB_IP };
                if let Some(link) = self.hub().group.ends(&request) {
                    self.hear(link);
                }
                self.trace(|| format!("hub: {request}"));
                self.tell(Input::Request { origin, request });
            }
            Err(malformed) => self.reply(conn, &format!("ERR 400 {malformed}"), None, None),
        }
    }

    pub(crate) fn write_replies(&mut self) {
        for end in self.hub().clients.keys().copied().collect::<Vec<End>>() {
            let World { hub: Some(hub), nature, .. } = self else { return };
            let Some(client) = hub.clients.get_mut(&end) else { continue };
            loop {
                match nature.write(end, &client.output) {
                    Ok(0) => break,
                    Ok(count) => drop(client.output.drain(..count)),
                    Err(_) => {
                        client.is_deaf = true;
                        client.output.clear();
                        break;
                    }
                }
            }
            let unsent = client.output.len() + client.waiting.bytes();
            if client.is_held_up && unsent < OUTBOX_BYTES {
                client.is_held_up = false;
                hub.runnable.insert(end);
            }
            if unsent > 0 {
                continue;
            }
            match client.phase {
                Phase::Serving | Phase::Waiting => (),
                Phase::Refused if !client.is_shut_down && !client.is_deaf => {
                    client.is_shut_down = true;
                    nature.shut_down(end);
                }
                Phase::Refused if !client.is_deaf => (),
                Phase::Refused | Phase::Ended => {
                    hub.clients.remove(&end);
                    nature.close(end);
                }
            }
        }
    }

    pub(crate) fn reply(
        &mut self,
        to: ConnId,
        reply: &str,
        commit: Option<u64>,
        fact: Option<FactId>,
    ) {
        let end = End { conn: to.0, side: 1 };
        let hub = self.hub();
        let Some(client) = hub.clients.get_mut(&end) else { return }; // What it asked for is done.
        if client.phase == Phase::Waiting {
            client.phase = Phase::Serving;
            if hub.serving != Some(end) {
                hub.runnable.insert(end);
            }
        }
        if !client.is_deaf {
            client.waiting.hold(commit, &format!("{reply}\n"), fact);
            self.release_replies(end);
        }
    }
}
