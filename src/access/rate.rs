//! Rates of texts: one token bucket for each id that has a `rate`.

use std::collections::BTreeMap;

use crate::limits::RATED_IDS_MAX;
use crate::protocol::RequestError;
use crate::time::Millis;

/// Token buckets of ids.
///
/// A bucket holds up to `rate` tokens, and gets `rate` tokens a second. A text takes one token. So
/// an id may send `rate` texts at once after a pause of a second, and `rate` texts a second
/// always.
///
/// A full bucket is forgotten, because it is like a new one. So an id gains nothing when it
/// deregisters and registers again, and the memory holds only ids that sent in the last second.
#[derive(Debug, Default)]
pub struct SendRates {
    buckets: BTreeMap<Box<str>, TokenBucket>,
    /// Number of buckets at which full ones are looked for.
    sweep_at: usize,
}

/// Bucket of one id.
#[derive(Clone, Copy, Debug)]
struct TokenBucket {
    /// Thousandths of tokens that are missing: at a rate of `n` the bucket gains `n` of them in
    /// each millisecond.
    missing: u64,
    /// Time at which they were missing.
    at: Millis,
    /// Tokens a second.
    rate: u32,
}

/// Thousandths in a token.
const TOKEN: u64 = 1000;
/// Number of buckets below which nothing is gained by a search for full ones.
const SWEEP_MIN: usize = 64;

impl SendRates {
    /// Takes a token of `id`, which may send `rate` texts a second from now on.
    ///
    /// # Errors
    ///
    /// [`RequestError::TooFast`] if the bucket is empty, or if [`RATED_IDS_MAX`] other ids have
    /// sent within the last second. Nothing is taken then.
    pub fn take(&mut self, id: &str, rate: u32, now: Millis) -> Result<(), RequestError> {
        if let Some(bucket) = self.buckets.get_mut(id) {
            return bucket.take(rate, now);
        }
        if self.buckets.len() >= self.sweep_at.max(SWEEP_MIN) {
            self.buckets.retain(|_, bucket| !bucket.is_full(now));
            self.sweep_at = self.buckets.len().saturating_mul(2).min(RATED_IDS_MAX);
        }
        if self.buckets.len() >= RATED_IDS_MAX {
            return Err(RequestError::TooFast { rate, wait_ms: TOKEN });
        }
        let mut bucket = TokenBucket { missing: 0, at: now, rate };
        bucket.take(rate, now)?;
        self.buckets.insert(id.into(), bucket);
        Ok(())
    }
}

impl TokenBucket {
    fn take(&mut self, rate: u32, now: Millis) -> Result<(), RequestError> {
        let missing = self.missing_at(now);
        // A lower rate has a smaller bucket.
        let room = u64::from(rate).saturating_mul(TOKEN);
        let taken = missing.saturating_add(TOKEN);
        if let Some(excess) = taken.checked_sub(room).filter(|excess| *excess > 0) {
            let wait_ms = excess.div_ceil(u64::from(rate.max(1)));
            return Err(RequestError::TooFast { rate, wait_ms });
        }
        *self = Self { missing: taken, at: now.max(self.at), rate };
        Ok(())
    }

    fn missing_at(&self, now: Millis) -> u64 {
        self.missing.saturating_sub(now.since(self.at).saturating_mul(self.rate.into()))
    }

    fn is_full(&self, now: Millis) -> bool {
        self.missing_at(now) == 0
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test may panic")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn take(rates: &mut SendRates, id: &str, rate: u32, at: u64) -> Result<(), u64> {
        match rates.take(id, rate, Millis::new(at)) {
            Ok(()) => Ok(()),
            Err(RequestError::TooFast { rate: named, wait_ms }) => {
                assert_eq!(named, rate);
                Err(wait_ms)
            }
            Err(other) => panic!("{other}"),
        }
    }

    /// Takes `texts` tokens at each time, and compares the result of the last one.
    #[track_caller]
    fn check(rate: u32, steps: &[(u64, usize, Result<(), u64>)]) {
        let mut rates = SendRates::default();
        for (at, texts, expected) in steps {
            for _ in 1..*texts {
                assert_eq!(take(&mut rates, "a", rate, *at), Ok(()), "at {at}");
            }
            assert_eq!(take(&mut rates, "a", rate, *at), *expected, "at {at}");
        }
    }

    #[test]
    fn after_a_pause_as_many_texts_as_the_rate_may_come_at_once() {
        check(1, &[(0, 1, Ok(())), (0, 1, Err(1000)), (999, 1, Err(1)), (1000, 1, Ok(()))]);
        check(3, &[(7, 3, Ok(())), (7, 1, Err(334)), (340, 1, Err(1)), (341, 1, Ok(()))]);
        check(3, &[(0, 3, Ok(())), (1000, 4, Err(334)), (5000, 4, Err(334))]);
        check(1000, &[(0, 1001, Err(1)), (1, 1, Ok(())), (1, 1, Err(1)), (2, 1, Ok(()))]);
        check(4000, &[(0, 4001, Err(1)), (1, 5, Err(1)), (2, 5, Err(1))]);
        check(u32::MAX, &[(0, 5, Ok(())), (u64::MAX, 5, Ok(()))]);
    }

    #[test]
    fn a_refused_text_takes_nothing_and_an_earlier_time_gives_nothing() {
        check(2, &[(0, 2, Ok(())), (499, 1, Err(1)), (499, 1, Err(1)), (500, 1, Ok(()))]);
        check(2, &[(1000, 1, Ok(())), (0, 1, Ok(())), (1499, 1, Err(1)), (1500, 1, Ok(()))]);
        check(2, &[(1000, 2, Ok(())), (0, 1, Err(500)), (1499, 1, Err(1)), (1500, 1, Ok(()))]);
    }

    #[test]
    fn a_new_rate_counts_from_the_next_text_on() {
        let mut rates = SendRates::default();
        for _ in 0..10 {
            assert_eq!(take(&mut rates, "a", 10, 0), Ok(()));
        }
        assert_eq!(take(&mut rates, "a", 5, 500), Err(200), "5 of 10 are missing, and 5 is empty");
        assert_eq!(take(&mut rates, "a", 5, 600), Ok(()), "time counts at the rate before");
        assert_eq!(take(&mut rates, "a", 100, 600), Ok(()));
    }

    #[test]
    fn an_id_has_its_own_bucket_and_a_full_one_is_forgotten() {
        let mut rates = SendRates::default();
        let ids: Vec<String> = (0..SWEEP_MIN * 2).map(|id| format!("id-{id}")).collect();
        for id in &ids {
            assert_eq!(take(&mut rates, id, 1, 0), Ok(()));
            assert_eq!(take(&mut rates, id, 1, 0), Err(1000), "also after a new registration");
        }
        assert_eq!(rates.buckets.len(), ids.len());
        assert_eq!(take(&mut rates, "late", 1, 999), Ok(()));
        assert_eq!(rates.buckets.len(), ids.len() + 1, "no bucket is full");
        for at in 1000..=1000 + rates.sweep_at as u64 {
            assert_eq!(take(&mut rates, &format!("at-{at}"), 1000, at), Ok(()));
        }
        assert!(rates.buckets.len() < SWEEP_MIN, "{}", rates.buckets.len());
    }

    proptest! {
        /// A window of any length has at most the rate and the tokens of its length.
        #[test]
        fn no_window_has_more_texts_than_a_full_bucket_and_its_length_allow(
            rate in 1_u32..2000,
            pauses in proptest::collection::vec(0_u64..700, 1..60),
            burst in 1_usize..40,
        ) {
            let (mut rates, mut at, mut sent) = (SendRates::default(), 0, Vec::new());
            for pause in pauses {
                at += pause;
                for _ in 0..burst {
                    match take(&mut rates, "a", rate, at) {
                        Ok(()) => sent.push(at),
                        Err(wait) => {
                            let mut one = SendRates { buckets: rates.buckets.clone(), sweep_at: 0 };
                            assert!(take(&mut one, "a", rate, at + wait - 1).is_err());
                            assert_eq!(take(&mut one, "a", rate, at + wait), Ok(()));
                            break;
                        }
                    }
                }
            }
            for (first, from) in sent.iter().enumerate() {
                for (last, to) in sent.iter().enumerate().skip(first) {
                    let texts = (last - first + 1) as u64;
                    let tokens = u64::from(rate) * TOKEN + (to - from) * u64::from(rate);
                    assert!(texts * TOKEN <= tokens, "{texts} texts from {from} to {to}");
                }
            }
        }
    }
}
