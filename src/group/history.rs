//! The history: every message that a member may still get, stored once for all members.

mod begun_lines;
mod newcomers;
mod slices;

use std::collections::VecDeque;

use super::block::Block;
use super::ranges::SeqRanges;
use crate::protocol::{Delivery, Seq, Text, TimeText};
use crate::time::Millis;

pub(super) use begun_lines::{BegunLines, LineCopy};
pub(super) use newcomers::NewcomerLimits;
pub(super) use slices::{HistorySlice, HistorySlices};

/// A queue of blocks of encoded delivery lines.
///
/// ```text
///         dropped │ kept
///   ┌─────────────┼────────┬──────────────────────┬─────────────┐
///   │ block       │        │ block                │ tail block  │ ◄─ append
///   └─────────────┼────────┴──────────────────────┴─────────────┘
///               front                                        last
/// ```
///
/// Invariants: seqs are consecutive from the first block to `last`, and acceptance times never
/// decrease. So expiry and dropping only look at the front. Their cost is linear in the dropped
/// messages, not in the kept ones. A time to live per message would need a timer wheel.
#[derive(Debug)]
pub(super) struct History {
    blocks: VecDeque<Block>,
    /// Number of blocks dropped so far: the serial of the first block.
    blocks_dropped: u64,
    /// Lowest seq that is neither expired nor dropped.
    front: Seq,
    /// Lowest seq that is not known to have expired.
    expired_before: Seq,
    /// Last seq that was given out.
    last: Seq,
    /// Last seq that may be sent: the last committed one.
    released: Seq,
    /// Seqs at or above `front` whose messages the journal lost.
    lost: SeqRanges,
    /// Number of readers of the next block, while there is no block.
    readers_waiting: usize,
    ttl_ms: u64,
    newcomers: NewcomerLimits,
    encoder: LineEncoder,
    /// Set at a site: [`History::own_horizon`].
    #[cfg(feature = "engine")]
    pub(super) horizon: Option<Seq>,
}

/// Encodes delivery lines.
#[derive(Debug, Default)]
struct LineEncoder {
    /// Line that is being encoded, reused for each message.
    line: Vec<u8>,
    time: TimeText,
}

/// Serial of the block that contains a member's next line, or of an earlier block.
///
/// Readers of a dropped block become readers of the next one. So the serial of a dropped block
/// means the first block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockSerial(u64);

impl History {
    pub(super) fn new(ttl_ms: u64, newcomers: NewcomerLimits) -> Self {
        Self {
            blocks: VecDeque::new(),
            blocks_dropped: 0,
            front: Seq::ZERO.next(),
            expired_before: Seq::ZERO,
            last: Seq::ZERO,
            released: Seq::ZERO,
            lost: SeqRanges::default(),
            readers_waiting: 0,
            ttl_ms,
            newcomers,
            encoder: LineEncoder::default(),
            #[cfg(feature = "engine")]
            horizon: None,
        }
    }

    /// Returns true if each message is delivered only in the turn of its acceptance (`ttl=0`).
    pub(super) fn delivers_once(&self) -> bool {
        self.ttl_ms == 0
    }

    /// Returns the lowest kept seq; the next seq if no message is kept.
    pub(super) fn front(&self) -> Seq {
        self.front
    }

    /// Returns the last seq of which members forget that it is their own: the last one that is not
    /// kept. Sites keep messages for different times, so they agree on a lower one.
    #[inline]
    pub(super) fn own_horizon(&self) -> Seq {
        #[cfg(feature = "engine")]
        if let Some(horizon) = self.horizon {
            return horizon;
        }
        self.front.before()
    }

    /// Returns the last seq that was given out.
    pub(super) fn last(&self) -> Seq {
        self.last
    }

    /// Returns the last seq that may be sent.
    pub(super) fn released(&self) -> Seq {
        self.released
    }

    /// Allows all messages up to `seq` to be sent.
    pub(super) fn release(&mut self, seq: Seq) {
        self.released = self.released.max(seq).min(self.last);
    }

    /// Continues after `last`, with no message kept.
    pub(super) fn begin_after(&mut self, last: Seq) {
        self.drop_before(self.last.next());
        debug_assert!(self.blocks.is_empty(), "no message is kept before the start");
        self.last = self.last.max(last);
        self.front = self.last.next();
        self.released = self.last;
    }

    /// Gives the next seq to a message that the journal lost.
    pub(super) fn append_lost(&mut self, now: Millis) {
        let seq = self.append(&[], now);
        self.lost.push(seq);
    }

    /// Returns the seqs from the front on whose messages the journal lost.
    pub(super) fn lost(&self) -> &SeqRanges {
        &self.lost
    }

    /// Returns the last of the missing seqs right after `acked`: expired, dropped or lost. Returns
    /// `acked` if the next message is there.
    #[inline]
    pub(super) fn missing_after(&self, acked: Seq) -> Seq {
        self.lost.skip(acked.max(self.front.before()))
    }

    /// Returns true if all messages after `acked` are there.
    #[inline]
    pub(super) fn is_whole_after(&self, acked: Seq) -> bool {
        self.lost.is_empty() && acked >= self.front.before()
    }

    /// Returns the number of kept messages after `acked` that are not in `own`.
    pub(super) fn others(&self, acked: Seq, own: &SeqRanges) -> u64 {
        let after = acked.max(self.front.before());
        let lost = self.lost.above(after);
        let lost = lost.map(|range| own.others(range.first.before().max(after), range.last));
        own.others(after, self.last).saturating_sub(lost.fold(0, u64::saturating_add))
    }

    /// Returns the acceptance time of the first kept message after `acked` that is not in `own`.
    pub(super) fn oldest_other(&self, acked: Seq, own: &SeqRanges) -> Option<Millis> {
        let missing_after = |passed: Seq| own.skip(self.missing_after(passed));
        let (mut passed, mut missing) = (acked, missing_after(acked));
        while missing > passed {
            (passed, missing) = (missing, missing_after(missing));
        }
        self.accepted_at(passed.next())
    }

    /// Returns the acceptance time of a kept message.
    pub(super) fn accepted_at(&self, seq: Seq) -> Option<Millis> {
        self.block_of(seq).map(|block| block.accepted(seq))
    }

    /// Returns the kept lines after `after`, each with its seq and acceptance time.
    pub(super) fn lines(&self, after: Seq) -> impl Iterator<Item = (Seq, &[u8], Millis)> {
        let mut seq = after.max(self.front.before());
        std::iter::from_fn(move || {
            seq = self.lost.skip(seq).next();
            let block = self.block_of(seq)?;
            Some((seq, block.lines(seq, seq), block.accepted(seq)))
        })
    }

    /// Encodes a message with the next seq, and appends it.
    pub(super) fn append_message(&mut self, delivery: &Delivery<'_, Text<'_>>, now: Millis) {
        let room = delivery.encoded_bytes_max();
        let time = &mut self.encoder.time;
        if let Some(tail) = self.blocks.back_mut()
            && tail.append_with(room, now, |bytes| delivery.encode(time, bytes))
        {
            self.last = self.last.next();
            return;
        }
        let mut line = std::mem::take(&mut self.encoder.line);
        line.clear();
        delivery.encode(&mut self.encoder.time, &mut line);
        self.append(&line, now);
        self.encoder.line = line;
    }

    /// Appends an encoded line and gives it the next seq.
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

    /// Returns the bytes of all lines from `from` to the newest.
    pub(super) fn bytes_from(&self, from: Seq) -> u64 {
        match self.block_of(from) {
            Some(block) => self.end().saturating_sub(block.start_of(from)),
            None => 0,
        }
    }

    /// Returns the bytes of all blocks, without a search. The first block may hold dropped lines.
    pub(super) fn block_bytes(&self) -> u64 {
        self.end().saturating_sub(self.blocks.front().map_or(0, Block::start))
    }

    /// Returns the seq of the oldest message that has not expired at `now`; the next seq if all
    /// have.
    pub(super) fn unexpired(&self, now: Millis) -> Seq {
        self.unexpired_in((self.front, self.last), now)
    }

    /// Returns the seq of the oldest message that has not expired at `now`; if all that may be sent
    /// have, the seq behind them. No message behind them is looked at: very many can wait for a
    /// disk.
    pub(super) fn unexpired_released(&self, now: Millis) -> Seq {
        self.unexpired_in((self.front, self.released), now)
    }

    /// Returns the first seq of this range whose message has not expired at `now`; the seq behind
    /// the range if all have.
    fn unexpired_in(&self, (first, last): (Seq, Seq), now: Millis) -> Seq {
        let mut front = first;
        while front <= last
            && let Some(block) = self.block_of(front)
        {
            if block.accepted(front).plus(self.ttl_ms) >= now {
                break;
            }
            front = front.next();
        }
        front
    }

    /// Returns the lowest seq that is not known to have expired.
    pub(super) fn expired_before(&self) -> Seq {
        self.expired_before
    }

    /// Changes the time to live of all kept messages, and the limits of those that are kept for
    /// newcomers.
    pub(super) fn change_rules(&mut self, ttl_ms: u64, newcomers: NewcomerLimits) {
        (self.ttl_ms, self.newcomers) = (ttl_ms, newcomers);
    }

    /// Drops all messages before `front`, which have expired.
    pub(super) fn expire_before(&mut self, front: Seq) {
        self.expired_before = self.expired_before.max(front);
        self.drop_before(front);
    }

    /// Drops all messages before `front`.
    pub(super) fn drop_before(&mut self, front: Seq) {
        self.front = self.front.max(front).min(self.last.next());
        self.lost.forget_through(self.front.before());
        while self.blocks.front().is_some_and(|block| block.last() < self.front) {
            self.drop_block();
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

    /// Returns the time at which the last message of the first block expires, so that the block can
    /// be dropped. `None` before that message may be sent: until then it does not expire.
    pub(super) fn next_expiry(&self) -> Option<Millis> {
        let block = self.blocks.front().filter(|block| block.last() <= self.released)?;
        Some(block.accepted(block.last()).plus(self.ttl_ms).plus(1))
    }

    /// Counts a reader in the block of the line after `acked`.
    pub(super) fn enter(&mut self, acked: Seq) -> BlockSerial {
        let position = self.position(acked.next());
        let readers = self.readers_at(position);
        *readers = readers.saturating_add(1);
        BlockSerial(self.blocks_dropped.saturating_add(position as u64))
    }

    /// Removes a reader from a block.
    pub(super) fn leave(&mut self, serial: BlockSerial) {
        let readers = self.readers_at(self.position_of(serial));
        debug_assert!(*readers > 0, "a reader leaves only a block that it entered");
        *readers = readers.saturating_sub(1);
    }

    /// Returns true if the line after `acked` is in a later block.
    pub(super) fn is_past(&self, serial: BlockSerial, acked: Seq) -> bool {
        let next = self.blocks.get(self.position_of(serial).saturating_add(1));
        next.is_some_and(|next| next.first() <= acked.next())
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

    /// Returns the sendable lines after `after` that are not in `own`, as slices of consecutive
    /// bytes. Stops before a lost message.
    #[inline]
    pub(super) fn slices<'a>(&'a self, after: Seq, own: &'a SeqRanges) -> HistorySlices<'a> {
        let lost = match self.lost.is_empty() {
            true => None,
            false => self.lost.above(after).next().map(|range| range.first.before()),
        };
        let end = lost.map_or(self.released, |end| end.min(self.released));
        HistorySlices::new(self, own, after, end)
    }

    fn end(&self) -> u64 {
        self.blocks.back().map_or(0, Block::end)
    }

    fn block_of(&self, seq: Seq) -> Option<&Block> {
        self.blocks.get(self.position(seq)).filter(|block| block.last() >= seq)
    }

    /// Returns the position of the block that contains `seq`; the tail for all seqs above `last`.
    ///
    /// The tail and the front are found without a search, because every message needs them.
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

#[cfg(test)]
mod tests;
