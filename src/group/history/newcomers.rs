//! Messages that are kept for newcomers until they expire, although all members have them.
//!
//! ```text
//!   front     kept for newcomers                    last
//!     │       ┌─────────────┴─────────────────────────┐
//!  ───●───○───●───●───●───●───●───●───●───●───●───●───●  ● newest: at most `keep` messages, and at
//!                 └──────────────┬────────────────────┘    most so many bytes
//!           start       messages of a newcomer
//! ```
//!
//! Each new message pushes older ones out, so these messages never add to the bytes that members
//! need: both are the newest bytes of one history.

use super::{Block, History};
use crate::protocol::Seq;
use crate::time::Millis;

/// Limits of the messages that are kept for newcomers, although all members have them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::group) struct NewcomerLimits {
    /// `keep`: number of newest messages.
    pub(in crate::group) messages: u64,
    /// Bytes of the lines of these messages.
    pub(in crate::group) bytes: u64,
}

impl History {
    /// Drops blocks at the front that no member needs, and of which no message is kept for
    /// newcomers. The tail block stays.
    pub(in crate::group) fn trim(&mut self) {
        while self.blocks.len() > 1
            && let Some(block) = self.blocks.front()
            && block.readers == 0
            && !self.is_for_newcomers(block.last(), block)
        {
            self.drop_block();
        }
        if let Some(block) = self.blocks.front() {
            self.front = self.front.max(block.first());
        }
    }

    /// Returns the oldest message that is kept for newcomers; the next seq if there is none.
    pub(in crate::group) fn kept_for_newcomers(&self) -> Seq {
        let newest = Seq::new(self.last.as_u64().saturating_sub(self.newcomers.messages)).next();
        let mut from = self.front.max(newest);
        let mut end = self.last.next();
        while from < end {
            let middle = Seq::new(from.as_u64().midpoint(end.as_u64()));
            match self.bytes_from(middle) <= self.newcomers.bytes {
                true => end = middle,
                false => from = middle.next(),
            }
        }
        from
    }

    /// Returns the number before the first message of a newcomer that wants at most `past` messages
    /// from before its registration. No message after it is missing. Messages that have expired at
    /// `now` count as missing.
    pub(in crate::group) fn start_of_newcomer(&self, past: u64, now: Millis) -> Seq {
        if self.delivers_once() {
            return self.last;
        }
        let wanted = Seq::new(self.last.as_u64().saturating_sub(past));
        let kept = self.unexpired_in((self.kept_for_newcomers(), self.last), now).before();
        let lost = self.lost.last().unwrap_or(Seq::ZERO);
        wanted.max(kept).max(lost).min(self.last)
    }

    /// Returns true if a message of a block is kept for newcomers, as long as it does not expire.
    fn is_for_newcomers(&self, seq: Seq, block: &Block) -> bool {
        let NewcomerLimits { messages, bytes } = self.newcomers;
        self.last.above(seq.before()) <= messages
            && self.end().saturating_sub(block.start_of(seq)) <= bytes
    }
}
