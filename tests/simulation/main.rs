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
//! # What is real, and what is played
//!
//! Real are the two minds, and all of the journal but its thread and its files: `Group`,
//! `Session`, `Commits`, `SegmentWriter`, `JournalContents`, and the format on the disk. The shells
//! of both programs are simulated in a simpler form: `coordinator*.rs` is the coordinator's
//! (sockets, turns, the journal's jobs), `participant.rs` and `disk.rs` are the participant's
//! (sockets, prompt, message log),
//! `raw.rs` is other people's programs. `environment.rs` has time, chance and the queue of what
//! happens next, `net.rs` the wires, `storage.rs` the coordinator's disk; `world.rs` brings faults
//! about and ties all together.
//!
//! # What must be
//!
//! Three judges watch. `Group::check` sweeps over the group's own invariants after every input.
//! `model*.rs` is a second coordinator, too simple to be wrong: told everything before the group
//! is, it says what each reply, each byte on each message socket (`stream.rs`), and each member and
//! message after a start must be. `ledger.rs` has a `Ledger` for each member that remembers, which
//! knows nothing of coordinators: each message of others since its registration comes once or is
//! counted once.
//!
//! In most runs the coordinator keeps a journal, on a disk that is late, fails, tears, and forgets
//! what was not synced, and by a wall clock that jumps. Whatever was confirmed must be there after
//! `kill -9`, and after a power loss as far as the sync mode promises it: messages, members, and
//! who is none any more; each as old as it is, under the same number, in an epoch that changes when
//! it has to and not otherwise. In half of these runs the directory is copied at some moment, and
//! put back later (`backup.rs`), with `--new-epoch` or without: what was promised before the copy
//! holds of the copy, and a member loses nothing of what comes after it was put back, but where the
//! numbers had passed its own before it returned. In the end all faults stop (`user.rs`): everybody
//! gets back online and has everything. And all that the promises are for must have come about
//! (`coverage.rs`), or the runs have proved less than they seem to.
//!
//! # To look at one run
//!
//! A failure names its seed, the step and the virtual time. The same seed is the same run, step for
//! step, for as long as nothing is changed that chance decides about:
//!
//! ```text
//!   SIM_SEED=<n> cargo test --test simulation every -- --nocapture      its trace
//!   SIM_SEEDS=<n> SIM_FIRST=<n> cargo test --test simulation every      so many, from there on
//! ```

#![cfg(test)]

mod backup;
mod coordinator;
mod coordinator_commands;
mod coordinator_journal;
mod coordinator_messages;
mod coverage;
mod crash_check;
mod disk;
mod environment;
mod epoch_history;
mod ledger;
mod model;
mod model_expected;
mod model_journal;
mod model_links;
mod model_offline;
mod net;
mod participant;
mod raw;
mod storage;
mod stream;
mod texts;
mod user;
mod world;

use std::env;

use coverage::CoveragePoint;
use world::{RunResult, World};

/// How many seeds are run if nobody says.
const SEEDS: u64 = 60;
/// How long things go wrong, at most.
const FAULTS_MS: u64 = 400_000;

fn run(seed: u64, is_loud: bool) -> RunResult {
    let mut world = World::new(seed, is_loud);
    let until = world.environment.rng.between(FAULTS_MS / 8, FAULTS_MS);
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
    let outcomes: Vec<RunResult> = (first..first + seeds).map(|seed| run(seed, false)).collect();
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
    assert!(sum(|outcome| outcome.removed_early) > seeds, "hardly a segment went early");
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
