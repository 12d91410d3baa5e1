//! Real programs under load, killed at random: no text that was confirmed, or queued in an outbox
//! file, is lost, doubled or out of order.
//!
//! ```text
//!   texts, each unique and with a checksum ─► participants ─► coordinator ─► message logs
//!                  ▲                             ▲     kill -9    ▲              │
//!                  └── replies ──────────────────┘                └── Ledger ◄───┘
//! ```
//!
//! Each second actor has an outbox file. After a kill its file tells the outcomes of its texts.
//!
//! `TORTURE_KILLS=<n>` sets the number of kills, `TORTURE_SEED=<n>` the victims and the times. The
//! scheduling of the operating system differs from run to run.

use std::time::Duration;

use support::coordinator::Coordinator;
use support::rng::Rng;
use support::torture::{Actor, Ledger, number, settle, talk};

/// Number of kills without `TORTURE_KILLS`.
const KILLS: u64 = 12;
/// Number of actors. They are killed twice as often as the coordinator; otherwise most of the time
/// would be spent in their pauses between two tries to come back.
const ACTORS: usize = 4;
/// Longer than anybody is away, and short enough that a long run sees segments go.
const TTL_S: u64 = 60;
/// Longest time after the last kill until all have everything.
const SETTLE: Duration = Duration::from_secs(60);

#[test]
fn what_was_confirmed_or_queued_stands_everywhere_once_and_in_order_whoever_is_killed() {
    let seed = number("TORTURE_SEED", u64::from(std::process::id()));
    let kills = number("TORTURE_KILLS", KILLS);
    println!("TORTURE_SEED={seed} TORTURE_KILLS={kills}");
    let mut rng = Rng::new(seed);
    let mut coordinator = Coordinator::start_with_data_dir(TTL_S, &[]);
    let mut ledger = Ledger::new(|actor| actor % 2 == 1);
    let mut actors: Vec<Actor> =
        (0..ACTORS).map(|index| Actor::start(index, &[coordinator.address], &ledger)).collect();
    let mut coordinator_kills = 0;
    for _ in 0..kills {
        let time = Duration::from_millis(rng.below(400));
        talk(&mut actors, &mut ledger, time, || ());
        let victim = rng.index(ACTORS * 3 / 2);
        match actors.get_mut(victim) {
            Some(actor) => actor.kill_and_restart(&mut ledger),
            None => {
                coordinator.kill();
                coordinator_kills += 1;
                // Sometimes somebody dies while nobody listens.
                if let Some(actor) = actors.get_mut(rng.index(8)) {
                    actor.kill_and_restart(&mut ledger);
                }
                coordinator = coordinator.start_again();
            }
        }
    }
    settle(&mut actors, &mut ledger, SETTLE, || ());
    let logs: Vec<String> = actors.iter().map(Actor::log).collect();
    for actor in &mut actors {
        actor.quit();
    }
    coordinator.terminate();
    assert_eq!(coordinator.wait().code(), Some(0));
    for (actor, log) in actors.iter().zip(&logs) {
        assert_eq!(*log, actor.log(), "what came after all there was?");
    }
    let verdict = ledger.check(&logs);
    println!("{kills} kills survived, {coordinator_kills} of them the coordinator's: {verdict}");
}
