//! Recovery: the facts of a journal make the same group again.

mod lost;
mod own;
mod stored;

use std::net::SocketAddr;
use std::num::NonZeroU64;

use proptest::prelude::*;

use super::World;
use crate::facts::{Fact, MemberState, Ordered, Recorded, StateMachine};
use crate::group::{Effect, Group, Input, LinkId};
use crate::protocol::{Delivery, Epoch, MessageLine, PeerName, Seq};
use crate::time::Millis;
use stored::{StoredMember, StoredRecord};

/// Applies a fact as a recovery does.
fn recover(group: &mut Group, fact: Fact<'_>, at: Millis) {
    group.apply(fact, Ordered { ticket: None, is_committed: true }, at);
}

/// Ends a recovery.
fn finish(group: Group, epoch: u64, now: u64) -> World {
    let mut world = World::with(|rules| *rules = group.rules.clone());
    (world.group, world.now) = (group, now);
    recover(&mut world.group, Fact::Recovered { epoch: Epoch::new(epoch) }, Millis::new(now));
    world
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
/// Messages that are kept for newcomers.
const KEEP: usize = 6;

#[derive(Clone, Debug)]
enum Action {
    /// A registration that asks for that many earlier messages.
    Register(usize, Option<u64>),
    Reconnected(usize, Option<u64>),
    Leave(usize),
    Forget(usize),
    Send(usize),
    /// A `send` with a number that is this far from the last accepted one.
    SendOnce(usize, u64),
    Read(usize, usize),
    Ack(usize),
    Pass(u64),
    Store,
}

fn action() -> impl Strategy<Value = Action> {
    let who = 0..3_usize;
    prop_oneof![
        2 => (who.clone(), prop::option::of(0..9_u64))
            .prop_map(|(who, past)| Action::Register(who, past)),
        2 => (who.clone(), prop::option::of(0..30_u64))
            .prop_map(|(who, n)| Action::Reconnected(who, n)),
        1 => who.clone().prop_map(Action::Leave),
        1 => who.clone().prop_map(Action::Forget),
        6 => who.clone().prop_map(Action::Send),
        4 => (who.clone(), 0..3_u64).prop_map(|(who, step)| Action::SendOnce(who, step)),
        5 => (who.clone(), 1..200_usize).prop_map(|(who, bytes)| Action::Read(who, bytes)),
        3 => who.prop_map(Action::Ack),
        1 => (0..40_u64).prop_map(Action::Pass),
        4 => Just(Action::Store),
    ]
}

impl JournaledWorld {
    fn new() -> Self {
        let world = World::late(|rules| {
            (rules.ttl_ms, rules.keep) = (100, KEEP);
        });
        Self { world, links: [None; 3], journal: Vec::new() }
    }

    fn at(&self) -> Millis {
        Millis::new(self.world.now)
    }

    /// Stores the new facts, and then the changed cursors.
    fn record_effects(&mut self, effects: Vec<Effect>) -> Option<LinkId> {
        let (at, mut dialed) = (self.at(), None);
        for effect in effects {
            match effect {
                Effect::Connect { link, .. } => dialed = Some(link),
                Effect::Close { link, .. } => {
                    self.links.iter_mut().filter(|it| **it == Some(link)).for_each(|it| *it = None);
                }
                Effect::Reply { .. } | Effect::List { .. } | Effect::Upgrade { .. } => (),
                Effect::DrawEpoch | Effect::MemberChange(_) | Effect::Backlog(_) => (),
            }
        }
        for fact in std::mem::take(&mut self.world.journal.facts) {
            let id = fact.split('"').nth(1).unwrap_or_default();
            let group = &self.world.group;
            if fact.starts_with("Registered") {
                let state = group.member_state(id).unwrap();
                let member = StoredMember::of(state, Vec::new());
                self.journal.push((at, StoredRecord::Member(member)));
            } else if fact.starts_with("Deregistered") {
                self.journal.push((at, StoredRecord::Deregistered(id.into())));
            } else if fact.starts_with("Accepted") {
                let (seq, line, accepted) = group.lines(group.last().before()).next().unwrap();
                assert_eq!((seq, accepted), (group.last(), at));
                let line = String::from_utf8(line.to_vec()).unwrap();
                let number = fact.split("number: Some(").nth(1);
                let number = number.and_then(|it| it.split(')').next()?.parse().ok());
                self.journal.push((at, StoredRecord::Accepted(line, number)));
            }
        }
        let journal = &mut self.journal;
        self.world.group.take_cursor_changes(|fact| match fact {
            Fact::Member(state) => {
                journal.push((at, StoredRecord::Member(StoredMember::of(state, Vec::new()))));
            }
            Fact::Acked { id, acked } => {
                journal.push((at, StoredRecord::Acked(id.into(), acked)));
            }
            other @ (Fact::Registered { .. }
            | Fact::Returned { .. }
            | Fact::Deregistered { .. }
            | Fact::Accepted { .. }
            | Fact::NewEpoch { .. }
            | Fact::Snapshot { .. }
            | Fact::Own { .. }
            | Fact::Announced { .. }
            | Fact::AllNamed
            | Fact::Numbered { .. }
            | Fact::Recovered { .. }
            | Fact::Published { .. }
            | Fact::Expired { .. }
            | Fact::Lost { .. }) => panic!("{other:?} is no change of a cursor"),
            #[cfg(feature = "engine")]
            Fact::Entered { .. } | Fact::Located { .. } | Fact::Horizon { .. } => unreachable!(),
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
            Action::Register(who, None) => self.join(who, "register 9000 acks=1"),
            Action::Register(who, Some(past)) => {
                self.join(who, &format!("register 9000 acks=1 last={past}"));
            }
            Action::Reconnected(who, None) => self.join(who, "reconnect 9000"),
            Action::Reconnected(who, Some(taken)) => {
                let line = format!("reconnect 9000 acks=1 since=0000000000000001:{taken}");
                self.join(who, &line);
            }
            Action::Leave(who) => drop(self.ask(who, "disconnect")),
            Action::Forget(who) => drop(self.ask(who, "deregister")),
            Action::Send(who) => drop(self.ask(who, "msend text")),
            Action::SendOnce(who, step) => {
                let member = self.world.group.member_state(IDS[who]);
                let number = member.map_or(0, |member| member.published) + step;
                self.ask(who, &format!("send {} text", number.max(1)));
            }
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
                let effects = self.world.commit(self.world.group.last().as_u64());
                self.record_effects(effects);
            }
        }
    }

    /// Recovers from a snapshot, and the facts after the first `skipped` ones.
    fn resumed(&self, snapshot: &[StoredMember], last: Seq, skipped: usize) -> World {
        let mut group = recovering();
        recover(&mut group, Fact::Snapshot { epoch: Epoch::new(1), last }, Millis::ZERO);
        for fact in snapshot.iter().flat_map(StoredMember::facts) {
            recover(&mut group, fact, Millis::ZERO);
        }
        self.recover(&mut group, skipped);
        self.finished(group)
    }

    /// Recovers from the whole journal.
    fn replayed(&self) -> World {
        let mut group = recovering();
        let snapshot = Fact::Snapshot { epoch: Epoch::new(1), last: Seq::ZERO };
        recover(&mut group, snapshot, Millis::ZERO);
        self.recover(&mut group, 0);
        assert_eq!((group.epoch(), group.last()), (Epoch::new(1), self.world.group.last()));
        self.finished(group)
    }

    fn recover(&self, group: &mut Group, skipped: usize) {
        for (at, kept) in &self.journal[skipped..] {
            kept.facts().into_iter().for_each(|fact| recover(group, fact, *at));
        }
    }

    fn finished(&self, group: Group) -> World {
        let mut world = finish(group, 1, self.world.now);
        world.input(Input::Tick);
        world
    }
}

/// Returns an empty group that recovers. Messages live for 100 ms.
fn recovering() -> Group {
    Group::recovering(World::with(|rules| (rules.ttl_ms, rules.keep) = (100, KEEP)).group.rules)
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
        let snapshot = StoredMember::all(&journaled.world.group);
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
    let joined =
        [Action::Register(0, None), Action::Reconnected(0, None), Action::Register(2, None)];
    joined.iter().for_each(|action| journaled.take(action));
    let steps = [Action::Send(2), Action::Store, Action::Pass(60), Action::Pass(60)];
    steps.iter().for_each(|action| journaled.take(action));
    assert_eq!(seen(journaled.replayed()), seen(journaled.world));
}

#[test]
fn expired_messages_are_dropped_during_replay() {
    let mut group = recovering();
    for seq in 1..=10 {
        let line = format!("{seq}#ann#0#text\n");
        let (line, delivery) = (line.as_bytes(), delivery(&line));
        let fact = Fact::Numbered { line, delivery, number: None };
        recover(&mut group, fact, Millis::new(50 * seq));
    }
    let world = finish(group, 1, 500);
    let kept: Vec<u64> = world.group.lines(Seq::ZERO).map(|(seq, ..)| seq.as_u64()).collect();
    assert_eq!(kept, [8, 9, 10], "accepted 100 ms before the last one, or later");
}

#[test]
fn a_member_missing_from_a_later_snapshot_is_kept() {
    let mut journaled = JournaledWorld::new();
    journaled.take(&Action::Register(0, None));
    journaled.take(&Action::Register(1, None));
    let mut group = recovering();
    journaled.recover(&mut group, 0);
    let snapshot = Fact::Snapshot { epoch: Epoch::new(2), last: Seq::new(9) };
    recover(&mut group, snapshot, Millis::ZERO);
    let members = StoredMember::all(&journaled.world.group);
    recover(&mut group, members[1].facts()[0], Millis::ZERO);
    let world = finish(group, 3, 0);
    assert_eq!(StoredMember::all(&world.group), members);
    assert_eq!((world.group.epoch(), world.group.last()), (Epoch::new(3), Seq::new(9)));
}

#[test]
fn a_recorded_cursor_may_be_lower_than_all_known_ones() {
    let mut journaled = JournaledWorld::new();
    (0..3).for_each(|who| journaled.take(&Action::Register(who, None)));
    (0..2).for_each(|_| journaled.take(&Action::Send(0)));
    let mut group = recovering();
    journaled.recover(&mut group, 0);
    let (low, late) = (Seq::ZERO, Millis::new(200));
    recover(&mut group, Fact::Acked { id: "bob", acked: Seq::new(1) }, Millis::ZERO);
    recover(&mut group, Fact::Acked { id: "eve", acked: Seq::new(2) }, Millis::ZERO);
    // The messages expire now, and the lowest cursor is searched.
    recover(&mut group, Fact::Acked { id: "ann", acked: Seq::new(2) }, late);
    recover(&mut group, Fact::Acked { id: "eve", acked: low }, late);
    let group = finish(group, 1, 200).group;
    group.check();
    assert_eq!(group.member_states().map(|(member, _)| member.acked).min(), Some(low));
}
