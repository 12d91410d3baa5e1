//! A short text with numbers that count up.

use std::num::NonZeroU64;

use bytes::BytesMut;

/// Text with `N` numbers. The next value of a number is mostly one more, and so only the last digit
/// changes: the numbers are neither parsed nor formatted.
#[derive(Clone, Copy, Debug)]
pub(super) struct CountedText<const N: usize> {
    /// Words before each number.
    words: [&'static str; N],
    /// Words after the last number.
    end: &'static str,
    counters: [Counter; N],
    text: [u8; BYTES_MAX],
    length: u8,
    /// Bits of the text in its first word, if the text is not longer than a word; else 0.
    mask: u64,
}

/// A number in a text.
#[derive(Clone, Copy, Debug)]
struct Counter {
    /// 0 before the first number.
    number: u64,
    first_digit: u8,
    last_digit: u8,
}

/// Bytes of the longest text, as a multiple of a word.
const BYTES_MAX: usize =
    "OK send 18446744073709551615 seq=18446744073709551615\n".len().next_multiple_of(8);

impl Counter {
    /// Counts one more. Returns false if the text needs to be set, because it has no digit more.
    #[inline]
    fn advance(&mut self, text: &mut [u8; BYTES_MAX]) -> bool {
        self.number = self.number.wrapping_add(1);
        match text.get_mut(usize::from(self.last_digit)) {
            Some(digit) if *digit < b'9' => *digit = digit.wrapping_add(1),
            Some(_) | None => return self.carry(text),
        }
        true
    }

    /// Writes the digits of a number that ends with 0, or has no digits yet.
    #[cold]
    fn carry(&self, text: &mut [u8; BYTES_MAX]) -> bool {
        let digits = text.get_mut(self.first_digit.into()..=self.last_digit.into());
        for digit in digits.unwrap_or_default().iter_mut().rev() {
            match *digit {
                b'9' => *digit = b'0',
                _ => {
                    *digit = digit.wrapping_add(1);
                    return true;
                }
            }
        }
        false
    }
}

impl<const N: usize> CountedText<N> {
    /// Makes the text with all numbers 0.
    pub(super) const fn new(words: [&'static str; N], end: &'static str) -> Self {
        // There are no digits before the text is set.
        let counter = Counter { number: 0, first_digit: 1, last_digit: 0 };
        let text = [b'9'; BYTES_MAX];
        Self { words, end, counters: [counter; N], text, length: 0, mask: 0 }
    }

    /// Returns the text.
    #[inline]
    fn as_bytes(&self) -> &[u8] {
        self.text.get(..self.length.into()).unwrap_or_default()
    }

    /// Replaces the numbers, and appends the text. 0 must not follow [`u64::MAX`]. To copy a fixed
    /// number of bytes costs less.
    #[inline]
    pub(super) fn append(&mut self, numbers: [u64; N], out: &mut BytesMut) {
        let mut is_right = true;
        for (counter, number) in self.counters.iter_mut().zip(numbers) {
            is_right &= counter.advance(&mut self.text) & (counter.number == number);
        }
        if !is_right {
            self.set(numbers);
        }
        let end = out.len().wrapping_add(self.length.into());
        out.extend_from_slice(&self.text);
        out.truncate(end);
    }

    /// Sets the numbers.
    #[inline(never)]
    pub(super) fn set(&mut self, numbers: [u64; N]) {
        let mut buffer = itoa::Buffer::new();
        for (counter, number) in self.counters.iter_mut().zip(numbers) {
            let digits = buffer.format(number).as_bytes();
            let (first, last) = (counter.first_digit.into(), counter.last_digit.into());
            match self.text.get_mut(first..=last) {
                Some(former) if former.len() == digits.len() => former.copy_from_slice(digits),
                Some(_) | None => return self.rebuild(numbers),
            }
            counter.number = number;
        }
    }

    /// Sets the numbers, of which one has another length now.
    #[cold]
    fn rebuild(&mut self, numbers: [u64; N]) {
        let Self { words, end, counters, text, length, mask } = self;
        *length = 0;
        // Returns the places of the first and of the last byte.
        let mut push = |part: &str| {
            let (first, bytes) = (*length, part.len());
            if let Some(slots) = text.get_mut(first.into()..).and_then(|rest| rest.get_mut(..bytes))
            {
                slots.copy_from_slice(part.as_bytes());
                *length = length.saturating_add(u8::try_from(bytes).unwrap_or(u8::MAX));
            }
            (first, length.wrapping_sub(1))
        };
        for ((word, counter), number) in words.iter().zip(counters).zip(numbers) {
            push(word);
            let (first_digit, last_digit) = push(itoa::Buffer::new().format(number));
            *counter = Counter { number, first_digit, last_digit };
        }
        push(end);
        let free_bytes = 8_u32.checked_sub((*length).into());
        *mask = free_bytes.map_or(0, |bytes| u64::MAX.wrapping_shr(bytes.wrapping_mul(8)));
    }
}

impl CountedText<1> {
    /// Takes the next number, and returns it with the rest of a line that begins with the text.
    /// Returns `None` for any other line. The number must be set then.
    #[inline]
    pub(super) fn take_next<'a>(&mut self, line: &'a [u8]) -> Option<(NonZeroU64, &'a [u8])> {
        let [counter] = &mut self.counters;
        let fits = counter.advance(&mut self.text);
        let number = NonZeroU64::new(counter.number)?;
        if !fits {
            self.set([number.get()]);
        }
        let rest = match (line.first_chunk(), self.text.first_chunk()) {
            (Some(word), Some(text)) if self.mask > 0 => {
                let differing = u64::from_le_bytes(*word) ^ u64::from_le_bytes(*text);
                (differing & self.mask == 0).then(|| line.get(self.length.into()..))?
            }
            _ => line.strip_prefix(self.as_bytes()),
        };
        Some((number, rest?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(number: u64) -> NonZeroU64 {
        NonZeroU64::new(number).unwrap()
    }

    fn set(text: &mut CountedText<1>, number: u64) {
        if number > 0 {
            text.set([number]);
        }
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
                let mut text = CountedText::new([""], " ");
                set(&mut text, last);
                assert_eq!(text.take_next(wrong.as_bytes()), None, "{wrong:?} after {last}");
                text.set([next.get()]);
                assert_eq!(text.take_next(line.as_bytes()), None, "{next} is the last one now");
            }
            let mut text = CountedText::new([""], " ");
            set(&mut text, last);
            assert_eq!(text.take_next(line.as_bytes()), Some((next, &b"a text"[..])));
        }
        let mut text = CountedText::new([""], " ");
        text.set([u64::MAX]);
        assert_eq!(text.take_next(b"0 a text"), None);
        assert_eq!(text.take_next(b"1 a text"), None, "no text has this number");
    }

    #[test]
    fn numbers_come_in_any_order() {
        let mut text = CountedText::new(["OK msend seq="], "\n");
        let numbers = [7, 8, 9, 10, 9, 99, 100, 99_999_999, 100_000_000, 0, u64::MAX, 1, 2, 2];
        for given in (0..1_200).chain(numbers) {
            let mut out = BytesMut::from("before ");
            text.append([given], &mut out);
            assert_eq!(out, format!("before OK msend seq={given}\n"));
        }
    }

    #[test]
    fn each_of_two_numbers_counts_up_alone() {
        let starts = [0, 1, 8, 9, 95, 98, 99, 998, 99_998, u64::MAX - 12];
        for (first, second) in starts.iter().flat_map(|first| starts.map(|second| (first, second)))
        {
            let mut text = CountedText::new(["OK send ", " seq="], "\n");
            for (step, skipped) in (0..12).map(|step| (step, u64::from(step > 5))) {
                for (first, second) in [
                    (first + step, second + step),
                    (first + step, second + step + skipped),
                    (first + step + skipped, second + step),
                ] {
                    let mut out = BytesMut::new();
                    text.append([first, second], &mut out);
                    assert_eq!(out, format!("OK send {first} seq={second}\n"));
                }
            }
        }
    }
}
