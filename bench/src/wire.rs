//! What the protocols of all peers have in common, as far as a client of theirs needs it.

use std::fmt::Debug;

/// What some bytes begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// No whole frame yet.
    Part,
    /// A delivery of so many bytes with this text.
    Text(&'a [u8], usize),
    /// So many bytes that answer one message published.
    Reply(usize),
    /// So many bytes that mean nothing here.
    Other(usize),
}

/// One end of a connection to a peer: how messages are published and deliveries found.
pub trait Wire: Debug {
    /// Appends what publishes `text`.
    fn publish(&mut self, text: &[u8], output: &mut Vec<u8>);

    /// What `bytes` begin with.
    ///
    /// # Errors
    ///
    /// What a peer must not send, in words.
    fn frame<'a>(&mut self, bytes: &'a [u8]) -> Result<Frame<'a>, String>;

    /// Appends what is owed for the frames since the last time: acknowledgements.
    fn answer(&mut self, _output: &mut Vec<u8>) {}

    /// Whether each message published is answered by one [`Frame::Reply`].
    fn replies(&self) -> bool {
        false
    }
}

/// Appends `text` behind its length, as Redis and NATS have it.
pub fn push_counted(text: &[u8], output: &mut Vec<u8>) {
    output.extend_from_slice(text.len().to_string().as_bytes());
    output.extend_from_slice(b"\r\n");
    output.extend_from_slice(text);
    output.extend_from_slice(b"\r\n");
}

/// What was found instead of something, cut to what fits on a line.
#[must_use]
pub fn unexpected(expected: &str, found: &[u8]) -> String {
    let found = found.get(..found.len().min(80)).unwrap_or_default();
    format!("expected {expected}, found {:?}", String::from_utf8_lossy(found))
}

/// The number that `bytes` are in decimal.
#[must_use]
pub fn decimal(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() || bytes.len() > 19 {
        return None;
    }
    bytes.iter().try_fold(0_u64, |number, byte| {
        byte.is_ascii_digit().then(|| number * 10 + u64::from(byte - b'0')) //.
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Reads `bytes` in three pieces, split at every two points, as [`super::super::link`] does:
    /// the texts and how many replies.
    pub(crate) fn check(
        wire: &dyn Fn() -> Box<dyn Wire>,
        bytes: &[u8],
        texts: &[&[u8]],
        replies: usize,
    ) {
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                let (mut wire, mut part) = (wire(), Vec::new());
                let (mut found, mut answered) = (Vec::new(), 0);
                for piece in [&bytes[..first], &bytes[first..second], &bytes[second..]] {
                    part.extend_from_slice(piece);
                    let mut at = 0;
                    loop {
                        at += match wire.frame(&part[at..]).unwrap() {
                            Frame::Part => break,
                            Frame::Text(text, bytes) => {
                                found.push(text.to_vec());
                                bytes
                            }
                            Frame::Reply(bytes) => {
                                answered += 1;
                                bytes
                            }
                            Frame::Other(bytes) => bytes,
                        };
                    }
                    part.drain(..at);
                }
                assert_eq!(found, texts, "split at {first} and {second}");
                assert_eq!(answered, replies, "split at {first} and {second}");
                assert!(part.is_empty(), "split at {first} and {second}");
            }
        }
    }

    #[test]
    fn decimals_have_digits_only() {
        assert_eq!(decimal(b"0120"), Some(120));
        for bad in [&b""[..], b"+1", b"1 ", b"12345678901234567890"] {
            assert_eq!(decimal(bad), None);
        }
    }
}
