//! The simulated shell of the coordinator: reads, inputs to the group in order, and effects. The
//! model gets every input first.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use groupcast::facts::FactIndex;
use groupcast::group::{ConnId, Effect, Group, Input, LinkId, Listing, SocketEnd};
use groupcast::protocol::{Epoch, LineBuffer, Seq};
use groupcast::time::{Millis, Now, UnixMillis};

use crate::coordinator_commands::Client;
use crate::coordinator_journal::{Journal, Orders};
use crate::environment::{Event, Node};
use crate::net::End;
use crate::world::World;

pub(crate) const COORDINATOR_IP: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
pub(crate) const HUB: SocketAddr = SocketAddr::new(COORDINATOR_IP, 5000);
/// One life of the coordinator's process.
#[derive(Debug)]
pub(crate) struct SimCoordinator {
    pub(crate) life: u32,
    pub(crate) group: Group,
    pub(crate) journal: Option<Journal>,
    pub(crate) started: u64,
    /// The group time of the start.
    age: Millis,
    /// Milliseconds by which the wall clock is ahead of the true time.
    pub(crate) wall_ahead: i64,
    pub(crate) clients: BTreeMap<End, Client>,
    pub(crate) links: BTreeMap<LinkId, Peer>,
    pub(crate) peers: BTreeMap<End, LinkId>,
    pub(crate) runnable: BTreeSet<End>,
    pub(crate) writable: BTreeSet<LinkId>,
    pub(crate) delivered: Seq,
    pub(crate) serving: Option<End>,
    pub(crate) is_shutting_down: bool,
    pub(crate) connect_timeout: u64,
    pub(crate) stall_timeout: u64,
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

impl Peer {
    fn connecting(end: End, until: u64) -> Self {
        Self {
            end,
            connects_until: Some(until),
            input: LineBuffer::default(),
            is_writable: true,
            stalls_at: None,
        }
    }
}

/// Returns the reading of a wall clock that is `ahead` milliseconds ahead.
pub(crate) fn wall(now: u64, ahead: i64) -> UnixMillis {
    UnixMillis((1_700_000_000_000 + now).saturating_add_signed(ahead))
}

impl SimCoordinator {
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
            writable: BTreeSet::new(),
            delivered: Seq::ZERO,
            serving: None,
            is_shutting_down: false,
            connect_timeout: timeouts[0],
            stall_timeout: timeouts[1],
        }
    }

    /// The group's own clock, and one for people.
    pub(crate) fn clock(&self, now: u64) -> Now {
        let steady = self.age.plus(now - self.started);
        Now { steady, unix: wall(now, self.wall_ahead) }
    }

    fn handle(&mut self, input: Input<'_>, now: Now) {
        self.group.handle(input, now, &mut Orders(self.journal.as_mut()));
        self.group.check();
    }

    fn deadline(&self) -> Option<u64> {
        let timers = self.links.values().flat_map(|peer| [peer.connects_until, peer.stalls_at]);
        let journal = self.journal.as_ref().and_then(|journal| journal.commits.deadline());
        let dues = [self.group.next_deadline(), journal].into_iter().flatten();
        // A deadline from before the start of this program is due at once.
        let dues = dues.map(|due| due.since(self.age) + self.started);
        timers.flatten().chain(dues).min()
    }
}

/// Returns the reason for the `bye` line; `None` if the socket can no longer take one.
fn reason(how: &SocketEnd) -> Option<&'static str> {
    match how {
        SocketEnd::Closed => Some("closed"),
        SocketEnd::Stalled { .. } => Some("stalled"),
        SocketEnd::Reset | SocketEnd::TimedOut | SocketEnd::Failed(_) => None,
    }
}

impl World {
    /// Tells the group what has happened, and does what it wants; the model goes before it.
    pub(crate) fn handle_input(&mut self, input: Input<'_>) {
        let Some(coordinator) = &mut self.coordinator else { return };
        let now = coordinator.clock(self.environment.now);
        self.model.expire(now.steady.as_u64());
        match &input {
            Input::Request { origin, request } => self.model.request(origin.conn, request, now),
            Input::Connected { link } => self.model.connected(*link),
            Input::ConnectFailed { link, .. } => self.model.connect_failed(*link),
            Input::Wrote { .. } => (), // Told with the bytes.
            Input::Delivered => self.model.delivered(),
            Input::Acknowledged { link, seq } => self.model.acknowledged(*link, seq.as_u64()),
            Input::Garbled { link } => self.model.lost(*link, Some("bad ack")),
            Input::Lost { link, how } => self.model.lost(*link, reason(how)),
            Input::Committed { through } => self.model.committed(through.last),
            Input::DrawnEpoch(epoch) => self.model.drawn = Some(*epoch),
            Input::BeginEpoch => self.model.begin_epoch(),
            Input::EpochCommitted => self.model.epoch_committed(),
            Input::JournalFails(fails) => self.model.is_failing = *fails,
            Input::JournalFull(is_full) => self.model.is_full = *is_full,
            Input::Tick => self.model.tick(now.steady.as_u64()),
            Input::ShutDown => self.model.shut_down(),
        }
        coordinator.handle(input, now);
        self.report_fullness();
        while let Some(effect) = self.coordinator().group.poll_effect() {
            self.on_effect(effect);
        }
        self.model.update_offline(now.steady.as_u64());
        let members =
            self.coordinator.as_ref().map(|coordinator| coordinator.group.members().count());
        assert!(members.is_none_or(|count| count == self.model.members.len()), "members differ");
        self.model.is_satisfied();
    }

    fn on_effect(&mut self, effect: Effect) {
        match effect {
            Effect::Reply { to, reply, after } => self.answer(to, &reply.to_string(), after),
            Effect::List { to, listing } => self.list(to, listing),
            Effect::Connect { link, address, .. } => {
                self.model.on_connect(link, address);
                let end = self.environment.dial(Node::Coordinator, COORDINATOR_IP, address);
                let until = self.environment.now + self.coordinator().connect_timeout;
                self.coordinator().peers.insert(end, link);
                self.coordinator().links.insert(link, Peer::connecting(end, until));
            }
            Effect::Close { link, closing_bytes } => {
                self.model.on_close(link, &closing_bytes);
                self.drop_link(link, &closing_bytes);
            }
            Effect::DrawEpoch => self.draw_epoch(),
            Effect::MemberChange(_) | Effect::Backlog(_) => (),
        }
    }

    pub(crate) fn draw_epoch(&mut self) {
        let epoch = Epoch::new(self.environment.rng.next());
        self.model.drawn = Some(epoch);
        let World { coordinator: Some(coordinator), environment, .. } = self else { return };
        let now = coordinator.clock(environment.now);
        coordinator.handle(Input::DrawnEpoch(epoch), now);
    }

    /// If the new epoch is written down, the message sockets of the old one end.
    pub(crate) fn begin_due_epoch(&mut self) {
        if !self.coordinator().group.is_epoch_due() {
            return;
        }
        for link in self.coordinator().links.keys().copied().collect::<Vec<LinkId>>() {
            self.read_acks(link);
        }
        self.handle_input(Input::EpochCommitted);
        let links: Vec<LinkId> = self.coordinator().links.keys().copied().collect();
        self.coordinator().writable.extend(links);
    }

    pub(crate) fn coordinator(&mut self) -> &mut SimCoordinator {
        self.coordinator.as_mut().expect("asked only while there is one")
    }

    pub(crate) fn drop_link(&mut self, link: LinkId, closing_bytes: &[u8]) {
        let Some(peer) = self.coordinator().links.remove(&link) else { return };
        self.coordinator().peers.remove(&peer.end);
        // Unread bytes would make the system throw away what was written and has not arrived.
        self.environment.read(peer.end, usize::MAX);
        if peer.is_writable && !closing_bytes.is_empty() {
            let _ = self.environment.write(peer.end, closing_bytes);
        }
        self.environment.close(peer.end);
    }

    fn list(&mut self, to: ConnId, listing: Listing) {
        let group = &self.coordinator().group;
        match listing {
            Listing::Members => {
                let lines: Vec<String> = group.members().map(|line| line.to_string()).collect();
                let mut text = format!("OK members {}", lines.len());
                lines.iter().for_each(|line| text.extend(["\n", line]));
                self.answer(to, &text, FactIndex::ZERO);
            }
            Listing::Stats => {
                let registration = group.gauges();
                let online = group.members().filter(|member| member.online).count();
                assert_eq!((registration.epoch, registration.online), (self.model.epoch, online));
                assert_eq!(registration.next_seq.as_u64(), self.model.life().last() + 1);
                assert_eq!(registration.members, self.model.members.len());
                let members = registration.members;
                self.check_stats();
                self.reply(to, &format!("OK stats 1\nmembers {members}"), FactIndex::ZERO, None);
            }
        }
    }

    fn answer(&mut self, to: ConnId, reply: &str, after: FactIndex) {
        self.model.on_reply(to, reply);
        let fact = self.model.facts.remove(&to);
        self.reply(to, reply, after, fact);
    }

    pub(crate) fn coordinator_turn(&mut self, ready: Vec<End>, accepted: Vec<End>) {
        if self.coordinator.is_none() {
            return;
        }
        self.take_committed();
        for end in std::mem::take(&mut self.coordinator().runnable) {
            self.on_ready(end);
        }
        for end in ready {
            self.on_ready(end);
        }
        for end in accepted {
            self.add_client(end);
        }
        let now = self.environment.now;
        self.coordinator_timers();
        self.handle_input(Input::Tick);
        self.write_replies();
        self.deliver();
        self.commit_turn();
        let coordinator = self.coordinator();
        let is_busy = !coordinator.runnable.is_empty() || !coordinator.writable.is_empty();
        let due = coordinator.deadline();
        assert!(due.is_none_or(|due| due > now), "a deadline that stays would make the loop spin");
        if let Some(due) = if is_busy { Some(self.environment.now) } else { due } {
            let due = due.max(self.environment.now + u64::from(is_busy));
            self.environment.wake(Node::Coordinator, due);
        }
    }

    fn on_ready(&mut self, end: End) {
        if self.coordinator().clients.contains_key(&end) {
            self.serve(end);
        } else if let Some(&link) = self.coordinator().peers.get(&end) {
            self.on_link_ready(link);
        }
    }

    /// Ends the coordinator's process at any moment.
    pub(crate) fn end_coordinator(&mut self, with_machine: bool) {
        self.end_journal(with_machine);
        self.coordinator = None;
        self.environment.abandon(Node::Coordinator, with_machine);
        let pause = self.environment.rng.pick(&[10, 500, 5_000, 40_000]);
        let pause = if self.environment.calm { 10 } else { pause };
        self.environment.after(pause, Event::Start(Node::Coordinator));
    }
}
