//! Everything together: one coordinator, participants, raw members, strangers, and what befalls
//! them.

use groupcast::group::{Group, Input, Rules};
use groupcast::limits::{LINE_BYTES_DEFAULT, Overflow};
use groupcast::protocol::Epoch;
use groupcast::time::Millis;

use crate::backup::Backups;
use crate::hub::{HUB, Hub};
use crate::hub_journal::{Journal, Keep};
use crate::model::Model;
use crate::nature::{Nature, Node, RecoveryEvent};
use crate::person::Person;
use crate::raw::Raw;
use crate::sights::{Sight, Sights};
use crate::storage::Fault;
use support::rng::Rng;

/// One run of one seed.
#[derive(Debug)]
pub(crate) struct World {
    seed: u64,
    step: u64,
    is_loud: bool,
    pub(crate) nature: Nature,
    pub(crate) hub: Option<Hub>,
    hubs: u32,
    /// The coordinator's directory and clock, if it keeps a journal.
    pub(crate) keep: Option<Keep>,
    pub(crate) backups: Option<Backups>,
    pub(crate) model: Model,
    pub(crate) people: Vec<Person>,
    pub(crate) raws: Vec<Raw>,
}

impl World {
    pub(crate) fn new(seed: u64, is_loud: bool) -> Self {
        let mut nature = Nature::new(seed);
        let rng = &mut nature.rng;
        let people = (0..rng.between(2, 4)).map(|_| (rng.percent(85), rng.percent(50)));
        let people = people.collect::<Vec<(bool, bool)>>();
        let raws = rng.between(0, 3);
        let raws = (0..raws).map(|i| Raw::new(usize::try_from(i).unwrap(), rng)).collect();
        let rules = Rules {
            ttl_ms: 1_000 * rng.pick(&[0, 1, 3, 20, 20, 100, 3_600]),
            line_bytes_max: LINE_BYTES_DEFAULT,
            members_max: 100,
            members_per_address_max: 1,
            // Of its own chance, so that it changes nothing else.
            forget_after_ms: Rng::new(!seed).pick(&[0, 0, 700, 5_000, 60_000]),
            backlog_bytes_max: rng.pick(&[9_000, 20_000, 1 << 20, 1 << 20]),
            overflow: rng.pick(&[Overflow::Reject, Overflow::DropOldest]),
            foreign_ip_allowed: false,
            is_journaled: rng.percent(70),
            listening: HUB,
        };
        let epoch = Epoch::new(rng.next());
        let keep = rules.is_journaled.then(|| Keep::new(rng));
        let people = people.into_iter().enumerate();
        let mut world = Self {
            seed,
            step: 0,
            is_loud,
            nature,
            hub: None,
            hubs: 0,
            backups: Backups::of(seed, keep.is_some()),
            keep,
            model: Model::new(rules, epoch),
            people: people.map(|(i, person)| Person::new(i, person)).collect(),
            raws,
        };
        world.start_hub();
        for i in 0..world.people.len() {
            world.start_person(i);
            world.nature.after(1, RecoveryEvent::User(i));
        }
        for i in 0..world.raws.len() {
            let address = world.raws[i].address;
            world.nature.listeners.insert(address, Node::Raw(i));
            world.nature.after(2, RecoveryEvent::Act(i));
        }
        world.nature.after(3_000, RecoveryEvent::Fault);
        if world.backups.is_some() {
            world.nature.after(2_000, RecoveryEvent::Backup);
        }
        world
    }

    /// What is printed of a run that is looked at.
    pub(crate) fn trace(&self, text: impl FnOnce() -> String) {
        if self.is_loud {
            println!("{:>6} {:>9} ms  {}", self.step, self.nature.now, text());
        }
    }

    pub(crate) fn run_until(&mut self, until: u64) {
        while let Some(event) = self.nature.next_event(until) {
            self.step += 1;
            self.on_event(event);
        }
    }

    fn on_event(&mut self, event: RecoveryEvent) {
        match event {
            RecoveryEvent::Arrive(end) => self.nature.arrive(end),
            RecoveryEvent::Writable(end) => self.nature.notify(end),
            RecoveryEvent::Reach(conn) => self.nature.reach(conn),
            RecoveryEvent::Dialed(conn) => self.nature.on_dialed(conn),
            RecoveryEvent::Turn(node) => {
                let Some((ready, accepted)) = self.nature.begin_turn(node) else { return };
                match node {
                    Node::Hub => self.hub_turn(ready, accepted),
                    Node::Person(i) => self.person_turn(i, ready, accepted),
                    Node::Raw(i) => self.raw_turn(i, ready, accepted),
                    Node::Nobody => (),
                }
            }
            RecoveryEvent::Disk(i, life) => self.on_disk(i, life),
            RecoveryEvent::User(i) => self.on_user(i),
            RecoveryEvent::Act(i) => self.act(i),
            RecoveryEvent::Start(Node::Hub) => self.start_hub(),
            RecoveryEvent::Start(Node::Person(i)) => self.start_person(i),
            RecoveryEvent::Start(Node::Raw(_) | Node::Nobody) => (),
            RecoveryEvent::Up(start) => self.come_up(start),
            RecoveryEvent::Committed(life) => self.on_stored(life),
            RecoveryEvent::Gone(life) => {
                let is_there = self.hub.as_ref().is_some_and(|hub| hub.life == life);
                if is_there {
                    self.say_farewell();
                }
                if is_there && !self.close_journal() {
                    self.end_hub(false);
                }
            }
            RecoveryEvent::Fault => self.on_fault(),
            RecoveryEvent::Backup => self.on_backup(),
            RecoveryEvent::Leave(end) => self.nature.close(end),
        }
    }

    fn start_hub(&mut self) {
        if self.keep.is_some() {
            return self.start_journal();
        }
        let rules = self.model.rules.clone();
        let epoch = match self.hubs {
            0 => self.model.epoch,
            _ => Epoch::new(self.nature.rng.next()),
        };
        if self.hubs > 0 {
            self.model.begin_anew(epoch);
        }
        self.put_up(Group::new(rules, epoch), None, Millis::ZERO, 0);
    }

    pub(crate) fn put_up(
        &mut self,
        group: Group,
        journal: Option<Journal>,
        age: Millis,
        wall_ahead: i64,
    ) {
        self.hubs += 1;
        let rng = &mut self.nature.rng;
        let timeouts = [5_000, rng.pick(&[3_000, 60_000])];
        let now = self.nature.now;
        self.hub = Some(Hub::new(self.hubs, group, journal, age, wall_ahead, now, timeouts));
        self.draw_epoch();
        self.nature.listeners.insert(HUB, Node::Hub);
        self.nature.inbox(Node::Hub).paused_until = 0;
        self.nature.wake(Node::Hub, now);
        self.trace(|| "hub: starts".to_owned());
    }

    fn on_fault(&mut self) {
        if self.nature.calm {
            return;
        }
        let next = self.nature.rng.between(100, 9_000);
        self.nature.after(next, RecoveryEvent::Fault);
        if self.keep.is_some() && self.nature.rng.percent(40) {
            return self.on_journal_fault();
        }
        let kind = self.nature.rng.below(100);
        self.trace(|| format!("fault {kind}"));
        match kind {
            0..=34 => self.cut_something(),
            35..=54 => self.pause_somebody(),
            55..=69 => {
                let i = self.nature.rng.index(self.people.len());
                let with_machine = self.nature.rng.percent(40);
                if self.people[i].session.is_some() {
                    self.end_person(i, with_machine);
                }
            }
            70..=72 if self.hub.is_some() => {
                let with_machine = self.nature.rng.percent(40);
                self.end_hub(with_machine);
            }
            70..=72 => {
                let with_machine = self.nature.rng.percent(40);
                self.end_journal(with_machine);
            }
            73..=74 => self.shut_hub_down(),
            75..=86 => {
                let i = self.nature.rng.index(self.people.len());
                let ms = self.nature.rng.pick(&[500, 4_000, 30_000]);
                self.people[i].disk.fails_until = self.nature.now + ms;
            }
            87..=95 => self.let_a_stranger_in(),
            _ => self.let_an_operator_in(),
        }
    }

    /// What befalls the coordinator's disk and clock, or itself while it works on them.
    fn on_journal_fault(&mut self) {
        let kind = self.nature.rng.below(100);
        self.trace(|| format!("journal fault {kind}"));
        let World { hub, keep: Some(keep), nature, .. } = self else { return };
        match kind {
            0..=17 => {
                let with_machine = nature.rng.percent(60);
                match hub {
                    Some(_) => self.end_hub(with_machine),
                    None => self.end_journal(with_machine),
                }
            }
            18..=54 => {
                let all =
                    [Fault::Full, Fault::Broken, Fault::Flaky, Fault::Unsyncable, Fault::Once];
                let ms = nature.rng.pick(&[20, 500, 3_000, 20_000, u64::MAX / 2]);
                keep.storage.fail(nature.rng.pick(&all), nature.now + ms);
            }
            55..=74 => keep.storage.slow_down(nature.now + nature.rng.between(100, 10_000)),
            _ => {
                let ms = nature.rng.pick(&[40, 90, 1_000, 30_000, 3_600_000, 40_000_000_000]);
                let sign = nature.rng.pick(&[-1, 1]);
                keep.wall_ahead += sign * ms;
                if let Some(hub) = hub {
                    hub.wall_ahead = keep.wall_ahead;
                    keep.note_clock(hub.clock(nature.now));
                }
            }
        }
    }

    fn cut_something(&mut self) {
        let open = self.nature.open_conns();
        if !open.is_empty() {
            let conn = self.nature.rng.pick(&open);
            let learns =
                self.nature.rng.pick(&[[true, true], [true, false], [false, true], [false, false]]);
            self.nature.cut(conn, learns);
        }
    }

    fn pause_somebody(&mut self) {
        let people = (0..self.people.len()).map(Node::Person);
        let raws = (0..self.raws.len()).map(Node::Raw);
        let all: Vec<Node> = [Node::Hub].into_iter().chain(people).chain(raws).collect();
        let node = self.nature.rng.pick(&all);
        let ms = self.nature.rng.pick(&[50, 1_500, 12_000, 70_000]);
        let ms = if node == Node::Hub { ms.min(1_500) } else { ms };
        let until = self.nature.now + ms;
        self.nature.inbox(node).paused_until = until;
    }

    fn shut_hub_down(&mut self) {
        let Some(hub) = &mut self.hub else { return };
        let life = hub.life;
        if std::mem::replace(&mut hub.is_ending, true) {
            return;
        }
        self.nature.listeners.remove(&HUB);
        self.tell(Input::ShutDown);
        let ms = self.nature.rng.between(1, 2_000);
        self.nature.after(ms, RecoveryEvent::Gone(life));
        self.nature.wake_soon(Node::Hub);
    }

    /// Somebody connects to where a participant listens, from anywhere, and says anything.
    fn let_a_stranger_in(&mut self) {
        let listening: Vec<_> = self.people.iter().filter_map(|person| person.listens).collect();
        if listening.is_empty() {
            return;
        }
        let address = self.nature.rng.pick(&listening);
        let from = self.nature.rng.pick(&[HUB.ip(), "10.0.9.9".parse().unwrap()]);
        let end = self.nature.dial(Node::Nobody, from, address);
        let text: &[u8] = self.nature.rng.pick(&[
            &b""[..],
            b"hello#0123456789abcdef0123456789abcdef#0123456789abcdef\n",
            b"7#p0#1#from a stranger\n",
            b"\xff\xfe\n",
        ]);
        let _ = self.nature.write(end, text);
        let stay = self.nature.rng.between(1, 20_000);
        self.nature.after(stay, RecoveryEvent::Leave(end));
    }

    /// Somebody on the coordinator's machine takes a member away.
    fn let_an_operator_in(&mut self) {
        let people = self.people.iter().map(|person| person.id.clone());
        let all: Vec<String> = people.chain(self.raws.iter().map(|raw| raw.id.clone())).collect();
        let id = &all[self.nature.rng.index(all.len())];
        let command = self.nature.rng.pick(&["disconnect", "deregister"]);
        if self.hub.is_some() && self.model.members.contains_key(id) {
            self.model.see(Sight::MemberTakenAway);
        }
        let end = self.nature.dial(Node::Nobody, "127.0.0.1".parse().unwrap(), HUB);
        let _ = self.nature.write(end, format!("{id}#{command}#127.0.0.1\n").as_bytes());
        self.nature.after(20_000, RecoveryEvent::Leave(end));
    }

    pub(crate) fn result(&self) -> Outcome {
        let messages = self.model.lives.values().map(|life| life.last()).sum();
        let logged = self.people.iter().map(|person| person.disk.entries).sum();
        let (hash, virtual_ms) = (self.nature.hash(), self.nature.now);
        let comebacks = self.keep.as_ref().map_or(0, |_| self.hubs - 1);
        let removed_early = self.keep.as_ref().map_or(0, |keep| keep.removed_early);
        let (steps, hubs) = (self.step, self.hubs);
        let mut sights = self.model.sights.clone();
        let people = self.people.iter().map(|person| &person.disk.ledger);
        let ledgers = people.chain(self.raws.iter().map(|raw| &raw.ledger));
        let unnoticed = ledgers.map(|ledger| ledger.unnoticed).sum();
        sights.insert(Sight::NobodyCouldKnow, unnoticed);
        Outcome {
            hash,
            virtual_ms,
            steps,
            messages,
            logged,
            hubs,
            comebacks,
            removed_early,
            sights,
        }
    }
}

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) hash: u64,
    pub(crate) virtual_ms: u64,
    pub(crate) steps: u64,
    pub(crate) messages: u64,
    pub(crate) logged: u64,
    pub(crate) hubs: u32,
    pub(crate) comebacks: u32,
    pub(crate) removed_early: u64,
    pub(crate) sights: Sights,
}

impl Drop for World {
    /// Whatever failed, and wherever: this is how to see it again.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let (seed, step, now) = (self.seed, self.step, self.nature.now);
            eprintln!("seed={seed} step={step} at {now} ms; again with SIM_SEED={seed}");
        }
    }
}
