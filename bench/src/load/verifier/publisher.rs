//! Texts of one publisher until their numbers are known.

use std::collections::VecDeque;

use super::stamp::Stamp;

#[derive(Clone, Copy, Debug)]
struct Sent {
    origin: Origin,
    /// Known from a delivery before the reply.
    seq: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) stamp: Stamp,
    /// Connection of the publisher; texts keep their order within one connection only.
    connection: u32,
}

#[derive(Debug, Default)]
pub(super) struct Publisher {
    counter: u64,
    connection: u32,
    /// Texts without a reply, in the order of sending.
    sent: VecDeque<Sent>,
    /// Texts without a reply on lost connections: accepted or not.
    unknown: Vec<Sent>,
    /// Connection and counter of the latest text in the order of numbers.
    latest: Option<(u32, u64)>,
}

impl Publisher {
    /// Returns the stamp of the next text of member `publisher`.
    pub(super) fn send(&mut self, publisher: usize, due_ns: u64) -> Stamp {
        let stamp = Stamp { publisher, counter: self.counter, due_ns };
        self.counter += 1;
        let origin = Origin { stamp, connection: self.connection };
        self.sent.push_back(Sent { origin, seq: None });
        stamp
    }

    /// Number of texts without a reply.
    pub(super) fn unanswered(&self) -> usize {
        self.sent.len()
    }

    /// Returns true if a number without a known text may be one of this publisher's.
    pub(super) fn has_unknown(&self) -> bool {
        !self.unknown.is_empty() || !self.sent.is_empty()
    }

    /// Takes the oldest text without a reply: its number, if a delivery named one, and its origin.
    pub(super) fn on_reply(&mut self) -> Option<(Option<u64>, Origin)> {
        self.sent.pop_front().map(|sent| (sent.seq, sent.origin))
    }

    /// The connection is gone, and with it the replies to come.
    pub(super) fn on_connection_lost(&mut self) {
        self.connection += 1;
        self.unknown.extend(self.sent.drain(..).filter(|sent| sent.seq.is_none()));
    }

    /// Returns the origin of a text that was delivered as message `seq`; `None` if no such text
    /// was sent, or if it was delivered under another number before.
    pub(super) fn claim(&mut self, stamp: Stamp, seq: u64) -> Option<Origin> {
        let oldest = self.sent.front().map_or(u64::MAX, |sent| sent.origin.stamp.counter);
        let index = usize::try_from(stamp.counter.wrapping_sub(oldest)).unwrap_or(usize::MAX);
        if let Some(sent) = self.sent.get_mut(index).filter(|sent| sent.origin.stamp == stamp) {
            return sent.seq.replace(seq).is_none().then_some(sent.origin);
        }
        let index = self.unknown.iter().position(|sent| sent.origin.stamp == stamp)?;
        Some(self.unknown.swap_remove(index).origin)
    }

    /// Takes the next text in the order of numbers; returns true if the order of sending agrees.
    pub(super) fn settle(&mut self, origin: &Origin) -> bool {
        let position = (origin.connection, origin.stamp.counter);
        // Texts of a lost connection may overtake later ones, and be overtaken.
        let is_in_order =
            self.latest.is_none_or(|latest| position.0 != latest.0 || position.1 > latest.1);
        self.latest = self.latest.max(Some(position));
        is_in_order
    }
}
