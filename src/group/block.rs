//! A block of the history: encoded delivery lines of consecutive messages.

use std::ops::Range;

use crate::limits::BLOCK_BYTES;
use crate::protocol::Seq;
use crate::time::Millis;

/// Consecutive delivery lines, with an index of 8 bytes a line.
#[derive(Debug)]
pub(super) struct Block {
    /// Seq of the first line.
    first: Seq,
    /// Bytes of all earlier blocks since the start of the history.
    start: u64,
    /// Time at which the first line was accepted.
    accepted: Millis,
    bytes: Vec<u8>,
    index: Vec<BlockEntry>,
    /// Number of members whose next line is in this block, or was the end of this block when they
    /// arrived.
    pub(super) readers: usize,
}

#[derive(Debug)]
struct BlockEntry {
    /// Offset of the line's end in `bytes`.
    end: u32,
    /// Milliseconds from the acceptance of the block's first line.
    accepted_after_ms: u32,
}

impl Block {
    /// Creates an empty block with room for a first line of `line_bytes`.
    pub(super) fn new(first: Seq, start: u64, accepted: Millis, line_bytes: usize) -> Self {
        let bytes = Vec::with_capacity(line_bytes.max(BLOCK_BYTES));
        Self { first, start, accepted, bytes, index: Vec::new(), readers: 0 }
    }

    /// Appends a line with the next seq. Returns false if the line does not fit.
    pub(super) fn append(&mut self, line: &[u8], accepted: Millis) -> bool {
        self.append_with(line.len(), accepted, |bytes| bytes.extend_from_slice(line))
    }

    /// Lets `encode` append a line of at most `bytes_max` bytes with the next seq. Returns false,
    /// without calling it, if such a line may not fit.
    #[inline]
    pub(super) fn append_with(
        &mut self,
        bytes_max: usize,
        accepted: Millis,
        encode: impl FnOnce(&mut Vec<u8>),
    ) -> bool {
        let room = self.bytes.capacity().saturating_sub(self.bytes.len());
        let Ok(accepted_after_ms) = u32::try_from(accepted.since(self.accepted)) else {
            return false;
        };
        let (true, Ok(_)) = (bytes_max <= room, u32::try_from(self.bytes.capacity())) else {
            return false;
        };
        encode(&mut self.bytes);
        let end = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        self.index.push(BlockEntry { end, accepted_after_ms });
        true
    }

    /// Shrinks the buffers: no line is appended any more.
    pub(super) fn seal(&mut self) {
        self.index.shrink_to_fit();
        // Moving the whole block costs more than half a short line is worth.
        if self.bytes.capacity().saturating_sub(self.bytes.len()) > BLOCK_BYTES / 64 {
            self.bytes.shrink_to_fit();
        }
    }

    pub(super) fn first(&self) -> Seq {
        self.first
    }

    pub(super) fn last(&self) -> Seq {
        Seq::new(self.first.as_u64().saturating_add(self.index.len() as u64)).before()
    }

    /// Returns the number of bytes from the start of the history to the start of this block.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// Returns the number of bytes from the start of the history to the end of this block.
    pub(super) fn end(&self) -> u64 {
        self.start.saturating_add(self.bytes.len() as u64)
    }

    /// Returns the number of bytes from the start of the history to a line of this block.
    pub(super) fn start_of(&self, seq: Seq) -> u64 {
        self.start.saturating_add(self.offset_of(seq) as u64)
    }

    /// Returns the time at which a line of this block was accepted.
    pub(super) fn accepted(&self, seq: Seq) -> Millis {
        let after = self.entry(seq).map_or(0, |entry| entry.accepted_after_ms);
        self.accepted.plus(u64::from(after))
    }

    /// Returns the lines from `first` to `last`.
    pub(super) fn lines(&self, first: Seq, last: Seq) -> &[u8] {
        self.bytes.get(self.offset_of(first)..self.offset_of(last.next())).unwrap_or_default()
    }

    /// Returns the line that contains the byte at offset `bytes` from the start of line `first`.
    pub(super) fn line_at(&self, first: Seq, bytes: usize) -> LineAt<'_> {
        let at = self.offset_of(first).saturating_add(bytes);
        let passed = self.index.partition_point(|entry| entry.end as usize <= at);
        let seq = Seq::new(self.first.as_u64().saturating_add(passed as u64));
        let Range { start, end } = self.offset_of(seq)..self.offset_of(seq.next());
        LineAt {
            seq,
            line: self.bytes.get(start..end).unwrap_or_default(),
            begun: at.saturating_sub(start),
        }
    }

    /// Returns the offset of a line; for the seq after the last line, the end of the block.
    fn offset_of(&self, seq: Seq) -> usize {
        match self.position(seq).checked_sub(1).map(|before| self.index.get(before)) {
            None => 0,
            Some(Some(before)) => before.end as usize,
            Some(None) => self.bytes.len(),
        }
    }

    fn entry(&self, seq: Seq) -> Option<&BlockEntry> {
        self.index.get(self.position(seq))
    }

    fn position(&self, seq: Seq) -> usize {
        usize::try_from(seq.above(self.first)).unwrap_or(usize::MAX)
    }
}

/// A line of a block, and an offset in the line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LineAt<'a> {
    pub(super) seq: Seq,
    /// The whole line.
    pub(super) line: &'a [u8],
    /// Bytes of the line before the offset.
    pub(super) begun: usize,
}

const _: () = assert!(size_of::<BlockEntry>() == 8, "a kept message costs 8 bytes and its line");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_names_its_line_and_the_bytes_before_it() {
        let mut block = Block::new(Seq::new(5), 100, Millis::ZERO, 1);
        for line in ["a\n", "bcd\n", "ef\n"] {
            assert!(block.append(line.as_bytes(), Millis::new(7)));
        }
        assert_eq!((block.first(), block.last()), (Seq::new(5), Seq::new(7)));
        assert_eq!((block.start_of(Seq::new(6)), block.end()), (102, 109));
        for (from, bytes, seq, line, begun) in [
            (5, 0, 5, "a\n", 0),
            (5, 1, 5, "a\n", 1),
            (5, 2, 6, "bcd\n", 0),
            (5, 3, 6, "bcd\n", 1),
            (6, 3, 6, "bcd\n", 3),
            (6, 4, 7, "ef\n", 0),
            (7, 2, 7, "ef\n", 2),
        ] {
            let line = line.as_bytes();
            let expected = LineAt { seq: Seq::new(seq), line, begun };
            assert_eq!(block.line_at(Seq::new(from), bytes), expected, "{from} {bytes}");
        }
        assert_eq!(block.lines(Seq::new(6), Seq::new(7)), b"bcd\nef\n");
    }
}
