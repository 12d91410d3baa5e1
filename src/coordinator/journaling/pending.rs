//! Replies that wait for a commit.

use std::collections::VecDeque;

use bytes::BytesMut;

/// Replies of one client in the order of their requests. Each waits for its commit, and for the
/// replies before it.
#[derive(Debug, Default)]
pub struct PendingReplies {
    replies: VecDeque<(u64, BytesMut)>,
    bytes: usize,
}

impl PendingReplies {
    /// Adds a reply that waits for `commit`, and for the replies before it.
    pub fn push(&mut self, commit: Option<u64>, reply: &[u8]) {
        let commit = commit.unwrap_or_default();
        self.bytes += reply.len();
        match self.replies.back_mut() {
            Some((last, replies)) if *last >= commit => replies.extend_from_slice(reply),
            Some(_) | None => self.replies.push_back((commit, BytesMut::from(reply))),
        }
    }

    /// Returns the next replies whose commit is `done` or earlier.
    pub fn release(&mut self, done: u64) -> Option<BytesMut> {
        if self.replies.front()?.0 > done {
            return None;
        }
        let (_, replies) = self.replies.pop_front()?;
        self.bytes -= replies.len();
        Some(replies)
    }

    /// Returns the bytes of all waiting replies.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_waits_for_its_commit_and_for_the_replies_before_it() {
        let mut pending = PendingReplies::default();
        for (commit, reply) in [(Some(3), "a"), (None, "b"), (Some(5), "c"), (Some(4), "d")] {
            pending.push(commit, reply.as_bytes());
        }
        assert_eq!((pending.bytes(), pending.release(2)), (4, None));
        assert_eq!(pending.release(4).as_deref(), Some(&b"ab"[..]));
        assert_eq!((pending.bytes(), pending.release(4)), (2, None));
        assert_eq!(pending.release(5).as_deref(), Some(&b"cd"[..]));
        assert_eq!((pending.bytes(), pending.release(9)), (0, None));
    }
}
