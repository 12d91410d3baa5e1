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
    /// A round with less than two entries moves nothing: after a regular number of such rounds the
    /// steps could add up to nearly a whole turn, and the same entries would always come last.
    pub fn next(&mut self, len: usize) -> usize {
        if len < 2 {
            return 0;
        }
        self.0 = self.0.wrapping_add(STEP);
        let position = (u128::from(self.0) * len as u128) >> u32::BITS;
        position as usize // Below `len`.
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks the mean ranks of all entries after 100 rounds, with `idle` empty rounds before each.
    fn check(len: usize, idle: usize) {
        let (mut rotation, rounds) = (Rotation::default(), 100);
        let mut ranks = vec![0; len];
        for _ in 0..rounds {
            (0..idle).for_each(|_| assert_eq!(rotation.next(0), 0));
            let first = rotation.next(len);
            assert!(first < len);
            let all = ranks.iter_mut().enumerate();
            all.for_each(|(at, rank)| *rank += (at + len - first) % len);
        }
        let middle = (len as f64 - 1.0) / 2.0;
        for (at, rank) in ranks.into_iter().enumerate() {
            let mean = rank as f64 / f64::from(rounds);
            let is_fair = (mean - middle).abs() <= 0.05 * len as f64;
            assert!(is_fair, "{at} of {len}, {idle} empty rounds: {mean}");
        }
    }

    #[test]
    fn all_positions_have_about_the_same_mean_rank_after_a_few_rounds() {
        [1, 2, 3, 10, 500, 9_000].into_iter().for_each(|len| check(len, 0));
    }

    /// 89 steps come back to within 0.5 % of where they began.
    #[test]
    fn rounds_over_nothing_do_not_move_the_position() {
        [1, 7, 88].into_iter().for_each(|idle| check(20, idle));
    }
}
