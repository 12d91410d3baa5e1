//! Text for records, from the slices of a write.

use std::io::IoSlice;
use std::slice;

/// Text of a write that is not in a record yet.
pub(super) struct Unsealed<'a> {
    head: &'a [u8],
    rest: slice::Iter<'a, IoSlice<'a>>,
}

impl<'a> Unsealed<'a> {
    pub(super) fn new(slices: &'a [IoSlice<'a>]) -> Self {
        Self { head: &[], rest: slices.iter() }
    }

    /// Returns the text of the next record, at most `bytes_max` and the size of `memory`. Text from
    /// several slices is copied into `memory`.
    pub(super) fn next<'m>(&mut self, memory: &'m mut [u8], bytes_max: usize) -> &'m [u8]
    where
        'a: 'm,
    {
        self.skip_empty();
        if self.head.len() >= bytes_max || self.rest.len() == 0 {
            return self.take(bytes_max);
        }
        let mut filled = 0;
        while let Some(room) = memory.get_mut(filled..bytes_max).filter(|it| !it.is_empty()) {
            let piece = self.take(room.len());
            if piece.is_empty() {
                break;
            }
            let (room, _) = room.split_at_mut(piece.len());
            room.copy_from_slice(piece);
            filled = filled.saturating_add(piece.len());
            self.skip_empty();
        }
        memory.get(..filled).unwrap_or_default()
    }

    /// Returns true if there is no further text.
    pub(super) fn is_empty(&mut self) -> bool {
        self.skip_empty();
        self.head.is_empty()
    }

    /// Takes up to `bytes_max` from the first slice.
    fn take(&mut self, bytes_max: usize) -> &'a [u8] {
        let (piece, rest) = self.head.split_at(bytes_max.min(self.head.len()));
        self.head = rest;
        piece
    }

    fn skip_empty(&mut self) {
        while self.head.is_empty() {
            let Some(slice) = self.rest.next() else { return };
            self.head = slice;
        }
    }
}
