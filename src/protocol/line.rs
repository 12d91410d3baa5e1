//! Lines from a stream of bytes that arrives in arbitrary pieces.

use std::fmt;

/// Buffer of received bytes that returns whole lines.
///
/// ```text
///    dropped     returned          not yet returned
///  ├──────────┼───────────┼──────────────┬───────────────┤
///           start        line         scanned           end
/// ```
///
/// Each byte is scanned once, for any number of pieces.
#[derive(Debug, Default)]
pub struct LineBuffer {
    bytes: Vec<u8>,
    /// Bytes before this one are dropped.
    start: usize,
    /// Length, LF included, of the line returned last. It is dropped at the next call.
    line: usize,
    /// Bytes after the last line up to here contain no LF.
    scanned: usize,
}

impl LineBuffer {
    /// Appends received bytes.
    pub fn extend(&mut self, bytes: &[u8]) {
        let room = self.bytes.capacity().saturating_sub(self.bytes.len());
        let kept = self.bytes.len().saturating_sub(self.start);
        if room < bytes.len() && self.start > kept {
            self.bytes.drain(..self.start); // Each byte moves at most once more.
            self.scanned = self.scanned.saturating_sub(self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends received bytes. A buffer without memory takes the memory of `spare`.
    pub fn extend_with(&mut self, bytes: &[u8], spare: &mut Vec<u8>) {
        if self.bytes.capacity() == 0 {
            spare.clear();
            std::mem::swap(&mut self.bytes, spare);
        }
        self.extend(bytes);
    }

    /// Returns the next line without its LF and without one CR before the LF; `None` if it is
    /// incomplete.
    ///
    /// # Errors
    ///
    /// [`TooLong`] if the line, LF included, is longer than `max` bytes, even if it is incomplete.
    #[inline]
    pub fn next_line(&mut self, max: usize) -> Result<Option<&[u8]>, TooLong> {
        self.drop_line();
        let unseen = self.bytes.get(self.scanned..).unwrap_or_default();
        let Some(at) = memchr::memchr(b'\n', unseen) else {
            self.scanned = self.bytes.len();
            let is_too_long = self.scanned.saturating_sub(self.start) >= max;
            return if is_too_long { Err(TooLong { max }) } else { Ok(None) };
        };
        let end = self.scanned.saturating_add(at);
        let length = end.saturating_sub(self.start);
        if length >= max {
            return Err(TooLong { max });
        }
        self.line = length.saturating_add(1);
        self.scanned = end.saturating_add(1);
        let line = self.bytes.get(self.start..end).unwrap_or_default();
        Ok(Some(line.strip_suffix(b"\r").unwrap_or(line)))
    }

    /// Returns the next line without its LF, and leaves the line there; `None` if it is incomplete.
    #[cfg(feature = "engine")]
    pub fn peek_line(&mut self) -> Option<&[u8]> {
        self.drop_line();
        let rest = self.bytes.get(self.start..).unwrap_or_default();
        rest.get(..memchr::memchr(b'\n', rest)?)
    }

    /// Returns the bytes after the last LF, once, at the end of the stream; `None` if there are
    /// none.
    pub fn last_line(&mut self) -> Option<&[u8]> {
        self.drop_line();
        self.line = self.bytes.len().saturating_sub(self.start);
        self.scanned = self.bytes.len();
        self.bytes.get(self.start..).filter(|line| !line.is_empty())
    }

    /// Returns true if every byte was returned.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of bytes that were not returned.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len().saturating_sub(self.start).saturating_sub(self.line)
    }

    /// Frees memory of returned bytes, if they are more than the remaining ones. So each byte is
    /// copied at most once more. For a buffer that will be idle: without bytes it owns no memory.
    pub fn shrink(&mut self) {
        self.drop_line();
        let kept = self.bytes.len().saturating_sub(self.start);
        if kept == 0 {
            self.clear();
        } else if self.start > kept {
            self.scanned = self.scanned.saturating_sub(self.start);
            self.bytes = self.bytes.split_off(self.start);
            self.start = 0;
        }
    }

    /// Frees memory as [`LineBuffer::shrink`] does. An empty buffer gives its memory to `spare`.
    pub fn shrink_into(&mut self, spare: &mut Vec<u8>) {
        if self.is_empty() && spare.capacity() == 0 {
            std::mem::swap(&mut self.bytes, spare);
            self.clear();
        } else {
            self.shrink();
        }
    }

    /// Removes all bytes and frees the memory.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    fn drop_line(&mut self) {
        self.start = self.start.saturating_add(self.line);
        self.line = 0;
        if self.start == self.bytes.len() {
            self.bytes.clear();
            self.start = 0;
            self.scanned = 0;
        }
    }
}

/// Error: a line is longer than its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong {
    /// Limit in bytes, LF included.
    pub max: usize,
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line exceeds {} bytes", self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns all lines of `pieces`, then the bytes at the end of the stream.
    fn lines(pieces: &[&[u8]], max: usize) -> Result<Vec<Vec<u8>>, TooLong> {
        let mut buffer = LineBuffer::default();
        let mut lines = Vec::new();
        for piece in pieces {
            buffer.extend(piece);
            while let Some(line) = buffer.next_line(max)? {
                lines.push(line.to_vec());
            }
        }
        lines.extend(buffer.last_line().map(<[u8]>::to_vec));
        assert!(buffer.is_empty());
        Ok(lines)
    }

    #[test]
    fn lines_come_out_the_same_wherever_the_stream_was_cut() {
        let stream = b"one\ntwo\r\n\n\r\nthree\r\r\nrest\r";
        let expected: Vec<Vec<u8>> =
            [&b"one"[..], b"two", b"", b"", b"three\r", b"rest\r"].map(<[u8]>::to_vec).into();
        for cut in 0..=stream.len() {
            for next in cut..=stream.len() {
                let pieces = [&stream[..cut], &stream[cut..next], &stream[next..]];
                assert_eq!(lines(&pieces, 100).unwrap(), expected, "cut at {cut} and {next}");
            }
        }
    }

    #[test]
    fn a_line_may_have_max_bytes_with_its_line_feed_and_no_more() {
        for max in 1..6 {
            let fits = [vec![b'x'; max - 1], vec![b'\n']].concat();
            let exceeds = [vec![b'x'; max], vec![b'\n']].concat();
            for cut in 0..max {
                assert_eq!(lines(&[&fits[..cut], &fits[cut..]], max).unwrap().len(), 1);
                let pieces = [&exceeds[..cut], &exceeds[cut..]];
                assert_eq!(lines(&pieces, max), Err(TooLong { max }), "cut at {cut}");
            }
            assert_eq!(lines(&[&exceeds[..max]], max), Err(TooLong { max }), "no LF needed");
        }
    }

    #[test]
    fn an_emptied_buffer_gives_its_memory_back() {
        let mut buffer = LineBuffer::default();
        buffer.extend(&[b'x'; 5000]);
        buffer.extend(b"\n");
        assert!(buffer.next_line(10_000).unwrap().is_some());
        assert!(buffer.is_empty());
        assert_eq!(buffer.next_line(10_000), Ok(None));
        buffer.shrink();
        assert_eq!(buffer.bytes.capacity(), 0);
    }

    #[test]
    fn empty_buffers_share_one_memory() {
        let (mut spare, mut buffers) = (Vec::new(), [LineBuffer::default(), LineBuffer::default()]);
        let mut capacities = Vec::new();
        for round in 0..10 {
            let buffer = &mut buffers[round % 2];
            buffer.extend_with(b"a line\n", &mut spare);
            assert_eq!(spare.capacity(), 0);
            assert_eq!(buffer.next_line(100), Ok(Some(&b"a line"[..])));
            buffer.shrink_into(&mut spare);
            capacities.push(spare.capacity());
            assert_eq!(buffer.bytes.capacity(), 0);
        }
        capacities.dedup();
        assert!(capacities.len() == 1 && capacities[0] > 0, "{capacities:?}");
        buffers[0].extend_with(b"a part", &mut spare);
        buffers[0].shrink_into(&mut spare);
        assert_eq!((buffers[0].len(), spare.capacity()), (6, 0), "a part of a line stays");
    }

    #[test]
    fn a_stream_without_an_empty_moment_takes_bounded_memory() {
        let mut buffer = LineBuffer::default();
        for _ in 0..10_000 {
            buffer.extend(b"89\n01234567");
            assert!(buffer.next_line(100).unwrap().is_some());
        }
        assert!(buffer.bytes.capacity() < 200, "{}", buffer.bytes.capacity());
    }

    #[test]
    fn a_shrunk_buffer_holds_little_more_memory_than_what_is_left_and_goes_on_as_before() {
        let lines = 100;
        for taken in 0..=lines {
            let mut buffer = LineBuffer::default();
            buffer.extend(&b"0123456789\n".repeat(lines));
            buffer.extend(b"beg");
            (0..taken).for_each(|_| assert!(buffer.next_line(100).unwrap().is_some()));
            let left = buffer.len();
            buffer.shrink();
            assert_eq!(buffer.len(), left);
            // The allocation may have as many dropped bytes before the data, and by doubling as
            // many spare bytes after it.
            let allocated = buffer.bytes.capacity();
            assert!(allocated <= 4 * left, "{allocated} bytes for {left}");
            buffer.extend(b"un\n");
            for _ in taken..lines {
                assert_eq!(buffer.next_line(100), Ok(Some(&b"0123456789"[..])));
            }
            assert_eq!(buffer.next_line(100), Ok(Some(&b"begun"[..])));
        }
    }
}
