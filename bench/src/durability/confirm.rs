//! Messages confirmed a second, where nothing is confirmed before it is safe on the disk.

use std::time::Duration;

use super::Setup;
use super::crew::{Crew, Until};
use super::disk::syncs_per_second;
use super::store::{STORES, Store};
use super::table::{Row, Table};
use crate::failure::{Failure, Result};

/// How the titles of the rates begin.
pub(super) const RATE: &str = "confirmed";

const TEXT_BYTES: usize = 100;
/// What a journal has around a text, or a little less: header of the record, and of the line.
const AROUND_BYTES: usize = 50;
const IN_FLIGHT: u64 = 100;
const PUBLISHERS: [usize; 2] = [1, 100];
const ROUNDS: usize = 5;

struct Measured {
    per_second: f64,
    cpu_ns: f64,
}

pub(super) fn measure(setup: &Setup, heard: &mut dyn FnMut(&str)) -> Result<Vec<Table>> {
    let mut tables = Vec::new();
    for publishers in PUBLISHERS {
        tables.extend(with(setup, publishers, heard)?);
    }
    Ok(tables)
}

/// A store, and what came of its rounds.
struct Contestant {
    store: Store,
    rate: Row,
    cpu: Row,
}

impl Contestant {
    fn new(store: Store, setup: &Setup) -> Self {
        let [rate, cpu] = [(); 2].map(|()| {
            Row { fault: store.obstacle(setup), ..Row::new(store.name()) } //.
        });
        Self { store, rate, cpu }
    }
}

/// Two tables: what a second brings, and what a message costs.
fn with(setup: &Setup, publishers: usize, heard: &mut dyn FnMut(&str)) -> Result<[Table; 2]> {
    let span = Duration::from_millis(if setup.is_quick { 300 } else { 1_000 });
    let rounds = setup.rounds_or(ROUNDS);
    let batches = [1, publishers * IN_FLIGHT as usize];
    let mut disk = batches.map(|batch| Row::new(&format!("the disk, {batch} at once")));
    let mut contestants = STORES.map(|store| Contestant::new(store, setup));
    let is_missing = |it: &Contestant| it.rate.fault.is_some();
    let missing = contestants.each_ref().map(is_missing);
    for round in 1..=rounds {
        for (row, batch) in disk.iter_mut().zip(batches) {
            let rate = sync(setup, batch, span);
            say(heard, round, &row.name, &rate.as_ref().map(|rate| (*rate, None)));
            row.push(&rate);
        }
        let present = contestants.iter_mut().zip(missing).filter(|(_, is_missing)| !is_missing);
        for (Contestant { store, rate, cpu }, _) in present {
            let measured = play(setup, *store, publishers, span);
            let both = measured.as_ref().map(|it| (it.per_second, Some(it.cpu_ns)));
            say(heard, round, store.name(), &both);
            if let Ok(Measured { cpu_ns, .. }) = measured {
                cpu.push(&Ok(cpu_ns));
            }
            rate.push(&measured.map(|it| it.per_second));
        }
    }
    let [mut rates, mut costs] = tables(publishers, rounds, span);
    for Contestant { rate, cpu, .. } in contestants {
        rates.rows.push(rate);
        costs.rows.push(cpu);
    }
    rates.rows.extend(disk);
    Ok([rates, costs])
}

/// Both tables without their rows.
fn tables(publishers: usize, rounds: usize, span: Duration) -> [Table; 2] {
    let who = match publishers {
        1 => "1 publisher".to_owned(),
        _ => format!("{publishers} publishers"),
    };
    let about = format!(
        "{who}, each with {IN_FLIGHT} messages of {TEXT_BYTES} B under way; nobody receives. \
         {rounds} rounds of {} ms, in turns; then each server is killed, started again, and must \
         have every message that it had confirmed. The disk: so many times {} B are written and \
         synced at once, and counted as so many messages.",
        span.as_millis(),
        TEXT_BYTES + AROUND_BYTES,
    );
    let (title, cost) = (format!("{RATE}, {who}"), format!("CPU of a message, {who}"));
    let from = "CPU of the server, all its threads, from the same rounds.".to_owned();
    [
        Table { title, about, unit: "messages/s", rows: Vec::new() },
        Table { title: cost, about: from, unit: "ns", rows: Vec::new() },
    ]
}

/// One round of the disk alone, counted in messages.
fn sync(setup: &Setup, batch: usize, span: Duration) -> Result<f64> {
    let directory = setup.place.fresh()?;
    let bytes = batch * (TEXT_BYTES + AROUND_BYTES);
    Ok(syncs_per_second(directory.path(), bytes, span)? * batch as f64)
}

/// One round of one store.
fn play(setup: &Setup, store: Store, publishers: usize, span: Duration) -> Result<Measured> {
    let directory = setup.place.fresh()?;
    let stage = store.begin(setup, directory.path(), publishers)?;
    let mut crew = Crew::new(stage.publishers, TEXT_BYTES)?;
    crew.play(IN_FLIGHT, Until::Passed(span / 5))?;
    let before = stage.server.usage()?;
    let (messages, passed) = crew.play(IN_FLIGHT, Until::Passed(span))?;
    let after = stage.server.usage()?;
    let confirmed = crew.confirmed();
    drop((stage.server, stage.held, crew)); // Killed, with no warning.
    let found = store.count(setup, directory.path())?;
    check(store, confirmed, found)?;
    let per_second = messages as f64 / passed.as_secs_f64();
    let cpu_ns = after.cpu_ns_since(&before) as f64 / messages.max(1) as f64;
    Ok(Measured { per_second, cpu_ns })
}

fn check(store: Store, confirmed: u64, found: u64) -> Result<()> {
    if confirmed == found {
        return Ok(());
    }
    let name = store.name();
    Err(Failure::Wrong(format!("{name} confirmed {confirmed} messages and has {found}")))
}

fn say(
    heard: &mut dyn FnMut(&str),
    round: usize,
    name: &str,
    measured: &std::result::Result<(f64, Option<f64>), &Failure>,
) {
    heard(&match measured {
        Ok((rate, Some(cpu))) => {
            format!("  {round} {name:<25} {rate:>9.0} messages/s, {cpu:.0} ns of CPU each")
        }
        Ok((rate, None)) => format!("  {round} {name:<25} {rate:>9.0} messages/s"),
        Err(failure) => format!("  {round} {name:<25} FAILED: {failure}"),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_confirmed_and_is_not_there_is_said() {
        assert!(check(Store::Redis, 7, 7).is_ok());
        for found in [6, 8] {
            let fault = check(Store::Nats, 7, found).unwrap_err().to_string();
            assert_eq!(fault, format!("NATS JetStream confirmed 7 messages and has {found}"));
        }
    }
}
