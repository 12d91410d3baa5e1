//! Encoded ranges of seqs in a record: a count, and the first and last seq of each range.

use super::{take, take_seq};
use crate::limits::RECORD_RANGES_MAX;
use crate::protocol::Seq;

const RANGE_BYTES: usize = 2 * size_of::<u64>();
const _: () = assert!(RECORD_RANGES_MAX <= u16::MAX as usize, "the count has 16 bits");
const _: () =
    assert!(RECORD_RANGES_MAX * RANGE_BYTES < super::BODY_BYTES_MAX / 2, "a record has room");

/// Encoded ranges of seqs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncodedRanges<'a>(&'a [[u8; RANGE_BYTES]]);

impl<'a> EncodedRanges<'a> {
    /// Encodes at most [`RECORD_RANGES_MAX`] ranges into `out`, which is cleared first.
    pub fn encode(ranges: &[(Seq, Seq)], out: &'a mut Vec<u8>) -> Self {
        debug_assert!(ranges.len() <= RECORD_RANGES_MAX, "a record has no room for more");
        out.clear();
        for (first, last) in ranges {
            out.extend_from_slice(&first.as_u64().to_le_bytes());
            out.extend_from_slice(&last.as_u64().to_le_bytes());
        }
        Self(out.as_chunks().0)
    }

    /// Returns the first and last seq of each range.
    pub fn iter(self) -> impl Iterator<Item = (Seq, Seq)> {
        self.0.iter().filter_map(|range| {
            let range = &mut range.as_slice();
            Some((take_seq(range)?, take_seq(range)?))
        })
    }

    pub(super) fn put(self, out: &mut Vec<u8>) {
        let count = u16::try_from(self.0.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&count.to_le_bytes());
        out.extend_from_slice(self.0.as_flattened());
    }

    pub(super) fn take(body: &mut &'a [u8]) -> Option<Self> {
        let count = usize::from(u16::from_le_bytes(take(body)?));
        let (ranges, rest) = body.split_at_checked(count.checked_mul(RANGE_BYTES)?)?;
        *body = rest;
        let ranges = Self(ranges.as_chunks().0);
        ranges.are_apart().then_some(ranges)
    }

    /// Returns true if each range is valid, and starts above the end of the previous one with a gap
    /// between them.
    fn are_apart(self) -> bool {
        let mut next = Seq::ZERO.next();
        let all = self.iter().all(|(first, last)| {
            let is_apart = next <= first && first <= last;
            next = last.next().next();
            is_apart
        });
        all && self.iter().count() == self.0.len()
    }
}
