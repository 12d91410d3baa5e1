//! Bytes of records that wait for the disk.

use std::collections::VecDeque;

/// Bytes of the commits that are neither done nor failed.
#[derive(Debug, Default)]
pub(super) struct UnwrittenBytes {
    /// Each commit, with its bytes.
    commits: VecDeque<(u64, usize)>,
    bytes: usize,
    /// True if the group knows that the limit is reached.
    pub(super) is_reported: bool,
}

impl UnwrittenBytes {
    pub(super) fn add(&mut self, commit: u64, bytes: usize) {
        self.commits.push_back((commit, bytes));
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Removes the commits up to `finished`.
    pub(super) fn release(&mut self, finished: u64) {
        while let Some((_, bytes)) = self.commits.front().filter(|(commit, _)| *commit <= finished)
        {
            self.bytes = self.bytes.saturating_sub(*bytes);
            self.commits.pop_front();
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finished_commit_does_not_wait() {
        let mut waiting = UnwrittenBytes::default();
        (1..=4).for_each(|commit| waiting.add(commit, 10));
        waiting.release(0);
        assert_eq!(waiting.bytes(), 40);
        waiting.release(3);
        assert_eq!(waiting.bytes(), 10);
        waiting.release(9);
        assert_eq!(waiting.bytes(), 0);
    }
}
