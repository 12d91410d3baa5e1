//! Lines from bytes that arrive in pieces.

use groupcast::protocol::{LineBuffer, TooLong};

/// Lines, and the end of the stream: the bytes after the last LF, or the error.
type Lines = (Vec<Vec<u8>>, Result<Vec<u8>, TooLong>);

/// Checks the bytes as a stream. The first byte is the limit of a line, and the second one the
/// number of bytes after it that are lengths of pieces.
pub fn check(bytes: &[u8]) {
    let [max, pieces, rest @ ..] = bytes else { return };
    let max = usize::from(*max) + 1;
    let (lengths, stream) = rest.split_at(rest.len().min(usize::from(pieces % 16)));
    let expected = simple_lines(stream, max);
    assert_eq!(lines_of(&[stream], max, false), expected, "in one piece");
    let pieces = cut(stream, lengths);
    assert_eq!(lines_of(&pieces, max, false), expected, "{pieces:?}");
    assert_eq!(lines_of(&pieces, max, true), expected, "shrunk: {pieces:?}");
}

/// Cuts the stream into pieces of these lengths, again and again.
fn cut<'a>(mut stream: &'a [u8], lengths: &[u8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    // A length of zero makes no progress.
    let mut lengths = lengths.iter().filter(|length| **length > 0).cycle();
    while let Some(length) = lengths.next().filter(|_| !stream.is_empty()) {
        let (piece, rest) = stream.split_at(stream.len().min(usize::from(*length)));
        pieces.push(piece);
        stream = rest;
    }
    pieces.push(stream);
    pieces
}

fn lines_of(pieces: &[&[u8]], max: usize, shrinks: bool) -> Lines {
    let mut buffer = LineBuffer::default();
    let mut lines = Vec::new();
    let mut left = 0;
    for piece in pieces {
        buffer.extend(piece);
        left += piece.len();
        assert_eq!((buffer.len(), buffer.is_empty()), (left, left == 0));
        loop {
            match buffer.next_line(max) {
                Err(too_long) => return (lines, Err(too_long)),
                Ok(None) => break,
                Ok(Some(line)) => lines.push(line.to_vec()),
            }
            assert!(buffer.len() < left, "a line takes at least its LF");
            left = buffer.len();
        }
        if shrinks {
            buffer.shrink();
        }
    }
    let last = buffer.last_line().unwrap_or_default().to_vec();
    assert_eq!(last.len(), left);
    assert_eq!(buffer.last_line(), None);
    assert!(buffer.is_empty());
    (lines, Ok(last))
}

fn simple_lines(stream: &[u8], max: usize) -> Lines {
    let mut lines = Vec::new();
    let mut parts: Vec<&[u8]> = stream.split(|byte| *byte == b'\n').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        if part.len() + 1 > max {
            return (lines, Err(TooLong { max }));
        }
        lines.push(part.strip_suffix(b"\r").unwrap_or(part).to_vec());
    }
    let end = if last.len() >= max { Err(TooLong { max }) } else { Ok(last.to_vec()) };
    (lines, end)
}
