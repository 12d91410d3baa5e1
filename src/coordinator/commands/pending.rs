//! Replies that wait for the commit of a fact.

use std::collections::VecDeque;
use std::mem;

use bytes::{Buf, BytesMut};

use crate::facts::FactIndex;

/// Replies of one client in the order of their requests. Each waits for the commit of its fact, and
/// for the replies before it.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct PendingReplies {
    replies: BytesMut,
    /// Lengths of the parts of `replies`, each with the fact that it waits for.
    parts: VecDeque<(FactIndex, usize)>,
}

impl PendingReplies {
    /// Lets `write` append a reply that waits for the fact `after`, and for the replies before it.
    pub(super) fn push(&mut self, after: FactIndex, write: impl FnOnce(&mut BytesMut)) {
        let before = self.replies.len();
        write(&mut self.replies);
        let bytes = self.replies.len() - before;
        match self.parts.back_mut() {
            Some((last, part)) if *last >= after => *part += bytes,
            Some(_) | None => self.parts.push_back((after, bytes)),
        }
    }

    /// Moves the replies whose facts are committed to the end of `output`.
    pub(super) fn release(&mut self, committed: FactIndex, output: &mut BytesMut) {
        let mut released = 0;
        while let Some((_, bytes)) = self.parts.front().filter(|(after, _)| *after <= committed) {
            released += bytes;
            self.parts.pop_front();
        }
        if released == self.replies.len() && output.is_empty() {
            *output = mem::take(&mut self.replies);
        } else {
            output.extend_from_slice(self.replies.get(..released).unwrap_or_default());
            self.replies.advance(released);
        }
        if self.replies.is_empty() {
            self.replies = BytesMut::new();
        }
    }

    /// Returns the bytes of all waiting replies.
    pub(super) fn bytes(&self) -> usize {
        self.replies.len()
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
        for (committed, released, left) in [(2, "", 4), (4, "ab", 2), (4, "", 2), (5, "cd", 0)] {
            for mut output in [BytesMut::new(), BytesMut::from("before ")] {
                let (mut pending, before) = (pending.clone(), output.clone());
                pending.release(index(committed), &mut output);
                assert_eq!(output.strip_prefix(&*before), Some(released.as_bytes()));
                assert_eq!(pending.bytes(), left);
            }
            pending.release(index(committed), &mut BytesMut::new());
        }
        assert_eq!(pending.bytes(), 0);
    }
}
