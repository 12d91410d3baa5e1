//! Several sites over one modelled list: real groups and real journals of sites.
//!
//! ```text
//!   clients ─► SiteProcess: Group, SiteJournal ─ batches ─► Engine: drops, doubles, delays, lies
//!                        ▲                                     │
//!                        └────────────── entries ◄─────────────┘──► reference: applies each once
//! ```
//!
//! Sites crash and start, their clocks differ and jump, the engine refuses for minutes, falls
//! silent, shows older copies, and in some runs loses what it confirmed. At equal positions all
//! states are equal. While the list keeps what it acknowledged, nothing confirmed is lost, and what
//! was refused with 506 never appears. If the list loses something, a new epoch tells everybody.

mod clients;
mod engine;
mod site;
mod ways;

use std::collections::{BTreeMap, BTreeSet};

use groupcast::facts::Recorded as _;
use groupcast::group::{Input, Rules};
use groupcast::journal::{
    Doubt, EntryKind, ListJob, ListPosition, SharedRules, SiteEnd, SiteJournal, SiteName,
    SiteOptions, SitePhase, founding,
};
use groupcast::limits::Overflow;
use groupcast::protocol::Epoch;
use groupcast::time::{Millis, Now, UnixMillis};
use support::rng::Rng;

use clients::MovingClient;
use engine::Engine;
use site::SiteProcess;

const NAMES: [&str; 3] = ["berlin", "cairo", "oslo"];
const IDS: [&str; 5] = ["ann", "amy", "bob", "boris", "eve"];
/// A client that sends numbered texts, and goes to another site when its site does not answer.
const MOVER: &str = "mover";
const TTL_MS: u64 = 120_000;
const ENGINE_TIMEOUT_MS: u64 = 10_000;
const STEPS: u64 = 2_000;
const SEEDS: u64 = 24;
/// What the runs must have seen in all.
const FAULTS: [&str; 14] = [
    "another history",
    "confirmed",
    "crash",
    "crash after a few batches",
    "doubt",
    "engine refuses",
    "engine timeout",
    "fell behind",
    "list went back",
    "name in use",
    "numbered text",
    "older copy",
    "purge",
    "silence",
];
const START_UNIX: u64 = 1_700_000_000_000;

pub(crate) fn rules() -> Rules {
    Rules {
        ttl_ms: TTL_MS,
        line_bytes_max: 4096,
        members_max: 5,
        members_per_address_max: 10,
        forget_after_ms: 0,
        presence_delay_ms: None,
        backlog_bytes_max: 1 << 20,
        overflow: Overflow::Reject,
        keep: 5,
        foreign_ip_allowed: false,
        listening: "10.0.0.1:5000".parse().unwrap(),
        access: None,
    }
}

fn shared() -> SharedRules {
    SharedRules { ttl_ms: TTL_MS, members_max: 5, drops_oldest: false }
}

/// A site, running or not.
#[derive(Debug)]
struct Seat {
    name: SiteName,
    process: Option<SiteProcess>,
    /// Difference of its wall clock.
    skew: i64,
    doubt: Option<Doubt>,
    starts: u64,
}

struct World {
    seed: u64,
    rng: Rng,
    now: u64,
    engine: Engine,
    seats: Vec<Seat>,
    reference: SiteProcess,
    /// State after each entry.
    digests: BTreeMap<u64, String>,
    /// Lines by seq, as the reference has accepted them.
    lines: BTreeMap<u64, String>,
    /// Texts that were confirmed: seq and epoch.
    confirmed: BTreeMap<String, (u64, Epoch)>,
    refused: BTreeSet<String>,
    texts: u64,
    mover: MovingClient,
    seen: BTreeMap<&'static str, u64>,
    /// True if the list may lose what it acknowledged.
    may_lose: bool,
    is_calm: bool,
}

fn journal(name: &SiteName, first: u64, random: u64, doubt: Option<Doubt>) -> SiteJournalOf {
    let options = SiteOptions {
        site: name.clone(),
        rules: shared(),
        engine_timeout_ms: ENGINE_TIMEOUT_MS,
        waiting_bytes_max: 1 << 20,
        doubt,
        begins_epoch: false,
    };
    SiteJournal::new(options, ListPosition(first), random)
}

type SiteJournalOf = SiteJournal<groupcast::group::Ticket>;

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let may_lose = rng.percent(30);
        let mut engine = Engine::default();
        let founder = SiteName::parse("founder").unwrap();
        let entry = founding(founder, shared(), Epoch::new(seed + 7), UnixMillis(START_UNIX));
        engine.store(START_UNIX, EntryKind::Log, entry.into());
        let seat = |name: &&str| Seat {
            name: SiteName::parse(name).unwrap(),
            process: None,
            skew: 0,
            doubt: None,
            starts: 0,
        };
        let mut world = Self {
            seed,
            rng,
            now: 0,
            engine,
            seats: NAMES.iter().map(seat).collect(),
            reference: reference(1),
            digests: BTreeMap::new(),
            lines: BTreeMap::new(),
            confirmed: BTreeMap::new(),
            refused: BTreeSet::new(),
            texts: 0,
            mover: MovingClient::default(),
            seen: BTreeMap::new(),
            may_lose,
            is_calm: false,
        };
        world.follow();
        world
    }

    fn see(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    /// The clocks of a site.
    fn clock(&self, seat: usize) -> Now {
        let unix = (START_UNIX + self.now).saturating_add_signed(self.seats[seat].skew);
        // Ages up to an hour fit before the start.
        Now { steady: Millis::new(3_600_000 + self.now), unix: UnixMillis(unix) }
    }

    /// Applies new entries of the list to the reference.
    fn follow(&mut self) {
        let steady = Millis::new(3_600_000 + self.now);
        let now = Now { steady, unix: UnixMillis(START_UNIX + self.now) };
        loop {
            while let Some(job) = self.reference.journal.poll_job() {
                if let ListJob::ReadFrom(position) = job {
                    self.reference.feed.next = position.0;
                }
            }
            let next = self.reference.feed.next;
            let Some(entry) = self.engine.at(next) else { break };
            let report = entry.report();
            self.reference.feed.next += 1;
            let before = self.reference.group.last();
            self.reference.journal.handle(report, &mut self.reference.group, now);
            assert_eq!(self.reference.journal.ended(), None, "seed={}", self.seed);
            if !matches!(self.reference.journal.phase(), SitePhase::Snapshot(_)) {
                let position = self.reference.journal.list().position().0;
                self.digests.insert(position, self.reference.digest());
            }
            let lines: Vec<(u64, String)> = self
                .reference
                .group
                .lines(before)
                .map(|(seq, line, _)| (seq.as_u64(), String::from_utf8_lossy(line).into_owned()))
                .collect();
            for (seq, line) in lines {
                let text = text_of(&line).to_owned();
                assert!(
                    self.may_lose || !self.refused.contains(&text),
                    "seed={} step at {}: {text} was refused and came",
                    self.seed,
                    self.now
                );
                self.lines.insert(seq, line);
            }
        }
    }

    /// Makes another reference: the list went back.
    fn rebuild_reference(&mut self) {
        self.reference = reference(self.engine.first);
        self.digests.clear();
        self.lines.clear();
        self.follow();
    }

    fn start(&mut self, seat: usize) {
        let random = self.rng.next();
        let first = self.engine.first;
        let Seat { name, doubt, .. } = &self.seats[seat];
        let mut process = SiteProcess::new(journal(name, first, random, *doubt), random);
        if !self.is_calm && self.rng.percent(40) {
            process.batches_left = Some(self.rng.between(1, 5));
        }
        self.seats[seat].process = Some(process);
        self.seats[seat].starts += 1;
    }

    fn step(&mut self) {
        self.now += match self.rng.below(1000) {
            _ if self.is_calm => self.rng.below(50),
            0 => self.rng.below(90_000),
            1..=9 => self.rng.below(5_000),
            _ => self.rng.below(60),
        };
        if !self.is_calm {
            self.fault();
        }
        self.engine.store_late(START_UNIX + self.now);
        self.follow();
        for seat in 0..self.seats.len() {
            self.turn(seat);
        }
        self.move_client();
    }

    fn fault(&mut self) {
        let seat = self.rng.index(self.seats.len());
        match self.rng.below(2000) {
            0..=7 => {
                let process = self.seats[seat].process.take();
                self.seats[seat].process = process.filter(|process| !self.leaves_trace(process));
                self.see("crash");
            }
            8..=11 => {
                let range = 100_000;
                self.seats[seat].skew = self.rng.below(2 * range) as i64 - range as i64;
            }
            12..=13 => {
                self.engine.refuses_until = START_UNIX + self.now + self.rng.below(60_000);
                self.see("engine refuses");
            }
            14..=20 => {
                if let Some(process) = &mut self.seats[seat].process {
                    process.feed.is_silent = true;
                    self.see("silence");
                }
            }
            21 | 22 if self.may_lose => {
                let entries = self.rng.between(1, 30) as usize;
                self.engine.go_back(entries);
                self.rebuild_reference();
                self.see("list went back");
            }
            _ => (),
        }
    }

    /// Returns false if a process was misled, and has said nothing to the list since. What such a
    /// process confirmed is not known to anybody after a crash.
    fn leaves_trace(&self, process: &SiteProcess) -> bool {
        process.misled_at.is_none_or(|at| self.engine.has_batch(process.random, at))
    }

    fn turn(&mut self, seat: usize) {
        if self.seats[seat].process.is_none() {
            if self.is_calm || self.rng.percent(1) {
                self.start(seat);
            }
            return;
        }
        let now = self.clock(seat);
        let Some(mut process) = self.seats[seat].process.take() else { return };
        self.answer(&mut process, now);
        self.feed(&mut process, now);
        if process.is_serving() {
            self.act(&mut process, now);
        }
        self.end_turn(&mut process, now);
        self.look_at_replies(&mut process);
        if process.batches_left == Some(0) && self.leaves_trace(&process) {
            self.see("crash after a few batches");
            return;
        }
        match process.journal.ended() {
            None => self.seats[seat].process = Some(process),
            Some(SiteEnd::Doubtful(doubt)) => {
                self.seats[seat].doubt = Some(*doubt);
                self.see("doubt");
            }
            Some(SiteEnd::FellBehind(_)) => self.see("fell behind"),
            Some(SiteEnd::NameInUse(_) | SiteEnd::Superseded(_)) => self.see("name in use"),
            Some(SiteEnd::NoSnapshot) if self.may_lose => self.see("no snapshot"),
            Some(end) => panic!("seed={}: {end}", self.seed),
        }
    }

    /// Compares the state of a site with the state that follows from the list.
    fn compare(&self, process: &SiteProcess) {
        let list = process.journal.list();
        let position = list.position().0;
        let is_reading = !matches!(process.journal.phase(), SitePhase::Snapshot(_));
        if !is_reading || position == 0 || process.journal.ended().is_some() {
            return;
        }
        let Some(expected) = self.digests.get(&position) else { return };
        if self.engine.has_lost && *expected != process.digest() {
            // This site may have read entries that are gone: its chain differs.
            let chain = format!("{:?}", list.chain());
            assert!(!expected.contains(&chain), "seed={} entry {position}", self.seed);
            return;
        }
        assert_eq!(&process.digest(), expected, "seed={} entry {position}", self.seed);
    }

    fn end_turn(&mut self, process: &mut SiteProcess, now: Now) {
        let random = self.rng.next();
        process.journal.commit(&mut process.group, now, || Some(random));
        process.run_effects(now);
        if let Some(fails) = process.journal.take_failing() {
            process.input(Input::JournalFails(fails), now);
            self.see("engine timeout");
        }
        while process.journal.poll_notice().is_some() {}
        while let Some(job) = process.journal.poll_job() {
            self.run_job(process, job);
        }
    }

    /// Checks that all sites have the state of the list, and that their batches count.
    fn check_all_agree(&mut self) {
        self.follow();
        let list = self.reference.journal.list();
        for Seat { name, process, .. } in &self.seats {
            let is_live = list.site(name).is_some_and(|site| list.is_live(site));
            assert!(is_live, "seed={}: the batches of {name} do not count", self.seed);
            let Some(process) = process else { continue };
            let position = process.journal.list().position().0;
            let agrees = self.digests.get(&position) == Some(&process.digest());
            assert!(agrees, "seed={}: {name} at {position}", self.seed);
        }
    }

    /// Stops all faults, and checks that every site serves again, and that nothing is lost.
    fn finish(&mut self) {
        self.is_calm = true;
        self.engine.refuses_until = 0;
        for seat in &mut self.seats {
            seat.skew = 0;
        }
        for _ in 0..4000 {
            self.step();
        }
        for seat in 0..self.seats.len() {
            let is_serving = self.seats[seat].process.as_ref().is_some_and(SiteProcess::is_serving);
            let phase = self.seats[seat].process.as_ref().map(|it| it.journal.phase().clone());
            assert!(is_serving, "seed={}: site {seat}: {phase:?}", self.seed);
        }
        self.check_all_agree();
        let now_epoch = self.reference.group.epoch();
        for (text, (seq, epoch)) in &self.confirmed {
            let is_there = self.lines.get(seq).is_some_and(|line| text_of(line) == text);
            let is_known = *epoch != now_epoch && self.engine.has_lost;
            assert!(is_there || is_known, "seed={}: {text} at {seq} of {epoch}", self.seed);
        }
        let mut texts = BTreeSet::new();
        for line in self.lines.values() {
            let is_new = texts.insert(text_of(line));
            assert!(is_new || self.engine.has_lost, "seed={}: {line} twice", self.seed);
        }
    }
}

fn reference(first: u64) -> SiteProcess {
    SiteProcess::new(journal(&SiteName::parse("zz").unwrap(), first, 1, None), 1)
}

fn text_of(line: &str) -> &str {
    line.rsplit('#').next().unwrap_or_default().trim_end()
}

#[test]
fn sites_agree_whatever_the_list_does_and_nothing_confirmed_is_lost() {
    let mut seen = BTreeMap::new();
    let seeds = match std::env::var("SITES_SEED") {
        Ok(seed) => seed.parse().unwrap()..=seed.parse().unwrap(),
        Err(_) => 0..=SEEDS,
    };
    for seed in seeds {
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            world.step();
        }
        world.finish();
        for (what, count) in world.seen {
            *seen.entry(what).or_insert(0) += count;
        }
    }
    println!("{seen:?}");
    if std::env::var("SITES_SEED").is_err() {
        let missing: Vec<_> = FAULTS.iter().filter(|fault| !seen.contains_key(**fault)).collect();
        assert!(missing.is_empty(), "no run saw {missing:?}");
    }
}
