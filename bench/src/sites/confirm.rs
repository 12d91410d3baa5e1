//! Messages confirmed a second by sites, beside plain JetStream on the same servers.

use std::ops::Range;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::engine::{Engine, EngineKind, KINDS};
use super::group::{Group, GroupKeys, SITES};
use super::{Measured, Setup, World};
use crate::clients::{Clients, Pace, Until};
use crate::peers::groupcast::{Deliveries, Requests};
use crate::process::Usage;
use crate::table::{Bound, Row, Table, Target, Values, count};

const TEXT_BYTES: usize = 100;
/// Texts of a publish that carries several, as a batch of a site does.
const BATCH: usize = 256;
const WINDOW: u64 = 100;
const PUBLISHERS: usize = 100;
const ROUNDS: usize = 5;
/// Bytes of the stream of the plain publishers. Older messages are dropped.
const STREAM_BYTES: i64 = 1 << 30;
const KEYS: GroupKeys = GroupKeys { ttl_s: 60, lines: "max_backlog=1g\nkeep=0\n" };
const RATE: &str = "messages/s";
const SITES_CPU: &str = "CPU of the sites, ns a message";
const ENGINE_CPU: &str = "CPU of the engine, ns a message";
const BATCHED: &str = "messages an entry of the list";
/// The goal, beside plain JetStream with as many messages under way.
const RATIO_MIN: f64 = 5.0;

/// Publishers of a row.
#[derive(Clone, Copy, Debug)]
enum Work {
    /// Plain JetStream: publishers, publishes that each has under way, texts of a publish.
    Plain { publishers: usize, window: u64, batch: usize },
    /// Publishers at each of the first sites, and messages that each publisher has under way.
    Sites { sites: usize, publishers: usize, window: u64 },
}

const ALL: usize = SITES * PUBLISHERS;
/// Publishers with [`WINDOW`] messages under way each.
const FULL_ALL: usize = 90;
const ROWS: [(&str, Work); 10] = [
    (PLAIN, Work::Plain { publishers: 1, window: WINDOW, batch: 1 }),
    (ONE, Work::Sites { sites: 1, publishers: 1, window: WINDOW }),
    (MANY_PLAIN, Work::Plain { publishers: ALL, window: 1, batch: 1 }),
    (MANY, Work::Sites { sites: SITES, publishers: PUBLISHERS, window: 1 }),
    (DEEP_PLAIN, Work::Plain { publishers: ALL, window: WINDOW / 10, batch: 1 }),
    (DEEP, Work::Sites { sites: SITES, publishers: PUBLISHERS, window: WINDOW / 10 }),
    (FULL_PLAIN, Work::Plain { publishers: FULL_ALL, window: WINDOW, batch: 1 }),
    (FULL, Work::Sites { sites: SITES, publishers: FULL_ALL / SITES, window: WINDOW }),
    ("JetStream, 256 a publish", Work::Plain { publishers: 1, window: 1, batch: BATCH }),
    ("JetStream, 256 a publish, 3 publishers", BATCHES),
];
const BATCHES: Work = Work::Plain { publishers: SITES, window: 1, batch: BATCH };
const PLAIN: &str = "JetStream, 100 in flight";
const ONE: &str = "sites, 100 in flight";
const MANY_PLAIN: &str = "JetStream, 300 publishers";
const MANY: &str = "sites, 300 publishers";
const DEEP_PLAIN: &str = "JetStream, 300 publishers, 3000 in flight";
const DEEP: &str = "sites, 300 publishers, 3000 in flight";
const FULL_PLAIN: &str = "JetStream, 90 publishers, 9000 in flight";
const FULL: &str = "sites, 90 publishers, 9000 in flight";

pub(super) fn measure(setup: &Setup) -> Result<Measured> {
    let mut measured = Measured::default();
    let kinds = if setup.is_quick { &KINDS[3..] } else { &KINDS };
    for kind in kinds {
        let table = with(setup, *kind)?;
        for (ours, plain) in [(ONE, PLAIN), (MANY, PLAIN), (DEEP, PLAIN), (FULL, PLAIN)] {
            let name = format!("{}: {ours}, to {plain}", table.title);
            let found = table.ratio(ours, plain, RATE);
            measured.targets.push(Target { name, bound: Bound::Above(RATIO_MIN), found, unit: "" });
        }
        measured.tables.push(table);
    }
    Ok(measured)
}

fn with(setup: &Setup, kind: EngineKind) -> Result<Table> {
    let span = Duration::from_millis(if setup.is_quick { 300 } else { 2_000 });
    let rounds = setup.rounds_or(ROUNDS);
    let world = setup.start(kind, KEYS)?;
    world.engine.create_stream(STREAM_BYTES)?;
    let about = format!(
        "Texts of {TEXT_BYTES} B. {} of {} ms on the same servers and sites. *JetStream* is a \
         stream on as many servers, whose leader the publishers are connected to. 300 publishers \
         have one message under way each, with *3000 in flight* ten, and 90 publishers have 100; \
         the rows *256 a publish* one publish of 256 texts for each publisher. *sites, 100 in \
         flight*: one publisher at one of three sites. *sites, 300 publishers*: 100 at each site. \
         Each site has one member, which sends by all publishers of this site, and gets and \
         verifies the messages of the other sites.",
        count(rounds, "round"),
        span.as_millis(),
    );
    let rows = ROWS.map(|(name, _)| Row::new(name)).into();
    let mut table = Table { title: format!("confirmed, {}", kind.name()), about, rows };
    let mut number = 0;
    table.measure(rounds, &mut |index| {
        let (_, work) = ROWS.get(index).context("no such row")?;
        number += 1;
        round(&world, *work, number, span)
    });
    Ok(table)
}

fn round(world: &World, work: Work, number: usize, span: Duration) -> Result<Values> {
    let World { engine, group, .. } = world;
    match work {
        Work::Plain { publishers, window, batch } => {
            let clients = &mut plain(engine, publishers, batch)?;
            let mut values = run(clients, window, batch, span, world)?;
            values.retain(|(name, _)| ![SITES_CPU, BATCHED].contains(name));
            Ok(values)
        }
        Work::Sites { sites, publishers, window } => {
            let ids: Vec<String> =
                (0..SITES).map(|site| format!("member{number}-{site}")).collect();
            let mut clients = connect(group, &ids, sites, publishers)?;
            let values = run(&mut clients, window, 1, span, world);
            drop(clients);
            for id in &ids {
                group.command(0)?.request(id, "deregister")?;
            }
            values
        }
    }
}

fn plain(engine: &Engine, publishers: usize, batch: usize) -> Result<Clients> {
    let mut clients = Clients::new(TEXT_BYTES * batch)?;
    let leader = engine.leader(crate::peers::nats::STREAM)?;
    for index in 0..publishers {
        engine.address_of(leader)?.add_stream_publisher(&mut clients, index)?;
    }
    Ok(clients)
}

/// Registers a member at each site, and connects the publishers of the first `sites` sites.
fn connect(group: &Group, ids: &[String], sites: usize, publishers: usize) -> Result<Clients> {
    let mut clients = Clients::new(TEXT_BYTES)?;
    for (site, id) in ids.iter().enumerate() {
        let mut messages = group.command(site)?;
        messages.register_here(id, true)?;
        let own: Range<usize> =
            if site < sites { site * publishers..(site + 1) * publishers } else { 0..0 };
        let wire = Box::new(Deliveries::new(TEXT_BYTES, true));
        clients.add_receiver(messages.into_stream(), wire, sites * publishers, own)?;
    }
    for (site, id) in ids.iter().enumerate().take(sites) {
        for _ in 0..publishers {
            let command = group.command(site)?.into_stream();
            clients.add_publisher(command, Box::new(Requests::new(id)))?;
        }
    }
    Ok(clients)
}

fn run(
    clients: &mut Clients,
    window: u64,
    batch: usize,
    span: Duration,
    World { engine, group, .. }: &World,
) -> Result<Values> {
    clients.run(Pace::Unanswered(window), Until::Elapsed(span / 5))?;
    let (_, first) = engine.entries()?;
    let (sites, servers) = (group.usages()?, engine.usage()?);
    let run = clients.run(Pace::Unanswered(window), Until::Elapsed(span))?;
    let messages = (run.messages * batch as u64) as f64;
    let cpu = |before: Usage, after: Usage| after.cpu_ns_since(&before) as f64 / messages.max(1.0);
    let (sites, servers) = (cpu(sites, group.usages()?), cpu(servers, engine.usage()?));
    let (_, last) = engine.entries()?;
    Ok(vec![
        (RATE, messages / run.elapsed.as_secs_f64()),
        (SITES_CPU, sites),
        (ENGINE_CPU, servers),
        (BATCHED, messages / (last - first).max(1) as f64),
    ])
}
