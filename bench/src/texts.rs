//! Texts with their publisher and number, and the verification that a receiver gets each one.
//!
//! ```text
//!   @ 003 0000042 abcdefghij…xyzab ~      publisher, number, the same letters in every text
//! ```

use std::ops::Range;
use std::sync::Arc;

use anyhow::{Result, bail};

use crate::wire::decimal;

const PUBLISHER_DIGITS: usize = 3;
const NUMBER_DIGITS: usize = 7;
const HEAD_BYTES: usize = 1 + PUBLISHER_DIGITS + NUMBER_DIGITS;
/// Most messages of one publisher.
pub(crate) const NUMBERS: u64 = 10_u64.pow(NUMBER_DIGITS as u32);
pub(crate) const TEXT_BYTES_MIN: usize = HEAD_BYTES + 1;

#[derive(Clone, Debug)]
pub(crate) struct Texts {
    text: Vec<u8>,
    tail: Arc<[u8]>,
}

impl Texts {
    /// Texts of `bytes` bytes, at least [`TEXT_BYTES_MIN`].
    pub(crate) fn new(bytes: usize) -> Self {
        let letters = (b'a'..=b'z').cycle().take(bytes.max(TEXT_BYTES_MIN) - TEXT_BYTES_MIN);
        let tail: Vec<u8> = letters.chain([b'~']).collect();
        let mut text = vec![b'@'; HEAD_BYTES];
        text.extend_from_slice(&tail);
        Self { text, tail: tail.into() }
    }

    pub(crate) fn text(&mut self, publisher: usize, number: u64) -> &[u8] {
        let mut rest = publisher as u64 * NUMBERS + number;
        for digit in self.text.iter_mut().take(HEAD_BYTES).skip(1).rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        &self.text
    }

    /// Publisher and number of a text. `None` if nobody published it.
    pub(crate) fn parse(&self, text: &[u8]) -> Option<(usize, u64)> {
        parse(text, &self.tail)
    }

    /// The texts that a receiver must get: those of all publishers except `own`.
    pub(crate) fn expectation(&self, publishers: usize, own: Range<usize>) -> Expectation {
        Expectation { tail: Arc::clone(&self.tail), next: vec![0; publishers], own, taken: 0 }
    }
}

/// The texts that one receiver must still get: those of each publisher, each once, in order.
#[derive(Clone, Debug)]
pub(crate) struct Expectation {
    tail: Arc<[u8]>,
    next: Vec<u64>,
    /// Publishers that are the receiver itself.
    pub(crate) own: Range<usize>,
    pub(crate) taken: u64,
}

impl Expectation {
    /// Verifies a text; returns its publisher and number.
    pub(crate) fn take(&mut self, text: &[u8]) -> Result<(usize, u64)> {
        let Some((publisher, number)) = parse(text, &self.tail) else {
            let shown = String::from_utf8_lossy(text.get(..text.len().min(40)).unwrap_or(text));
            bail!("nobody published {shown:?}, {} bytes", text.len());
        };
        match self.next.get_mut(publisher) {
            Some(next) if *next == number && !self.own.contains(&publisher) => *next += 1,
            Some(next) => bail!("expected text {next} of publisher {publisher}, found {number}"),
            None => bail!("text {number} of unknown publisher {publisher}"),
        }
        self.taken += 1;
        Ok((publisher, number))
    }
}

/// Publisher and number of a text that ends with `tail`.
fn parse(text: &[u8], tail: &[u8]) -> Option<(usize, u64)> {
    let (head, found) = text.split_at_checked(HEAD_BYTES)?;
    let number = decimal(head.strip_prefix(b"@")?)?;
    let publisher = usize::try_from(number / NUMBERS).ok()?;
    (found == tail).then_some((publisher, number % NUMBERS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_as_long_as_asked_and_are_taken_in_order() {
        for bytes in [TEXT_BYTES_MIN, 13, 100, 16_384] {
            let mut texts = Texts::new(bytes);
            let mut expectation = texts.expectation(3, 0..0);
            for (publisher, number) in [(2, 0), (0, 0), (2, 1), (2, 2), (0, 1)] {
                let text = texts.text(publisher, number).to_vec();
                assert_eq!(text.len(), bytes);
                assert_eq!(expectation.take(&text).unwrap(), (publisher, number));
            }
            assert_eq!(expectation.taken, 5);
        }
    }

    #[test]
    fn what_is_lost_doubled_swapped_altered_own_or_nobodys_is_seen() {
        let mut texts = Texts::new(40);
        let first = texts.text(1, 0).to_vec();
        for (publisher, number) in [(1, 0), (1, 2), (0, 1), (2, 0), (3, 0)] {
            let mut expectation = texts.expectation(3, 2..3);
            expectation.take(&first).unwrap();
            assert!(expectation.take(texts.text(publisher, number)).is_err(), "{publisher}");
        }
        for at in 0..first.len() {
            let mut altered = first.clone();
            altered[at] ^= 1;
            // Publisher 0 is one digit away.
            assert!(texts.expectation(3, 0..1).take(&altered).is_err(), "byte {at}");
            assert!(texts.expectation(3, 0..0).take(&first[..at]).is_err(), "{at} bytes");
        }
    }
}
