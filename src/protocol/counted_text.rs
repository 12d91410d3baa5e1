//! A short text with a number that counts up.

use std::num::NonZeroU64;

use bytes::BytesMut;

/// Text around the number of a `send`. The number of the next one is mostly one more, and so only
/// the last digit changes: the number is neither parsed nor formatted.
#[derive(Clone, Copy, Debug)]
pub(super) struct CountedText {
    /// Words before and after the number.
    words: &'static [&'static str; 2],
    /// 0 before the first number.
    number: u64,
    text: [u8; BYTES_MAX],
    last_digit: u8,
    length: u8,
    /// Bits of a word above the text, if the text is not longer than a word.
    free_bits: Option<u8>,
}

/// Bytes of the longest text, as a multiple of a word.
const BYTES_MAX: usize = "OK send 18446744073709551615 seq=".len().next_multiple_of(8);

impl CountedText {
    /// Makes the text with the number 0.
    pub(super) const fn new(words: &'static [&'static str; 2]) -> Self {
        Self {
            words,
            number: 0,
            text: [b'9'; BYTES_MAX],
            last_digit: 0,
            length: 0,
            free_bits: None,
        }
    }

    /// Returns the text.
    #[inline]
    fn as_bytes(&self) -> &[u8] {
        self.text.get(..self.length.into()).unwrap_or_default()
    }

    /// Replaces the number, and appends the text. To copy a fixed number of bytes costs less.
    #[inline]
    pub(super) fn append(&mut self, number: NonZeroU64, out: &mut BytesMut) {
        self.advance();
        if self.number != number.get() {
            self.set(number);
        }
        let end = out.len().wrapping_add(self.length.into());
        out.extend_from_slice(&self.text);
        out.truncate(end);
    }

    /// Takes the next number, and returns it with the rest of a line that begins with the text.
    /// Returns `None` for any other line. The number must be set then.
    #[inline]
    pub(super) fn take_next<'a>(&mut self, line: &'a [u8]) -> Option<(NonZeroU64, &'a [u8])> {
        self.advance();
        let rest = match (self.free_bits, line.first_chunk(), self.text.first_chunk()) {
            (Some(free_bits), Some(word), Some(text)) => {
                let differing = u64::from_le_bytes(*word) ^ u64::from_le_bytes(*text);
                (differing.wrapping_shl(free_bits.into()) == 0)
                    .then(|| line.get(self.length.into()..))?
            }
            (None, ..) | (_, None, _) | (.., None) => line.strip_prefix(self.as_bytes()),
        };
        Some((NonZeroU64::new(self.number)?, rest?))
    }

    #[inline]
    fn advance(&mut self) {
        self.number = self.number.wrapping_add(1);
        match self.text.get_mut(usize::from(self.last_digit)) {
            Some(digit) if *digit < b'9' => *digit = digit.wrapping_add(1),
            Some(_) | None => self.carry(),
        }
    }

    /// Writes the digits of a number that ends with 0, or has no digits yet.
    #[cold]
    fn carry(&mut self) {
        let [before, _] = self.words;
        let digits = self.text.get_mut(before.len()..=self.last_digit.into());
        for digit in digits.unwrap_or_default().iter_mut().rev() {
            match *digit {
                b'9' => *digit = b'0',
                _ => return *digit = digit.wrapping_add(1),
            }
        }
        if let Some(number) = NonZeroU64::new(self.number) {
            self.set(number);
        }
    }

    /// Sets the number.
    #[cold]
    pub(super) fn set(&mut self, number: NonZeroU64) {
        let (mut buffer, [before, after]) = (itoa::Buffer::new(), self.words);
        let digits = buffer.format(number.get());
        (self.number, self.length) = (number.get(), 0);
        let words = [before, digits, after].map(str::bytes);
        for (slot, byte) in self.text.iter_mut().zip(words.into_iter().flatten()) {
            if byte.is_ascii_digit() {
                self.last_digit = self.length;
            }
            *slot = byte;
            self.length = self.length.wrapping_add(1);
        }
        self.free_bits = 8_u8.checked_sub(self.length).map(|bytes| bytes.wrapping_mul(8));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(number: u64) -> NonZeroU64 {
        NonZeroU64::new(number).unwrap()
    }

    #[test]
    fn the_next_number_is_taken_and_no_other_line() {
        for last in (0..2_000).chain([99_999, 9_999_999, u64::MAX - 1]) {
            let next = number(last + 1);
            let line = format!("{next} a text");
            for wrong in [
                format!("{last} a text"),
                format!("{} a text", u128::from(last) + 2),
                format!("send 0{next} a text"),
                format!("{next}0 a text"),
                format!("{next}"),
                format!("send  {next} a text"),
                format!("  {next} a text"),
                format!("m{next} a text"),
                String::new(),
            ] {
                let mut text = CountedText::new(&["", " "]);
                NonZeroU64::new(last).into_iter().for_each(|last| text.set(last));
                assert_eq!(text.take_next(wrong.as_bytes()), None, "{wrong:?} after {last}");
                text.set(next);
                assert_eq!(text.take_next(line.as_bytes()), None, "{next} is the last one now");
            }
            let mut text = CountedText::new(&["", " "]);
            NonZeroU64::new(last).into_iter().for_each(|last| text.set(last));
            assert_eq!(text.take_next(line.as_bytes()), Some((next, &b"a text"[..])));
        }
        let mut text = CountedText::new(&["", " "]);
        text.set(number(u64::MAX));
        assert_eq!(text.take_next(b"0 a text"), None);
        assert_eq!(text.take_next(b"1 a text"), None, "no text has this number");
    }

    #[test]
    fn numbers_come_in_any_order() {
        let mut text = CountedText::new(&["OK send ", " seq="]);
        let numbers = [7, 8, 9, 10, 9, 99, 100, 99_999_999, 100_000_000, u64::MAX, 1, 2, 2];
        for given in (1..1_200).chain(numbers) {
            let expected = format!("OK send {given} seq=");
            let mut out = BytesMut::from("before ");
            text.append(number(given), &mut out);
            assert_eq!(out, format!("before {expected}"));
        }
    }
}
