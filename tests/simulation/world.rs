//! The whole simulation: one coordinator, participants, raw members, strangers, and faults.

use groupcast::coordinator::GroupJournal;
use groupcast::group::{Group, Rules};
use groupcast::journal::MemoryJournal;
use groupcast::limits::{LINE_BYTES_DEFAULT, Overflow};
use groupcast::protocol::Epoch;
use groupcast::time::Millis;

use crate::access_file::AccessFiles;
use crate::backup::Backups;
use crate::config_file::ConfigFiles;
use crate::coordinator::{HUB, SimCoordinator};
use crate::coordinator_journal::JournalState;
use crate::coverage::{Coverage, CoveragePoint};
use crate::environment::{Environment, Event, Node};
use crate::impostors::Impostors;
use crate::model::Model;
use crate::participant::SimParticipant;
use crate::passive::make_passive;
use crate::raw::Raw;
use crate::storage::Fault;
use crate::strangers::Hoarder;
use crate::visits::visiting;
use support::rng::Rng;

/// One run of one seed.
#[derive(Debug)]
pub(crate) struct World {
    seed: u64,
    step: u64,
    is_loud: bool,
    pub(crate) environment: Environment,
    pub(crate) coordinator: Option<SimCoordinator>,
    pub(crate) coordinators: u32,
    /// The coordinator's directory and clock, if it keeps a journal.
    pub(crate) journal_state: Option<JournalState>,
    pub(crate) backups: Option<Backups>,
    pub(crate) model: Model,
    pub(crate) participants: Vec<SimParticipant>,
    pub(crate) raws: Vec<Raw>,
    pub(crate) hoarders: Vec<Hoarder>,
    pub(crate) impostors: Impostors,
    pub(crate) access_files: Option<AccessFiles>,
    pub(crate) config_files: Option<ConfigFiles>,
}

/// Draws the rules. Later ones are of their own chance, so that they change nothing else.
fn rules(seed: u64, rng: &mut Rng) -> Rules {
    let delays = [None, Some(0), Some(900), Some(5_000)];
    Rules {
        ttl_ms: 1_000 * rng.pick(&[0, 1, 3, 20, 20, 100, 3_600]),
        line_bytes_max: LINE_BYTES_DEFAULT,
        members_max: 100,
        members_per_address_max: 1,
        forget_after_ms: Rng::new(!seed).pick(&[0, 0, 700, 5_000, 60_000]),
        presence_delay_ms: Rng::new(seed.rotate_left(13)).pick(&delays),
        backlog_bytes_max: rng.pick(&[9_000, 20_000, 1 << 20, 1 << 20]),
        overflow: rng.pick(&[Overflow::Reject, Overflow::DropOldest]),
        keep: Rng::new(seed.rotate_left(7)).pick(&[0, 1, 5, 100]),
        foreign_ip_allowed: false,
        listening: HUB,
        access: None,
    }
}

impl World {
    pub(crate) fn new(seed: u64, is_loud: bool) -> Self {
        let mut environment = Environment::new(seed);
        let rng = &mut environment.rng;
        let participants = (0..rng.between(2, 4)).map(|_| (rng.percent(85), rng.percent(50)));
        let participants = participants.collect::<Vec<(bool, bool)>>();
        let raws = rng.between(0, 3);
        let raws = (0..raws).map(|i| Raw::new(usize::try_from(i).unwrap(), rng)).collect();
        let rules = rules(seed, rng);
        let is_journaled = rng.percent(70);
        let epoch = Epoch::new(rng.next());
        let journal_state = is_journaled.then(|| JournalState::new(rng));
        let participants = participants.into_iter().enumerate();
        let mut world = Self {
            seed,
            step: 0,
            is_loud,
            environment,
            coordinator: None,
            coordinators: 0,
            backups: Backups::of(seed, journal_state.is_some()),
            journal_state,
            model: Model::new(rules, is_journaled, epoch),
            participants: participants
                .map(|(i, participant)| {
                    let number = seed + i as u64;
                    let (has_log, has_outbox) =
                        (!number.is_multiple_of(4), number.is_multiple_of(2));
                    SimParticipant::new(i, participant, (has_log, has_outbox))
                })
                .collect(),
            raws,
            hoarders: Vec::new(),
            impostors: Impostors::new(seed),
            access_files: None,
            config_files: None,
        };
        world.draw_access_file();
        world.draw_config_files();
        world.start_coordinator();
        make_passive(seed, &mut world.participants);
        world.participants.extend(visiting(seed, world.participants.len()));
        world.give_keys();
        for i in 0..world.staying() {
            world.start_participant(i);
            world.environment.after(1, Event::User(i));
        }
        for i in world.staying()..world.participants.len() {
            world.environment.after(1_000, Event::User(i));
        }
        world.begin_others();
        world
    }

    /// Begins all that is no participant: other clients, faults and copies.
    fn begin_others(&mut self) {
        for (i, raw) in self.raws.iter().enumerate() {
            self.environment.listeners.insert(raw.address, Node::Raw(i));
            self.environment.after(2, Event::Act(i));
        }
        self.environment.after(3_000, Event::Fault);
        if self.impostors.are_there() {
            self.environment.after(1_000, Event::Impostor);
        }
        if self.backups.is_some() {
            self.environment.after(2_000, Event::Backup);
        }
    }

    fn give_keys(&mut self) {
        let identities = &mut self.environment.identities;
        for (i, participant) in self.participants.iter().enumerate() {
            identities.add(Node::Participant(i), &participant.id, self.seed);
        }
        for (i, raw) in self.raws.iter().enumerate() {
            identities.add(Node::Raw(i), &raw.id, self.seed);
        }
    }

    /// Returns a factor of the length of texts. Where newcomers may get many messages, a few texts
    /// fill a block of the history, so that newcomers need more than one block.
    pub(crate) fn text_factor(&self) -> usize {
        let rules = &self.model.rules;
        let is_roomy = rules.backlog_bytes_max >= 1 << 20;
        if is_roomy && rules.keep > 1 && rules.ttl_ms >= 20_000 { 20 } else { 1 }
    }

    /// Prints a line of the trace, if this run is traced.
    pub(crate) fn trace(&self, text: impl FnOnce() -> String) {
        if self.is_loud {
            println!("{:>6} {:>9} ms  {}", self.step, self.environment.now, text());
        }
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    pub(crate) fn is_loud(&self) -> bool {
        self.is_loud
    }

    pub(crate) fn run_until(&mut self, until: u64) {
        while let Some(event) = self.environment.next_event(until) {
            self.step += 1;
            self.on_event(event);
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Arrive(end) => self.environment.arrive(end),
            Event::Writable(end) => self.environment.notify(end),
            Event::Reach(conn) => self.environment.reach(conn),
            Event::Dialed(conn) => self.environment.on_dialed(conn),
            Event::Turn(node) => {
                let Some((ready, accepted)) = self.environment.begin_turn(node) else { return };
                match node {
                    Node::Coordinator => self.coordinator_turn(&ready, accepted),
                    Node::Participant(i) => self.participant_turn(i, ready, accepted),
                    Node::Raw(i) => self.raw_turn(i, ready, accepted),
                    Node::Nobody => (),
                }
            }
            Event::Disk(i, life) => self.on_disk(i, life),
            Event::OutboxDisk(i, life) => self.on_outbox_disk(i, life),
            Event::User(i) => self.on_user(i),
            Event::Act(i) => self.act(i),
            Event::Start(Node::Coordinator) => self.start_coordinator(),
            Event::Start(Node::Participant(i)) => self.start_participant(i),
            Event::Start(Node::Raw(_) | Node::Nobody) => (),
            Event::Up(start) => self.come_up(start),
            Event::Committed(life) => self.on_committed(life),
            Event::Gone(life) => {
                let is_there =
                    self.coordinator.as_ref().is_some_and(|coordinator| coordinator.life == life);
                if is_there {
                    self.end_coordinator(false); // The end of the journal takes too long.
                }
            }
            Event::Fault => self.on_fault(),
            Event::Backup => self.on_backup(),
            Event::AccessFile => self.on_access_file(),
            Event::ConfigFile => self.on_config_file(),
            Event::Impostor => self.on_impostor(),
            Event::Hoard(at) => self.on_hoard(at),
            Event::Leave(end) => self.environment.close(end),
        }
    }

    fn start_coordinator(&mut self) {
        if self.journal_state.is_some() {
            return self.start_journal();
        }
        self.read_access_file();
        self.read_config_file();
        let rules = self.model.rules.clone();
        let epoch = match self.coordinators {
            0 => self.model.epoch,
            _ => Epoch::new(self.environment.rng.next()),
        };
        if self.coordinators > 0 {
            self.model.begin_anew(epoch);
        }
        let journal = GroupJournal::Memory(MemoryJournal);
        self.put_up(Group::new(rules, epoch), journal, None, Millis::ZERO, 0);
    }

    fn on_fault(&mut self) {
        if self.environment.calm {
            return;
        }
        let next = self.environment.rng.between(100, 9_000);
        self.environment.after(next, Event::Fault);
        if self.journal_state.is_some() && self.environment.rng.percent(40) {
            return self.on_journal_fault();
        }
        let kind = self.environment.rng.below(100);
        self.trace(|| format!("fault {kind}"));
        match kind {
            0..=34 => self.cut_something(),
            35..=54 => self.pause_somebody(),
            55..=69 => {
                let i = self.environment.rng.index(self.participants.len());
                let with_machine = self.environment.rng.percent(40);
                if self.participants[i].session.is_some() {
                    self.end_participant(i, with_machine);
                }
            }
            70..=72 if self.coordinator.is_some() => {
                let with_machine = self.environment.rng.percent(40);
                self.end_coordinator(with_machine);
            }
            70..=72 => {
                let with_machine = self.environment.rng.percent(40);
                self.end_journal(with_machine);
            }
            73..=74 => self.shut_coordinator_down(),
            75..=84 => {
                let i = self.environment.rng.index(self.participants.len());
                let ms = self.environment.rng.pick(&[500, 4_000, 30_000]);
                self.participants[i].disk.file.fails_until = self.environment.now + ms;
                if let Some(outbox) = &mut self.participants[i].outbox {
                    outbox.file.fails_until = self.environment.now + ms;
                }
            }
            85..=87 => self.let_a_hoarder_in(),
            88..=89 => self.let_a_crowd_in(),
            90..=95 => self.let_a_stranger_in(),
            _ => self.let_an_operator_in(),
        }
    }

    /// Causes a fault of the coordinator's disk or clock, or of the coordinator while it uses them.
    fn on_journal_fault(&mut self) {
        let kind = self.environment.rng.below(100);
        self.trace(|| format!("journal fault {kind}"));
        let World { coordinator, journal_state: Some(journal_state), environment, .. } = self
        else {
            return;
        };
        match kind {
            0..=17 => {
                let with_machine = environment.rng.percent(60);
                match coordinator {
                    Some(_) => self.end_coordinator(with_machine),
                    None => self.end_journal(with_machine),
                }
            }
            18..=54 => {
                let all =
                    [Fault::Full, Fault::Broken, Fault::Flaky, Fault::Unsyncable, Fault::Once];
                let ms = environment.rng.pick(&[20, 500, 3_000, 20_000, u64::MAX / 2]);
                journal_state.storage.fail(environment.rng.pick(&all), environment.now + ms);
            }
            55..=74 => journal_state
                .storage
                .slow_down(environment.now + environment.rng.between(100, 10_000)),
            _ => {
                let ms = environment.rng.pick(&[40, 90, 1_000, 30_000, 3_600_000, 40_000_000_000]);
                let sign = environment.rng.pick(&[-1, 1]);
                journal_state.wall_ahead += sign * ms;
                if let Some(coordinator) = coordinator {
                    coordinator.wall_ahead = journal_state.wall_ahead;
                    journal_state.record_clock(coordinator.clock(environment.now));
                }
            }
        }
    }

    fn cut_something(&mut self) {
        let open = self.environment.open_conns();
        if !open.is_empty() {
            let conn = self.environment.rng.pick(&open);
            let learns = self.environment.rng.pick(&[
                [true, true],
                [true, false],
                [false, true],
                [false, false],
            ]);
            self.environment.cut(conn, learns);
        }
    }

    fn pause_somebody(&mut self) {
        let participants = (0..self.participants.len()).map(Node::Participant);
        let raws = (0..self.raws.len()).map(Node::Raw);
        let all: Vec<Node> =
            [Node::Coordinator].into_iter().chain(participants).chain(raws).collect();
        let node = self.environment.rng.pick(&all);
        let ms = self.environment.rng.pick(&[50, 1_500, 12_000, 70_000]);
        let ms = if node == Node::Coordinator { ms.min(1_500) } else { ms };
        let until = self.environment.now + ms;
        self.environment.inbox(node).paused_until = until;
    }

    pub(crate) fn result(&self) -> RunResult {
        let messages = self.model.epochs.values().map(|life| life.last()).sum();
        let logged = self.participants.iter().map(|participant| participant.disk.entries).sum();
        let (hash, virtual_ms) = (self.environment.hash(), self.environment.now);
        let restarts = self.journal_state.as_ref().map_or(0, |_| self.coordinators - 1);
        let removed_early =
            self.journal_state.as_ref().map_or(0, |journal_state| journal_state.removed_early);
        let (steps, coordinators) = (self.step, self.coordinators);
        let mut coverage = self.model.coverage.clone();
        let participants = self.participants.iter().map(|participant| &participant.disk.ledger);
        let ledgers = participants.chain(self.raws.iter().map(|raw| &raw.ledger));
        let unnoticed = ledgers.map(|ledger| ledger.unnoticed).sum();
        coverage.insert(CoveragePoint::NobodyCouldKnow, unnoticed);
        RunResult {
            hash,
            virtual_ms,
            steps,
            messages,
            logged,
            coordinators,
            restarts,
            removed_early,
            coverage,
        }
    }
}

/// Result of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RunResult {
    pub(crate) hash: u64,
    pub(crate) virtual_ms: u64,
    pub(crate) steps: u64,
    pub(crate) messages: u64,
    pub(crate) logged: u64,
    pub(crate) coordinators: u32,
    pub(crate) restarts: u32,
    pub(crate) removed_early: u64,
    pub(crate) coverage: Coverage,
}

impl Drop for World {
    /// Prints the command that repeats this run, if it failed.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let (seed, step, now) = (self.seed, self.step, self.environment.now);
            eprintln!("seed={seed} step={step} at {now} ms; again with SIM_SEED={seed}");
        }
    }
}
