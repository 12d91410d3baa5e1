//! The part that the protocols of all peers have in common: frames in, messages out.

use std::fmt::Debug;

use anyhow::{Error, Result, anyhow};
use memchr::memchr;

/// First frame of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    /// A delivery with this text.
    Text(&'a [u8]),
    /// The reply to one published message.
    Reply,
    /// A frame without meaning for the measurement.
    Other,
}

/// A frame and its length in bytes. `None` if the frame is incomplete. An error describes bytes
/// that the peer must not send.
pub(crate) type Framed<'a> = Result<Option<(Frame<'a>, usize)>>;

/// Protocol of one connection to a peer.
pub(crate) trait Wire: Debug {
    /// Appends the bytes that publish `text`.
    fn publish(&mut self, _text: &[u8], _output: &mut Vec<u8>) {}

    /// Finds the first frame of `bytes`.
    fn frame<'a>(&mut self, bytes: &'a [u8]) -> Framed<'a>;

    /// Appends the acknowledgements of the frames since the last call.
    fn acknowledge(&mut self, _output: &mut Vec<u8>) {}

    /// Tells if the peer sends one [`Frame::Reply`] for each published message.
    fn has_replies(&self) -> bool {
        true
    }
}

/// First line of `bytes` with its LF. `None` if the line is incomplete.
pub(crate) fn first_line(bytes: &[u8]) -> Option<&[u8]> {
    bytes.get(..=memchr(b'\n', bytes)?)
}

/// Length that a line of Redis or NATS announces between `head` and CR LF.
pub(crate) fn announced_length(line: &[u8], head: &[u8]) -> Option<usize> {
    let length = decimal(line.strip_prefix(head)?.strip_suffix(b"\r\n")?)?;
    usize::try_from(length).ok()
}

/// Appends `text` after its length, in the format of Redis and NATS.
pub(crate) fn push_counted(text: &[u8], output: &mut Vec<u8>) {
    output.extend_from_slice(text.len().to_string().as_bytes());
    output.extend_from_slice(b"\r\n");
    output.extend_from_slice(text);
    output.extend_from_slice(b"\r\n");
}

/// Describes wrong bytes, cut to the length of a line.
pub(crate) fn unexpected(expected: &str, found: &[u8]) -> Error {
    let found = found.get(..found.len().min(80)).unwrap_or_default();
    anyhow!("expected {expected}, found {:?}", String::from_utf8_lossy(found))
}

/// Parses a decimal number of at most 19 digits.
pub(crate) fn decimal(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() || bytes.len() > 19 {
        return None;
    }
    let mut digits = bytes.iter();
    digits.try_fold(0_u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        Some(number * 10 + digit)
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Splits `bytes` at every two points, reads the pieces as [`crate::link::Link`] does, and
    /// compares the texts and the number of replies.
    pub(crate) fn check(
        wire: &dyn Fn() -> Box<dyn Wire>,
        bytes: &[u8],
        texts: &[&[u8]],
        replies: usize,
    ) {
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                let (mut wire, mut part) = (wire(), Vec::new());
                let (mut found, mut replied) = (Vec::new(), 0);
                for piece in [&bytes[..first], &bytes[first..second], &bytes[second..]] {
                    part.extend_from_slice(piece);
                    while let Some((frame, used)) = wire.frame(&part).unwrap() {
                        match frame {
                            Frame::Text(text) => found.push(text.to_vec()),
                            Frame::Reply => replied += 1,
                            Frame::Other => (),
                        }
                        part.drain(..used);
                    }
                }
                assert_eq!(found, texts, "split at {first} and {second}");
                assert_eq!(replied, replies, "split at {first} and {second}");
                assert!(part.is_empty(), "split at {first} and {second}");
            }
        }
    }

    /// Requires that each of the frames is an error.
    #[track_caller]
    pub(crate) fn refuses(wire: &dyn Fn() -> Box<dyn Wire>, frames: &[&[u8]]) {
        for wrong in frames {
            assert!(wire().frame(wrong).is_err(), "{:?}", String::from_utf8_lossy(wrong));
        }
    }

    /// Bytes that publish the text `four`.
    pub(crate) fn published(mut wire: impl Wire) -> Vec<u8> {
        let mut output = Vec::new();
        wire.publish(b"four", &mut output);
        output
    }

    #[test]
    fn decimals_have_digits_only() {
        assert_eq!(decimal(b"0120"), Some(120));
        for bad in [&b""[..], b"+1", b"1 ", b"12345678901234567890"] {
            assert_eq!(decimal(bad), None);
        }
    }
}
