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

/// Two tables: what a second brings, and what a message costs.
fn with(setup: &Setup, publishers: usize, heard: &mut dyn FnMut(&str)) -> Result<[Table; 2]> {
    let (rounds, span) = match setup.is_quick {
        true => (1, Duration::from_millis(300)),
        false => (ROUNDS, Duration::from_millis(1_500)),
    };
    let under_way = publishers * IN_FLIGHT as usize;
    let batches = [1, under_way];
    let mut disk = batches.map(|batch| Row::new(&format!("the disk, {batch} at once")));
    let mut stores = STORES.map(|store| (store, Row::new(store.name()), Row::new(store.name())));
    for (store, rate, cpu) in &mut stores {
        rate.fault = store.obstacle(setup);
        cpu.fault = rate.fault.clone();
    }
    let missing = STORES.map(|store| store.obstacle(setup).map(|_| store));
    let missing: Vec<Store> = missing.into_iter().flatten().collect();
    for round in 1..=rounds {
        for (row, batch) in disk.iter_mut().zip(batches) {
            let directory = setup.place.fresh()?;
            let bytes = batch * (TEXT_BYTES + AROUND_BYTES);
            let syncs = syncs_per_second(directory.path(), bytes, span);
            let rate = syncs.map(|syncs| syncs * batch as f64);
            say(heard, round, &row.name, &rate.as_ref().map(|rate| (*rate, 0.0)));
            row.push(&rate);
        }
        for (store, rate, cpu) in stores.iter_mut().filter(|(store, ..)| !missing.contains(store)) {
            let measured = play(setup, *store, publishers, span);
            let both = measured.as_ref().map(|it| (it.per_second, it.cpu_ns));
            say(heard, round, store.name(), &both);
            match measured {
                Ok(Measured { per_second, cpu_ns }) => {
                    rate.push(&Ok(per_second));
                    cpu.push(&Ok(cpu_ns));
                }
                Err(failure) => rate.push(&Err(failure)),
            }
        }
    }
    let who =
        if publishers == 1 { "1 publisher".to_owned() } else { format!("{publishers} publishers") };
    let about = format!(
        "{who}, each with {IN_FLIGHT} messages of {TEXT_BYTES} B under way; nobody receives. \
         {rounds} rounds of {} ms, in turns; then each server is killed, started again, and must \
         have every message that it had confirmed. The disk: so many times {} B are written and \
         synced at once, and counted as so many messages.",
        span.as_millis(),
        TEXT_BYTES + AROUND_BYTES,
    );
    let (mut rates, mut costs) = (Vec::new(), Vec::new());
    for (_, rate, cpu) in stores {
        rates.push(rate);
        costs.push(cpu);
    }
    rates.extend(disk);
    let title = format!("{RATE}, {who}");
    let cost_about = "From the same rounds.".to_owned();
    let cost_title = format!("CPU of a message, {who}");
    Ok([
        Table { title, about, unit: "messages/s", rows: rates },
        Table { title: cost_title, about: cost_about, unit: "ns", rows: costs },
    ])
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
    measured: &std::result::Result<(f64, f64), &Failure>,
) {
    heard(&match measured {
        Ok((rate, cpu)) if *cpu > 0.0 => {
            format!("  {round} {name:<22} {rate:>9.0} messages/s, {cpu:.0} ns of CPU each")
        }
        Ok((rate, _)) => format!("  {round} {name:<22} {rate:>9.0} messages/s"),
        Err(failure) => format!("  {round} {name:<22} FAILED: {failure}"),
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
