//! The stamp at the beginning of each text, by which a receiver checks the text.
//!
//! ```text
//!   0001f 000000002a 00000000004c4b40 -#groupcast-#group…      written without the spaces
//!     │        │             │          filler up to the requested size, with '#' in it
//!     │        │             └ due time in nanoseconds since the run began
//!     │        └ number among the texts of the publisher
//!     └ publisher
//! ```

const PUBLISHER_DIGITS: usize = 5;
const COUNTER_DIGITS: usize = 10;
const DUE_DIGITS: usize = 16;
const FILLER: &[u8] = b"-#groupcast";

/// Shortest text: the three numbers.
pub(crate) const TEXT_BYTES_MIN: usize = PUBLISHER_DIGITS + COUNTER_DIGITS + DUE_DIGITS;

/// Numbers at the beginning of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) publisher: usize,
    /// Number of texts that the publisher sent before.
    pub(crate) counter: u64,
    pub(crate) due_ns: u64,
}

impl Stamp {
    /// Appends the text of `bytes` bytes.
    pub(crate) fn push(&self, output: &mut Vec<u8>, bytes: usize) {
        let Self { publisher, counter, due_ns } = self;
        output.extend_from_slice(format!("{publisher:05x}{counter:010x}{due_ns:016x}").as_bytes());
        let filler = FILLER.iter().cycle().take(bytes.saturating_sub(TEXT_BYTES_MIN));
        output.extend(filler);
    }

    /// Returns the stamp of a text of `bytes` bytes; `None` if the text was altered visibly.
    pub(crate) fn parse(text: &[u8], bytes: usize) -> Option<Self> {
        let head = std::str::from_utf8(text.get(..TEXT_BYTES_MIN)?).ok()?;
        let (publisher, tail) = head.split_at_checked(PUBLISHER_DIGITS)?;
        let (counter, due_ns) = tail.split_at_checked(COUNTER_DIGITS)?;
        let number = |digits| u64::from_str_radix(digits, 16).ok();
        let publisher = usize::try_from(number(publisher)?).ok()?;
        let stamp = Self { publisher, counter: number(counter)?, due_ns: number(due_ns)? };
        // Every byte counts: an altered filler, and a digit with an altered case bit.
        let mut whole = Vec::with_capacity(text.len());
        stamp.push(&mut whole, bytes);
        (whole == text).then_some(stamp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_read_back_from_a_text_of_any_size() {
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
