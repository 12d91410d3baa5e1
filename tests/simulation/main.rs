//! One group and several sessions over a network from a seed, in virtual time, held to every
//! promise while everything goes wrong, and to making progress once nothing does any more.
//!
//! ```text
//!   user ─► Person: Session, message log ─┐            ┌─ Hub: Group, Keeper ─ jobs ─► Scribe
//!           Raw: a member of its own kind ├─ Nature ───┤    ▲ every input,     Storage ─┘
//!           strangers ────────────────────┘ time, wires│    │ effect, byte     slow, failing,
//!                    ▲ every line taken                └─ Model: what must be  torn, lost
//!                 Ledger: what must come
//! ```
//!
//! In most runs the coordinator keeps a journal: the real one, from the keeper on the loop down to
//! the format and its recovery, on a disk that is late, fails, tears, and forgets what was not
//! synced, and by a wall clock that jumps. Whatever was confirmed must be there after `kill -9`,
//! and after a power loss as far as the sync mode promises it: messages, members, and who is none
//! any more; each as old as it is, under the same number, in an epoch that changes when it has to
//! and not otherwise.
//!
//! `SIM_SEED=<n>` runs one seed and prints its trace. `SIM_SEEDS=<n>` runs so many, from
//! `SIM_FIRST=<n>` on.

#![cfg(test)]

mod disk;
mod hub;
mod hub_clients;
mod hub_journal;
mod hub_links;
mod life;
mod model;
mod model_journal;
mod model_links;
mod nature;
mod net;
mod person;
mod raw;
mod rehearsal;
mod rng;
mod storage;
mod stream;
mod user;
mod world;

use std::env;

use world::{Outcome, World};

/// How many seeds are run if nobody says.
const SEEDS: u64 = 36;
/// How long things go wrong, at most.
const FAULTS_MS: u64 = 400_000;

fn run(seed: u64, is_loud: bool) -> Outcome {
    let mut world = World::new(seed, is_loud);
    let until = world.nature.rng.between(FAULTS_MS / 8, FAULTS_MS);
    world.run_until(until);
    world.heal();
    world.result()
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
    let outcomes: Vec<Outcome> = (first..first + seeds).map(|seed| run(seed, false)).collect();
    let sum = |of: fn(&Outcome) -> u64| outcomes.iter().map(of).sum::<u64>();
    println!(
        "{seeds} seeds: {} virtual s, {} steps, {} messages, {} log entries, {} coordinators, \
         {} back from their journals, {} segments removed before their time",
        sum(|outcome| outcome.virtual_ms) / 1_000,
        sum(|outcome| outcome.steps),
        sum(|outcome| outcome.messages),
        sum(|outcome| outcome.logged),
        sum(|outcome| u64::from(outcome.hubs)),
        sum(|outcome| u64::from(outcome.comebacks)),
        sum(|outcome| outcome.removed_early),
    );
    assert!(sum(|outcome| outcome.logged) > 10 * seeds, "hardly anything happened");
    assert!(sum(|outcome| u64::from(outcome.comebacks)) > seeds, "hardly anything came back");
    assert!(sum(|outcome| outcome.removed_early) > seeds, "hardly a segment went early");
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in [3, 4] {
        assert_eq!(run(seed, false), run(seed, false), "seed={seed}");
    }
    assert_ne!(run(3, false).hash, run(4, false).hash);
}
