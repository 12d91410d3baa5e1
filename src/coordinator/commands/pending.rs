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
    /// Replies to the requests after the first one that a list of several sites has not decided.
    /// `None` while a request is undecided.
    #[cfg(feature = "engine")]
    undecided: VecDeque<Option<BytesMut>>,
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

    /// Notes that a request is not decided yet. Its reply comes after those of earlier requests.
    #[cfg(feature = "engine")]
    pub(super) fn add_undecided(&mut self) {
        self.undecided.push_back(None);
    }

    /// Forgets the undecided requests: their client is gone.
    #[cfg(feature = "engine")]
    pub(super) fn forget_undecided(&mut self) {
        self.undecided.clear();
    }

    /// Returns the number of requests that are not decided, and of those after them.
    #[cfg(feature = "engine")]
    pub(super) fn undecided(&self) -> usize {
        self.undecided.len()
    }

    /// Takes a reply: the one to the request that is being executed, or to the first undecided one.
    /// Moves the replies that are due to the end of `output`.
    #[cfg(feature = "engine")]
    pub(super) fn decide(&mut self, reply: BytesMut, is_of_latest: bool, output: &mut BytesMut) {
        match self.undecided.iter_mut().find(|slot| slot.is_none()) {
            Some(slot) if !is_of_latest => *slot = Some(reply),
            Some(_) | None => self.undecided.push_back(Some(reply)),
        }
        while let Some(reply) = self.undecided.pop_front_if(|slot| slot.is_some()) {
            output.extend_from_slice(&reply.unwrap_or_default());
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

    /// Returns the bytes of all waiting replies, at least one for each.
    pub(super) fn bytes(&self) -> usize {
        #[cfg(feature = "engine")]
        return self.replies.len() + self.undecided.len();
        #[cfg(not(feature = "engine"))]
        self.replies.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "engine")]
    #[test]
    fn replies_leave_in_the_order_of_their_requests_when_a_list_decides_some_later() {
        let (mut pending, mut output) = (PendingReplies::default(), BytesMut::new());
        for _ in 0..2 {
            pending.add_undecided();
        }
        pending.decide(BytesMut::from("c"), true, &mut output);
        pending.add_undecided();
        assert_eq!((&output[..], pending.bytes()), (&b""[..], 4));
        pending.decide(BytesMut::from("a"), false, &mut output);
        assert_eq!((&output[..], pending.undecided()), (&b"a"[..], 3));
        pending.decide(BytesMut::from("b"), false, &mut output);
        assert_eq!((&output[..], pending.undecided()), (&b"abc"[..], 1));
        pending.decide(BytesMut::from("d"), false, &mut output);
        assert_eq!((&output[..], pending.bytes()), (&b"abcd"[..], 0));
    }

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
