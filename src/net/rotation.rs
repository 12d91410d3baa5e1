//! A starting point that moves, so that nobody is always the last.

/// Chooses where a round over all begins.
///
/// Each starting point is a golden section of the whole behind the one before. So a few rounds are
/// enough to spread them evenly, however many there are to be gone through, and no order in which
/// they stand is followed for long.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rotation(u32);

/// The golden section of all numbers of 32 bits; it is odd, so each of them is reached.
const STEP: u32 = 0x9e37_79b9;

impl Rotation {
    /// Returns the position, below `len`, at which the next round begins; 0 if `len` is 0.
    pub fn next(&mut self, len: usize) -> usize {
        self.0 = self.0.wrapping_add(STEP);
        let position = (u128::from(self.0) * len as u128) >> u32::BITS;
        position as usize // Below `len`.
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_rank_of_all_is_about_the_same_after_a_few_rounds() {
        for len in [1, 2, 3, 10, 500, 9_000] {
            let (mut rotation, rounds) = (Rotation::default(), 100);
            let mut ranks = vec![0; len];
            for _ in 0..rounds {
                let first = rotation.next(len);
                assert!(first < len);
                ranks
                    .iter_mut()
                    .enumerate()
                    .for_each(|(at, rank)| *rank += (at + len - first) % len);
            }
            let middle = (len as f64 - 1.0) / 2.0;
            for (at, rank) in ranks.into_iter().enumerate() {
                let mean = f64::from(u32::try_from(rank).unwrap()) / f64::from(rounds);
                assert!((mean - middle).abs() <= 0.05 * len as f64, "{at} of {len}: {mean}");
            }
        }
        assert_eq!(Rotation::default().next(0), 0);
    }
}
