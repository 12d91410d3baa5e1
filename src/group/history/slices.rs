//! Slices of the history: lines of consecutive bytes that can be sent.

use super::History;
use crate::group::block::{Block, LineAt};
use crate::group::ranges::SeqRanges;
use crate::protocol::Seq;

/// Sendable lines that are not own messages: see [`History::slices`].
#[derive(Clone, Copy, Debug)]
pub(in crate::group) struct HistorySlices<'a> {
    history: &'a History,
    own: &'a SeqRanges,
    /// Number of own ranges that end before `next`.
    passed: usize,
    /// Next seq.
    next: Seq,
    /// Last seq that may be sent.
    end: Seq,
    /// Position of the block of `next`.
    position: usize,
}

impl<'a> HistorySlices<'a> {
    /// Makes the slices after `after`, up to `end`.
    #[inline]
    pub(super) fn new(history: &'a History, own: &'a SeqRanges, after: Seq, end: Seq) -> Self {
        let next = after.next();
        let passed = if own.is_empty() { 0 } else { own.passed(after) };
        Self { history, own, passed, next, end, position: history.position(next) }
    }

    /// Returns true if the slices end with the last released message, and not before a lost one.
    #[inline]
    pub(in crate::group) fn reaches_released(&self) -> bool {
        self.end == self.history.released
    }
}

impl<'a> Iterator for HistorySlices<'a> {
    type Item = HistorySlice<'a>;

    #[inline]
    fn next(&mut self) -> Option<HistorySlice<'a>> {
        if self.next > self.end {
            return None; // A run is mostly one slice.
        }
        let mut own = self.own.at(self.passed);
        while let Some(range) = own
            && range.first <= self.next
        {
            self.next = range.last.next();
            self.passed = self.passed.saturating_add(1);
            own = self.own.at(self.passed);
        }
        if self.next > self.end {
            return None;
        }
        let mut block = self.history.blocks.get(self.position)?;
        while block.last() < self.next {
            self.position = self.position.saturating_add(1);
            block = self.history.blocks.get(self.position)?;
        }
        let until = own.map_or(self.end, |range| range.first.before().min(self.end));
        let (first, last) = (self.next, until.min(block.last()));
        self.next = last.next();
        Some(HistorySlice { block, first, last })
    }
}

/// Consecutive whole lines in one block.
#[derive(Clone, Copy, Debug)]
pub(in crate::group) struct HistorySlice<'a> {
    block: &'a Block,
    pub(in crate::group) first: Seq,
    pub(in crate::group) last: Seq,
}

impl<'a> HistorySlice<'a> {
    pub(in crate::group) fn bytes(&self) -> &'a [u8] {
        self.block.lines(self.first, self.last)
    }

    pub(in crate::group) fn messages(&self) -> u64 {
        self.last.above(self.first.before())
    }

    /// Returns the line that contains the byte at offset `bytes` of the slice.
    pub(in crate::group) fn line_at(&self, bytes: usize) -> LineAt<'a> {
        self.block.line_at(self.first, bytes)
    }
}
