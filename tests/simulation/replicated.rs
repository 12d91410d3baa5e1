//! Two coordinators with one order of facts, as a replicated log gives it.
//!
//! ```text
//!   Site: Group ── propose ──► outbox ──► the list ──► both Sites: Group::apply
//!                                 └── lost: withdrawn later, or never heard of again
//! ```
//!
//! A fact comes back late, in batches, behind facts of the other site. The other site's facts may
//! have made it impossible. Both groups must be equal after the same facts, and each request gets
//! one reply: the one that follows from the order.

mod clients;
pub(crate) mod proposed;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use groupcast::access::Credentials;
use groupcast::facts::{Announced, Ordered, Recorded, StateMachine as _};
use groupcast::group::{ConnId, Effect, Group, Input, LinkId, Origin, Rules, SocketEnd, Ticket};
use groupcast::limits::Overflow;
use groupcast::protocol::{Epoch, Request};
use groupcast::time::{Millis, Now, UnixMillis};
use support::rng::Rng;

use clients::credentials_of;
use proposed::{Proposed, Replicated, is_it, message_reply, outcome, state};

const IDS: [&str; 3] = ["ann", "bob", "eve"];
/// Messages that are kept for newcomers.
const KEEP: usize = 5;
const HOME: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9));
const SITES: [u64; 2] = [0, 1];
const STEPS: u64 = 2_000;
const SEEDS: u64 = 200;
const PRESENCE_DELAY_MS: u64 = 100;
/// Rounds at the end, in which everything is announced that is still to be.
const ROUNDS: usize = 12;

/// One coordinator.
#[derive(Debug)]
struct Site {
    group: Group,
    journal: Replicated,
    /// Connect-backs under way.
    dialing: Vec<LinkId>,
    /// Message sockets, and connect-backs whose facts are on their way.
    open: Vec<LinkId>,
    /// Command socket of each link.
    conns: BTreeMap<LinkId, ConnId>,
    /// Reply to each request that has one.
    replies: BTreeMap<usize, String>,
    /// Number of facts of the list that were applied.
    applied: usize,
    /// Facts that were lost, and whose loss is not known yet.
    lost: Vec<(Proposed, Ticket)>,
}

/// A fact in the list, with the site that proposed it.
#[derive(Debug)]
struct Listed {
    site: usize,
    fact: Proposed,
    ticket: Ticket,
    at: u64,
}

#[derive(Debug)]
struct World {
    rng: Rng,
    seed: u64,
    now: u64,
    sites: [Site; 2],
    list: Vec<Listed>,
    /// State after each fact, as the first site to get there had it.
    states: Vec<String>,
    /// Expected reply to the request of each site and command socket.
    expected: BTreeMap<(usize, usize), String>,
    requests: usize,
    texts: u64,
    seen: BTreeSet<&'static str>,
}

fn rules() -> Rules {
    Rules {
        ttl_ms: 3_600_000,
        line_bytes_max: 4096,
        members_max: 10,
        members_per_address_max: 10,
        forget_after_ms: 0,
        presence_delay_ms: Some(PRESENCE_DELAY_MS),
        backlog_bytes_max: 1 << 20,
        overflow: Overflow::Reject,
        keep: KEEP,
        foreign_ip_allowed: false,
        listening: "10.0.0.1:5000".parse().unwrap(),
        access: None,
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let site = |_| Site {
            group: Group::new(rules(), Epoch::new(1)),
            journal: Replicated::default(),
            dialing: Vec::new(),
            open: Vec::new(),
            conns: BTreeMap::new(),
            replies: BTreeMap::new(),
            applied: 0,
            lost: Vec::new(),
        };
        Self {
            rng: Rng::new(seed),
            seed,
            now: 0,
            sites: SITES.map(site),
            list: Vec::new(),
            states: Vec::new(),
            expected: BTreeMap::new(),
            requests: 0,
            texts: 0,
            seen: BTreeSet::new(),
        }
    }

    fn clock(&self) -> Now {
        Now { steady: Millis::new(self.now), unix: UnixMillis(self.now) }
    }

    fn input(&mut self, at: usize, input: Input<'_>) {
        let now = self.clock();
        let site = &mut self.sites[at];
        site.group.handle(input, now, &mut site.journal);
        self.run_effects(at);
    }

    fn run_effects(&mut self, at: usize) {
        let site = &mut self.sites[at];
        while let Some(effect) = site.group.poll_effect() {
            match effect {
                Effect::Reply { to, reply, after } => {
                    assert_eq!(site.group.awaited(after), None, "seed={}", self.seed);
                    let earlier = site.replies.insert(to.0, reply.to_string());
                    assert_eq!(earlier, None, "seed={}: two replies to {to:?}", self.seed);
                }
                Effect::Connect { link, .. } => {
                    site.dialing.push(link);
                    site.conns.insert(link, ConnId(self.requests));
                }
                Effect::Close { link, .. } => {
                    site.dialing.retain(|it| *it != link);
                    site.open.retain(|it| *it != link);
                }
                Effect::DrawEpoch => {
                    let (epoch, now) = (Epoch::new(self.rng.next()), self.now);
                    let now = Now { steady: Millis::new(now), unix: UnixMillis(now) };
                    site.group.handle(Input::DrawnEpoch(epoch), now, &mut site.journal);
                }
                Effect::Upgrade { link, .. } => site.open.push(link),
                Effect::List { .. } | Effect::MemberChange(_) | Effect::Backlog(_) => (),
            }
        }
        site.group.check();
    }

    fn request(&mut self, at: usize, line: &str) {
        let id = line.split('#').next().unwrap();
        self.request_of(at, &credentials_of(id), line);
    }

    fn request_of(&mut self, at: usize, credentials: &Credentials, line: &str) {
        self.requests += 1;
        let conn = ConnId(self.requests);
        let local = "10.0.0.1".parse().unwrap();
        let origin = Origin { conn, peer: HOME, peer_port: 50_000, local, credentials };
        let line = format!("{line}#{HOME}");
        let request = Request::parse(line.as_bytes()).unwrap();
        self.input(at, Input::Request { origin: &origin, request: &request });
    }

    fn step(&mut self) {
        self.now += self.rng.below(20);
        let at = self.rng.index(2);
        match self.rng.below(15) {
            0 | 1 => {
                let id = self.rng.pick(&IDS);
                let (verb, port) = (self.rng.pick(&["register", "reconnect"]), self.port());
                let past = match verb {
                    "register" if self.rng.percent(50) => format!(" last={}", self.rng.below(9)),
                    _ => String::new(),
                };
                self.request(at, &format!("{id}#{verb} {port} acks=1{past}"));
            }
            2..=5 => {
                self.texts += 1;
                let (id, texts) = (self.rng.pick(&IDS), self.texts);
                let member = self.sites[at].group.member_state(id);
                let published = member.map_or(0, |member| member.published);
                // Numbers that are accepted, that may be proposed already, and that are too high.
                let number = published + self.rng.pick(&[0, 1, 1, 1, 2, 3]);
                let line = match self.rng.percent(50) {
                    true => format!("{id}#send {} text {texts}", number.max(1)),
                    false => format!("{id}#msend text {texts}"),
                };
                self.request(at, &line);
            }
            6 => {
                let verb = self.rng.pick(&["deregister", "disconnect", "ping"]);
                let id = self.rng.pick(&IDS);
                self.request(at, &format!("{id}#{verb}"));
            }
            7 | 8 => self.finish_connect_back(at),
            9 if self.rng.percent(40) => self.lose_socket(at),
            9 if self.rng.percent(5) => self.input(at, Input::BeginEpoch),
            9 => self.input(at, Input::Tick),
            10 | 11 => self.order(at),
            12 => self.intrude(at),
            _ => self.apply(at),
        }
    }

    fn port(&mut self) -> u64 {
        self.rng.between(9_000, 9_999)
    }

    fn finish_connect_back(&mut self, at: usize) {
        let Some(link) = self.sites[at].dialing.pop() else { return };
        if self.rng.percent(85) {
            self.sites[at].open.push(link);
            self.input(at, Input::Connected { link });
        } else {
            self.input(at, Input::ConnectFailed { link, reason: "refused".into() });
        }
    }

    fn lose_socket(&mut self, at: usize) {
        let open = &mut self.sites[at].open;
        if !open.is_empty() {
            let link = open.remove(self.rng.index(open.len()));
            self.input(at, Input::Lost { link, how: SocketEnd::Closed });
        }
    }

    /// Appends a batch of a site to the list, or loses it. Some losses are reported later.
    fn order(&mut self, at: usize) {
        let batch = self.rng.between(1, 4);
        let is_lost = self.rng.percent(8);
        for _ in 0..batch {
            let Some((fact, ticket)) = self.sites[at].journal.outbox.pop_front() else { break };
            if is_lost {
                self.sites[at].lost.push((fact, ticket));
            } else {
                self.expect(at, &fact, ticket);
                self.list.push(Listed { site: at, fact, ticket, at: self.now });
            }
        }
        if self.rng.percent(20) {
            self.withdraw(at);
        }
    }

    fn withdraw(&mut self, at: usize) {
        for (fact, ticket) in std::mem::take(&mut self.sites[at].lost) {
            self.seen.insert("withdrawn");
            self.sites[at].group.withdraw(fact.fact(), ticket);
            self.run_effects(at);
        }
    }

    /// Expects the reply that follows from the list before this fact.
    fn expect(&mut self, at: usize, fact: &Proposed, ticket: Ticket) {
        let conn = match ticket {
            Ticket::Request(conn) => conn,
            Ticket::Link(link) => self.sites[at].conns[&link],
            Ticket::Forgotten | Ticket::Nobody => return,
        };
        let (members, last) = outcome(self.list.iter().map(|listed| &listed.fact));
        let reply = match fact {
            Proposed::Registered { id, .. } if members.contains_key(id) => {
                "ERR 409 already a member"
            }
            Proposed::Registered { past, .. } => {
                let start = last - last.min(*past).min(KEEP as u64);
                self.seen.extend((start < last).then_some("past"));
                let next = format!("OK register next={}", start + 1);
                return drop(self.expected.insert((at, conn.0), next));
            }
            Proposed::Deregistered { id } | Proposed::Accepted { sender: id, .. }
                if !members.contains_key(id) =>
            {
                "ERR 404 not a member"
            }
            Proposed::Deregistered { .. } => "OK deregister",
            Proposed::Accepted { sender, number, .. } => {
                let reply = message_reply(*number, members[sender], last + 1);
                let sights = [("duplicate", "duplicate"), ("ERR 409 send", "number too high")];
                let sights = sights.iter().filter(|(part, _)| reply.contains(part));
                self.seen.extend(sights.map(|(_, sight)| *sight));
                return drop(self.expected.insert((at, conn.0), reply));
            }
            // A deregistration in between cancels the reconnect.
            Proposed::Returned { .. } | Proposed::NewEpoch { .. } => return,
        };
        if reply.starts_with("ERR") {
            self.seen.insert(reply);
        }
        self.expected.insert((at, conn.0), reply.to_owned());
    }

    /// Applies facts of the list to a site.
    fn apply(&mut self, at: usize) {
        for _ in 0..self.rng.between(1, 5) {
            let applied = self.sites[at].applied;
            let Some(Listed { site, fact, ticket, at: time }) = self.list.get(applied) else {
                return;
            };
            let ticket = (*site == at).then_some(*ticket);
            let ordered = Ordered { ticket, is_committed: true };
            self.sites[at].group.apply(fact.fact(), ordered, Millis::new(*time));
            self.sites[at].applied += 1;
            let found = state(&self.sites[at].group);
            match self.states.get(applied) {
                Some(first) => assert_eq!(&found, first, "seed={} fact={applied}", self.seed),
                None => self.states.push(found),
            }
            if self.sites[at].group.is_epoch_due() {
                self.input(at, Input::EpochCommitted);
            }
            self.run_effects(at);
        }
    }

    /// Ends all that is under way, and checks every reply.
    fn finish(&mut self) {
        for at in [0, 1].into_iter().cycle().take(ROUNDS) {
            self.now += PRESENCE_DELAY_MS;
            self.input(at, Input::Tick);
            while let Some(link) = self.sites[at].dialing.pop() {
                self.sites[at].open.push(link);
                self.input(at, Input::Connected { link });
            }
            while !self.sites[at].journal.outbox.is_empty() {
                self.order(at);
            }
            self.withdraw(at);
            for other in [0, 1] {
                while self.sites[other].applied < self.list.len() {
                    self.apply(other);
                }
            }
        }
        for ((at, conn), expected) in &self.expected {
            let reply = self.sites[*at].replies.get(conn);
            let is_it = reply.is_some_and(|reply| is_it(reply, expected));
            assert!(is_it, "seed={} request={conn}: {reply:?}, not {expected}", self.seed);
        }
        let replies: usize = self.sites.iter().map(|site| site.replies.len()).sum();
        assert_eq!(replies, self.requests, "seed={}: each request has a reply", self.seed);
        self.check_owners(0);
        let [first, second] = &self.sites;
        assert_eq!(state(&first.group), state(&second.group), "seed={}", self.seed);
        assert_eq!(first.group.epoch(), second.group.epoch(), "seed={}", self.seed);
        for (one, other) in first.group.members().zip(second.group.members()) {
            assert!(!(one.online && other.online), "seed={}: {one} at two sites", self.seed);
            let is_online = one.online || other.online;
            let truth = if is_online { Announced::Online } else { Announced::Offline };
            let announced = first.group.announced_state(one.id);
            assert_eq!(announced, Some(truth), "seed={}: {one} {other}", self.seed);
        }
        let former = first.group.announced_states();
        let mut former = former.filter(|(id, _)| first.group.member_state(id).is_none());
        let is_absent = former.all(|(_, announced)| announced == Announced::Absent);
        assert!(is_absent, "seed={}: an end was not announced", self.seed);
    }
}

#[test]
fn two_groups_that_are_fed_the_same_facts_are_equal_and_every_request_gets_its_reply() {
    let (mut seen, mut messages) = (BTreeSet::new(), 0);
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        for site in &mut world.sites {
            let now = Now { steady: Millis::ZERO, unix: UnixMillis(0) };
            let epoch = Epoch::new(seed + 2);
            site.group.handle(Input::DrawnEpoch(epoch), now, &mut site.journal);
        }
        for _ in 0..STEPS {
            world.step();
        }
        world.finish();
        seen.extend(world.seen);
        messages += world.sites[0].group.last().as_u64();
    }
    let refusals = ["ERR 404 not a member", "ERR 409 already a member", "withdrawn"];
    let all = [&refusals[..], &["duplicate", "number too high", "past"]].concat();
    assert!(all.iter().all(|sight| seen.contains(sight)), "only {seen:?} came about");
    assert!(messages > 10 * SEEDS, "hardly anything was accepted: {messages}");
}
