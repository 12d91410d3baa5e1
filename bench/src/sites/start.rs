//! Start of a site with many members and many messages.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::engine::EngineKind;
use super::group::{Group, GroupKeys};
use super::{Measured, Setup, World};
use crate::clients::{Clients, Pace, Until};
use crate::clock;
use crate::peers::groupcast::{Deliveries, Requests};
use crate::table::{Row, Table, Values, count};

const TEXT_BYTES: usize = 100;
const MEMBERS: usize = 10_000;
const MESSAGES: u64 = 1_000_000;
const WINDOW: u64 = 1_000;
const ROUNDS: usize = 3;
const KIND: EngineKind = EngineKind { servers: 3, is_synced: false };
/// Messages live for a day.
const ENTRIES: GroupKeys =
    GroupKeys { ttl_s: 86_400, lines: "max_members=20000\nmax_backlog=1g\nkeep=0\n" };
/// A snapshot is made each minute.
const SNAPSHOT: GroupKeys = GroupKeys { ttl_s: 240, ..ENTRIES };
/// Longest wait for a snapshot, and the entries that are left then.
const SNAPSHOT_WAIT: Duration = Duration::from_secs(180);
const PAUSE: Duration = Duration::from_millis(500);
const LEFT: u64 = 1_000;
const PUBLISHER: &str = "publisher";
const READER: &str = "reader";

pub(super) fn measure(setup: &Setup) -> Result<Measured> {
    let part = if setup.is_quick { 100 } else { 1 };
    let (members, messages) = (MEMBERS / part, MESSAGES / part as u64);
    let rounds = setup.rounds_or(ROUNDS);
    let about = format!(
        "Time from the start of a site, which was ended by SIGTERM, until it answers. {members} \
         members are offline. *entries*: they have missed {messages} messages of {TEXT_BYTES} B, \
         which all are in the list. *snapshot*: they have missed nothing, and the list begins at \
         a snapshot, after as many messages. {}, files in the page cache. After SIGKILL a site \
         waits 5 s more.",
        count(rounds, "round"),
    );
    let rows = vec![Row::alone("entries"), Row::alone("snapshot")];
    let mut table = Table { title: "start".to_owned(), about, rows };
    let mut worlds = [kept(setup, members, messages)?, passed(setup, members, messages)?];
    table.measure(rounds, &mut |index| {
        let Some(world) = worlds.get_mut(index) else { return Ok(Values::new()) };
        round(world)
    });
    Ok(Measured { tables: vec![table], targets: Vec::new() })
}

fn round(World { group, engine, .. }: &mut World) -> Result<Values> {
    let (entries, _) = engine.entries()?;
    let begin = clock::now();
    group.start(0)?;
    group.await_served(0)?;
    let elapsed = clock::now() - begin;
    let usage = group.usage(0)?;
    group.stop(0)?;
    Ok(vec![
        ("ms", elapsed.as_secs_f64() * 1e3),
        ("RSS, MB", usage.rss_bytes as f64 / 1e6),
        ("most RSS, MB", usage.rss_bytes_max as f64 / 1e6),
        ("entries of the list", entries as f64),
    ])
}

/// A group whose members have missed everything.
fn kept(setup: &Setup, members: usize, messages: u64) -> Result<World> {
    let mut world = setup.found(KIND, ENTRIES)?;
    world.group.start(0)?;
    world.group.await_served(0)?;
    register(&world.group, members)?;
    publish(&world.group, messages, false)?;
    world.group.stop(0)?;
    Ok(world)
}

/// A group whose members came after the messages, with a snapshot behind them.
fn passed(setup: &Setup, members: usize, messages: u64) -> Result<World> {
    let mut world = setup.found(KIND, SNAPSHOT)?;
    world.group.start(0)?;
    world.group.await_served(0)?;
    publish(&world.group, messages, true)?;
    register(&world.group, members)?;
    let begin = clock::now();
    // A cluster that is busy may not answer in time.
    while world.engine.entries().map_or(true, |(entries, _)| entries > LEFT) {
        ensure!(clock::now() - begin < SNAPSHOT_WAIT, "the list was not purged");
        clock::pause(PAUSE);
    }
    world.group.stop(0)?;
    Ok(world)
}

/// Registers members, which are offline then.
fn register(group: &Group, members: usize) -> Result<()> {
    (0..members).try_for_each(|index| {
        let mut messages = group.command(0)?;
        messages.register_here(&format!("member{index}"), true).map(drop)
    })
}

/// Publishes messages, also to one member that acknowledges them.
fn publish(group: &Group, messages: u64, is_read: bool) -> Result<()> {
    let mut clients = Clients::new(TEXT_BYTES)?;
    let mut own = group.command(0)?;
    own.register_here(PUBLISHER, true)?;
    clients.keep(own.into_stream());
    if is_read {
        let mut reader = group.command(0)?;
        reader.register_here(READER, true)?;
        let wire = Box::new(Deliveries::new(TEXT_BYTES, true));
        clients.add_receiver(reader.into_stream(), wire, 1, 0..0)?;
    }
    let command = group.command(0)?.into_stream();
    clients.add_publisher(command, Box::new(Requests::new(PUBLISHER)))?;
    clients.run(Pace::Unanswered(WINDOW), Until::Messages(messages))?;
    drop(clients);
    let mut command = group.command(0)?;
    command.request(PUBLISHER, "deregister")?;
    if is_read {
        command.request(READER, "deregister")?;
    }
    Ok(())
}
