//! Longest time without a confirmed message, when a site or servers of the engine end.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};

use super::engine::EngineKind;
use super::group::{GroupKeys, SITES, STREAM};
use super::member::{Home, Run, read};
use super::sender::{Pacing, Sent, send};
use super::{Measured, Setup, World};
use crate::clock;
use crate::table::{Row, Table, Values, count};

const TEXT_BYTES: usize = 100;
/// More texts than a round sends.
const TEXTS: u64 = 200_000;
const PACING: Pacing = Pacing { window: 1, pause: Duration::from_millis(2) };
const KIND: EngineKind = EngineKind { servers: 3, is_synced: true };
const KEYS: GroupKeys = GroupKeys { ttl_s: 3600, lines: "keep=0\n" };
const ROUNDS: usize = 3;
/// Time before the event, and after it.
const STEADY: Duration = Duration::from_secs(1);
/// Time that servers stay away.
const AWAY: Duration = Duration::from_secs(5);
/// Longest wait until all sites confirm again.
const RECOVERY: Duration = Duration::from_secs(90);
/// Texts of each site after which it is back.
const BACK: u64 = 20;
const PAUSE: Duration = Duration::from_millis(20);
const OTHERS: &str = "at the other sites, ms";
const SAME: &str = "at the same site, ms";

#[derive(Clone, Copy, Debug)]
enum Event {
    KillSite,
    StopSite,
    KillLeader,
    StopLeader,
    KillMajority,
}

const EVENTS: [(&str, Event); 5] = [
    ("a site, SIGKILL", Event::KillSite),
    ("a site, SIGTERM", Event::StopSite),
    ("the engine's leader, SIGKILL", Event::KillLeader),
    ("the engine's leader, SIGTERM", Event::StopLeader),
    ("two of three servers, SIGKILL, 5 s away", Event::KillMajority),
];

pub(super) fn measure(setup: &Setup) -> Result<Measured> {
    let rounds = setup.rounds_or(ROUNDS);
    let mut world = setup.start(KIND, KEYS)?;
    let about = format!(
        "Longest time without a confirmed message, {}. A member at each of {SITES} sites sends \
         numbered texts, one at a time, {} ms apart, and stays with its site. A process that was \
         ended starts again at once, servers of the engine after {} s. A site that was killed \
         first waits 5 s for another process of its name. {}.",
        KIND.name(),
        PACING.pause.as_millis(),
        AWAY.as_secs(),
        count(rounds, "round"),
    );
    let rows = EVENTS.map(|(name, _)| Row::alone(name)).into();
    let mut table = Table { title: "stall".to_owned(), about, rows };
    let mut number = 0;
    table.measure(rounds, &mut |index| {
        let (_, event) = EVENTS.get(index).context("no such row")?;
        number += 1;
        round(&mut world, *event, number)
    });
    Ok(Measured { tables: vec![table], targets: Vec::new() })
}

fn round(world: &mut World, event: Event, number: usize) -> Result<Values> {
    let run = Run::new(world.group.addresses(), SITES, TEXTS, TEXT_BYTES, false);
    let homes: Vec<Home> = (0..SITES).map(Home::new).collect();
    let id = |site: usize| format!("member{number}-{site}");
    let (run, homes) = (&run, &homes);
    let (begin, sent) = thread::scope(|scope| {
        let mut readers = Vec::new();
        let mut senders = Vec::new();
        for (site, home) in homes.iter().enumerate() {
            let read = move || read(run, &id(site), Some(site), home);
            readers.push(scope.spawn(move || read().inspect_err(|_| run.end())));
        }
        for home in homes {
            home.await_online(run);
        }
        for (site, home) in homes.iter().enumerate() {
            let send = move || send(run, &id(site), site, home, PACING);
            senders.push(scope.spawn(move || send().inspect_err(|_| run.end())));
        }
        let begin = disturb(world, run, homes, event);
        run.end();
        let panicked = |_| anyhow!("a thread panicked");
        for reader in readers {
            reader.join().map_err(panicked).flatten()?;
        }
        let sent = senders.into_iter().map(|it| it.join().map_err(panicked).flatten());
        anyhow::Ok((begin?, sent.collect::<Result<Vec<Sent>>>()?))
    })?;
    for site in 0..SITES {
        world.group.command(0)?.request(&id(site), "deregister")?;
    }
    let longest = |sent: &Sent| longest_after(&sent.times, begin).as_secs_f64() * 1e3;
    let ended = usize::from(matches!(event, Event::KillSite | Event::StopSite));
    let others = sent.iter().skip(ended).map(longest).fold(0.0, f64::max);
    let same = sent.iter().take(ended).map(|sent| (SAME, longest(sent)));
    Ok([(OTHERS, others)].into_iter().chain(same).collect())
}

/// Waits, ends processes, starts them again, and waits until all sites confirm. Returns the time of
/// the end of the processes.
fn disturb(world: &mut World, run: &Run, homes: &[Home], event: Event) -> Result<Instant> {
    await_progress(run, homes)?;
    clock::pause(STEADY);
    let leader = world.engine.leader(STREAM)?;
    let other = (leader + 1) % world.engine.len();
    let begin = clock::now();
    match event {
        Event::KillSite => world.group.kill(0),
        Event::StopSite => world.group.stop(0)?,
        Event::KillLeader => world.engine.kill(leader),
        Event::StopLeader => world.engine.terminate(leader)?,
        Event::KillMajority => {
            world.engine.kill(leader);
            world.engine.kill(other);
        }
    }
    match event {
        Event::KillSite | Event::StopSite => world.group.start(0)?,
        Event::KillLeader | Event::StopLeader | Event::KillMajority => {
            clock::pause(AWAY);
            let servers = 0..world.engine.len();
            let away = servers.filter(|index| !world.engine.is_running(*index));
            let away: Vec<usize> = away.collect();
            away.into_iter().try_for_each(|index| world.engine.restart(index))?;
        }
    }
    await_progress(run, homes)?;
    clock::pause(STEADY);
    Ok(begin)
}

/// Waits until each member has further texts confirmed.
fn await_progress(run: &Run, homes: &[Home]) -> Result<()> {
    let confirmed = |home: &Home| home.confirmed.load(Ordering::Relaxed);
    let before: Vec<u64> = homes.iter().map(confirmed).collect();
    let begin = clock::now();
    let is_back = |(home, before): (&Home, &u64)| confirmed(home) >= before + BACK;
    while !homes.iter().zip(&before).all(is_back) {
        ensure!(!run.is_over(), "a member ended");
        let is_late = clock::now() - begin > RECOVERY;
        ensure!(!is_late, "nothing is confirmed for {} s", RECOVERY.as_secs());
        clock::pause(PAUSE);
    }
    Ok(())
}

/// Longest time between two confirmations, of which the second one comes after `begin`.
fn longest_after(times: &[Instant], begin: Instant) -> Duration {
    let pairs = times.iter().zip(times.iter().skip(1)).filter(|(_, second)| **second > begin);
    pairs.map(|(first, second)| *second - *first).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_time_around_or_after_an_event_counts() {
        let start = clock::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let times = [0, 50, 60, 90, 100, 120].map(at);
        for (begin, longest) in [(0, 50), (49, 50), (50, 30), (70, 30), (95, 20), (200, 0)] {
            let found = longest_after(&times, at(begin));
            assert_eq!(found, Duration::from_millis(longest), "{begin}");
        }
    }
}
