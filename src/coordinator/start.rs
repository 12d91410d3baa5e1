//! The start: a group from its journal, or from nothing.

use std::collections::VecDeque;
use std::io;
use std::path::Path;

use mio::Registry;

use super::Failure;
use super::keeper::{Closed, Current, Keeper, Start, mode, snapshot};
use super::scribe::Scribe;
use crate::config::CoordinatorConfig;
use crate::event_loop::{Clock, Pool};
use crate::group::{Group, Recorded, Replay, Rules, Standpoint};
use crate::journal::{
    BootId, Directory, Event, Header, Record, Recovered, Salt, Store, SyncMode, delivery, recover,
};
use crate::limits::{JOURNAL_QUEUE_MAX, Sync};
use crate::protocol::Epoch;
use crate::time::{Millis, Now, UnixMillis};

/// A group, the clock that its messages age by, and what writes it down.
pub(super) struct Beginning {
    pub(super) group: Group,
    pub(super) clock: Clock,
    pub(super) keeper: Option<Keeper>,
}

/// What every start draws anew.
pub(super) fn draw() -> Result<u64, Failure> {
    getrandom::u64().map_err(|error| {
        Failure::System("cannot draw a random number", io::Error::other(error)) //.
    })
}

/// Begins with what the journal has, if there is one.
pub(super) fn begin(
    config: &CoordinatorConfig,
    rules: Rules,
    registry: &Registry,
) -> Result<Beginning, Failure> {
    let Some(directory) = &config.data_dir else {
        let group = Group::new(rules, Epoch::new(draw()?));
        return Ok(Beginning { group, clock: Clock::start(), keeper: None });
    };
    let ttl_ms = rules.ttl_ms;
    let failed = |error: io::Error| Failure::Journal(directory.clone(), error.to_string());
    let mut store = open(directory)?;
    let mut replay = Replay::new(rules, Epoch::new(draw()?));
    let recovered = recover(&mut store, |event| apply(&mut replay, event));
    for trouble in &recovered.troubles {
        log::warn!("journal {}: {trouble}", directory.display());
    }
    let boot = boot_id();
    let epoch = match recovered.epoch.filter(|_| keeps_epoch(&recovered, boot)) {
        Some(epoch) => epoch,
        None => Epoch::new(draw()?),
    };
    let clock = Clock::start_at(age(&recovered, Clock::start().now().unix));
    let (group, now) = (replay.finish(epoch), clock.now());
    let (serial, salt) = (store.next_serial(), Salt(draw()?));
    let header = Header { serial, salt, boot, sync: mode(config.sync) };
    let records = snapshot(&group, group.last(), salt, now);
    let writer = store.create(&header, &records).map_err(failed)?;
    log_beginning(&group, &recovered);
    let segment = Current { serial, salt, bytes: records.len() as u64, noted: now };
    let closed = closed(&recovered, now);
    let start = Start { boot, segment, safe: group.last(), closed };
    let scribe = Scribe::new(store, writer);
    let worker = Pool::new(registry)
        .and_then(|pool| pool.attach("journal", JOURNAL_QUEUE_MAX, scribe))
        .map_err(|error| Failure::System("cannot start a thread", error))?;
    let keeper = Keeper::new(worker, config.sync, ttl_ms, start);
    Ok(Beginning { group, clock, keeper: Some(keeper) })
}

fn open(directory: &Path) -> Result<Store<Directory>, Failure> {
    let failed = |why: &dyn std::fmt::Display| {
        Failure::Journal(directory.to_owned(), why.to_string()) //.
    };
    let disk = Directory::create(directory).map_err(|error| failed(&error))?;
    Store::open(disk).map_err(|unusable| failed(&unusable))
}

/// Numbers go on where they were if none can have been given out that is not there.
fn keeps_epoch(recovered: &Recovered, boot: BootId) -> bool {
    let is_safe = recovered.header.is_some_and(|header| {
        recovered.is_clean || header.boot == boot || header.sync == SyncMode::Always
    });
    is_safe && !recovered.lost_tail
}

/// The group time that it is now: the age of the last record, and what the wall clock says has
/// passed since, which is nothing if it was set back.
pub(super) fn age(recovered: &Recovered, unix: UnixMillis) -> Millis {
    let Some((noted_at, noted)) = recovered.clock else { return recovered.at };
    let last = noted.0.saturating_add(recovered.at.since(noted_at));
    recovered.at.plus(unix.0.saturating_sub(last))
}

fn closed(recovered: &Recovered, now: Now) -> VecDeque<Closed> {
    let segments = recovered.segments.iter();
    segments
        .map(|segment| Closed {
            serial: segment.serial,
            bytes: segment.bytes,
            newest: segment.newest.unwrap_or(Millis::ZERO).min(now.steady),
        })
        .collect()
}

pub(super) fn apply(replay: &mut Replay, event: Event<'_>) {
    match event {
        Event::Lost { first, last } => replay.lose(first, last),
        Event::Fact { at, record } => {
            if let Some(recorded) = recorded(&record) {
                replay.apply(recorded, at);
            }
        }
    }
}

fn recorded<'a>(record: &Record<'a>) -> Option<Recorded<'a>> {
    match *record {
        Record::Epoch { epoch, last } => Some(Recorded::Snapshot { epoch, last }),
        Record::Member { id, address, registered_at, place } => {
            let id = id.into();
            Some(Recorded::Member(Standpoint { id, address, registered_at, place }))
        }
        Record::Deregistered { id } => Some(Recorded::Deregistered { id }),
        Record::Accepted { line } => Some(Recorded::Accepted { line, delivery: delivery(line)? }),
        Record::Place { id, place } => Some(Recorded::Place { id, place }),
        Record::Clock { .. } | Record::Continued | Record::Closed => None,
    }
}

fn log_beginning(group: &Group, recovered: &Recovered) {
    let standing = group.standing();
    log::info!(
        "recovered {} members and {} messages from {} segments; {} messages were lost",
        standing.members,
        standing.history_messages,
        recovered.segments.len(),
        recovered.messages_lost,
    );
}

/// Which life of the machine this is. Where the system does not say, each start is one of its own.
fn boot_id() -> BootId {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits = text.trim().replace('-', "");
    let bits = u128::from_str_radix(&digits, 16).ok().or_else(|| {
        let mut bits = [0; 16];
        getrandom::fill(&mut bits).ok().map(|()| u128::from_ne_bytes(bits))
    });
    BootId(bits.unwrap_or_default().to_be_bytes())
}

impl Sync {
    /// How it is said at the start.
    pub(super) fn words(self) -> String {
        match self {
            Self::Always => "synced before anything is confirmed".to_owned(),
            Self::Every(pause_ms) => format!("synced every {pause_ms} ms"),
            Self::Never => "synced when the system gets to it".to_owned(),
        }
    }
}
