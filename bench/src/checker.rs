//! Numbered texts of one length, and who finds them again in what a socket brings.
//!
//! ```text
//!   @0000000042xxxxxxxx…xxx~     `@` and `~` stand nowhere else
//! ```
//!
//! The same bytes go through a coordinator and through Redis, and the same code reads both: what
//! stands around a text is passed over.

use memchr::memchr;

const DIGITS: usize = 10;
/// Shortest text: both marks and the number.
pub const TEXT_BYTES_MIN: usize = DIGITS + 2;

/// Appends text `number`, of `bytes`.
pub fn push_text(output: &mut Vec<u8>, number: u64, bytes: usize) {
    let mut digits = [b'0'; DIGITS];
    let mut rest = number;
    for digit in digits.iter_mut().rev() {
        *digit += (rest % 10) as u8;
        rest /= 10;
    }
    output.push(b'@');
    output.extend_from_slice(&digits);
    output.resize(output.len() + bytes.max(TEXT_BYTES_MIN) - TEXT_BYTES_MIN, b'x');
    output.push(b'~');
}

/// Sees that a socket brings every text, each once, in order.
#[derive(Debug)]
pub struct Checker {
    next: u64,
    step: u64,
    text_bytes: usize,
    /// The beginning of a text whose end has not come.
    part: Vec<u8>,
}

impl Checker {
    /// Expects texts of `text_bytes` numbered `first`, `first + step` and so on.
    #[must_use]
    pub fn new(first: u64, step: u64, text_bytes: usize) -> Self {
        Self { next: first, step, text_bytes: text_bytes.max(TEXT_BYTES_MIN), part: Vec::new() }
    }

    /// The number that is expected next.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Takes what was read.
    ///
    /// # Errors
    ///
    /// What is not as expected, in words.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(), String> {
        let mut rest = bytes;
        if !self.part.is_empty() {
            let missing = self.text_bytes - self.part.len();
            let (end, behind) = rest.split_at(missing.min(rest.len()));
            self.part.extend_from_slice(end);
            rest = behind;
            if self.part.len() < self.text_bytes {
                return Ok(());
            }
            let mut part = std::mem::take(&mut self.part);
            self.check(&part)?;
            part.clear();
            self.part = part;
        }
        while let Some((_, text)) = memchr(b'@', rest).and_then(|at| rest.split_at_checked(at)) {
            let Some((text, behind)) = text.split_at_checked(self.text_bytes) else {
                self.part.extend_from_slice(text);
                return Ok(());
            };
            self.check(text)?;
            rest = behind;
        }
        Ok(())
    }

    fn check(&mut self, text: &[u8]) -> Result<(), String> {
        let digits = text.get(1..=DIGITS).unwrap_or_default();
        let number = digits.iter().fold(0, |number: u64, digit| {
            number.wrapping_mul(10).wrapping_add(u64::from(digit.wrapping_sub(b'0'))) //.
        });
        if number != self.next || text.last() != Some(&b'~') {
            let (next, text) = (self.next, String::from_utf8_lossy(text));
            return Err(format!("expected text {next}, found {text:?}"));
        }
        self.next += self.step;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(numbers: &[u64]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for number in numbers {
            bytes.extend_from_slice(b"7#p#1700000000000#");
            push_text(&mut bytes, *number, 20);
            bytes.push(b'\n');
        }
        bytes
    }

    #[test]
    fn texts_are_found_wherever_the_bytes_are_split() {
        let bytes = stream(&[0, 1, 2]);
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                let mut checker = Checker::new(0, 1, 20);
                for piece in [&bytes[..first], &bytes[first..second], &bytes[second..]] {
                    checker.take(piece).unwrap();
                }
                assert_eq!(checker.next(), 3, "split at {first} and {second}");
            }
        }
    }

    #[test]
    fn what_is_lost_doubled_swapped_or_cut_is_seen() {
        for numbers in [&[0, 2][..], &[0, 0], &[1, 0], &[0, 1, 1]] {
            let mut checker = Checker::new(0, 1, 20);
            assert!(checker.take(&stream(numbers)).is_err(), "{numbers:?}");
        }
        let mut cut = stream(&[0, 1]);
        cut.remove(30);
        assert!(Checker::new(0, 1, 20).take(&cut).is_err());
    }

    #[test]
    fn every_other_number_is_what_a_pair_gets_of_each_other() {
        let mut checker = Checker::new(1, 2, 20);
        checker.take(&stream(&[1, 3, 5])).unwrap();
        assert_eq!(checker.next(), 7);
        assert!(checker.take(&stream(&[8])).is_err());
    }
}
