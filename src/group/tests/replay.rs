//! Replay: the facts of a journal make the same group again.

mod own;

use proptest::prelude::*;

use super::World;
use crate::group::{CursorUpdate, Effect, Fact, Input, LinkId, MemberState, RecoveredFact, Replay};
use crate::protocol::{Delivery, Epoch, MessageLine, Seq};
use crate::time::Millis;

/// A fact as a journal stores it.
#[derive(Clone, Debug)]
enum StoredRecord {
    Member(MemberState),
    Deregistered(Box<str>),
    Accepted(String),
    Acked(Box<str>, Seq),
}

impl StoredRecord {
    fn to_fact(&self) -> RecoveredFact<'_> {
        match self {
            Self::Member(member_state) => RecoveredFact::Member(member_state.clone()),
            Self::Deregistered(id) => RecoveredFact::Deregistered { id },
            Self::Accepted(line) => {
                RecoveredFact::Accepted { line: line.as_bytes(), delivery: delivery(line) }
            }
            Self::Acked(id, acked) => RecoveredFact::Acked { id, acked: *acked },
        }
    }
}

fn delivery(line: &str) -> Delivery<'_> {
    match MessageLine::parse(line.trim_end_matches('\n')) {
        Ok(MessageLine::Delivery(delivery)) => delivery,
        other => panic!("{line:?}: {other:?}"),
    }
}

/// A journaled group with up to three members, and its journal.
struct JournaledWorld {
    world: World,
    links: [Option<LinkId>; 3],
    journal: Vec<(Millis, StoredRecord)>,
}

const IDS: [&str; 3] = ["ann", "bob", "eve"];

#[derive(Clone, Debug)]
enum Action {
    Register(usize),
    Reconnected(usize, Option<u64>),
    Leave(usize),
    Forget(usize),
    Send(usize),
    Read(usize, usize),
    Ack(usize),
    Pass(u64),
    Store,
}

fn action() -> impl Strategy<Value = Action> {
    let who = 0..3_usize;
    prop_oneof![
        2 => who.clone().prop_map(Action::Register),
        2 => (who.clone(), prop::option::of(0..30_u64))
            .prop_map(|(who, n)| Action::Reconnected(who, n)),
        1 => who.clone().prop_map(Action::Leave),
        1 => who.clone().prop_map(Action::Forget),
        8 => who.clone().prop_map(Action::Send),
        5 => (who.clone(), 1..200_usize).prop_map(|(who, bytes)| Action::Read(who, bytes)),
        3 => who.prop_map(Action::Ack),
        1 => (0..40_u64).prop_map(Action::Pass),
        4 => Just(Action::Store),
    ]
}

impl JournaledWorld {
    fn new() -> Self {
        let world = World::with(|rules| {
            rules.is_journaled = true;
            rules.ttl_ms = 100;
        });
        Self { world, links: [None; 3], journal: Vec::new() }
    }

    fn at(&self) -> Millis {
        Millis::new(self.world.now)
    }

    /// Stores the facts of the effects, and then the changed cursors.
    fn record_effects(&mut self, effects: Vec<Effect>) -> Option<LinkId> {
        let (at, mut dialed) = (self.at(), None);
        for effect in effects {
            match effect {
                Effect::Record(Fact::Member(member_state)) => {
                    self.journal.push((at, StoredRecord::Member(member_state)));
                }
                Effect::Record(Fact::Deregistered { id }) => {
                    self.journal.push((at, StoredRecord::Deregistered(id)));
                }
                Effect::Record(Fact::Accepted { seq }) => {
                    let line = self.world.group.lines(seq.before()).next().unwrap();
                    assert_eq!((line.0, line.2), (seq, at));
                    let line = String::from_utf8(line.1.to_vec()).unwrap();
                    self.journal.push((at, StoredRecord::Accepted(line)));
                }
                Effect::Connect { link, .. } => dialed = Some(link),
                Effect::Close { link, .. } => {
                    self.links.iter_mut().filter(|it| **it == Some(link)).for_each(|it| *it = None);
                }
                Effect::Record(Fact::Reconnected { .. } | Fact::NewEpoch { .. })
                | Effect::Reply { .. }
                | Effect::List { .. }
                | Effect::DrawEpoch
                | Effect::MemberChange(_)
                | Effect::Backlog(_) => (),
            }
        }
        let journal = &mut self.journal;
        self.world.group.take_cursor_updates(|CursorUpdate { id, acked, reconnected }| {
            let kept = match reconnected {
                Some((address, registered_at)) => {
                    let (id, own) = (id.into(), Box::default());
                    StoredRecord::Member(MemberState { id, address, registered_at, acked, own })
                }
                None => StoredRecord::Acked(id.into(), acked),
            };
            journal.push((at, kept));
        });
        dialed
    }

    fn ask(&mut self, who: usize, command: &str) -> Option<LinkId> {
        let effects = self.world.request_from(0, &format!("{}#{command}", IDS[who]));
        self.record_effects(effects)
    }

    fn join(&mut self, who: usize, command: &str) {
        if let Some(link) = self.ask(who, command) {
            let effects = self.world.input(Input::Connected { link });
            self.record_effects(effects);
            self.links[who] = Some(link);
        }
    }

    fn take(&mut self, action: &Action) {
        match *action {
            Action::Register(who) => self.join(who, "register 9000 acks=1"),
            Action::Reconnected(who, None) => self.join(who, "reconnect 9000"),
            Action::Reconnected(who, Some(taken)) => {
                let line = format!("reconnect 9000 acks=1 since=0000000000000001:{taken}");
                self.join(who, &line);
            }
            Action::Leave(who) => drop(self.ask(who, "disconnect")),
            Action::Forget(who) => drop(self.ask(who, "deregister")),
            Action::Send(who) => drop(self.ask(who, "msend text")),
            Action::Read(who, bytes) => {
                if let Some(link) = self.links[who] {
                    self.world.take(link, bytes);
                    self.record_effects(Vec::new());
                }
            }
            Action::Ack(who) => {
                let acked = self.links[who].and_then(|link| self.world.sent(link));
                if let (Some(link), Some(seq)) = (self.links[who], acked) {
                    let effects = self.world.input(Input::Acknowledged { link, seq });
                    self.record_effects(effects);
                }
            }
            Action::Pass(millis) => {
                self.world.now += millis;
                let effects = self.world.input(Input::Tick);
                self.record_effects(effects);
            }
            Action::Store => {
                let through = self.world.group.last();
                let effects = self.world.input(Input::Committed { through });
                self.record_effects(effects);
            }
        }
    }

    /// Replays a snapshot, and the facts after the first `skipped` ones.
    fn resumed(&self, snapshot: &[MemberState], last: Seq, skipped: usize) -> World {
        let mut world = World::with(|rules| rules.ttl_ms = 100);
        let mut replay = Replay::new(world.group.rules.clone(), Epoch::new(7));
        replay.apply(RecoveredFact::Snapshot { epoch: Epoch::new(1), last }, Millis::ZERO);
        for member_state in snapshot {
            let (id, own) = (&*member_state.id, member_state.own.clone());
            let member_state = MemberState { own: Box::default(), ..member_state.clone() };
            replay.apply(RecoveredFact::Member(member_state.clone()), Millis::ZERO);
            replay.apply(RecoveredFact::Own { id, ranges: &own }, Millis::ZERO);
        }
        for (at, kept) in &self.journal[skipped..] {
            replay.apply(kept.to_fact(), *at);
        }
        world.group = replay.finish(Epoch::new(1));
        world.now = self.world.now;
        world.input(Input::Tick);
        world
    }

    /// Replays the whole journal.
    fn replayed(&self) -> World {
        let mut world = World::with(|rules| rules.ttl_ms = 100);
        let mut replay = Replay::new(world.group.rules.clone(), Epoch::new(7));
        replay
            .apply(RecoveredFact::Snapshot { epoch: Epoch::new(1), last: Seq::ZERO }, Millis::ZERO);
        for (at, kept) in &self.journal {
            replay.apply(kept.to_fact(), *at);
        }
        assert_eq!((replay.epoch(), replay.last()), (Epoch::new(1), self.world.group.last()));
        world.group = replay.finish(Epoch::new(1));
        world.now = self.world.now;
        world.input(Input::Tick);
        world
    }
}

/// Returns all that clients can see: the members, and what each one gets after it comes back.
fn seen(mut world: World) -> Vec<String> {
    let lines: Vec<String> = world
        .group
        .members()
        .map(|line| line.to_string().replace(" online ", " offline "))
        .collect();
    let mut seen = lines.clone();
    for id in lines.iter().filter_map(|line| line.split(' ').next()) {
        let (link, reply) = world.connect(id, "reconnect acks=1");
        seen.push(reply.to_string());
        seen.push(world.take(link, usize::MAX));
    }
    seen
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_replayed_group_delivers_what_the_first_group_would_have(
        steps in prop::collection::vec(action(), 1..80),
    ) {
        let mut journaled = JournaledWorld::new();
        for action in &steps {
            journaled.take(action);
        }
        let replayed = journaled.replayed();
        let expired = journaled.world.group.stats().expired;
        journaled.take(&Action::Store);
        // A member that is online without acks=1 skips messages that expire before their commit.
        // After a start it is offline, and gets a gap.
        prop_assume!(journaled.world.group.stats().expired == expired);
        prop_assert_eq!(seen(replayed), seen(journaled.world));
    }

    #[test]
    fn a_snapshot_names_own_messages_that_no_segment_has_any_more(
        before in prop::collection::vec(action(), 1..60),
        remaining in prop::collection::vec(action(), 0..20),
    ) {
        let mut journaled = JournaledWorld::new();
        before.iter().for_each(|action| journaled.take(action));
        let snapshot: Vec<MemberState> = journaled.world.group.member_states().collect();
        let (last, skipped) = (journaled.world.group.last(), journaled.journal.len());
        remaining.iter().for_each(|action| journaled.take(action));
        [Action::Store, Action::Pass(200)].iter().for_each(|action| journaled.take(action));
        let resumed = journaled.resumed(&snapshot, last, skipped);
        prop_assert_eq!(seen(resumed), seen(journaled.world));
    }
}

#[test]
fn a_cursor_that_passes_expired_messages_is_recorded() {
    let mut journaled = JournaledWorld::new();
    let joined = [Action::Register(0), Action::Reconnected(0, None), Action::Register(2)];
    joined.iter().for_each(|action| journaled.take(action));
    let steps = [Action::Send(2), Action::Store, Action::Pass(60), Action::Pass(60)];
    steps.iter().for_each(|action| journaled.take(action));
    assert_eq!(seen(journaled.replayed()), seen(journaled.world));
}

#[test]
fn expired_messages_are_dropped_during_replay() {
    let mut replay = Replay::new(World::new(100).group.rules, Epoch::new(1));
    for seq in 1..=10 {
        let line = format!("{seq}#ann#0#text\n");
        let to_fact = RecoveredFact::Accepted { line: line.as_bytes(), delivery: delivery(&line) };
        replay.apply(to_fact, Millis::new(50 * seq));
    }
    let group = replay.finish(Epoch::new(1));
    let kept: Vec<u64> = group.lines(Seq::ZERO).map(|(seq, ..)| seq.as_u64()).collect();
    assert_eq!(kept, [8, 9, 10], "accepted 100 ms before the last one, or later");
}

#[test]
fn a_message_lost_on_the_disk_is_a_gap() {
    let mut journaled = JournaledWorld::new();
    (0..2).for_each(|who| journaled.take(&Action::Register(who)));
    (0..5).for_each(|_| journaled.take(&Action::Send(1)));
    journaled.journal.retain(|(_, kept)| match kept {
        StoredRecord::Accepted(line) => !matches!(delivery(line).seq.as_u64(), 2 | 3),
        StoredRecord::Member(_) | StoredRecord::Deregistered(_) | StoredRecord::Acked(..) => true,
    });
    let mut world = journaled.replayed();
    let (ann, reply) = world.connect("ann", "reconnect acks=1");
    assert!(
        reply.to_string().ends_with("next=1 ttl=0 missed=3 expired=0 max_line=4096"),
        "{reply}"
    );
    assert_eq!(world.group.gauges().history_messages, 3, "a lost message is not kept");
    assert_eq!(world.read(ann), "text gap 2 2-3 text text");
    assert!(world.ack(ann, 2).len() == 1, "a number inside a gap is none that may be named");
}

#[test]
fn a_member_missing_from_a_later_snapshot_is_kept() {
    let mut journaled = JournaledWorld::new();
    journaled.take(&Action::Register(0));
    journaled.take(&Action::Register(1));
    let world = World::with(|rules| rules.ttl_ms = 100);
    let mut replay = Replay::new(world.group.rules.clone(), Epoch::new(7));
    for (at, kept) in &journaled.journal {
        replay.apply(kept.to_fact(), *at);
    }
    replay.apply(RecoveredFact::Snapshot { epoch: Epoch::new(2), last: Seq::new(9) }, Millis::ZERO);
    let [ann, bob] = [0, 1].map(|nth| journaled.world.group.member_states().nth(nth).unwrap());
    replay.apply(RecoveredFact::Member(bob.clone()), Millis::ZERO);
    let group = replay.finish(Epoch::new(3));
    assert_eq!(group.member_states().collect::<Vec<_>>(), [ann, bob]);
    assert_eq!((group.epoch(), group.last()), (Epoch::new(3), Seq::new(9)));
}

#[test]
fn a_recorded_cursor_may_be_lower_than_all_known_ones() {
    let mut journaled = JournaledWorld::new();
    (0..3).for_each(|who| journaled.take(&Action::Register(who)));
    (0..2).for_each(|_| journaled.take(&Action::Send(0)));
    let world = World::with(|rules| rules.ttl_ms = 100);
    let mut replay = Replay::new(world.group.rules.clone(), Epoch::new(7));
    for (at, kept) in &journaled.journal {
        replay.apply(kept.to_fact(), *at);
    }
    let (low, late) = (Seq::ZERO, Millis::new(200));
    replay.apply(RecoveredFact::Acked { id: "bob", acked: Seq::new(1) }, Millis::ZERO);
    replay.apply(RecoveredFact::Acked { id: "eve", acked: Seq::new(2) }, Millis::ZERO);
    // The messages expire now, and the lowest cursor is searched.
    replay.apply(RecoveredFact::Acked { id: "ann", acked: Seq::new(2) }, late);
    replay.apply(RecoveredFact::Acked { id: "eve", acked: low }, late);
    let group = replay.finish(Epoch::new(1));
    group.check();
    assert_eq!(group.member_states().map(|member| member.acked).min(), Some(low));
}
