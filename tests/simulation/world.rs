//! Everything together: one coordinator, participants, raw members, strangers, and what befalls
//! them.

use groupcast::group::{Input, Rules};
use groupcast::limits::Overflow;
use groupcast::protocol::Epoch;

use crate::hub::{HUB, Hub};
use crate::model::Model;
use crate::nature::{Event, Nature, Node};
use crate::person::Person;
use crate::raw::Raw;

/// One run of one seed.
#[derive(Debug)]
pub(crate) struct World {
    seed: u64,
    step: u64,
    is_loud: bool,
    pub(crate) nature: Nature,
    pub(crate) hub: Option<Hub>,
    hubs: u32,
    pub(crate) model: Model,
    pub(crate) people: Vec<Person>,
    pub(crate) raws: Vec<Raw>,
}

impl World {
    pub(crate) fn new(seed: u64, is_loud: bool) -> Self {
        let mut nature = Nature::new(seed);
        let rng = &mut nature.rng;
        let people = (0..rng.between(2, 4)).map(|_| rng.percent(85)).collect::<Vec<bool>>();
        let raws = rng.between(0, 3);
        let raws = (0..raws).map(|i| Raw::new(usize::try_from(i).unwrap(), rng)).collect();
        let rules = Rules {
            ttl_ms: 1_000 * rng.pick(&[0, 1, 3, 20, 20, 100, 3_600]),
            members_max: 100,
            backlog_bytes_max: rng.pick(&[9_000, 20_000, 1 << 20, 1 << 20]),
            overflow: rng.pick(&[Overflow::Reject, Overflow::DropOldest]),
            foreign_ip_allowed: false,
            listening: HUB,
        };
        let epoch = Epoch::new(rng.next());
        let people = people.into_iter().enumerate();
        let mut world = Self {
            seed,
            step: 0,
            is_loud,
            nature,
            hub: None,
            hubs: 0,
            model: Model::new(rules, epoch),
            people: people.map(|(i, reconnects)| Person::new(i, reconnects)).collect(),
            raws,
        };
        world.start_hub();
        for i in 0..world.people.len() {
            world.start_person(i);
            world.nature.after(1, Event::User(i));
        }
        for i in 0..world.raws.len() {
            let address = world.raws[i].address;
            world.nature.listeners.insert(address, Node::Raw(i));
            world.nature.after(2, Event::Act(i));
        }
        world.nature.after(3_000, Event::Fault);
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

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Arrive(end) => self.nature.arrive(end),
            Event::Writable(end) => self.nature.notify(end),
            Event::Reach(conn) => self.nature.reach(conn),
            Event::Dialed(conn) => self.nature.on_dialed(conn),
            Event::Turn(node) => {
                let Some((ready, accepted)) = self.nature.begin_turn(node) else { return };
                match node {
                    Node::Hub => self.hub_turn(ready, accepted),
                    Node::Person(i) => self.person_turn(i, ready, accepted),
                    Node::Raw(i) => self.raw_turn(i, ready, accepted),
                    Node::Nobody => (),
                }
            }
            Event::Disk(i, life) => self.on_disk(i, life),
            Event::User(i) => self.on_user(i),
            Event::Act(i) => self.act(i),
            Event::Start(Node::Hub) => self.start_hub(),
            Event::Start(Node::Person(i)) => self.start_person(i),
            Event::Start(Node::Raw(_) | Node::Nobody) => (),
            Event::Gone(life) => {
                if self.hub.as_ref().is_some_and(|hub| hub.life == life) {
                    self.end_hub(false);
                }
            }
            Event::Fault => self.on_fault(),
            Event::Leave(end) => self.nature.close(end),
        }
    }

    fn start_hub(&mut self) {
        self.hubs += 1;
        let rules = self.model.rules.clone();
        let epoch = match self.hubs {
            1 => self.model.epoch,
            _ => Epoch::new(self.nature.rng.next()),
        };
        if self.hubs > 1 {
            self.model.restart(rules.clone(), epoch);
        }
        let rng = &mut self.nature.rng;
        let timeouts = [5_000, rng.pick(&[3_000, 60_000])];
        self.hub = Some(Hub::new(self.hubs, rules, epoch, self.nature.now, timeouts));
        self.nature.listeners.insert(HUB, Node::Hub);
        self.trace(|| "hub: starts".to_owned());
    }

    fn on_fault(&mut self) {
        if self.nature.calm {
            return;
        }
        let next = self.nature.rng.between(100, 9_000);
        self.nature.after(next, Event::Fault);
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
            73..=74 => self.shut_hub_down(),
            75..=86 => {
                let i = self.nature.rng.index(self.people.len());
                let ms = self.nature.rng.pick(&[500, 4_000, 30_000]);
                self.people[i].disk.fails_until = self.nature.now + ms;
            }
            _ => self.let_a_stranger_in(),
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
        self.nature.after(ms, Event::Gone(life));
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
        self.nature.after(stay, Event::Leave(end));
    }

    pub(crate) fn result(&self) -> Outcome {
        let messages = self.model.lives.values().map(|life| life.last()).sum();
        let logged = self.people.iter().map(|person| person.disk.entries).sum();
        let (hash, virtual_ms) = (self.nature.hash(), self.nature.now);
        Outcome { hash, virtual_ms, steps: self.step, messages, logged, hubs: self.hubs }
    }
}

/// What came of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) hash: u64,
    pub(crate) virtual_ms: u64,
    pub(crate) steps: u64,
    pub(crate) messages: u64,
    pub(crate) logged: u64,
    pub(crate) hubs: u32,
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
