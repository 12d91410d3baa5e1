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

mod actor;
mod ledger;
use std::env;
use std::time::Duration;

use actor::Actor;
use ledger::Ledger;
use support::Timer;
use support::coordinator::Coordinator;
use support::rng::Rng;

/// Number of kills without `TORTURE_KILLS`.
const KILLS: u64 = 12;
/// Number of actors. They are killed twice as often as the coordinator; otherwise most of the time
/// would be spent in their pauses between two tries to come back.
const ACTORS: usize = 4;
/// Longer than anybody is away, and short enough that a long run sees segments go.
const TTL_S: u64 = 60;
/// Longest time after the last kill until all have everything.
const SETTLE: Duration = Duration::from_secs(60);

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|value| value.parse().expect("a number"))
}

/// Has everybody talk for a while.
fn talk(actors: &mut [Actor], ledger: &mut Ledger, time: Duration) {
    let timer = Timer::start(time);
    while let Some(left) = timer.left() {
        for actor in &mut *actors {
            actor.listen(ledger);
            actor.speak(ledger);
        }
        std::thread::park_timeout(left.min(Duration::from_millis(4)));
    }
}

/// Has everybody come back and get all there is.
fn settle(actors: &mut [Actor], ledger: &mut Ledger) {
    let timer = Timer::start(SETTLE);
    for actor in &mut *actors {
        actor.come_back_now();
    }
    // The last confirmed text of all is behind every other text in every log.
    let mut last_texts: Vec<Option<String>> = vec![None; actors.len()];
    loop {
        for (actor, words) in actors.iter_mut().zip(&mut last_texts) {
            actor.listen(ledger);
            if words.as_ref().is_none_or(|text| ledger.is_refused(text)) && actor.is_quiet() {
                *words = actor.say(ledger);
            }
        }
        let is_complete = |actor: &Actor| {
            let log = actor.log();
            last_texts.iter().enumerate().all(|(other, words)| {
                let is_there = |text: &String| actor.index == other || log.contains(text.as_str());
                words.as_ref().is_some_and(|text| ledger.is_confirmed(text) && is_there(text))
            })
        };
        if actors.iter().all(is_complete) {
            return;
        }
        if timer.left().is_none() {
            let states: Vec<String> = actors.iter().map(Actor::state).collect();
            panic!("not everybody gets what is there to be got:\n{}", states.join("\n"));
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

#[test]
fn what_was_confirmed_or_queued_stands_everywhere_once_and_in_order_whoever_is_killed() {
    let seed = number("TORTURE_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let kills = number("TORTURE_KILLS").unwrap_or(KILLS);
    println!("TORTURE_SEED={seed} TORTURE_KILLS={kills}");
    let mut rng = Rng::new(seed);
    let mut coordinator = Coordinator::start_with_data_dir(TTL_S, &[]);
    let mut ledger = Ledger::default();
    let mut actors: Vec<Actor> =
        (0..ACTORS).map(|index| Actor::start(index, coordinator.address)).collect();
    let mut coordinator_kills = 0;
    for _ in 0..kills {
        talk(&mut actors, &mut ledger, Duration::from_millis(rng.below(400)));
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
    settle(&mut actors, &mut ledger);
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
    println!(
        "{kills} kills survived, {coordinator_kills} of them the coordinator's: {} texts, {} \
         queued in an outbox, {} confirmed; with an outbox {} neither queued nor confirmed, \
         without {} of unknown fate of which {} were accepted; 0 lost, 0 doubled, 0 out of order",
        verdict.texts,
        verdict.queued,
        verdict.confirmed,
        verdict.untaken,
        verdict.unknown,
        verdict.unknown_accepted,
    );
}
