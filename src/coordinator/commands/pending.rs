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

/// Room for a reply to a message.
const REPLY_BYTES: usize = "OK msend seq=18446744073709551615\n".len();

impl PendingReplies {
    /// Lets `write` append a reply that waits for the fact `after`, and for the replies before it.
    pub(super) fn push(&mut self, after: FactIndex, write: impl FnOnce(&mut BytesMut)) {
        if self.replies.back().is_none_or(|(last, _)| *last < after) {
            self.replies.push_back((after, BytesMut::with_capacity(REPLY_BYTES)));
        }
        if let Some((_, replies)) = self.replies.back_mut() {
            let before = replies.len();
            write(replies);
            self.bytes += replies.len() - before;
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
            pending.push(index(after), |out| out.extend_from_slice(reply.as_bytes()));
        }
        assert_eq!((pending.bytes(), pending.release(index(2))), (4, None));
        assert_eq!(pending.release(index(4)).as_deref(), Some(&b"ab"[..]));
        assert_eq!((pending.bytes(), pending.release(index(4))), (2, None));
        assert_eq!(pending.release(index(5)).as_deref(), Some(&b"cd"[..]));
        assert_eq!((pending.bytes(), pending.release(index(9))), (0, None));
    }
}
