//! The promises, kept by a coordinator that is too simple to be wrong: it walks over everything,
//! always. What the real one answers, writes and closes must be what this one would.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::num::NonZeroU64;

use groupcast::group::{ConnId, LinkId, Origin, Rules};
use groupcast::protocol::{
    Command, DeliverTo, Epoch, Listing, Options, Query, Request, Since, Text,
};
use groupcast::time::Now;

use crate::access::model::{Client, Granted, Owner};
use crate::coverage::{Coverage, CoveragePoint};
use crate::epoch_history::{EpochHistory, Message};
use crate::model_access::{AccessModel, DENIED};
use crate::model_expected::Expected;
use crate::model_here::HereRequests;
use crate::model_journal::{FactId, RegistryEntry};
use crate::model_offline::Presence;
use crate::model_presence::AnnouncedIds;
use crate::stream::Stream;

#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) number: u32,
    pub(crate) registered_at: u64,
    /// The number before the first message that it may get.
    pub(crate) start: u64,
    pub(crate) acked: u64,
    /// The highest `acked` that it ever had.
    pub(crate) peak: u64,
    pub(crate) link: Option<LinkId>,
    pub(crate) reconnecting: Option<LinkId>,
    pub(crate) presence: Presence,
    pub(crate) address: SocketAddr,
    pub(crate) owner: Owner,
    /// The client that its last message socket is of.
    pub(crate) client: Client,
    /// It may receive.
    pub(crate) receives: bool,
    /// The last number when it last lost that right.
    pub(crate) muted_after: u64,
    /// Number of its last accepted `send`.
    pub(crate) published: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) conn: ConnId,
    pub(crate) client: Client,
    pub(crate) id: String,
    pub(crate) registers: bool,
    pub(crate) address: SocketAddr,
    pub(crate) is_here: bool,
    pub(crate) acks: bool,
    pub(crate) nonce: Option<String>,
    pub(crate) since: Option<Since>,
    pub(crate) last: Option<u64>,
}

/// The expected state of the group.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) epochs: BTreeMap<Epoch, EpochHistory>,
    pub(crate) epoch: Epoch,
    pub(crate) rules: Rules,
    pub(crate) members: BTreeMap<String, Member>,
    /// The lowest number that is not lost.
    pub(crate) front: u64,
    pub(crate) streams: BTreeMap<LinkId, Stream>,
    pub(crate) attempts: BTreeMap<LinkId, Attempt>,
    pub(crate) is_shutting_down: bool,
    pub(crate) registrations: u32,
    /// Listener of the program that made each registration, unless the registration had ended and
    /// came back.
    pub(crate) registered_from: BTreeMap<u32, SocketAddr>,
    /// Texts accepted in any life: none is ever accepted twice.
    pub(crate) texts: BTreeSet<String>,
    /// Texts among these that the coordinator or the outbox file has lost: they may be accepted
    /// again.
    pub(crate) lost_texts: BTreeSet<String>,
    /// Replies that must come before the next input.
    pub(crate) expected: BTreeMap<ConnId, Expected>,
    pub(crate) dialing: Option<Attempt>,
    pub(crate) here: HereRequests,
    /// With the last words on each.
    pub(crate) closing: Vec<(LinkId, String)>,
    /// The fact that each outstanding reply confirms.
    pub(crate) facts: BTreeMap<ConnId, FactId>,
    /// All that became of each id since it was last known for certain, in order.
    pub(crate) registry: BTreeMap<String, Vec<RegistryEntry>>,
    /// The highest number that anybody can have seen.
    pub(crate) exposed: u64,
    pub(crate) is_failing: bool,
    pub(crate) is_full: bool,
    /// Members of which a refusal for a full backlog must name one.
    pub(crate) holders: Vec<String>,
    /// For the next epoch, and the one that was decided and is not written down yet.
    pub(crate) drawn: Option<Epoch>,
    pub(crate) decided: Option<Epoch>,
    pub(crate) decided_at: Option<u64>,
    /// Connected while one was decided.
    pub(crate) waiting: Vec<LinkId>,
    /// The journal was put back from a copy, and the operator wants a new epoch.
    pub(crate) must_begin: bool,
    /// The time to live was made longer once. A start that reads this in its file may bring back
    /// what had expired.
    pub(crate) ttl_grew: bool,
    /// It was made from a journal.
    pub(crate) has_come_back: bool,
    /// Messages are not released before their commit.
    pub(crate) is_journaled: bool,
    pub(crate) announced: AnnouncedIds,
    pub(crate) access: AccessModel,
    pub(crate) coverage: Coverage,
}

impl Model {
    pub(crate) fn new(rules: Rules, is_journaled: bool, epoch: Epoch) -> Self {
        Self {
            epochs: BTreeMap::from([(epoch, EpochHistory::default())]),
            epoch,
            rules,
            members: BTreeMap::new(),
            front: 1,
            streams: BTreeMap::new(),
            attempts: BTreeMap::new(),
            is_shutting_down: false,
            registrations: 0,
            registered_from: BTreeMap::new(),
            texts: BTreeSet::new(),
            lost_texts: BTreeSet::new(),
            expected: BTreeMap::new(),
            dialing: None,
            here: HereRequests::default(),
            closing: Vec::new(),
            facts: BTreeMap::new(),
            registry: BTreeMap::new(),
            exposed: 0,
            is_failing: false,
            is_full: false,
            holders: Vec::new(),
            drawn: None,
            decided: None,
            decided_at: None,
            waiting: Vec::new(),
            must_begin: false,
            ttl_grew: false,
            has_come_back: false,
            is_journaled,
            announced: AnnouncedIds::default(),
            access: AccessModel::default(),
            coverage: Coverage::new(),
        }
    }

    /// A coordinator begins that knows nobody: without a journal, or as its journal is empty.
    pub(crate) fn begin_anew(&mut self, epoch: Epoch) {
        *self = self.next(epoch);
        self.epochs.insert(epoch, EpochHistory::default());
    }

    /// With what outlives every coordinator, and nothing else.
    pub(crate) fn next(&mut self, epoch: Epoch) -> Self {
        Self {
            epochs: std::mem::take(&mut self.epochs),
            texts: std::mem::take(&mut self.texts),
            lost_texts: std::mem::take(&mut self.lost_texts),
            registrations: self.registrations,
            announced: self.announced.of_next_start(),
            registered_from: std::mem::take(&mut self.registered_from),
            must_begin: self.must_begin,
            ttl_grew: self.ttl_grew,
            access: self.access.next(),
            coverage: std::mem::take(&mut self.coverage),
            ..Self::new(self.rules.clone(), self.is_journaled, epoch)
        }
    }

    pub(crate) fn cover(&mut self, sight: CoveragePoint) {
        *self.coverage.entry(sight).or_default() += 1;
    }

    /// Nothing is accepted that would have to be written down.
    pub(crate) fn is_refusing(&self) -> bool {
        self.is_failing || self.is_full
    }

    pub(crate) fn life(&self) -> &EpochHistory {
        &self.epochs[&self.epoch]
    }

    pub(crate) fn life_mut(&mut self) -> &mut EpochHistory {
        self.epochs.get_mut(&self.epoch).unwrap()
    }

    pub(crate) fn is_over(&self, seq: u64, now: u64) -> bool {
        now > self.life().message(seq).accepted + self.rules.ttl_ms
    }

    pub(crate) fn expire(&mut self, now: u64) {
        while self.rules.ttl_ms > 0
            && self.front <= self.life().released
            && self.is_over(self.front, now)
        {
            self.front += 1;
        }
        self.advance();
    }

    /// The deliveries of a turn are over: with `ttl=0` the messages of this turn end here.
    pub(crate) fn delivered(&mut self) {
        if self.rules.ttl_ms == 0 {
            self.front = self.front.max(self.life().released + 1);
        }
        self.advance();
    }

    /// Members that do not acknowledge have what was handed over, and miss what is lost.
    pub(crate) fn advance(&mut self) {
        let life = &self.epochs[&self.epoch];
        for member in self.members.values_mut() {
            if let Some(stream) = member.link.and_then(|link| self.streams.get_mut(&link)) {
                stream.advance(life, self.front, member.number);
                if !stream.acks {
                    member.acked = member.acked.max(stream.received);
                }
            }
            if !member.receives {
                member.acked = life.last();
            }
            member.acked = life.skip_own(member.acked, member.number);
            member.peak = member.peak.max(member.acked);
        }
    }

    pub(crate) fn request(
        &mut self,
        (origin, client): (Origin<'_>, Client),
        request: &Request<'_>,
        now: Now,
    ) {
        let conn = origin.conn;
        match self.decide((origin, client), request, now) {
            Ok(Some(line)) => self.expect_reply(conn, Expected::Line(line)),
            Ok(None) => (),
            Err(code) => {
                if code == 506 {
                    self.cover(CoveragePoint::JournalRefused);
                }
                let expect_reply = match code {
                    DENIED => Expected::Denied,
                    507 => Expected::Naming(code, std::mem::take(&mut self.holders)),
                    _ => Expected::Code(code),
                };
                self.expect_reply(conn, expect_reply);
            }
        }
    }

    fn decide(
        &mut self,
        (origin, client): (Origin<'_>, Client),
        request: &Request<'_>,
        now: Now,
    ) -> Result<Option<String>, u16> {
        let granted = self.check_client(client, request)?;
        let is_member = self.members.contains_key(request.id);
        match request.command {
            Command::Query(Query::List(Listing::Members)) => {
                let lines = self.listed(now.steady.as_u64());
                return Ok(Some(format!("OK members {}{lines}", self.members.len())));
            }
            Command::Query(Query::List(Listing::Stats)) => return Ok(None),
            Command::Query(Query::Ping) => return Ok(Some("OK ping".to_owned())),
            Command::Register { to, options } => {
                self.register((origin, client), request, (to, options), granted)?;
            }
            Command::Deregister
            | Command::Disconnect
            | Command::Msend { .. }
            | Command::Send { .. }
            | Command::Reconnect { .. }
                if !is_member =>
            {
                return Err(404);
            }
            Command::Reconnect { to, options } => {
                self.check_since(&options, now)?;
                self.cancel(request.id);
                self.dial((origin, client), request, to, &options, false);
            }
            Command::Deregister if self.is_refusing() => return Err(506),
            Command::Deregister => {
                self.forget(origin.conn, request.id);
                return Ok(Some("OK deregister".to_owned()));
            }
            Command::Disconnect => {
                let was_pending = self.cancel(request.id);
                let was_online = self.hang_up(request.id, "disconnected");
                let done = was_pending || was_online;
                return if done { Ok(Some("OK disconnect".to_owned())) } else { Err(409) };
            }
            Command::Msend { text } => {
                let seq = self.publish((request.id, granted), None, text, now)?;
                self.facts.insert(origin.conn, FactId::Message(seq));
                return Ok(Some(format!("OK msend seq={seq}")));
            }
            Command::Send { number, text } => {
                return self
                    .send((origin.conn, granted), request.id, (number, text), now)
                    .map(Some);
            }
        }
        Ok(None)
    }

    fn register(
        &mut self,
        from: (Origin<'_>, Client),
        request: &Request<'_>,
        (to, mut options): (DeliverTo, Options<'_>),
        granted: Granted,
    ) -> Result<(), u16> {
        let (origin, client) = from;
        let is_known = self.members.contains_key(request.id) || self.is_registering(request.id);
        if is_known {
            return Err(409);
        }
        let ip = request.ip.unwrap_or(origin.peer);
        self.check_room((client, ip), request.id, granted)?;
        if self.is_refusing() {
            return Err(506);
        }
        options.last = options.last.map(|last| if granted.receive { last } else { 0 });
        self.dial(from, request, to, &options, true);
        Ok(())
    }

    fn is_registering(&self, id: &str) -> bool {
        self.here.registers(id) || self.attempts.values().any(|at| at.registers && at.id == id)
    }

    /// A `since` above the last number begins a new epoch, at most once in 10 s.
    fn check_since(&mut self, options: &Options<'_>, now: Now) -> Result<(), u16> {
        let now = now.steady.as_u64();
        let is_ours = |since: &Since| since.epoch == self.epoch;
        let named = options.since.filter(is_ours).map_or(0, |since| since.seq.as_u64());
        if named <= self.life().last() || self.decided.is_some() {
            return Ok(());
        }
        if self.drawn.is_none() || self.decided_at.is_some_and(|at| now < at + 10_000) {
            self.cover(CoveragePoint::NewEpochRefused);
            return Err(400);
        }
        if self.is_refusing() {
            return Err(506);
        }
        self.decided_at = Some(now);
        self.begin_epoch();
        Ok(())
    }

    pub(crate) fn begin_epoch(&mut self) {
        self.decided = self.drawn.take();
    }

    fn forget(&mut self, conn: ConnId, id: &str) {
        self.cancel(id);
        self.hang_up(id, "deregistered");
        self.record_peak(id);
        self.members.remove(id);
        let left = self.register_fact(id, None);
        self.facts.insert(conn, left);
    }

    fn dial(
        &mut self,
        (origin, client): (Origin<'_>, Client),
        request: &Request<'_>,
        to: DeliverTo,
        options: &Options<'_>,
        registers: bool,
    ) {
        let address = match to {
            DeliverTo::Port(port) => SocketAddr::new(request.ip.unwrap_or(origin.peer), port),
            DeliverTo::Here => SocketAddr::new(origin.peer, origin.peer_port),
        };
        let attempt = Attempt {
            conn: origin.conn,
            client,
            id: request.id.to_owned(),
            registers,
            address,
            is_here: to == DeliverTo::Here,
            acks: options.acks,
            nonce: options.nonce.map(str::to_owned),
            since: options.since,
            last: options.last,
        };
        match to {
            DeliverTo::Port(_) => self.dialing = Some(attempt),
            DeliverTo::Here => self.ask_here(attempt),
        }
    }

    /// Ends a reconnect under way; whether there was one.
    fn cancel(&mut self, id: &str) -> bool {
        if self.cancel_here(id) {
            return true;
        }
        let reconnecting = self.members.get_mut(id).and_then(|member| member.reconnecting.take());
        let Some(attempt) = reconnecting.and_then(|link| {
            self.closing.push((link, String::new()));
            self.attempts.remove(&link)
        }) else {
            return false;
        };
        self.expect_reply(attempt.conn, Expected::Code(409));
        self.cover(CoveragePoint::ReconnectCancelled);
        true
    }

    /// Closes a message socket with a reason. Returns true if there was one.
    pub(crate) fn hang_up(&mut self, id: &str, reason: &str) -> bool {
        let link = self.members.get_mut(id).and_then(|member| member.link.take());
        if let Some(link) = link {
            let stream = self.streams.remove(&link);
            self.closing.push((link, stream.unwrap().closing_bytes(reason)));
        }
        link.is_some()
    }

    /// Accepts a message. Returns its number in the group.
    pub(crate) fn publish(
        &mut self,
        (id, granted): (&str, Granted),
        number: Option<NonZeroU64>,
        text: Text<'_>,
        now: Now,
    ) -> Result<u64, u16> {
        let member = &self.members[id];
        if member.link.is_none() {
            return Err(409);
        }
        if self.is_refusing() {
            return Err(506);
        }
        let (sender, seq) = (member.number, self.life().last() + 1);
        self.check_rate(id, granted, now.steady.as_u64())?;
        let line = format!("{seq}#{id}#{}#{text}\n", now.unix.0);
        self.make_room(line.len() as u64)?;
        let (text, is_new) = (text.to_string(), self.texts.insert(text.to_string()));
        assert!(is_new || self.lost_texts.remove(&text), "accepted twice: {text}");
        let accepted = now.steady.as_u64();
        let (promise, is_anonymous, is_lost) = (None, false, false);
        let message = Message { sender, number, is_anonymous, line, accepted, promise, is_lost };
        self.accept(message);
        Ok(seq)
    }

    pub(crate) fn accept(&mut self, message: Message) {
        self.life_mut().accept(message);
        if !self.is_journaled {
            self.life_mut().released = self.life().last();
        }
        self.advance();
    }

    pub(crate) fn shut_down(&mut self) {
        self.is_shutting_down = true;
        self.shut_down_here();
        for (link, attempt) in std::mem::take(&mut self.attempts) {
            if let Some(member) = self.members.get_mut(&attempt.id) {
                member.reconnecting = None;
            }
            self.closing.push((link, String::new()));
            self.expect_reply(attempt.conn, Expected::Code(503));
        }
    }

    fn listed(&self, now: u64) -> String {
        let mut lines = String::new();
        for (id, member) in &self.members {
            let state = if member.link.is_some() { "online" } else { "offline" };
            let pending = self.life().kept(member.acked, self.front, member.number);
            let (address, acked) = (member.address, member.acked);
            let oldest = self.life().oldest(member.acked, self.front, member.number);
            let oldest = oldest.map_or(0, |accepted| (now - accepted) / 1000);
            let seconds = (now - member.presence.since) / 1000;
            lines.push_str(&format!(
                "\n{id} {state} {address} pending={pending} acked={acked} seconds={seconds} \
                 oldest={oldest}"
            ));
        }
        lines
    }
}
