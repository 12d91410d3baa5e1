#![expect(clippy::arithmetic_side_effects, reason = "a test may panic")]

mod access;
mod ages;
mod backlog;
mod closing_bytes;
mod committed;
mod connecting;
mod elsewhere;
mod epochs;
mod forgetting;
mod here;
mod identities;
mod journal;
mod newcomers;
mod presence;
mod replay;
mod rules;
mod runs;
mod sends;
mod strangers;

use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::access::Credentials;
use crate::facts::{Fact, JournalPosition, Ordered, Recorded, StateMachine};
use crate::limits::Overflow;
use crate::protocol::{Conflict, LimitReached, PeerName, RequestError};
use crate::time::UnixMillis;
use journal::TestJournal;

const LOCAL_IP: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7));

/// A group, the time, and the bytes that every message socket was given.
struct World {
    group: Group,
    journal: TestJournal,
    now: u64,
    ports: u16,
}

impl World {
    fn new(ttl_ms: u64) -> Self {
        Self::with(|rules| rules.ttl_ms = ttl_ms)
    }

    fn with(change: impl FnOnce(&mut Rules)) -> Self {
        let mut rules = Rules {
            ttl_ms: 60_000,
            line_bytes_max: 4096,
            members_max: 10,
            members_per_address_max: 10,
            forget_after_ms: 0,
            presence_delay_ms: None,
            backlog_bytes_max: 1 << 20,
            overflow: Overflow::Reject,
            keep: 0,
            foreign_ip_allowed: false,
            listening: "10.0.0.1:5000".parse().unwrap(),
            access: None,
        };
        change(&mut rules);
        let group = Group::new(rules, Epoch::new(1));
        Self { group, journal: TestJournal::default(), now: 0, ports: 9000 }
    }

    /// Like [`World::with`], with a journal that commits later.
    fn late(change: impl FnOnce(&mut Rules)) -> Self {
        Self {
            journal: TestJournal { is_late: true, ..TestJournal::default() },
            ..Self::with(change)
        }
    }

    /// Commits all facts up to a seq. The seq must be the last one, or one before it.
    fn commit(&mut self, through: u64) -> Vec<Effect> {
        let through = JournalPosition { last: Seq::new(through), ..self.group.position() };
        self.input(Input::Committed { through })
    }

    fn input(&mut self, input: Input<'_>) -> Vec<Effect> {
        let now = Now { steady: Millis::new(self.now), unix: UnixMillis(self.now) };
        self.group.handle(input, now, &mut self.journal);
        self.group.check();
        let effects = std::iter::from_fn(|| self.group.poll_effect());
        effects
            .filter(|effect| !matches!(effect, Effect::MemberChange(_) | Effect::Backlog(_)))
            .collect()
    }

    fn request_from(&mut self, conn: usize, line: &str) -> Vec<Effect> {
        let (credentials, local) = (&Credentials::Plain, "10.0.0.1".parse().unwrap());
        let conn = ConnId(conn);
        let origin = Origin { conn, peer: LOCAL_IP, peer_port: 50_000, local, credentials };
        let line = format!("{line}#{LOCAL_IP}");
        self.input(Input::Request {
            origin: &origin,
            request: &Request::parse(line.as_bytes()).unwrap(),
        })
    }

    /// Returns the one reply to a request of command socket 0.
    fn request(&mut self, line: &str) -> Reply {
        let effects = self.request_from(0, line);
        let replies = effects.iter().filter_map(replied).map(|(_, reply)| reply.clone());
        let replies: Vec<Reply> = replies.collect();
        assert_eq!(replies.len(), 1, "{line}: {replies:?}");
        replies.into_iter().next().unwrap()
    }

    fn dial(&mut self, conn: usize, line: &str) -> LinkId {
        match self.request_from(conn, line).last() {
            Some(Effect::Connect { link, .. }) => *link,
            other => panic!("{line}: {other:?}"),
        }
    }

    /// Registers or reconnects a member. Returns its message socket and the reply.
    fn connect(&mut self, id: &str, how: &str) -> (LinkId, Reply) {
        self.ports += 1;
        let (verb, options) = how.split_once(' ').unwrap_or((how, ""));
        let line = format!("{id}#{verb} {} {options}", self.ports);
        let link = self.dial(0, line.trim_end());
        match self.input(Input::Connected { link }).pop() {
            Some(Effect::Reply { reply, .. }) => (link, reply),
            other => panic!("{line}: {other:?}"),
        }
    }

    fn register(&mut self, id: &str, options: &str) -> LinkId {
        self.connect(id, format!("register {options}").trim_end()).0
    }

    fn send(&mut self, id: &str, text: &str) {
        let reply = self.request(&format!("{id}#msend {text}"));
        assert!(matches!(reply, Reply::Msend { .. }), "{reply}");
    }

    /// Takes up to `bytes_max` due bytes, as the socket would.
    fn take(&mut self, link: LinkId, bytes_max: usize) -> String {
        let mut taken = Vec::new();
        while let Some(run) = self.group.run_for(link) {
            let (all, through): (Vec<u8>, _) = run.write(|slices, through| {
                (slices.iter().flat_map(|slice| slice.to_vec()).collect(), through)
            });
            let bytes = all.len().min(bytes_max - taken.len());
            if bytes == 0 {
                break;
            }
            taken.extend_from_slice(&all[..bytes]);
            let through = through.filter(|_| bytes == all.len());
            self.input(Input::Wrote { link, bytes, through });
        }
        String::from_utf8(taken).unwrap()
    }

    /// Takes all due bytes. Each line becomes the text of its message, or `gap <count>
    /// <first>-<last>`.
    fn read(&mut self, link: LinkId) -> String {
        let text = self.take(link, usize::MAX);
        let lines = text.lines().map(|line| match line.split('#').collect::<Vec<_>>()[..] {
            ["gap", count, first, last] => format!("gap {count} {first}-{last}"),
            [_, _, _, text] => text.to_owned(),
            _ => line.to_owned(),
        });
        lines.collect::<Vec<_>>().join(" ")
    }

    fn ack(&mut self, link: LinkId, number: u64) -> Vec<Effect> {
        self.input(Input::Acknowledged { link, seq: Seq::new(number) })
    }

    /// Returns the last seq of which a message socket was given all bytes.
    fn sent(&self, link: LinkId) -> Option<Seq> {
        self.group.links.open(link).map(|(_, outbound)| outbound.sent())
    }

    fn acked(&self, id: &str) -> u64 {
        self.group.members().find(|line| line.id == id).unwrap().acked.as_u64()
    }
}

/// Returns the reply of an effect, and its command socket.
fn replied(effect: &Effect) -> Option<(ConnId, &Reply)> {
    match effect {
        Effect::Reply { to, reply, .. } => Some((*to, reply)),
        Effect::List { .. }
        | Effect::Connect { .. }
        | Effect::Upgrade { .. }
        | Effect::Close { .. }
        | Effect::DrawEpoch
        | Effect::MemberChange(_)
        | Effect::Backlog(_) => None,
    }
}

#[test]
fn the_source_address_is_set_only_if_a_request_names_its_own_ip() {
    let mut world = World::with(|rules| rules.foreign_ip_allowed = true);
    let local: IpAddr = "10.0.0.1".parse().unwrap();
    for (ip, expected) in [(LOCAL_IP, Some(local)), ("192.0.2.7".parse().unwrap(), None)] {
        let (conn, credentials) = (ConnId(0), &Credentials::Plain);
        let origin = Origin { conn, peer: LOCAL_IP, peer_port: 50_000, local, credentials };
        let line = format!("id-at-{ip}#register 9000#{ip}");
        let request = Request::parse(line.as_bytes()).unwrap();
        match &world.input(Input::Request { origin: &origin, request: &request })[..] {
            [Effect::Connect { from, .. }] => assert_eq!(*from, expected, "{ip}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn everybody_but_the_sender_gets_every_message_in_one_order() {
    let mut world = World::new(60_000);
    let [ann, bob, eve] = ["ann", "bob", "eve"].map(|id| world.register(id, ""));
    for (id, text) in [("ann", "a"), ("bob", "b"), ("bob", "c"), ("ann", "d"), ("eve", "e")] {
        world.send(id, text);
    }
    assert_eq!(world.read(ann), "b c e");
    assert_eq!(world.read(bob), "a d e");
    assert_eq!(world.read(eve), "a b c d");
    assert_eq!((world.acked("ann"), world.acked("bob"), world.acked("eve")), (5, 5, 5));
}

#[test]
fn the_stream_is_the_same_wherever_the_socket_stops() {
    let whole = {
        let mut world = World::new(60_000);
        let (ann, bob) = (world.register("ann", "nonce=aa acks=1"), world.register("bob", ""));
        ["a", "bb", "ccc"].iter().for_each(|text| world.send("bob", text));
        assert_eq!(world.read(bob), "");
        world.take(ann, usize::MAX)
    };
    for cut in 0..whole.len() {
        let mut world = World::new(60_000);
        let (ann, bob) = (world.register("ann", "nonce=aa acks=1"), world.register("bob", ""));
        ["a", "bb", "ccc"].iter().for_each(|text| world.send("bob", text));
        assert_eq!(world.read(bob), "");
        let first = world.take(ann, cut);
        assert_eq!(first + &world.take(ann, usize::MAX), whole, "cut at {cut}");
    }
}

#[test]
fn a_line_that_has_begun_is_finished_although_it_expires_and_the_others_are_a_gap() {
    let mut world = World::new(100);
    let (ann, _) = (world.register("ann", "acks=1"), world.register("bob", ""));
    ["first", "second", "third"].iter().for_each(|text| world.send("bob", text));
    assert_eq!(world.take(ann, 12), "1#bob#0#firs");
    world.now = 101;
    world.send("bob", "fourth");
    assert_eq!(world.take(ann, usize::MAX), "t\ngap#2#2#3\n4#bob#101#fourth\n");
    let stats = world.group.stats();
    assert_eq!((stats.expired, stats.gaps, stats.deliveries_out), (3, 1, 2));
}

#[test]
fn an_unsent_gap_grows_and_a_partly_sent_gap_is_followed_by_another() {
    let mut world = World::new(100);
    let (ann, _) = (world.register("ann", "acks=1"), world.register("bob", ""));
    for now in [0, 101, 202] {
        world.now = now;
        world.send("bob", "x");
    }
    world.now = 203;
    assert_eq!(world.take(ann, 3), "gap");
    world.now = 303;
    world.send("bob", "y");
    assert_eq!(world.take(ann, usize::MAX), "#2#1#2\ngap#1#3#3\n4#bob#303#y\n");
}

#[test]
fn only_numbers_that_this_socket_was_sent_may_be_acknowledged() {
    let garbled = |effects: Vec<Effect>| matches!(effects[..], [Effect::Close { .. }]);
    let fresh = || {
        let mut world = World::new(100);
        let (ann, _) = (world.register("ann", "acks=1"), world.register("bob", ""));
        ["a", "b", "c"].iter().for_each(|text| world.send("bob", text)); // Messages 1 to 3 expire.
        world.now = 101;
        world.send("bob", "d");
        world.send("ann", "e");
        world.send("bob", "f");
        assert_eq!(world.read(ann), "gap 3 1-3 d f");
        world.send("bob", "g"); // Message 7 was not sent.
        (world, ann)
    };
    for (number, expected) in [(3, Some(3)), (4, Some(5)), (5, Some(5)), (6, Some(6))] {
        let (mut world, ann) = fresh();
        assert!(world.ack(ann, number).is_empty(), "{number}");
        assert_eq!(Some(world.acked("ann")), expected, "{number}");
        assert!(world.ack(ann, 1).is_empty(), "an ack below the cursor is ignored");
    }
    for number in [1, 2, 7, u64::MAX] {
        let (mut world, ann) = fresh();
        assert!(garbled(world.ack(ann, number)), "{number}");
        assert_eq!(world.acked("ann"), 0);
        let online = world.group.members().find(|line| line.id == "ann").unwrap().online;
        assert!(!online, "{number}");
    }
}

#[test]
fn without_acks_the_cursor_is_the_last_line_that_was_written_whole() {
    let mut world = World::new(60_000);
    let (ann, _) = (world.register("ann", ""), world.register("bob", ""));
    ["a", "b"].iter().for_each(|text| world.send("bob", text));
    world.take(ann, "1#bob#0#a\n2#bob".len());
    assert_eq!(world.acked("ann"), 1);
    world.input(Input::Lost { link: ann, how: SocketEnd::Closed });
    let (ann, reply) = world.connect("ann", "reconnect");
    assert_eq!(
        reply.to_string(),
        "OK reconnect epoch=0000000000000001 next=2 ttl=60 missed=1 expired=0 \
         max_line=4096 published=0"
    );
    assert_eq!(world.read(ann), "b");
}

#[test]
fn a_member_that_names_a_number_below_its_cursor_gets_kept_messages_again() {
    let mut world = World::new(100);
    world.register("old", ""); // This member never reads: all messages are kept for it.
    world.send("old", "before");
    let (ann, _) = (world.register("ann", "acks=1"), world.register("bob", ""));
    world.send("bob", "a"); // 2
    world.now = 60;
    world.send("ann", "own"); // 3
    world.send("bob", "b"); // 4
    assert_eq!(world.read(ann), "a b");
    world.ack(ann, 4);
    assert_eq!(world.acked("ann"), 4);
    for (since, expected) in [(0, "a b"), (1, "a b"), (2, "b"), (3, "b"), (4, "")] {
        let (ann, _) =
            world.connect("ann", &format!("reconnect acks=1 since=0000000000000001:{since}"));
        assert_eq!(world.read(ann), expected, "since {since}");
        world.ack(ann, 4);
        assert_eq!(world.acked("ann"), 4, "since {since}");
    }
    world.now = 101;
    let (ann, reply) = world.connect("ann", "reconnect acks=1 since=0000000000000001:1");
    assert!(
        reply.to_string().ends_with("next=4 ttl=0 missed=1 expired=0 max_line=4096 published=0"),
        "{reply}"
    );
    assert_eq!(world.read(ann), "b", "acknowledged messages are no gap");
    let (ann, _) = world.connect("ann", "reconnect acks=1 since=0000000000000002:1");
    assert_eq!(world.read(ann), "b", "another epoch is ignored");
}

#[test]
fn a_since_above_the_last_number_is_refused() {
    let mut world = World::new(100);
    world.register("ann", "");
    world.send("ann", "a");
    let reply = world.request("ann#reconnect 9001 since=0000000000000001:2");
    assert_eq!(reply.to_string(), "ERR 400 option since: above 1, the last number given out");
}

#[test]
fn with_drop_oldest_the_oldest_messages_become_gaps() {
    let mut world = World::with(|rules| {
        rules.backlog_bytes_max = 24;
        rules.overflow = Overflow::DropOldest;
    });
    let (ann, _) = (world.register("ann", "acks=1"), world.register("bob", ""));
    ["aa", "bb", "cc", "dd"].iter().for_each(|text| world.send("bob", text));
    assert_eq!(world.read(ann), "gap 2 1-2 cc dd");
    assert_eq!(world.group.stats().dropped, 2);
}

#[test]
fn with_a_time_to_live_of_zero_a_message_is_delivered_in_its_turn_only() {
    let mut world = World::new(0);
    let (ann, _) = (world.register("ann", "acks=1"), world.register("bob", ""));
    world.send("bob", "a");
    assert_eq!(world.read(ann), "a");
    world.input(Input::Delivered);
    world.send("bob", "b");
    world.input(Input::Delivered);
    assert_eq!(world.read(ann), "gap 1 2-2");
}

#[test]
fn messages_that_all_members_have_are_not_kept() {
    let mut world = World::new(60_000);
    let (ann, _) = (world.register("ann", "acks=1"), world.register("bob", ""));
    let text = "x".repeat(30_000);
    for number in 1..=20 {
        world.send("bob", &text);
        world.read(ann);
        world.ack(ann, number);
        world.input(Input::Delivered);
    }
    let gauges = world.group.gauges();
    assert_eq!((gauges.history_messages, gauges.history_bytes), (0, 0));
    assert!(world.group.state.history.bytes_from(world.group.state.history.front()) < 100_000);
}
