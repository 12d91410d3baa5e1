//! A starting position that moves, so that no entry is always the last one served.

/// Chooses the position at which a round over a list begins.
///
/// Each position is a golden section of the list after the one before. So a few rounds spread the
/// positions evenly over a list of any length, and no fixed order of the list is favoured.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rotation(u32);

/// Golden section of the 32-bit numbers. It is odd, so each number is reached.
const STEP: u32 = 0x9e37_79b9;

impl Rotation {
    /// Returns the position, below `len`, at which the next round begins. Returns 0 if `len` is 0.
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
    fn all_positions_have_about_the_same_mean_rank_after_a_few_rounds() {
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
