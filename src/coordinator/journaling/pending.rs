//! Replies that wait for the journal.

use std::collections::VecDeque;

use bytes::BytesMut;

/// What one client is to be sent as soon as it may be: replies in the order of their requests, each
/// with the commit that it waits for; those behind one that waits do too.
#[derive(Debug, Default)]
pub struct PendingReplies {
    replies: VecDeque<(u64, BytesMut)>,
    bytes: usize,
}

impl PendingReplies {
    /// Keeps a reply back until `commit` is done, or until what it stands behind is.
    pub fn push(&mut self, commit: Option<u64>, reply: &[u8]) {
        let commit = commit.unwrap_or_default();
        self.bytes += reply.len();
        match self.replies.back_mut() {
            Some((last, replies)) if *last >= commit => replies.extend_from_slice(reply),
            Some(_) | None => self.replies.push_back((commit, BytesMut::from(reply))),
        }
    }

    /// The next replies that wait for nothing any more, now that `done` is.
    pub fn release(&mut self, done: u64) -> Option<BytesMut> {
        if self.replies.front()?.0 > done {
            return None;
        }
        let (_, replies) = self.replies.pop_front()?;
        self.bytes -= replies.len();
        Some(replies)
    }

    /// Bytes of all that waits.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_waits_for_its_commit_and_for_what_it_stands_behind() {
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
