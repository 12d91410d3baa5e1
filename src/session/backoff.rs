//! Exponential backoff with jitter: the pauses between retries.

use crate::limits::{RETRY_MS_HIGHEST, RETRY_MS_LOWEST};

/// Number of tries after which the pauses are the longest.
const TRIES_MAX: u32 = 16;

/// The pauses between tries.
///
/// ```text
///   try     0         1         2             7 and on
///   pause  0.2-0.4   0.4-0.8   0.8-1.6  ...  15-30 s
/// ```
///
/// The jitter comes from a generator of its own, seeded once (splitmix64, which passes the usual
/// tests). It must only differ between participants, so that participants that lost the same
/// coordinator do not all reconnect in the same instant. The jitter need not be secret. The nonce
/// must be, and comes from the shell each time.
#[derive(Clone, Debug)]
pub(super) struct Backoff {
    tries: u32,
    state: u64,
}

impl Backoff {
    pub(super) const fn new(seed: u64) -> Self {
        Self { tries: 0, state: seed }
    }

    /// Makes the next pause the shortest.
    pub(super) const fn reset(&mut self) {
        self.tries = 0;
    }

    /// Makes the next pauses the longest.
    pub(super) const fn slow_down(&mut self) {
        self.tries = TRIES_MAX;
    }

    /// Returns the next pause in milliseconds.
    pub(super) fn next_ms(&mut self) -> u64 {
        let doublings = self.tries.min(TRIES_MAX);
        self.tries = self.tries.saturating_add(1);
        let highest = ((2 * RETRY_MS_LOWEST) << doublings).min(RETRY_MS_HIGHEST);
        let lowest = highest / 2;
        let jitter = self.random() % highest.saturating_sub(lowest).saturating_add(1);
        lowest.saturating_add(jitter)
    }

    const fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_from_the_lowest_to_the_highest_and_stay_there() {
        for seed in 0..200 {
            let mut backoff = Backoff::new(seed);
            let mut highest = 2 * RETRY_MS_LOWEST;
            for _ in 0..100 {
                let pause = backoff.next_ms();
                assert!((highest / 2..=highest).contains(&pause), "seed={seed}: {pause}");
                assert!((RETRY_MS_LOWEST..=RETRY_MS_HIGHEST).contains(&pause));
                highest = (2 * highest).min(RETRY_MS_HIGHEST);
            }
            backoff.reset();
            assert!(backoff.next_ms() <= 2 * RETRY_MS_LOWEST);
            backoff.slow_down();
            assert!(backoff.next_ms() >= RETRY_MS_HIGHEST / 2, "seed={seed}");
        }
    }

    #[test]
    fn participants_do_not_reconnect_in_the_same_instant() {
        let mut pauses: Vec<u64> = (0..100).map(|seed| Backoff::new(seed).next_ms()).collect();
        pauses.sort_unstable();
        pauses.dedup();
        assert!(pauses.len() > 50, "{pauses:?}");
    }
}
