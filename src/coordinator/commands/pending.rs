//! Replies that wait for the commit of a fact.

use std::collections::VecDeque;

use bytes::BytesMut;

use crate::facts::FactIndex;

/// Replies of one client in the order of their requests. Each waits for the commit of its fact, and
/// for the replies before it.
#[derive(Debug, Default)]
pub(super) struct PendingReplies {
    replies: VecDeque<(FactIndex, BytesMut)>,
    bytes: usize,
}

impl PendingReplies {
    /// Adds a reply that waits for the fact `after`, and for the replies before it.
    pub(super) fn push(&mut self, after: FactIndex, reply: &[u8]) {
        self.bytes += reply.len();
        match self.replies.back_mut() {
            Some((last, replies)) if *last >= after => replies.extend_from_slice(reply),
            Some(_) | None => self.replies.push_back((after, BytesMut::from(reply))),
        }
    }

    /// Returns the next replies whose facts are committed.
    pub(super) fn release(&mut self, committed: FactIndex) -> Option<BytesMut> {
        if self.replies.front()?.0 > committed {
            return None;
        }
        let (_, replies) = self.replies.pop_front()?;
        self.bytes -= replies.len();
        Some(replies)
    }

    /// Returns the bytes of all waiting replies.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_waits_for_its_fact_and_for_the_replies_before_it() {
        let mut pending = PendingReplies::default();
        let index = |facts| (0..facts).fold(FactIndex::ZERO, |index, _| index.next());
        for (after, reply) in [(3, "a"), (0, "b"), (5, "c"), (4, "d")] {
            pending.push(index(after), reply.as_bytes());
        }
        assert_eq!((pending.bytes(), pending.release(index(2))), (4, None));
        assert_eq!(pending.release(index(4)).as_deref(), Some(&b"ab"[..]));
        assert_eq!((pending.bytes(), pending.release(index(4))), (2, None));
        assert_eq!(pending.release(index(5)).as_deref(), Some(&b"cd"[..]));
        assert_eq!((pending.bytes(), pending.release(index(9))), (0, None));
    }
}
