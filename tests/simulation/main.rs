//! One group and several sessions over a network from a seed, in virtual time, held to every
//! promise while everything goes wrong, and to making progress once nothing does any more.
//!
//! ```text
//!   user ─► Person: Session, message log ─┐            ┌─ Hub: Group
//!           Raw: a member of its own kind ├─ Nature ───┤    ▲ every input, effect and byte
//!           strangers ────────────────────┘ time, wires└─ Model: what must be
//!                    ▲ every line taken
//!                 Ledger: what must come
//! ```
//!
//! `SIM_SEED=<n>` runs one seed and prints its trace. `SIM_SEEDS=<n>` runs so many, from
//! `SIM_FIRST=<n>` on.

#![cfg(test)]

mod disk;
mod hub;
mod hub_links;
mod life;
mod model;
mod model_links;
mod nature;
mod net;
mod person;
mod raw;
mod rng;
mod stream;
mod user;
mod world;

use std::env;

use world::{Outcome, World};

/// How many seeds are run if nobody says.
const SEEDS: u64 = 50;
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
        "{seeds} seeds: {} virtual s, {} steps, {} messages, {} log entries, {} coordinators",
        sum(|outcome| outcome.virtual_ms) / 1_000,
        sum(|outcome| outcome.steps),
        sum(|outcome| outcome.messages),
        sum(|outcome| outcome.logged),
        sum(|outcome| u64::from(outcome.hubs)),
    );
    assert!(sum(|outcome| outcome.logged) > 10 * seeds, "hardly anything happened");
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in [3, 4] {
        assert_eq!(run(seed, false), run(seed, false), "seed={seed}");
    }
    assert_ne!(run(3, false).hash, run(4, false).hash);
}
