//! The part of the model that survives the end of a coordinator with a journal.

use std::collections::{BTreeMap, BTreeSet};

use groupcast::facts::{MemberState, Recorded};
use groupcast::group::Group;
use groupcast::limits::SyncPolicy;
use groupcast::protocol::{Epoch, Seq};
use groupcast::time::Now;

use crate::access::model::{Client, Owner, Shown};
use crate::coverage::CoveragePoint;
use crate::epoch_history::{CoordinatorEnd, EpochHistory, Promise, Registration};
use crate::model::{Member, Model};
use crate::model_offline::Presence;

/// Something that was decided.
#[derive(Clone, Debug)]
pub(crate) enum FactId {
    Message(u64),
    /// An entry of an id on the roll.
    Registry(String, usize),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct RegistryEntry {
    /// A member, or none.
    pub(crate) registration: Option<Registration>,
    promise: Option<Promise>,
    peak: u64,
}

/// A start of a coordinator on an existing journal.
#[derive(Debug)]
pub(crate) struct Restart {
    pub(crate) end: CoordinatorEnd,
    /// Everything was written down before it ended, or may have been.
    pub(crate) was_clean: bool,
    /// The group time of the start: since then everybody is away.
    pub(crate) opened_at: u64,
    pub(crate) may_be_new: bool,
    pub(crate) must_be_new: bool,
    pub(crate) sync: SyncPolicy,
    /// The numbers that its journal has.
    pub(crate) written: BTreeSet<u64>,
    /// The number before the first one in the newest segment. That segment records the own numbers
    /// of each member up to here, even if the messages are gone.
    pub(crate) begun_after: u64,
    /// It was put back from a copy.
    pub(crate) is_copy: bool,
}

/// State of a coordinator at the moment of a copy.
#[derive(Clone, Debug)]
pub(crate) struct Copied {
    epoch: Epoch,
    decided: Option<Epoch>,
    life: EpochHistory,
    members: BTreeMap<String, Member>,
    registry: BTreeMap<String, Vec<RegistryEntry>>,
    front: u64,
    exposed: u64,
}

impl Copied {
    pub(crate) fn last(&self) -> (Epoch, u64) {
        (self.epoch, self.life.last())
    }
}

/// A recovered member, with the ranges of its own messages.
type Found<'a> = (MemberState<'a>, Vec<(Seq, Seq)>);

impl Model {
    /// Returns what a copy holds: nothing of sockets.
    pub(crate) fn copy(&self) -> Copied {
        let mut members = self.members.clone();
        for member in members.values_mut() {
            (member.link, member.reconnecting) = (None, None);
        }
        Copied {
            epoch: self.epoch,
            decided: self.decided,
            life: self.life().clone(),
            members,
            registry: self.registry.clone(),
            front: self.front,
            exposed: self.exposed,
        }
    }

    /// The next coordinator begins with what this one was then. What members have taken since is
    /// not undone.
    pub(crate) fn put_back(&mut self, copied: Copied, copies: u32, must_begin: bool) {
        let Copied { epoch, decided, mut life, members, registry, front, exposed } = copied;
        let (sent, ended) = (self.sent(), std::mem::take(&mut self.members));
        *self = Self { decided, members, registry, front, exposed, must_begin, ..self.next(epoch) };
        self.disown_returned(&ended);
        let old = self.epochs.remove(&epoch).expect("that was the epoch once");
        life.replace(old, copies);
        self.epochs.insert(epoch, life);
        self.forget_lost_sends(&sent);
    }

    /// A registration that had ended is there again. The program that ended it cannot know.
    fn disown_returned(&mut self, before: &BTreeMap<String, Member>) {
        for (id, Member { number, .. }) in &self.members {
            if before.get(id).is_none_or(|member| member.number != *number) {
                self.registered_from.remove(number);
            }
        }
    }

    pub(crate) fn register_fact(&mut self, id: &str, registration: Option<Registration>) -> FactId {
        let nobody = RegistryEntry { registration: None, promise: None, peak: 0 };
        let entries = self.registry.entry(id.to_owned()).or_insert_with(|| vec![nobody]);
        entries.push(RegistryEntry { registration, promise: None, peak: 0 });
        FactId::Registry(id.to_owned(), entries.len() - 1)
    }

    pub(crate) fn record_peak(&mut self, id: &str) {
        let peak = self.members[id].peak;
        let entries = self.registry.get_mut(id);
        if let Some(last) = entries.and_then(|entries| entries.last_mut()) {
            last.peak = peak;
        }
    }

    /// A client has seen the confirmation of this fact.
    pub(crate) fn confirm(&mut self, fact: &FactId, promise: Promise) {
        match fact {
            FactId::Message(seq) => {
                self.exposed = self.exposed.max(*seq);
                self.life_mut().message_mut(*seq).promise = Some(promise);
            }
            FactId::Registry(id, at) => {
                self.registry.get_mut(id).unwrap()[*at].promise = Some(promise);
            }
        }
    }

    pub(crate) fn committed(&mut self, through: Seq) {
        let life = self.life_mut();
        assert!(through.as_u64() <= life.last(), "what was never accepted is stored");
        life.released = life.released.max(through.as_u64());
    }

    /// A group was made from what was left of this one: it must be what it was, but for what
    /// nobody was promised.
    pub(crate) fn come_back(&mut self, group: &Group, now: Now, back: &Restart) {
        for id in self.members.keys().cloned().collect::<Vec<String>>() {
            self.record_peak(&id);
        }
        let (sends, sent) = (self.promised_sends(&back.end), self.sent());
        let (life, lost) = self.surviving(group, now, back);
        (0..lost).for_each(|_| self.cover(CoveragePoint::MessageLost));
        let epoch = self.check_epoch(group, back);
        let registry = std::mem::take(&mut self.registry);
        let old = std::mem::take(&mut self.members);
        self.begin_again(epoch, life, group);
        let mut found: BTreeMap<&str, Found<'_>> =
            group.member_states().map(|found| (found.0.id, found)).collect();
        for (id, entries) in registry {
            let member_state = found.remove(id.as_str());
            let published = member_state.as_ref().map(|found| found.0.published);
            self.restore(&id, &entries, member_state, old.get(&id), back);
            if let (Some(published), Some(member)) = (published, self.members.get(&id)) {
                let promised = sends.get(&member.number).copied().unwrap_or(0);
                assert!(published >= promised, "{id}: send {promised} may be accepted twice");
            }
        }
        assert!(found.is_empty(), "nobody ever was {found:?}");
        self.disown_returned(&old);
        self.forget_lost_sends(&sent);
        self.restore_announced(group, back.opened_at);
        self.advance();
    }

    /// The messages that are there, each of which is what it was, and how many are lost that were
    /// not promised to stay.
    pub(crate) fn surviving(&self, group: &Group, now: Now, back: &Restart) -> (EpochHistory, u64) {
        let (mut life, mut lost) = (self.life().clone(), 0);
        let last = group.last().as_u64();
        assert!(last <= life.last(), "{last} was never given out");
        let lowest = group.member_states().map(|(member, _)| member.acked.as_u64()).min();
        let for_newcomers = self.start_of_newcomer(u64::MAX, now.steady.as_u64()) + 1;
        let mut kept = BTreeSet::new();
        for (seq, line, at) in group.lines(Seq::ZERO) {
            let (seq, line) = (seq.as_u64(), String::from_utf8_lossy(line));
            let message = life.message(seq);
            assert_eq!(line, message.line, "{seq} is another one");
            assert_eq!(at.as_u64(), message.accepted, "{seq} is of another age");
            // A message that all members have may go with its block, and come back with another.
            let was_had = lowest.is_some_and(|lowest| seq <= lowest);
            let may_be_back = was_had || self.ttl_grew;
            assert!(!message.is_lost || may_be_back, "{seq} is back: {lowest:?}");
            kept.insert(seq);
        }
        for seq in (1..=life.last()).filter(|seq| !kept.contains(seq)) {
            let message = life.message(seq);
            let is_over = self.rules.ttl_ms == 0 || self.is_over(seq, now.steady.as_u64());
            let was_had = seq <= lowest.unwrap_or(last) && seq < for_newcomers;
            let was_gone = is_over || was_had || seq < self.front || message.is_lost;
            let is_promised = message.promise.is_some_and(|promise| promise.binds(&back.end));
            assert!(was_gone || !is_promised, "{seq} is lost: {message:?} {back:?}");
            lost += u64::from(!was_gone);
        }
        life.forget_after(last);
        let sync =
            if back.sync == SyncPolicy::Never { SyncPolicy::Never } else { SyncPolicy::Always };
        for seq in 1..=last {
            let message = life.message_mut(seq);
            message.is_lost = !kept.contains(&seq);
            if message.is_lost {
                // The record that said when is lost too, and with it perhaps what time it is.
                message.accepted = message.accepted.min(now.steady.as_u64());
            }
            message.is_anonymous |= seq > back.begun_after && !back.written.contains(&seq);
            message.promise = Some(Promise { at: 0, sync });
        }
        (life, lost)
    }

    fn check_epoch(&mut self, group: &Group, back: &Restart) -> Epoch {
        let (epoch, last) = (group.epoch(), group.last().as_u64());
        if Some(epoch) == self.decided {
            assert!(!back.must_be_new, "numbers may have been given out: {back:?}");
            self.cover(CoveragePoint::NewEpochBegun);
        } else if epoch == self.epoch {
            if back.is_copy {
                self.cover(CoveragePoint::BackFromCopy);
            }
            assert!(!back.must_be_new, "numbers may have been given out: {back:?}");
            self.cover(match (back.was_clean, back.end.by_power) {
                (true, _) => CoveragePoint::BackFromOrder,
                (false, false) => CoveragePoint::BackFromKill,
                (false, true) => CoveragePoint::BackFromPowerLoss,
            });
            assert!(last >= self.exposed, "{} was seen, {last} is the last", self.exposed);
        } else {
            assert!(back.may_be_new, "a new epoch for no reason: {back:?}");
            self.cover(CoveragePoint::BackInNewEpoch);
            assert!(back.is_copy || !self.epochs.contains_key(&epoch), "an old epoch");
        }
        self.must_begin &= epoch == self.epoch;
        epoch
    }

    fn begin_again(&mut self, epoch: Epoch, life: EpochHistory, group: &Group) {
        let is_new = epoch != self.epoch;
        let (mut epochs, old) = (std::mem::take(&mut self.epochs), self.epoch);
        let last = life.last();
        let first = group.lines(Seq::ZERO).next();
        let front = first.map_or(last + 1, |(seq, ..)| seq.as_u64());
        if is_new {
            let mut new = life.go_on();
            if let Some(old) = epochs.remove(&epoch) {
                let copies = life.copies;
                new.replace(old, copies); // The copy is of when it had been decided.
            }
            epochs.insert(epoch, new);
        } else {
            epochs.insert(old, life);
        }
        let exposed = if is_new { 0 } else { self.exposed };
        *self = Self { epochs, front, exposed, has_come_back: true, ..self.next(epoch) };
    }

    /// An id is what it was last known to be, or what became of it since.
    fn restore(
        &mut self,
        id: &str,
        entries: &[RegistryEntry],
        found: Option<Found<'_>>,
        old: Option<&Member>,
        back: &Restart,
    ) {
        let binds = |entry: &RegistryEntry| entry.promise.is_some_and(|it| it.binds(&back.end));
        let certain = entries.iter().rposition(binds).unwrap_or_default();
        let (life, last) = (self.life(), self.life().last());
        let is_it = |entry: &&RegistryEntry| match (entry.registration, &found) {
            (None, None) => true,
            (Some(was), Some(is)) => {
                // Behind messages that are lost it may seem to have come before them.
                let (start, at) = (is.0.start.as_u64(), is.0.registered_at.as_u64());
                let (is_start, was, is) = (start == was.start.min(at), was.after.min(last), at);
                is_start && is <= was && (is + 1..=was).all(|seq| life.message(seq).is_lost)
            }
            (Some(_), None) | (None, Some(_)) => false,
        };
        let at = entries.iter().rposition(|entry| is_it(&entry)).filter(|&at| at >= certain);
        let at = at.unwrap_or_else(|| panic!("{id}: {found:?} of {entries:?} {back:?}"));
        let (entry, undone) = (entries[at], &entries[at + 1..]);
        let undone = undone.iter().filter_map(|entry| Some(entry.registration?.number));
        self.life_mut().strike_out(id, &undone.collect::<Vec<u32>>());
        if at + 1 < entries.len() {
            self.cover(CoveragePoint::RegistrationLost);
        }
        let durable = found.is_some() || back.sync != SyncPolicy::Never;
        let sync = if durable { SyncPolicy::Always } else { SyncPolicy::Never };
        let promise = Some(Promise { at: 0, sync });
        // From here on it has registered where it is found, also if that was before what was lost.
        let registration = entry.registration.zip(found.as_ref()).map(|(registration, found)| {
            let (after, start) = (found.0.registered_at.as_u64(), found.0.start.as_u64());
            Registration { after, start, ..registration }
        });
        self.registry.insert(id.to_owned(), vec![RegistryEntry { registration, promise, ..entry }]);
        let number = entry.registration.map_or(0, |registration| registration.number);
        let (Some(registration), Some(found)) = (entry.registration, found) else {
            return;
        };
        let acked = found.0.acked.as_u64();
        // Later registrations may be lost while their cursors are not.
        let peak = entries[at..].iter().map(|entry| entry.peak).max().unwrap_or_default();
        let owner = self.access.recovered(number, found.0.owner);
        let receives = self.may_receive(id, owner);
        // A member that went back may find that all numbers up to its old cursor are its own.
        let peak = if receives { self.life().skip_own(peak, number) } else { last };
        assert!(acked <= peak, "{id} never took {acked}: {entries:?}");
        assert!(receives || acked == last, "{id} may not receive, and needs {acked}");
        if let Some(old) = old.filter(|old| back.was_clean && old.number == number) {
            let stood = if receives { old.acked.min(last) } else { last };
            let stood = (stood, old.address, old.owner);
            assert_eq!(stood, (acked, found.0.address, owner), "{id}: place and address");
        }
        self.take_in((id, owner), registration, &found, back.opened_at);
    }

    /// Takes over the recovered state of a member.
    fn take_in(
        &mut self,
        (id, owner): (&str, Owner),
        registration: Registration,
        (found, own): &Found<'_>,
        opened_at: u64,
    ) {
        if matches!(owner, Owner::Key(_)) {
            self.cover(CoveragePoint::OwnerRecovered);
        }
        let (number, acked) = (registration.number, found.acked.as_u64());
        let (registered_at, start) = (found.registered_at.as_u64(), found.start.as_u64());
        let own = own.iter().map(|(first, last)| (first.as_u64(), last.as_u64()));
        let life = self.life_mut();
        life.take_over(id, registered_at, number);
        life.pass_lost(number, acked);
        life.recognize(number, acked, &own.collect::<Vec<_>>());
        life.enter(id, Registration { after: registered_at, start, had: acked, ..registration });
        let member = Member {
            number,
            registered_at,
            start,
            acked,
            peak: acked,
            link: None,
            reconnecting: None,
            presence: Presence { is_online: false, since: opened_at },
            address: found.address,
            owner,
            client: Client { ip: found.address.ip(), shown: Shown::Plain }, // It is offline.
            receives: self.may_receive(id, owner),
            muted_after: acked,
            published: found.published,
        };
        self.members.insert(id.to_owned(), member);
    }
}
