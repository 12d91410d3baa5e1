//! Access rules in a simulation of their own: clients with addresses and keys send requests at
//! random, access files change at random, coordinators restart. A model that walks over all lines
//! predicts each answer, each message, each closed socket and the backlog.

mod changes;
mod limits;
pub(crate) mod model;

use std::collections::BTreeMap;

use groupcast::facts::{Fact, Ordered, Recorded as _, StateMachine as _};
use groupcast::group::{
    AccessRules, ConnId, Effect, Group, Input, LinkId, Origin, Rules, SocketEnd,
};
use groupcast::journal::MemoryJournal;
use groupcast::limits::Overflow;
use groupcast::protocol::{Delivery, Epoch, Request, Seq};
use groupcast::time::{Millis, Now, UnixMillis};
use support::rng::Rng;

use model::{Buckets, Client, Line, Owner, Shown, decide, deciding, ip, sha256, table};

const IDS: [&str; 5] = ["ann", "amy", "bob", "boris", "eve"];
/// Bytes of about four messages: fewer than members, as the group moves one absent cursor for each.
const BACKLOG_BYTES: u64 = 110;
/// All secrets begin so; a digit follows.
pub(crate) const SECRET: &str = "0000000000000000000000000000000";

#[derive(Debug)]
struct Member {
    owner: Owner,
    /// Link and client of the message socket.
    online: Option<(LinkId, Client)>,
    receives: bool,
    /// Number of the last message that counts as delivered.
    acked: usize,
}

/// A message of the group.
#[derive(Debug)]
struct Sent {
    sender: &'static str,
    text: String,
    line_bytes: u64,
}

#[derive(Debug)]
struct World {
    seed: u64,
    rng: Rng,
    now: u64,
    group: Group,
    file: Vec<Line>,
    members: BTreeMap<&'static str, Member>,
    /// Connect-backs under way: the id, its client, and true for a registration.
    dialing: BTreeMap<LinkId, (&'static str, Client, bool)>,
    messages: Vec<Sent>,
    buckets: Buckets,
    conns: usize,
    seen: BTreeMap<String, u64>,
}

fn rules(file: &[Line]) -> Rules {
    Rules {
        ttl_ms: 3_600_000,
        line_bytes_max: 4096,
        members_max: 100,
        members_per_address_max: 100,
        forget_after_ms: 0,
        presence_delay_ms: None,
        backlog_bytes_max: BACKLOG_BYTES,
        overflow: Overflow::Reject,
        keep: 0,
        foreign_ip_allowed: false,
        listening: "10.0.0.100:5000".parse().unwrap(),
        access: Some(AccessRules { table: table(file), sha256: Some(sha256) }),
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let file = Line::file(&mut rng);
        Self {
            seed,
            rng,
            now: 0,
            group: Group::new(rules(&file), Epoch::new(1)),
            file,
            members: BTreeMap::new(),
            dialing: BTreeMap::new(),
            messages: Vec::new(),
            buckets: Buckets::default(),
            conns: 0,
            seen: BTreeMap::new(),
        }
    }

    fn see(&mut self, what: impl Into<String>) {
        *self.seen.entry(what.into()).or_default() += 1;
    }

    /// Hands an input to the group. Returns its effects without those for the log.
    fn input(&mut self, input: Input<'_>) -> Vec<Effect> {
        let now = Now { steady: Millis::new(self.now), unix: UnixMillis(self.now) };
        self.group.handle(input, now, &mut MemoryJournal);
        self.group.check();
        let effects = std::iter::from_fn(|| self.group.poll_effect());
        let for_log =
            |effect: &Effect| matches!(effect, Effect::MemberChange(_) | Effect::Backlog(_));
        effects.filter(|effect| !for_log(effect)).collect()
    }

    fn random_client(&mut self) -> Client {
        let ip = ip(u8::try_from(self.rng.pick(&[1, 1, 2, 2, 3, 3, 9])).unwrap());
        let key = self.rng.pick(&[None, Some(1), Some(2), Some(3)]);
        Client { ip, shown: key.map_or(Shown::Plain, Shown::Key) }
    }

    fn step(&mut self) {
        self.now += self.rng.pick(&[0, 0, 0, 10, 300]);
        match self.rng.below(100) {
            0..=86 => self.request(),
            87..=94 => self.connect(),
            95 => self.lose(),
            96..=97 => self.reload(),
            98 if self.rng.percent(30) => self.restart(),
            _ => self.now += 2_000,
        }
        self.deliver();
        self.compare();
    }

    fn request(&mut self) {
        let id = self.rng.pick(&IDS);
        let mut client = self.random_client();
        if let Some(member) = self.members.get(id).filter(|_| self.rng.percent(85)) {
            client = match member.owner {
                Owner::Key(key) => Client { shown: Shown::Key(key), ..client },
                Owner::Address(ip) => Client { ip, shown: Shown::Plain },
            };
        }
        model::check_owner(client);
        let text = "x".repeat(usize::try_from(self.rng.between(1, 12)).unwrap());
        let secret = self.rng.pick(&[None, Some(1), Some(2), Some(3)]);
        let (command, verb) = match self.rng.below(60) {
            0..=7 => {
                let to = self.rng.pick(&["here", "9000"]);
                let secret = secret.map(|digit| format!(" secret={SECRET}{digit}"));
                (format!("register {to}{}", secret.unwrap_or_default()), "register")
            }
            8..=12 => (format!("reconnect {}", self.rng.pick(&["here", "9000"])), "reconnect"),
            13 => ("disconnect".to_owned(), "disconnect"),
            14 => ("deregister".to_owned(), "deregister"),
            15..=16 => ("members".to_owned(), "members"),
            _ => (format!("msend {text}"), "msend"),
        };
        let secret = secret.filter(|_| verb == "register");
        let expected = self.expected(client, id, verb, secret, &text);
        self.conns += 1;
        let (conn, credentials) = (ConnId(self.conns), client.credentials());
        let (peer, local) = (client.ip, ip(100));
        let origin = Origin { conn, peer, peer_port: 50_000, local, credentials: &credentials };
        let line = format!("{id}#{command}#-");
        let request = Request::parse(line.as_bytes()).unwrap();
        let effects = self.input(Input::Request { origin: &origin, request: &request });
        let case = format!("{client:?} {line} of {:?}\n{:?}", self.members.get(id), self.file);
        let replies = effects.iter().filter_map(replied).filter(|(to, _)| *to == conn);
        let reply = replies.map(|(_, reply)| reply).next();
        let code = reply.as_ref().map_or(0, |reply| {
            let code = reply.strip_prefix("ERR ").and_then(|it| it.split(' ').next());
            code.map_or(0, |code| code.parse().unwrap())
        });
        let is_expected =
            if expected == DENIED { code == 401 || code == 403 } else { code == expected };
        assert!(is_expected, "{code} and not {expected}: {case}: {reply:?}");
        self.see(format!("{verb} {code}"));
        if code == 0 {
            self.apply((client, id), verb, text, &effects);
        }
    }

    /// Returns the code of the answer; 0 for `OK`.
    fn expected(
        &mut self,
        client: Client,
        id: &str,
        verb: &str,
        secret: Option<u8>,
        text: &str,
    ) -> u16 {
        let member = self.members.get(id);
        let owner = member.map(|member| member.owner);
        let granted = decide(&self.file, client, (id, owner), secret);
        let is_operator =
            client.is_operator() && ["members", "disconnect", "deregister"].contains(&verb);
        let Some(granted) = granted.or_else(|| is_operator.then(model::Granted::default)) else {
            return DENIED;
        };
        let is_online = member.is_some_and(|member| member.online.is_some());
        let is_registering =
            self.dialing.values().any(|(at, _, registers)| *at == id && *registers);
        match verb {
            "members" if granted.list || is_operator => 0,
            "members" => 403,
            "register" if member.is_some() || is_registering => 409,
            "register" => {
                let lines = deciding(&self.file, id);
                let registering = self.dialing.values().filter(|(_, _, registers)| *registers);
                let owned = self.members.iter().map(|(id, member)| (*id, member.owner));
                let registering = registering.filter_map(|(id, it, _)| Some((*id, it.owner()?)));
                let same = owned.chain(registering).filter(|(other, owner)| {
                    Some(*owner) == client.owner() && deciding(&self.file, other) == lines
                });
                if same.count() >= granted.ids { 421 } else { 0 }
            }
            "msend" if !granted.send => 403,
            "msend" if text.len() > granted.max_text => 403,
            _ if member.is_none() => 404,
            "disconnect" | "msend" if !is_online => {
                let is_pending = self.dialing.values().any(|(at, ..)| *at == id);
                if verb == "disconnect" && is_pending { 0 } else { 409 }
            }
            "msend" if !granted.any_rate && !self.buckets.take(id, self.now) => 429,
            "msend" if self.is_full(id, text) => 507,
            _ => 0,
        }
    }

    /// Changes the model as a request that is answered with `OK` does.
    fn apply(
        &mut self,
        (client, id): (Client, &'static str),
        verb: &str,
        text: String,
        effects: &[Effect],
    ) {
        match verb {
            "register" | "reconnect" => {
                let link = effects.iter().find_map(begun);
                let (link, is_dialing) = link.expect("a connection is made or there");
                self.dialing.retain(|_, (at, _, registers)| *at != id || *registers);
                if is_dialing {
                    self.dialing.insert(link, (id, client, verb == "register"));
                } else {
                    self.join(link, (id, client), verb == "register");
                }
            }
            "msend" => {
                let line_bytes = self.line_bytes(id, &text);
                self.messages.push(Sent { sender: id, text, line_bytes });
                self.advance();
            }
            "disconnect" => {
                self.dialing.retain(|_, (at, ..)| *at != id);
                self.members.get_mut(id).unwrap().online = None;
            }
            "deregister" => {
                self.dialing.retain(|_, (at, ..)| *at != id);
                self.members.remove(id);
            }
            _ => (),
        }
    }

    /// Members that may not receive, and senders behind their own messages, need nothing.
    fn advance(&mut self) {
        for (id, member) in &mut self.members {
            if !member.receives {
                member.acked = self.messages.len();
            }
            while self.messages.get(member.acked).is_some_and(|sent| sent.sender == *id) {
                member.acked += 1;
            }
        }
    }

    /// Each message socket that takes bytes gets exactly the messages of others after `acked`.
    fn deliver(&mut self) {
        self.advance();
        let online = self.members.iter().filter_map(|(id, member)| Some((*id, member.online?.0)));
        for (id, link) in online.collect::<Vec<_>>() {
            if self.rng.percent(40) {
                continue;
            }
            let mut taken = Vec::new();
            while let Some(run) = self.group.run_for(link) {
                let (bytes, through) = run.write(|slices, through| {
                    let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
                    (bytes, through)
                });
                taken.extend_from_slice(&bytes);
                self.input(Input::Wrote { link, bytes: bytes.len(), through });
            }
            let taken = String::from_utf8(taken).unwrap();
            let texts: Vec<&str> =
                taken.lines().map(|it| it.splitn(4, '#').nth(3).unwrap()).collect();
            let member = &self.members[id];
            let due = self.messages[member.acked..].iter().filter(|sent| sent.sender != id);
            let due: Vec<&str> = due.map(|sent| &*sent.text).collect();
            assert_eq!(texts, due, "{id}: {member:?}");
            self.members.get_mut(id).unwrap().acked = self.messages.len();
        }
    }

    /// The members, their owners and their cursors are those of the model.
    fn compare(&mut self) {
        self.advance();
        let seed = self.seed;
        let lines: Vec<String> = self
            .group
            .members()
            .map(|line| format!("{} {} {}", line.id, line.online, line.acked.as_u64()))
            .collect();
        let expected = self
            .members
            .iter()
            .map(|(id, member)| format!("{id} {} {}", member.online.is_some(), member.acked));
        assert_eq!(lines, expected.collect::<Vec<_>>(), "seed={seed}");
        for (state, _) in self.group.member_states() {
            assert_eq!(state.owner, self.members[state.id].owner.name(), "{}", state.id);
        }
    }
}

/// Returns the reply of an effect.
fn replied(effect: &Effect) -> Option<(ConnId, String)> {
    let Effect::Reply { to, reply, .. } = effect else { return None };
    Some((*to, reply.to_string()))
}

/// Returns the link of a connect-back (true), or of an upgrade.
fn begun(effect: &Effect) -> Option<(LinkId, bool)> {
    if let Effect::Connect { link, .. } = effect {
        return Some((*link, true));
    }
    let Effect::Upgrade { link, .. } = effect else { return None };
    Some((*link, false))
}

/// 401 or 403: the tests of the table decide which one.
const DENIED: u16 = 1;

#[test]
fn the_rules_decide_about_every_client_whatever_the_access_files_say() {
    let seeds = crate::number("SIM_SEEDS").unwrap_or(crate::SEEDS);
    let mut seen = BTreeMap::<String, u64>::new();
    for seed in 1..=seeds * 2 {
        let result = std::panic::catch_unwind(|| {
            let mut world = World::new(seed);
            (0..400).for_each(|_| world.step());
            world.seen
        });
        let found = result.unwrap_or_else(|_| panic!("seed={seed}"));
        found.into_iter().for_each(|(what, times)| *seen.entry(what).or_default() += times);
    }
    let expected = [
        "register 0",
        "register 401",
        "register 403",
        "register 409",
        "register 421",
        "reconnect 0",
        "reconnect 401",
        "reconnect 403",
        "reconnect 404",
        "disconnect 0",
        "deregister 0",
        "members 0",
        "members 403",
        "msend 0",
        "msend 401",
        "msend 403",
        "msend 404",
        "msend 409",
        "msend 429",
        "msend 507",
        "revoked online",
        "receive lost",
        "receive gained",
        "no line fits an absent member",
        "restart",
    ];
    for what in expected {
        assert!(seen.get(what) > Some(&10), "{what} hardly came about: {seen:?}");
    }
}
