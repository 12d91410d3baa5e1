//! Lines from a stream of bytes that arrives in arbitrary pieces.

use std::fmt;

use bytes::{Buf, BytesMut};

/// Buffer of received bytes that returns whole lines.
///
/// ```text
///     returned          not yet returned
///  ├───────────┼──────────────┬───────────────┤
///            line          scanned           end
/// ```
///
/// Each byte is scanned once, for any number of pieces.
#[derive(Debug, Default)]
pub struct LineBuffer {
    bytes: BytesMut,
    /// Length, LF included, of the line returned last. It is dropped at the next call.
    line: usize,
    /// Bytes after `line` up to here contain no LF.
    scanned: usize,
    /// Dropped bytes whose memory may still be allocated.
    dropped: usize,
}

impl LineBuffer {
    /// Appends received bytes.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Returns the next line without its LF and without one CR before the LF; `None` if it is
    /// incomplete.
    ///
    /// # Errors
    ///
    /// [`TooLong`] if the line, LF included, is longer than `max` bytes, even if it is incomplete.
    pub fn next_line(&mut self, max: usize) -> Result<Option<&[u8]>, TooLong> {
        self.drop_line();
        let unseen = self.bytes.get(self.scanned..).unwrap_or_default();
        let Some(at) = memchr::memchr(b'\n', unseen) else {
            self.scanned = self.bytes.len();
            return if self.scanned >= max { Err(TooLong { max }) } else { Ok(None) };
        };
        let end = self.scanned.saturating_add(at);
        if end >= max {
            return Err(TooLong { max });
        }
        self.line = end.saturating_add(1);
        self.scanned = self.line;
        let line = self.bytes.get(..end).unwrap_or_default();
        Ok(Some(line.strip_suffix(b"\r").unwrap_or(line)))
    }

    /// Returns the bytes after the last LF, once, at the end of the stream; `None` if there are
    /// none.
    pub fn last_line(&mut self) -> Option<&[u8]> {
        self.drop_line();
        self.line = self.bytes.len();
        self.scanned = self.line;
        (!self.bytes.is_empty()).then_some(&self.bytes[..])
    }

    /// Returns true if every byte was returned.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.len() == self.line
    }

    /// Returns the number of bytes that were not returned.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len().saturating_sub(self.line)
    }

    /// Frees memory of returned bytes, if they are more than the remaining ones. So each byte is
    /// copied at most once more. For a buffer that will be idle.
    pub fn shrink(&mut self) {
        self.drop_line();
        if self.dropped > self.bytes.len() {
            self.bytes = BytesMut::from(&self.bytes[..]);
            self.dropped = 0;
        }
    }

    /// Removes all bytes and frees the memory.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    fn drop_line(&mut self) {
        self.bytes.advance(self.line);
        self.scanned = self.scanned.saturating_sub(self.line);
        self.dropped = self.dropped.saturating_add(self.line);
        self.line = 0;
        if self.bytes.is_empty() {
            self.bytes = BytesMut::new(); // An idle connection owns no memory.
            self.dropped = 0;
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
        assert_eq!(buffer.bytes.capacity(), 0);
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
            // The allocation may have as many freed bytes before the data, and by doubling as many
            // spare bytes after it.
            let allocated = buffer.bytes.capacity() + buffer.dropped;
            assert!(allocated <= 4 * left, "{allocated} bytes for {left}");
            buffer.extend(b"un\n");
            for _ in taken..lines {
                assert_eq!(buffer.next_line(100), Ok(Some(&b"0123456789"[..])));
            }
            assert_eq!(buffer.next_line(100), Ok(Some(&b"begun"[..])));
        }
    }
}
