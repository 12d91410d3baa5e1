//! What one publisher has sent, until it is known under which number.

use std::collections::VecDeque;

use super::stamp::Stamp;

/// One text that was sent.
#[derive(Clone, Copy, Debug)]
struct Sent {
    counter: u64,
    due_ns: u64,
    life: u32,
    /// Known from a delivery, before the reply.
    seq: Option<u64>,
}

/// Whose text a number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) stamp: Stamp,
    /// Which connection of the publisher's it was sent on: order holds within one only.
    pub(crate) life: u32,
}

/// A publisher's texts on their way.
#[derive(Debug, Default)]
pub(crate) struct Source {
    counter: u64,
    life: u32,
    /// Without a reply yet, in the order of sending.
    sent: VecDeque<Sent>,
    /// Whose replies were lost with the connection: accepted or not, nobody knows.
    unknown: Vec<Sent>,
    /// The latest in the order of numbers: life and counter.
    settled: Option<(u32, u64)>,
}

impl Source {
    /// The next text of publisher `publisher`.
    pub(crate) fn send(&mut self, publisher: usize, due_ns: u64) -> Stamp {
        let (counter, life) = (self.counter, self.life);
        self.counter += 1;
        self.sent.push_back(Sent { counter, due_ns, life, seq: None });
        Stamp { publisher, counter, due_ns }
    }

    /// Texts without a reply.
    pub(crate) fn unanswered(&self) -> usize {
        self.sent.len()
    }

    /// Whether it may own a number that nobody knows of.
    pub(crate) fn has_unknown(&self) -> bool {
        !self.unknown.is_empty() || !self.sent.is_empty()
    }

    /// The oldest text without a reply has one: its number if a delivery told it, and its origin.
    pub(crate) fn answered(&mut self, publisher: usize) -> Option<(Option<u64>, Origin)> {
        let Sent { counter, due_ns, life, seq } = self.sent.pop_front()?;
        Some((seq, Origin { stamp: Stamp { publisher, counter, due_ns }, life }))
    }

    /// The connection is gone, and with it the replies to come.
    pub(crate) fn broken(&mut self) {
        self.life += 1;
        self.unknown.extend(self.sent.drain(..).filter(|sent| sent.seq.is_none()));
    }

    /// A text was delivered as message `seq`; `None` if no such text is on its way.
    pub(crate) fn claim(&mut self, stamp: Stamp, seq: u64) -> Option<Origin> {
        let is_it = |sent: &Sent| (sent.counter, sent.due_ns) == (stamp.counter, stamp.due_ns);
        let first = self.sent.front().map_or(u64::MAX, |first| first.counter);
        let index = usize::try_from(stamp.counter.wrapping_sub(first)).unwrap_or(usize::MAX);
        if let Some(sent) = self.sent.get_mut(index).filter(|sent| is_it(sent)) {
            let is_first = sent.seq.replace(seq).is_none();
            return is_first.then_some(Origin { stamp, life: sent.life });
        }
        let index = self.unknown.iter().position(is_it)?;
        let Sent { life, .. } = self.unknown.swap_remove(index);
        Some(Origin { stamp, life })
    }

    /// Everybody is past a text of it; whether it stands where it was sent.
    pub(crate) fn settle(&mut self, origin: &Origin) -> bool {
        let (life, counter) = (origin.life, origin.stamp.counter);
        // What was left behind by a crash may overtake, and be overtaken by, what came after it.
        let in_turn = self.settled.is_none_or(|settled| life != settled.0 || counter > settled.1);
        self.settled = self.settled.max(Some((life, counter)));
        in_turn
    }
}
