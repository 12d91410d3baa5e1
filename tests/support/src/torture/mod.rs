//! Real participants that talk without a pause while programs are killed, and the check that no
//! text that was confirmed, or queued in an outbox file, is lost, doubled or out of order.
//!
//! ```text
//!   texts, each unique and with a checksum ─► Actor, a participant ─► coordinators ─► message logs
//!                  ▲                             ▲                                        │
//!                  └── replies ──────────────────┘                      Ledger ◄──────────┘
//! ```

mod actor;
mod ledger;

use std::time::Duration;
use std::{env, thread};

pub use actor::Actor;
pub use ledger::{Ledger, Verdict};

use super::Timer;

/// Returns the number in an environment variable, or the default.
pub fn number(variable: &str, default: u64) -> u64 {
    env::var(variable).map_or(default, |value| value.parse().expect("a number"))
}

/// Has everybody talk for a while. `look` is called again and again.
pub fn talk(actors: &mut [Actor], ledger: &mut Ledger, time: Duration, mut look: impl FnMut()) {
    let timer = Timer::start(time);
    while let Some(left) = timer.left() {
        look();
        for actor in &mut *actors {
            actor.listen(ledger);
            actor.speak(ledger);
        }
        thread::park_timeout(left.min(Duration::from_millis(4)));
    }
}

/// Has everybody come back and get all there is, in at most this time. `look` is called again and
/// again.
pub fn settle(actors: &mut [Actor], ledger: &mut Ledger, time: Duration, mut look: impl FnMut()) {
    let timer = Timer::start(time);
    for actor in &mut *actors {
        actor.come_back_now();
    }
    // The last confirmed text of all is behind every other text in every log.
    let mut last_texts: Vec<Option<String>> = vec![None; actors.len()];
    loop {
        look();
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
        thread::park_timeout(Duration::from_millis(20));
    }
}
