//! The history: every message that somebody may still get, stored once for all members.

use std::collections::VecDeque;

use super::block::{Block, LineAt};
use super::ranges::{SeqRange, SeqRanges};
use crate::protocol::Seq;
use crate::time::Millis;

/// A queue of blocks of encoded delivery lines.
///
/// ```text
///            dead │ kept
///   ┌─────────────┼────────┬──────────────────────┬─────────────┐
///   │ block       │        │ block                │ tail block  │ ◄─ append
///   └─────────────┼────────┴──────────────────────┴─────────────┘
///               front                                        last
/// ```
///
/// Invariant: numbers are consecutive from the first block's first to `last`, and the moments of
/// acceptance never decrease, so expiry and dropping only ever look at the front. They are linear
/// in what goes, not in what is kept. A time to live per message would need the wheel.
#[derive(Debug)]
pub(super) struct History {
    blocks: VecDeque<Block>,
    /// Blocks ever dropped: the serial number of the first block there is.
    blocks_dropped: u64,
    /// The lowest number that neither expired nor had to make room.
    front: Seq,
    /// The last number given out.
    last: Seq,
    /// The last number that may be sent: it is where it is to be kept.
    released: Seq,
    /// Numbers above `front` whose messages were lost on the way here.
    lost: SeqRanges,
    /// Readers of the block that comes first, while there is no block.
    readers_waiting: usize,
    ttl_ms: u64,
}

/// Serial number of the block that holds a member's next line, or of one before it.
///
/// Readers of a block that is dropped become readers of the one behind it, so a serial number
/// that is gone means the first block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockSerial(u64);

impl History {
    pub(super) fn new(ttl_ms: u64) -> Self {
        Self {
            blocks: VecDeque::new(),
            blocks_dropped: 0,
            front: Seq::ZERO.next(),
            last: Seq::ZERO,
            released: Seq::ZERO,
            lost: SeqRanges::default(),
            readers_waiting: 0,
            ttl_ms,
        }
    }

    /// The lowest number that is kept; the next to be given out if none is.
    pub(super) fn front(&self) -> Seq {
        self.front
    }

    /// The last number given out.
    pub(super) fn last(&self) -> Seq {
        self.last
    }

    /// The last number that may be sent.
    pub(super) fn released(&self) -> Seq {
        self.released
    }

    /// Everything up to `seq` may be sent.
    pub(super) fn release(&mut self, seq: Seq) {
        self.released = self.released.max(seq).min(self.last);
    }

    /// Numbers up to `last` were given out before, and nothing of them is kept.
    pub(super) fn begin_after(&mut self, last: Seq) {
        self.drop_before(self.last.next());
        debug_assert!(self.blocks.is_empty(), "nothing stands before a beginning");
        self.last = self.last.max(last);
        self.front = self.last.next();
        self.released = self.last;
    }

    /// Gives out the next number to a message that was lost.
    pub(super) fn append_lost(&mut self, now: Millis) {
        let seq = self.append(&[], now);
        self.lost.push(seq);
    }

    /// Numbers not below the front whose messages were lost.
    pub(super) fn lost(&self) -> &SeqRanges {
        &self.lost
    }

    /// The last number that is gone of those right behind `acked`: expired, dropped or lost.
    pub(super) fn missing_after(&self, acked: Seq) -> Seq {
        self.lost.skip(acked.max(self.front.before()))
    }

    /// How many messages above `acked` are kept, but for those of `own`.
    pub(super) fn others(&self, acked: Seq, own: &SeqRanges) -> u64 {
        let after = acked.max(self.front.before());
        let lost = self.lost.above(after);
        let lost = lost.map(|range| own.others(range.first.before().max(after), range.last));
        own.others(after, self.last).saturating_sub(lost.fold(0, u64::saturating_add))
    }

    /// The kept lines above `after`, with their numbers and when they were accepted.
    pub(super) fn lines(&self, after: Seq) -> impl Iterator<Item = (Seq, &[u8], Millis)> {
        let mut seq = after.max(self.front.before());
        std::iter::from_fn(move || {
            seq = self.lost.skip(seq).next();
            let block = self.block_of(seq)?;
            Some((seq, block.lines(seq, seq), block.accepted(seq)))
        })
    }

    /// Appends an encoded line and gives it the next number.
    pub(super) fn append(&mut self, line: &[u8], now: Millis) -> Seq {
        let seq = self.last.next();
        let fitted = self.blocks.back_mut().is_some_and(|tail| tail.append(line, now));
        if !fitted {
            let start = self.end();
            if let Some(tail) = self.blocks.back_mut() {
                tail.seal();
            }
            let mut tail = Block::new(seq, start, now, line.len());
            tail.readers = std::mem::take(&mut self.readers_waiting);
            let fitted = tail.append(line, now);
            debug_assert!(fitted, "a new block has room for the line that it was made for");
            self.blocks.push_back(tail);
        }
        self.last = seq;
        seq
    }

    /// Bytes of the lines from `from` to the newest.
    pub(super) fn bytes_from(&self, from: Seq) -> u64 {
        match self.block_of(from) {
            Some(block) => self.end().saturating_sub(block.start_of(from)),
            None => 0,
        }
    }

    /// The number of the oldest message that has not expired at `now`; the next one if all have.
    pub(super) fn unexpired(&self, now: Millis) -> Seq {
        let mut front = self.front;
        while let Some(block) = self.block_of(front) {
            if block.accepted(front).plus(self.ttl_ms) >= now {
                break;
            }
            front = front.next();
        }
        front
    }

    /// Lets all messages before `front` go, for good.
    pub(super) fn drop_before(&mut self, front: Seq) {
        self.front = self.front.max(front).min(self.last.next());
        self.lost.forget_through(self.front.before());
        while self.blocks.front().is_some_and(|block| block.last() < self.front) {
            self.drop_block();
        }
    }

    /// Drops the blocks at the front that no member reads any more; the tail stays.
    pub(super) fn trim(&mut self) {
        while self.blocks.len() > 1 && self.blocks.front().is_some_and(|block| block.readers == 0) {
            self.drop_block();
        }
        if let Some(block) = self.blocks.front() {
            self.front = self.front.max(block.first());
        }
    }

    fn drop_block(&mut self) {
        let readers = self.blocks.pop_front().map_or(0, |block| block.readers);
        self.blocks_dropped = self.blocks_dropped.saturating_add(1);
        let next = self.readers_at(0);
        *next = next.saturating_add(readers);
        if self.blocks.is_empty() {
            self.blocks = VecDeque::new();
        }
    }

    /// When the last message of the first block will have expired, so that the block can go; before
    /// it may be sent it does not.
    pub(super) fn next_expiry(&self) -> Option<Millis> {
        let block = self.blocks.front().filter(|block| block.last() <= self.released)?;
        Some(block.accepted(block.last()).plus(self.ttl_ms).plus(1))
    }

    /// A member arrives at `acked`: the block of its next line has a reader more.
    pub(super) fn enter(&mut self, acked: Seq) -> BlockSerial {
        let position = self.position(acked.next());
        let readers = self.readers_at(position);
        *readers = readers.saturating_add(1);
        BlockSerial(self.blocks_dropped.saturating_add(position as u64))
    }

    /// A member leaves the block that it had entered.
    pub(super) fn leave(&mut self, serial: BlockSerial) {
        let readers = self.readers_at(self.position_of(serial));
        debug_assert!(*readers > 0, "who leaves had entered");
        *readers = readers.saturating_sub(1);
    }

    /// Whether the line after `acked` stands behind the block that a member had entered.
    pub(super) fn is_past(&self, serial: BlockSerial, acked: Seq) -> bool {
        self.blocks.get(self.position_of(serial)).is_some_and(|block| block.last() <= acked)
    }

    fn position_of(&self, serial: BlockSerial) -> usize {
        usize::try_from(serial.0.saturating_sub(self.blocks_dropped)).unwrap_or(usize::MAX)
    }

    fn readers_at(&mut self, position: usize) -> &mut usize {
        match self.blocks.get_mut(position) {
            Some(block) => &mut block.readers,
            None => &mut self.readers_waiting,
        }
    }

    /// The lines after `after` that are not `own`, as pieces of consecutive bytes, as far as they
    /// may be sent and nothing between them was lost.
    pub(super) fn slices<'a>(
        &'a self,
        after: Seq,
        own: &'a SeqRanges,
    ) -> impl Iterator<Item = HistorySlice<'a>> {
        let mut own = own.above(after).peekable();
        let mut next = after.next();
        let mut position = self.position(next);
        let lost = self.lost.above(after).next().map(|range| range.first.before());
        let end = lost.map_or(self.released, |end| end.min(self.released));
        std::iter::from_fn(move || {
            while let Some(SeqRange { last, .. }) = own.next_if(|range| range.first <= next) {
                next = last.next();
            }
            if next > end {
                return None;
            }
            while self.blocks.get(position)?.last() < next {
                position = position.saturating_add(1);
            }
            let block = self.blocks.get(position)?;
            let until = own.peek().map_or(end, |range| range.first.before().min(end));
            let (first, last) = (next, until.min(block.last()));
            next = last.next();
            Some(HistorySlice { block, first, last })
        })
    }

    fn end(&self) -> u64 {
        self.blocks.back().map_or(0, Block::end)
    }

    fn block_of(&self, seq: Seq) -> Option<&Block> {
        self.blocks.get(self.position(seq)).filter(|block| block.last() >= seq)
    }

    /// The position of the block that holds a number, or will: the tail for all above `last`.
    ///
    /// The tail and the front are asked for with every message, whatever stands between them.
    fn position(&self, seq: Seq) -> usize {
        if self.blocks.back().is_none_or(|tail| tail.first() <= seq) {
            return self.blocks.len().saturating_sub(1);
        }
        if self.blocks.get(1).is_some_and(|second| seq < second.first()) {
            return 0;
        }
        self.blocks.partition_point(|block| block.first() <= seq).saturating_sub(1)
    }
}

/// Whole lines that stand one behind the other in one block.
#[derive(Clone, Copy, Debug)]
pub(super) struct HistorySlice<'a> {
    block: &'a Block,
    pub(super) first: Seq,
    pub(super) last: Seq,
}

impl<'a> HistorySlice<'a> {
    pub(super) fn bytes(&self) -> &'a [u8] {
        self.block.lines(self.first, self.last)
    }

    pub(super) fn messages(&self) -> u64 {
        self.last.above(self.first.before())
    }

    /// The line that the `bytes`th byte of the piece belongs to.
    pub(super) fn line_at(&self, bytes: usize) -> LineAt<'a> {
        self.block.line_at(self.first, bytes)
    }
}

#[cfg(test)]
mod tests;
