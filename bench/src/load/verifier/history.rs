//! Messages that at least one member has still to receive.
//!
//! ```text
//!   received by all │ base            end
//!                   ├──┬──┬──┬──┬──┬──┤
//!                   origin, line, number of receivers
//! ```

use std::collections::VecDeque;

use super::publisher::Origin;

#[derive(Debug, Default)]
pub(super) struct Message {
    /// Text behind this number, from the reply or from the first delivery.
    pub(super) origin: Option<Origin>,
    /// Line of the first delivery, with its LF; empty until then.
    pub(super) line: Box<[u8]>,
    /// Members that received it or have it counted in a gap.
    pub(super) receivers: u32,
}

impl Message {
    /// Returns true if `member` is known to be the publisher.
    pub(super) fn is_of(&self, member: usize) -> bool {
        self.origin.is_some_and(|origin| origin.stamp.publisher == member)
    }
}

/// Numbers from `base` on.
#[derive(Debug)]
pub(super) struct History {
    base: u64,
    messages: VecDeque<Message>,
}

impl History {
    pub(super) fn new(base: u64) -> Self {
        Self { base, messages: VecDeque::new() }
    }

    /// Number after the highest known one.
    pub(super) fn end(&self) -> u64 {
        self.base + self.messages.len() as u64
    }

    fn index(&self, seq: u64) -> usize {
        usize::try_from(seq.wrapping_sub(self.base)).unwrap_or(usize::MAX)
    }

    pub(super) fn get(&self, seq: u64) -> Option<&Message> {
        self.messages.get(self.index(seq))
    }

    pub(super) fn get_mut(&mut self, seq: u64) -> Option<&mut Message> {
        let index = self.index(seq);
        self.messages.get_mut(index)
    }

    /// Returns message `seq`, added if needed; `None` if `seq` is forgotten or absurdly high.
    pub(super) fn reach(&mut self, seq: u64) -> Option<&mut Message> {
        const AHEAD_MAX: u64 = 1 << 22;
        if seq < self.base || seq >= self.end() + AHEAD_MAX {
            return None;
        }
        let index = self.index(seq);
        if index >= self.messages.len() {
            self.messages.resize_with(index + 1, Message::default);
        }
        self.messages.get_mut(index)
    }

    /// Removes and returns the oldest message if its number is below `limit`.
    pub(super) fn pop_below(&mut self, limit: u64) -> Option<(u64, Message)> {
        if self.base >= limit {
            return None;
        }
        let message = self.messages.pop_front()?;
        self.base += 1;
        Some((self.base - 1, message))
    }
}
