//! The coordinator's shell, played: what it reads, in which order it tells the group, and what it
//! does with what the group wants. Every step is told to the model first.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use groupcast::group::{ConnId, Effect, Group, Input, LinkId, Listing, Origin};
use groupcast::protocol::{LineBuffer, Request, Seq};
use groupcast::time::{Millis, Now, UnixMillis};

use crate::hub_journal::{Journal, Waiting};
use crate::model_journal::FactId;
use crate::nature::{Event, Node};
use crate::net::{End, Ending};
use crate::world::World;

pub(crate) const HUB_IP: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
pub(crate) const HUB: SocketAddr = SocketAddr::new(HUB_IP, 5000);
/// Longest request line.
const LINE_BYTES: usize = 65_536;
/// Replies that a client has not taken, from which on it is not served.
const OUTBOX_BYTES: usize = 600;

/// One life of the coordinator's process.
#[derive(Debug)]
pub(crate) struct Hub {
    pub(crate) life: u32,
    pub(crate) group: Group,
    pub(crate) journal: Option<Journal>,
    pub(crate) started: u64,
    /// The group time of the start.
    age: Millis,
    /// How far ahead of the true time the wall clock is.
    pub(crate) wall_ahead: i64,
    pub(crate) clients: BTreeMap<End, Client>,
    pub(crate) links: BTreeMap<LinkId, Peer>,
    pub(crate) peers: BTreeMap<End, LinkId>,
    pub(crate) runnable: BTreeSet<End>,
    pub(crate) offerable: BTreeSet<LinkId>,
    pub(crate) offered: Seq,
    serving: Option<End>,
    pub(crate) is_ending: bool,
    pub(crate) connect_timeout: u64,
    pub(crate) stall_timeout: u64,
}

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
}

/// A connect-back, or a message socket.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) end: End,
    /// While it is being connected.
    pub(crate) connects_until: Option<u64>,
    pub(crate) input: LineBuffer,
    pub(crate) is_writable: bool,
    pub(crate) stalls_at: Option<u64>,
}

/// What the wall clock reads when it is so far ahead.
pub(crate) fn wall(now: u64, ahead: i64) -> UnixMillis {
    UnixMillis((1_700_000_000_000 + now).saturating_add_signed(ahead))
}

impl Hub {
    pub(crate) fn new(
        life: u32,
        group: Group,
        journal: Option<Journal>,
        age: Millis,
        wall_ahead: i64,
        now: u64,
        timeouts: [u64; 2],
    ) -> Self {
        Self {
            life,
            group,
            journal,
            started: now,
            age,
            wall_ahead,
            clients: BTreeMap::new(),
            links: BTreeMap::new(),
            peers: BTreeMap::new(),
            runnable: BTreeSet::new(),
            offerable: BTreeSet::new(),
            offered: Seq::ZERO,
            serving: None,
            is_ending: false,
            connect_timeout: timeouts[0],
            stall_timeout: timeouts[1],
        }
    }

    /// The group's own clock, and one for people.
    pub(crate) fn clock(&self, now: u64) -> Now {
        let steady = self.age.plus(now - self.started);
        Now { steady, unix: wall(now, self.wall_ahead) }
    }

    fn deadline(&self) -> Option<u64> {
        let timers = self.links.values().flat_map(|peer| [peer.connects_until, peer.stalls_at]);
        let journal = self.journal.as_ref().and_then(|journal| journal.keeper.deadline());
        let dues = [self.group.next_deadline(), journal].into_iter().flatten();
        // What was due before there was this program is due at once.
        let dues = dues.map(|due| due.since(self.age) + self.started);
        timers.flatten().chain(dues).min()
    }
}

impl World {
    /// Tells the group what has happened, and does what it wants; the model goes before it.
    pub(crate) fn tell(&mut self, input: Input<'_>) {
        let Some(hub) = &mut self.hub else { return };
        let now = hub.clock(self.nature.now);
        self.model.expire(now.steady.as_u64());
        match &input {
            Input::Request { origin, request } => self.model.request(origin.conn, request, now),
            Input::Connected { link } => self.model.connected(*link),
            Input::ConnectFailed { link, .. } => self.model.connect_failed(*link),
            Input::Wrote { .. } => (), // Told with the bytes.
            Input::Offered => self.model.offered(),
            Input::Acknowledged { link, seq } => self.model.acknowledged(*link, seq.as_u64()),
            Input::Garbled { link } => self.model.lost(*link, true),
            Input::Lost { link } => self.model.lost(*link, false),
            Input::Stored { through } => self.model.stored(*through),
            Input::JournalFails(fails) => self.model.set_failing(*fails),
            Input::Tick => (),
            Input::ShutDown => self.model.shut_down(),
        }
        hub.group.handle(input, now);
        hub.group.check();
        while let Some(effect) = self.hub.as_mut().and_then(|hub| hub.group.poll_effect()) {
            match effect {
                Effect::Reply { to, reply } => {
                    let journal = self.hub().journal.as_ref();
                    let commit = journal.and_then(|journal| journal.keeper.awaited(&reply));
                    self.answer(to, &reply.to_string(), commit);
                }
                Effect::List { to, listing } => self.list(to, listing),
                Effect::Connect { link, address, .. } => {
                    self.model.on_connect(link, address);
                    let end = self.nature.dial(Node::Hub, HUB_IP, address);
                    let until = self.nature.now + self.hub().connect_timeout;
                    self.hub().peers.insert(end, link);
                    let connects_until = Some(until);
                    let (input, is_writable, stalls_at) = (LineBuffer::default(), true, None);
                    let peer = Peer { end, connects_until, input, is_writable, stalls_at };
                    self.hub().links.insert(link, peer);
                }
                Effect::Close { link } => {
                    self.model.on_close(link);
                    self.drop_link(link);
                }
                Effect::Record(fact) => {
                    let Some(hub) = &mut self.hub else { return };
                    if let Some(journal) = &mut hub.journal {
                        journal.keeper.record(&fact, &hub.group, now);
                    }
                }
                Effect::Note(_) => (),
            }
        }
        self.model.is_satisfied();
    }

    pub(crate) fn hub(&mut self) -> &mut Hub {
        self.hub.as_mut().expect("asked only while there is one")
    }

    pub(crate) fn drop_link(&mut self, link: LinkId) {
        let Some(peer) = self.hub().links.remove(&link) else { return };
        self.hub().peers.remove(&peer.end);
        // Unread bytes would make the system throw away what was written and has not arrived.
        self.nature.read(peer.end, usize::MAX);
        self.nature.close(peer.end);
    }

    fn list(&mut self, to: ConnId, listing: Listing) {
        let group = &self.hub().group;
        match listing {
            Listing::Members => {
                let lines: Vec<String> = group.members().map(|line| line.to_string()).collect();
                let mut text = format!("OK members {}", lines.len());
                lines.iter().for_each(|line| text.extend(["\n", line]));
                self.answer(to, &text, None);
            }
            Listing::Stats => {
                let standing = group.standing();
                let online = group.members().filter(|member| member.online).count();
                assert_eq!((standing.epoch, standing.online), (self.model.epoch, online));
                assert_eq!(standing.next_seq.as_u64(), self.model.life().last() + 1);
                assert_eq!(standing.members, self.model.members.len());
                let members = standing.members;
                self.check_stats();
                self.reply(to, &format!("OK stats 1\nmembers {members}"), None, None);
            }
        }
    }

    fn answer(&mut self, to: ConnId, reply: &str, commit: Option<u64>) {
        self.model.on_reply(to, reply);
        let fact = self.model.facts.remove(&to);
        self.reply(to, reply, commit, fact);
    }

    fn reply(&mut self, to: ConnId, reply: &str, commit: Option<u64>, fact: Option<FactId>) {
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

    pub(crate) fn hub_turn(&mut self, ready: Vec<End>, accepted: Vec<End>) {
        if self.hub.is_none() {
            return;
        }
        self.take_stored();
        for end in std::mem::take(&mut self.hub().runnable) {
            self.attend(end);
        }
        for end in ready {
            self.attend(end);
        }
        for end in accepted {
            self.admit(end);
        }
        let now = self.nature.now;
        self.hub_timers();
        self.tell(Input::Tick);
        self.write_replies();
        self.offer();
        self.keep();
        let hub = self.hub();
        let is_busy = !hub.runnable.is_empty() || !hub.offerable.is_empty();
        let due = hub.deadline();
        assert!(due.is_none_or(|due| due > now), "a deadline that stays would make the loop spin");
        if let Some(due) = if is_busy { Some(self.nature.now) } else { due } {
            let due = due.max(self.nature.now + u64::from(is_busy));
            self.nature.wake(Node::Hub, due);
        }
    }

    fn attend(&mut self, end: End) {
        if self.hub().clients.contains_key(&end) {
            self.serve(end);
        } else if let Some(&link) = self.hub().peers.get(&end) {
            self.attend_link(link);
        }
    }

    fn admit(&mut self, end: End) {
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
        };
        if is_full {
            client.output.extend(b"ERR 421 too many connections: 10 is the limit\n");
            client.phase = Phase::Refused;
        }
        self.hub().clients.insert(end, client);
        self.serve(end);
    }

    fn may_be_served(&mut self, end: End) -> bool {
        let client = self.hub().clients.get(&end);
        client.is_some_and(|at| {
            at.phase == Phase::Serving && at.output.len() + at.waiting.bytes() < OUTBOX_BYTES
        })
    }

    /// Carries out the requests of a command socket, one after another.
    fn serve(&mut self, end: End) {
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

    fn write_replies(&mut self) {
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

    /// The coordinator's process is gone, whatever it was doing.
    pub(crate) fn end_hub(&mut self, with_machine: bool) {
        self.end_journal(with_machine);
        self.hub = None;
        self.nature.abandon(Node::Hub, with_machine);
        let pause = self.nature.rng.pick(&[10, 500, 5_000, 40_000]);
        let pause = if self.nature.calm { 10 } else { pause };
        self.nature.after(pause, Event::Start(Node::Hub));
    }
}
