//! A deterministic simulation: one group and several sessions on a simulated network, from a seed,
//! in virtual time. All promises are checked while faults happen, and progress once they stop.
//!
//! ```text
//!   user ─► SimParticipant: Session, log ─┐               ┌─ Coordinator: turns, parts, Group
//!           Raw: a client without Session ├─ Environment ─┤    │ every input, effect, byte
//!           strangers ────────────────────┘ time, random  │    │         jobs ─► JournalWriter
//!                    │ every line received   numbers, net │    ▼                         │
//!                    ▼                                    │  Model: expected replies      ▼
//!                 Ledger: expected messages               └─ and bytes                Storage
//! ```
//!
//! # Real and simulated parts
//!
//! Real: both minds (`Group`, `Session`), and the coordinator from its turn down: command sockets,
//! message sockets, admission, timers, liveness, shutdown, and the journal without its thread and
//! its files. Left out is only its `System`: the poll, the clocks, the signals. `outside.rs` has
//! the coordinator's sockets instead, `writer.rs` its thread, `coordinator*.rs` its lives.
//!
//! Simulated in a simpler form: the shell of the participant. `participant.rs` and `disk.rs` hold
//! its sockets, its prompt and its message log. In a share of the runs participants are passive
//! (`passive.rs`): their command socket becomes their message socket. `raw.rs` holds clients that
//! others wrote, and `strangers.rs` people who are no members. `environment.rs` holds time,
//! randomness and the event queue, `net.rs` the connections, `storage.rs` the coordinator's disk.
//! `world.rs` causes the faults and connects all parts.
//!
//! In a share of the runs the coordinator has TLS (`identities.rs`). TLS itself is not simulated: a
//! connection shows a key, or a certificate with an id, when its handshake ends. In most of these
//! runs, and in a few others, there is an access file (`access_file.rs`). It is exchanged at random
//! moments, and each coordinator that starts reads it.
//!
//! Limits that no run reaches are not tried here: the memory of all clients together, long lists of
//! members, and the share of a member in the deliveries of one turn.
//!
//! # Checks
//!
//! These parts check every step:
//!
//! - `Group::check` verifies the invariants of the group after every input.
//! - `model*.rs` is a second group that is simple and slow. It gets every input before the group
//!   (`observer.rs`), and predicts each reply, each byte on each message socket (`stream.rs`), and
//!   all members and messages after a start.
//! - `replies.rs` reads what the coordinator reads and writes on command sockets: the requests of a
//!   client are executed in order, one at a time. Each line gets one reply, in order, and no reply
//!   leaves before its commit. No socket is closed before its replies, and nobody is left unread
//!   without a cause.
//! - `message_sockets.rs` reads what it writes on message sockets: each byte is reported to the
//!   group, and a closed socket gets its last words only.
//! - `ledger.rs` checks for each member, without knowing a coordinator, that each message of
//!   another member since its registration comes once or is counted once.
//! - `visits.rs` has programs that send texts and end, with an id of their own or with that of a
//!   participant. A visit leaves its id as it found it, takes over nobody, and tells the outcome of
//!   each text.
//! - `model_access.rs` predicts who may use an id, and with which rights: by its owner, or by the
//!   lines of the access file, as `access/model.rs` decides. A new file must set exactly those
//!   members offline that no line fits. `impostors.rs` has clients that use ids of
//!   others, and members come back at other addresses with their keys. Owners of ids must survive
//!   restarts. Each request must have the address and the credentials of its own connection.
//! - `access.rs` is a simulation of its own, of the group alone: access files that change at
//!   random, clients with addresses and keys, and restarts. A second table that walks over all
//!   lines predicts who may do what, who is set offline, and who holds up the backlog.
//!
//! Most runs have a journal, on a disk that is slow, fails, tears writes, and loses bytes that were
//! not synced, with a wall clock that jumps. Every confirmed fact must be there after `kill -9`,
//! and after a power loss as far as the sync mode promises it: messages with their age and number,
//! members, and deregistrations. The epoch must change exactly when it has to.
//!
//! In half of these runs the directory is copied at some moment and put back later (`backup.rs`),
//! with `--new-epoch` or without. A member may then lose a message only if the new numbers passed
//! its own before it came back.
//!
//! `replicated.rs` is a simulation of its own: two groups whose facts one list orders.
//!
//! At the end all faults stop (`user.rs`), and the last access file lets everybody in: everybody
//! must get online and receive one more message. `coverage.rs` lists the situations that the runs
//! must have met. Without them the runs prove less than they seem to.
//!
//! # Replaying a run
//!
//! A failure prints its seed, the step and the virtual time. The same seed gives the same run, step
//! for step, until a change of the simulation draws other random numbers:
//!
//! ```text
//!   SIM_SEED=<n> cargo test --test simulation every -- --nocapture   prints a trace
//!   SIM_SEEDS=<n> SIM_FIRST=<n> cargo test --test simulation every   runs n seeds from SIM_FIRST
//! ```

#![cfg(test)]

mod access;
mod access_file;
mod backup;
mod config_file;
mod coordinator;
mod coordinator_journal;
mod coverage;
mod crash_check;
mod disk;
mod environment;
mod epoch_history;
mod identities;
mod impostors;
mod ledger;
mod message_sockets;
mod model;
mod model_access;
mod model_expected;
mod model_here;
mod model_journal;
mod model_links;
mod model_newcomers;
mod model_offline;
mod model_presence;
mod model_sends;
mod net;
mod observer;
mod outbox_disk;
mod outside;
mod outside_stream;
mod participant;
mod passive;
mod raw;
mod raw_here;
mod replicated;
mod replies;
#[cfg(feature = "engine")]
mod sites;
mod slow_file;
mod storage;
mod strangers;
mod stream;
mod texts;
mod user;
mod visits;
mod world;
mod writer;

use std::num::NonZero;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{env, iter, thread};

use coverage::CoveragePoint;
use world::{RunResult, World};

/// Number of seeds without `SIM_SEEDS`.
const SEEDS: u64 = 60;
/// Longest virtual time with faults, in milliseconds.
const FAULTS_MS: u64 = 400_000;

fn run(seed: u64, is_loud: bool) -> RunResult {
    let mut world = World::new(seed, is_loud);
    let until = world.environment.rng.between(FAULTS_MS / 8, FAULTS_MS);
    world.run_until(until);
    world.open_access();
    world.heal();
    world.result()
}

/// Runs these seeds, on as many threads as the machine has cores.
fn run_all(seeds: Range<u64>) -> Vec<RunResult> {
    let (next, end) = (AtomicU64::new(seeds.start), seeds.end);
    let work = || {
        let seeds = iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
        let mine = seeds.take_while(|seed| *seed < end);
        mine.map(|seed| run(seed, false)).collect::<Vec<RunResult>>()
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("a seed failed")).collect()
    })
}

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|value| value.parse().expect("a number"))
}

#[test]
fn every_promise_is_kept_whatever_goes_wrong() {
    if let Some(seed) = number("SIM_SEED") {
        println!("{:?}", run(seed, true));
        return;
    }
    let first = number("SIM_FIRST").unwrap_or(1);
    let seeds = number("SIM_SEEDS").unwrap_or(SEEDS);
    let outcomes = run_all(first..first + seeds);
    let sum = |of: fn(&RunResult) -> u64| outcomes.iter().map(of).sum::<u64>();
    println!(
        "{seeds} seeds: {} virtual s, {} steps, {} messages, {} log entries, {} coordinators, \
         {} back from their journals, {} segments removed before their time",
        sum(|outcome| outcome.virtual_ms) / 1_000,
        sum(|outcome| outcome.steps),
        sum(|outcome| outcome.messages),
        sum(|outcome| outcome.logged),
        sum(|outcome| u64::from(outcome.coordinators)),
        sum(|outcome| u64::from(outcome.restarts)),
        sum(|outcome| outcome.removed_early),
    );
    assert!(sum(|outcome| outcome.logged) > 10 * seeds, "hardly anything happened");
    // About one for each seed: many with a long ttl, few where 100 messages stay for newcomers. 60
    // seeds may have a fifth of that by chance.
    assert!(sum(|outcome| outcome.removed_early) > seeds / 10, "hardly a segment went early");
    for sight in CoveragePoint::ALL {
        let times: u64 = outcomes.iter().filter_map(|outcome| outcome.coverage.get(&sight)).sum();
        println!("{times:>8} x {sight:?}");
        assert!(
            times > 0 || seeds < sight.seeds(),
            "{sight:?} never came about: nothing was proved of it"
        );
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    let ranges = [3, 4].map(|seed| {
        let outcome = run(seed, false);
        assert_eq!(outcome, run(seed, false), "seed={seed}");
        outcome
    });
    assert_ne!(ranges[0].hash, ranges[1].hash);
    assert!(ranges.iter().any(|outcome| outcome.restarts > 0), "neither keeps a journal");
}
