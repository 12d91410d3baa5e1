//! Messages confirmed a second. A confirmed message is on the disk.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::disk::{WriteMode, syncs_per_second};
use super::store::{Connected, STORES, Store};
use super::{Measured, Setup};
use crate::clients::{Pace, Until};
use crate::table::{Bound, Row, Table, Target, Values, count};

pub(super) const TEXT_BYTES: usize = 100;
/// Bytes of a journal around a text, rounded down: head of the record and head of the line.
const AROUND_BYTES: usize = 50;
const WINDOW: u64 = 100;
const PUBLISHERS: [usize; 2] = [1, 100];
const ROUNDS: usize = 5;
const RATE: &str = "messages/s";
const CPU: &str = "CPU of a message, ns";

pub(super) fn measure(setup: &Setup) -> Result<Measured> {
    let mut measured = Measured::default();
    for publishers in PUBLISHERS {
        let table = with(setup, publishers);
        for peer in [Store::Nats, Store::Redis] {
            let (ours, peer) = (Store::Groupcast.name(), peer.name());
            let name = format!("{}: {ours} to {peer}", table.title);
            let found = table.ratio(ours, peer, RATE);
            measured.targets.push(Target { name, bound: Bound::Above(1.0), found, unit: "" });
        }
        measured.tables.push(table);
    }
    Ok(measured)
}

fn with(setup: &Setup, publishers: usize) -> Table {
    let span = Duration::from_millis(if setup.is_quick { 300 } else { 1_000 });
    let rounds = setup.rounds_or(ROUNDS);
    let batches = [1, publishers * WINDOW as usize];
    let disk = batches.map(|batch| [(batch, WriteMode::Append), (batch, WriteMode::Overwrite)]);
    let disk = disk.concat();
    let stores = STORES.map(|store| match store.obstacle(setup) {
        Some(obstacle) => Row::not_measured(store.name(), obstacle),
        None => Row::new(store.name()),
    });
    let disk_rows = disk.iter().map(|(batch, mode)| {
        let over = if *mode == WriteMode::Overwrite { ", over old bytes" } else { "" };
        Row::new(&format!("the disk, {batch} at once{over}"))
    });
    let who = count(publishers, "publisher");
    let about = format!(
        "{who} with {WINDOW} messages of {TEXT_BYTES} B under way each, and no receiver. {} of \
         {} ms. CPU is that of the server, all threads. After a round the server is \
         killed and started again, and must have every message that it confirmed. The disk: {} B \
         for each message are written and synced in batches, at the end of a file or over bytes \
         that are on the disk.",
        count(rounds, "round"),
        span.as_millis(),
        TEXT_BYTES + AROUND_BYTES,
    );
    let rows = stores.into_iter().chain(disk_rows).collect();
    let mut table = Table { title: format!("confirmed, {who}"), about, rows };
    table.measure(rounds, &mut |index| match STORES.get(index) {
        Some(store) => round(setup, *store, publishers, span),
        None => {
            let mode = disk.get(index - STORES.len()).copied();
            sync(setup, mode.unwrap_or((1, WriteMode::Append)), span)
        }
    });
    table
}

/// Measures the disk alone, counted in messages.
fn sync(setup: &Setup, (batch, mode): (usize, WriteMode), span: Duration) -> Result<Values> {
    let directory = setup.directory.fresh()?;
    let bytes = batch * (TEXT_BYTES + AROUND_BYTES);
    Ok(vec![(RATE, syncs_per_second(directory.path(), mode, bytes, span)? * batch as f64)])
}

fn round(setup: &Setup, store: Store, publishers: usize, span: Duration) -> Result<Values> {
    let directory = setup.directory.fresh()?;
    let Connected { server, mut clients } = store.start(setup, directory.path(), publishers)?;
    clients.run(Pace::Unanswered(WINDOW), Until::Elapsed(span / 5))?;
    let before = server.usage()?;
    let run = clients.run(Pace::Unanswered(WINDOW), Until::Elapsed(span))?;
    let after = server.usage()?;
    let confirmed = clients.replies();
    drop((server, clients)); // The server is killed.
    check(store, confirmed, store.count(setup, directory.path())?)?;
    let per_second = run.messages as f64 / run.elapsed.as_secs_f64();
    let cpu_ns = after.cpu_ns_since(&before) as f64 / run.messages.max(1) as f64;
    Ok(vec![(RATE, per_second), (CPU, cpu_ns)])
}

fn check(store: Store, confirmed: u64, found: u64) -> Result<()> {
    let name = store.name();
    ensure!(confirmed == found, "{name} confirmed {confirmed} messages and has {found}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_has_not_what_it_confirmed_is_reported() {
        assert!(check(Store::Redis, 7, 7).is_ok());
        for found in [6, 8] {
            let fault = check(Store::Nats, 7, found).unwrap_err().to_string();
            assert_eq!(fault, format!("NATS JetStream confirmed 7 messages and has {found}"));
        }
    }
}
