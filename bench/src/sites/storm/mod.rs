//! Numbered texts are sent while sites and servers are killed: each text once, in one order.
//!
//! Senders send each text again until it is confirmed, readers at all sites verify every text, and
//! all must see the same order. Members whose site is gone go to the next one.

mod kills;

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Error, Result, anyhow, bail, ensure};

use super::engine::EngineKind;
use super::group::{GroupKeys, SITES, STREAM};
use super::member::{Home, Run, read};
use super::reader::Faults;
use super::sender::{Pacing, Sent, send};
use super::{Measured, Setup, World};
use crate::cli::{Usage, print};
use crate::clock;
use crate::table::{Row, Table, Values};
use crate::texts::NUMBERS;
use kills::Kills;

const TEXT_BYTES: usize = 100;
const RECORDS: u64 = 200_000;
const RECORDS_QUICK: u64 = 50_000;
/// Members that send, two at each site, and members that only read, one at each site.
const PUBLISHERS: usize = 2 * SITES;
const READERS: usize = SITES;
const PACING: Pacing = Pacing { window: 128, pause: Duration::ZERO };
const KIND: EngineKind = EngineKind { servers: 3, is_synced: false };
const KEYS: GroupKeys =
    GroupKeys { ttl_s: 3600, lines: "max_backlog=2g\nkeep=0\nengine_bytes=8g\n" };
/// Least number of kills. The texts that may be sent grow with the kills until then.
const KILLS_MIN: u64 = 10;
const TURN: Duration = Duration::from_millis(20);
/// Longest time without a delivery. A lost majority takes 15 to 24 s.
const STALL: Duration = Duration::from_secs(90);
/// Time to wait, once everything has come, for messages that must not come.
const AFTERMATH: Duration = Duration::from_millis(500);

/// Number of texts, and the seed of the kills.
#[derive(Clone, Copy, Debug)]
pub(super) struct Storm {
    records: Option<u64>,
    seed: u64,
}

impl Storm {
    pub(super) fn new(records: Option<u64>, seed: Option<u64>) -> Result<Self> {
        let most = NUMBERS * PUBLISHERS as u64;
        if records.is_some_and(|records| records == 0 || records > most) {
            bail!(Usage(format!("--storm: expected a whole number from 1 to {most}")));
        }
        Ok(Self { records, seed: seed.unwrap_or(1) })
    }
}

pub(super) fn measure(setup: &Setup) -> Result<Measured> {
    let usual = if setup.is_quick { RECORDS_QUICK } else { RECORDS };
    let texts = setup.storm.records.unwrap_or(usual).div_ceil(PUBLISHERS as u64);
    let seed = setup.storm.seed;
    let mut table = Table {
        title: "storm".to_owned(),
        about: format!(
            "{PUBLISHERS} members at {SITES} sites send {texts} texts of {TEXT_BYTES} B each, \
             numbered, at most {} under way, again and again until each one is confirmed. Sites \
             and servers ({}) are killed by the seed {seed} and start again. Each of {} members \
             must get each text of each other one once, in its order, and all in the same order.",
            PACING.window,
            KIND.name(),
            PUBLISHERS + READERS,
        ),
        rows: vec![Row::alone(&format!("seed {seed}"))],
    };
    let mut kills = String::new();
    table.measure(1, &mut |_| {
        let mut world = setup.start(KIND, KEYS)?;
        let (values, counts) = storm(&mut world, texts, seed);
        kills = counts;
        values.map_err(|fault| keep(setup, &world, fault))
    });
    print(&format!("  {kills}\n"));
    table.about += &format!(" {kills}.");
    Ok(Measured { tables: vec![table], targets: Vec::new() })
}

/// Keeps the logs and stores of a storm that failed.
fn keep(setup: &Setup, world: &World, fault: Error) -> Error {
    match setup.directory.keep(world.directory.path()) {
        Ok(kept) => fault.context(format!("everything is kept in {}", kept.display())),
        Err(error) => error.context(fault),
    }
}

/// Runs a storm. Also returns the kills in words.
fn storm(world: &mut World, texts: u64, seed: u64) -> (Result<Values>, String) {
    let mut kills = Kills::new(seed);
    let begin = clock::now();
    let outcome = run(world, texts, &mut kills);
    let seconds = (clock::now() - begin).as_secs_f64();
    let counts = kills.counts.to_string();
    let values = outcome.and_then(|outcome| {
        let Faults { lost, doubled, out_of_order } = outcome.faults;
        ensure!(
            outcome.faults.sum() == 0,
            "{lost} lost, {doubled} doubled, {out_of_order} out of order, of {} deliveries",
            outcome.deliveries
        );
        Ok(vec![
            ("texts confirmed", outcome.confirmed as f64),
            ("deliveries verified", outcome.deliveries as f64),
            ("seconds", seconds),
            ("texts/s", outcome.confirmed as f64 / seconds),
            ("lost", lost as f64),
            ("doubled", doubled as f64),
            ("out of order", out_of_order as f64),
        ])
    });
    (values, counts)
}

struct Outcome {
    confirmed: u64,
    deliveries: u64,
    faults: Faults,
}

fn run(world: &mut World, texts: u64, kills: &mut Kills) -> Result<Outcome> {
    world.engine.leader(STREAM)?;
    let run = Run::new(world.group.addresses(), PUBLISHERS, texts, TEXT_BYTES, true);
    let homes: Vec<Home> =
        (0..PUBLISHERS + READERS).map(|index| Home::new(index % SITES)).collect();
    let (run, homes) = (&run, &homes);
    thread::scope(|scope| {
        let own = |index: usize| (index < PUBLISHERS).then_some(index);
        let readers: Vec<_> = homes
            .iter()
            .enumerate()
            .map(|(index, home)| {
                let read = move || read(run, &id(index), own(index), home);
                scope.spawn(move || read().inspect_err(|_| run.end()))
            })
            .collect();
        // All members are registered before the first text.
        let is_ready = |home: &Home| home.await_online(run).is_some();
        let are_ready = homes.iter().all(is_ready);
        let senders: Vec<_> = homes
            .iter()
            .enumerate()
            .take(if are_ready { PUBLISHERS } else { 0 })
            .map(|(index, home)| {
                let send = move || send(run, &id(index), index, home, PACING);
                scope.spawn(move || send().inspect_err(|_| run.end()))
            })
            .collect();
        let watched = watch(world, run, kills);
        run.end();
        let sent: Vec<Result<Sent>> = senders.into_iter().map(joined).collect();
        let found: Vec<Result<Faults>> = readers.into_iter().map(joined).collect();
        // A fault that a member saw says more than a stall.
        let mut outcome = Outcome { confirmed: 0, deliveries: 0, faults: Faults::default() };
        for faults in found {
            outcome.faults.add(faults?);
        }
        for sent in sent {
            let sent = sent?;
            outcome.faults.add(sent.faults);
            outcome.confirmed += sent.confirmed;
        }
        outcome.deliveries = run.deliveries.load(Ordering::Relaxed);
        if outcome.faults.doubled + outcome.faults.out_of_order == 0 {
            watched?;
        }
        Ok(outcome)
    })
}

fn id(index: usize) -> String {
    format!("member{index}")
}

fn joined<T>(thread: thread::ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread.join().map_err(|_| anyhow!("a thread panicked")).flatten()
}

/// Kills until everything has come to all members, or nothing comes any more.
fn watch(world: &mut World, run: &Run, kills: &mut Kills) -> Result<()> {
    let members = (PUBLISHERS + READERS) as u64;
    let (mut deliveries, mut moved): (u64, Instant) = (0, clock::now());
    while run.complete.load(Ordering::Relaxed) < members {
        let kills_done = kills.counts.sites + kills.counts.servers;
        let allowed = run.texts.saturating_mul(kills_done + 1) / (KILLS_MIN + 1);
        run.allowed.store(allowed, Ordering::Relaxed);
        if run.is_over() {
            return Ok(()); // A member saw a fault.
        }
        kills.turn(world)?;
        clock::pause(TURN);
        let now = run.deliveries.load(Ordering::Relaxed);
        if now != deliveries {
            (deliveries, moved) = (now, clock::now());
        } else if clock::now() - moved > STALL {
            bail!("stalled: {deliveries} deliveries, and none for {} s", STALL.as_secs());
        }
    }
    kills.end(world)?;
    clock::pause(AFTERMATH);
    Ok(())
}
