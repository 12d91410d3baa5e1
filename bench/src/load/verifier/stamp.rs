//! What a text says of itself, so that whoever gets it can check it.
//!
//! ```text
//!   0001f 000000002a 00000000004c4b40 -#groupcast-#group…      written without the spaces
//!     │        │             │          filler up to the size asked for, with '#' in it
//!     │        │             └ when it was due, in nanoseconds since the run began
//!     │        └ its number among the texts of its publisher
//!     └ its publisher
//! ```

const PUBLISHER_DIGITS: usize = 5;
const COUNTER_DIGITS: usize = 10;
const DUE_DIGITS: usize = 16;
const FILLER: &[u8] = b"-#groupcast";

/// Shortest text: the three numbers.
pub(crate) const TEXT_BYTES_MIN: usize = PUBLISHER_DIGITS + COUNTER_DIGITS + DUE_DIGITS;

/// The numbers that a text begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Index of the member that sent it.
    pub(crate) publisher: usize,
    /// How many it had sent before.
    pub(crate) counter: u64,
    /// When it was due.
    pub(crate) due_ns: u64,
}

impl Stamp {
    /// Appends the text, of `bytes`.
    pub(crate) fn push(&self, output: &mut Vec<u8>, bytes: usize) {
        push_hex(output, self.publisher as u64, PUBLISHER_DIGITS);
        push_hex(output, self.counter, COUNTER_DIGITS);
        push_hex(output, self.due_ns, DUE_DIGITS);
        let filler = FILLER.iter().cycle().take(bytes.saturating_sub(TEXT_BYTES_MIN));
        output.extend(filler);
    }

    /// The stamp of a text of `bytes`; `None` if not every byte of it is as it was sent.
    #[must_use]
    pub(crate) fn parse(text: &[u8], bytes: usize) -> Option<Self> {
        let (publisher, rest) = text.split_at_checked(PUBLISHER_DIGITS)?;
        let (counter, rest) = rest.split_at_checked(COUNTER_DIGITS)?;
        let (due_ns, filler) = rest.split_at_checked(DUE_DIGITS)?;
        let is_whole = text.len() == bytes.max(TEXT_BYTES_MIN)
            && filler.chunks(FILLER.len()).all(|chunk| FILLER.starts_with(chunk));
        let publisher = usize::try_from(parse_hex(publisher)?).ok()?;
        let (counter, due_ns) = (parse_hex(counter)?, parse_hex(due_ns)?);
        is_whole.then_some(Self { publisher, counter, due_ns })
    }
}

fn push_hex(output: &mut Vec<u8>, number: u64, digits: usize) {
    for digit in (0..digits).rev() {
        let nibble = (number >> (4 * digit)) as u8 & 0xf;
        output.push(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 });
    }
}

fn parse_hex(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |number: u64, digit| {
        let nibble = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            0..=b'/' | b':'..=b'`' | b'g'..=255 => return None,
        };
        Some(number << 4 | u64::from(nibble))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_found_again_in_a_text_of_any_size() {
        let stamp = Stamp { publisher: 0xfffff, counter: 0x12_3456_789a, due_ns: u64::MAX };
        for bytes in [0, TEXT_BYTES_MIN, TEXT_BYTES_MIN + 1, 100, 16_384] {
            let mut text = Vec::new();
            stamp.push(&mut text, bytes);
            assert_eq!(text.len(), bytes.max(TEXT_BYTES_MIN));
            assert_eq!(Stamp::parse(&text, bytes), Some(stamp), "{bytes} bytes");
        }
    }

    #[test]
    fn a_text_with_a_byte_changed_has_another_stamp_or_none() {
        let stamp = Stamp { publisher: 7, counter: 42, due_ns: 5_000_000 };
        let mut text = Vec::new();
        stamp.push(&mut text, 60);
        for at in 0..text.len() {
            let mut altered = text.clone();
            altered[at] ^= 1;
            assert_ne!(Stamp::parse(&altered, 60), Some(stamp), "byte {at}");
            assert_eq!(Stamp::parse(&text[..at], 60), None, "cut at {at}");
        }
        text.push(b'-');
        assert_eq!(Stamp::parse(&text, 60), None);
    }
}
