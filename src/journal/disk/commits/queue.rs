//! Commits in progress, and their bytes that wait for the disk.

use std::collections::VecDeque;

use crate::facts::JournalPosition;
use crate::limits::JOURNAL_COMMITS_MAX;

/// Commits that the writer has not reported yet. Their numbers are consecutive.
#[derive(Debug)]
pub(super) struct CommitQueue {
    /// Number of the next commit.
    next: u64,
    /// Last commit that is done or failed.
    finished: u64,
    /// Commits in progress, each with the last fact at its time.
    in_progress: VecDeque<(u64, JournalPosition)>,
    /// Last commit that is done, with the last fact at its time.
    done: (u64, JournalPosition),
    /// Each commit that is neither done nor failed, with its bytes.
    unwritten: VecDeque<(u64, usize)>,
    unwritten_bytes: usize,
    /// True if the limit on waiting bytes was reported as reached.
    is_fullness_reported: bool,
}

impl CommitQueue {
    /// Starts after a recovery up to `position`.
    pub(super) fn new(position: JournalPosition) -> Self {
        Self {
            next: 1,
            finished: 0,
            in_progress: VecDeque::new(),
            done: (0, position),
            unwritten: VecDeque::new(),
            unwritten_bytes: 0,
            is_fullness_reported: false,
        }
    }

    /// Returns the number of the next commit.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Returns the last commit that is done, with the last fact at its time.
    pub(super) fn done(&self) -> (u64, JournalPosition) {
        self.done
    }

    /// Returns the latest commit, with the last fact at its time.
    pub(super) fn latest(&self) -> (u64, JournalPosition) {
        self.in_progress.back().copied().unwrap_or(self.done)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.in_progress.is_empty()
    }

    /// Returns true if as many commits are in progress as may be.
    pub(super) fn is_full(&self) -> bool {
        self.next.saturating_sub(self.finished) > JOURNAL_COMMITS_MAX
    }

    /// Returns the bytes of all commits that are neither done nor failed.
    pub(super) fn unwritten_bytes(&self) -> usize {
        self.unwritten_bytes
    }

    /// Notes whether the limit on waiting bytes is reached. Returns true if this has changed.
    pub(super) fn report_fullness(&mut self, is_full: bool) -> bool {
        std::mem::replace(&mut self.is_fullness_reported, is_full) != is_full
    }

    /// Adds a commit of `bytes`, with the last fact at its time.
    pub(super) fn push(&mut self, bytes: usize, position: JournalPosition) {
        self.unwritten.push_back((self.next, bytes));
        self.unwritten_bytes = self.unwritten_bytes.saturating_add(bytes);
        self.in_progress.push_back((self.next, position));
        self.next = self.next.saturating_add(1);
    }

    /// Handles the end of the commits up to `finished`, done or failed.
    pub(super) fn release(&mut self, finished: u64) {
        self.finished = self.finished.max(finished);
        while let Some((_, bytes)) =
            self.unwritten.front().filter(|(commit, _)| *commit <= self.finished)
        {
            self.unwritten_bytes = self.unwritten_bytes.saturating_sub(*bytes);
            self.unwritten.pop_front();
        }
    }

    /// Handles the success of the commits up to `done`. Returns their number.
    pub(super) fn finish(&mut self, done: u64) -> u64 {
        let mut count = 0_u64;
        while let Some(&(commit, position)) = self.in_progress.front()
            && commit <= done
        {
            self.in_progress.pop_front();
            self.done = (commit, position);
            count = count.saturating_add(1);
        }
        count
    }

    /// Drops all commits in progress: the next one replaces them.
    pub(super) fn drop_in_progress(&mut self) {
        self.in_progress.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finished_commit_does_not_wait() {
        let mut queue = CommitQueue::new(JournalPosition::default());
        (1..=4).for_each(|_| queue.push(10, JournalPosition::default()));
        queue.release(0);
        assert_eq!(queue.unwritten_bytes(), 40);
        queue.release(3);
        assert_eq!(queue.unwritten_bytes(), 10);
        queue.release(9);
        assert_eq!(queue.unwritten_bytes(), 0);
    }

    #[test]
    fn a_commit_that_replaces_others_is_the_next_one_that_is_done() {
        let mut queue = CommitQueue::new(JournalPosition::default());
        (1..=3).for_each(|_| queue.push(1, JournalPosition::default()));
        assert_eq!((queue.finish(1), queue.done().0, queue.latest().0), (1, 1, 3));
        queue.drop_in_progress();
        assert_eq!((queue.is_empty(), queue.latest().0, queue.next()), (true, 1, 4));
        queue.push(1, JournalPosition::default());
        assert_eq!((queue.finish(3), queue.finish(4), queue.done().0), (0, 1, 4));
    }
}
