//! Members that three sites carry: each member gets each message.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::engine::EngineKind;
use super::group::{Group, GroupKeys, SITES};
use super::{Measured, Setup, World};
use crate::clients::{Clients, Pace, Until};
use crate::cores;
use crate::peers::groupcast::{Deliveries, Requests};
use crate::process::Usage;
use crate::table::{Row, Samples, Table, Values, count};

const TEXT_BYTES: usize = 100;
/// Members of each site.
const MEMBERS: usize = 3_000;
const RATE: u32 = 200;
const SECONDS: u32 = 5;
const ROUNDS: usize = 3;
const PUBLISHER: &str = "publisher";
const KIND: EngineKind = EngineKind { servers: 3, is_synced: true };
const KEYS: GroupKeys =
    GroupKeys { ttl_s: 600, lines: "max_members=20000\nmax_backlog=1g\nkeep=0\n" };
/// Files beside those of the members.
const FILES: u64 = 200;

pub(super) fn measure(setup: &Setup) -> Result<Measured> {
    let members = if setup.is_quick { MEMBERS / 100 } else { MEMBERS };
    let rounds = setup.rounds_or(ROUNDS);
    let files = (SITES * members) as u64 + FILES;
    ensure!(cores::file_limit().is_none_or(|limit| limit >= files), "needs {files} open files");
    let world = setup.start(KIND, KEYS)?;
    let mut clients = connect(&world.group, members)?;
    let about = format!(
        "{SITES} sites with {members} online members each, {}. One publisher at the first site \
         sends {RATE} messages of {TEXT_BYTES} B a second, {SECONDS} s a round. Each member gets \
         and verifies each message. The clients use the same cores, in one thread: if that has \
         100 %, it is the limit. {}. Times count from when a message was due.",
        KIND.name(),
        count(rounds, "round"),
    );
    let mut table = Table { title: "members".to_owned(), about, rows: vec![Row::alone("9000")] };
    if let Some(row) = table.rows.first_mut() {
        row.name = format!("{} members", SITES * members);
    }
    table.measure(rounds, &mut |_| round(&world, &mut clients));
    Ok(Measured { tables: vec![table], targets: Vec::new() })
}

fn connect(group: &Group, members: usize) -> Result<Clients> {
    let mut clients = Clients::new(TEXT_BYTES)?;
    let mut own = group.command(0)?;
    own.register_here(PUBLISHER, true)?;
    clients.keep(own.into_stream());
    for index in 0..SITES * members {
        let mut messages = group.command(index % SITES)?;
        messages.register_here(&format!("member{index}"), true)?;
        let wire = Box::new(Deliveries::new(TEXT_BYTES, true));
        clients.add_receiver(messages.into_stream(), wire, 1, 0..0)?;
    }
    let command = group.command(0)?.into_stream();
    clients.add_publisher(command, Box::new(Requests::new(PUBLISHER)))?;
    Ok(clients)
}

const CPU: [&str; SITES] = ["CPU of site 1, %", "CPU of site 2, %", "CPU of site 3, %"];
const RSS: [&str; SITES] = ["RSS of site 1, MB", "RSS of site 2, MB", "RSS of site 3, MB"];

fn round(World { group, engine, .. }: &World, clients: &mut Clients) -> Result<Values> {
    let usages = || (0..SITES).map(|site| group.usage(site)).collect::<Result<Vec<_>>>();
    let (before, servers, clients_before) = (usages()?, engine.usage()?, Usage::own()?);
    let pace = Pace::Every(Duration::from_secs(1) / RATE);
    let run = clients.run(pace, Until::Messages(u64::from(RATE * SECONDS)))?;
    let (after, seconds) = (usages()?, run.elapsed.as_secs_f64());
    let percent = |cpu_ns: u64| cpu_ns as f64 / run.elapsed.as_nanos() as f64 * 100.0;
    let times = clients.times.iter().map(|time| time.as_secs_f64() * 1e3).collect();
    let samples = Samples::new(times);
    let mut values = vec![
        ("deliveries/s", run.deliveries as f64 / seconds),
        ("p50, ms", samples.quantile(0.5)),
        ("p99, ms", samples.quantile(0.99)),
    ];
    for (site, (before, after)) in before.iter().zip(&after).enumerate() {
        let names = CPU.get(site).zip(RSS.get(site));
        values.extend(names.into_iter().flat_map(|(cpu, rss)| {
            [(*cpu, percent(after.cpu_ns_since(before))), (*rss, after.rss_bytes as f64 / 1e6)]
        }));
    }
    values.push(("CPU of the engine, %", percent(engine.usage()?.cpu_ns_since(&servers))));
    let clients = Usage::own()?.cpu_ns_since(&clients_before);
    values.push(("CPU of the clients, %", percent(clients)));
    Ok(values)
}
