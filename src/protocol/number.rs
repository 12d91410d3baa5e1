//! Seq and epoch: the two numbers that identify a message.

use std::fmt;

use crate::limits::SEQ_MAX;

/// Sequence number of an accepted message: 1 for the first message of a group, one more for each
/// that follows.
///
/// As a cursor (`acked`), the last seq that counts as delivered. 0 means no message yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seq(u64);

impl Seq {
    /// Value before the first message.
    pub const ZERO: Self = Self(0);
    /// Highest seq that a message can have.
    pub const LAST: Self = Self(SEQ_MAX);

    /// Creates the seq with this value.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Returns the value.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// Returns the seq after this one. Coordinators give out none above [`Seq::LAST`].
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Returns the seq before this one; 0 for 0.
    #[must_use]
    pub const fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// Returns the number of seqs above `lower` up to and including this one.
    #[must_use]
    pub const fn above(self, lower: Self) -> u64 {
        self.0.saturating_sub(lower.0)
    }

    /// Parses a seq: 1 to 20 digits, at most 2^64-1, no sign, no leading zero.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::parse_bytes(text.as_bytes())
    }

    /// Parses a seq as [`Seq::parse`] does.
    #[must_use]
    pub(super) fn parse_bytes(text: &[u8]) -> Option<Self> {
        parse_digits(text).map(Self)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Identifies one life of the seqs: 16 lower-case hex digits on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(u64);

impl Epoch {
    /// Number of digits on the wire.
    pub const DIGITS: usize = 16;

    /// Creates an epoch from 64 random bits.
    #[must_use]
    pub const fn new(bits: u64) -> Self {
        Self(bits)
    }

    /// Returns the 64 bits.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// Parses an epoch: 16 lower-case hex digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let lower_hex = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
        if text.len() != Self::DIGITS || !text.bytes().all(lower_hex) {
            return None;
        }
        u64::from_str_radix(text, 16).ok().map(Self)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Most digits of a number.
const DIGITS_MAX: usize = u64::MAX.ilog10() as usize + 1;

/// Parses decimal digits without sign or leading zero, at most 2^64-1.
pub(super) fn parse_number(text: &str) -> Option<u64> {
    parse_digits(text.as_bytes())
}

/// Parses a number as [`parse_number`] does, in one pass.
pub(super) fn parse_digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() || (text.starts_with(b"0") && text.len() > 1) {
        return None;
    }
    if text.len() >= DIGITS_MAX {
        return parse_long(text);
    }
    // Numbers with fewer digits cannot overflow. A member reads two of them with every message.
    let (mut number, mut highest) = (0_u64, 0_u8);
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        highest = highest.max(digit);
        number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
    }
    (highest <= 9).then_some(number)
}

fn parse_long(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// Takes a number as in [`parse_number`] and the `#` after it. Takes up to 8 digits at once: a
/// recovery takes two numbers with every message.
#[inline]
pub(super) fn take_number(bytes: &mut &[u8]) -> Option<u64> {
    const POWERS: [u64; 9] =
        [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];
    let (field, mut rest, mut number) = (*bytes, *bytes, 0_u64);
    loop {
        let (digits, value) = leading_digits(rest);
        number = number.wrapping_mul(*POWERS.get(digits)?).wrapping_add(value);
        rest = rest.get(digits..)?;
        if digits < 8 {
            break;
        }
    }
    let length = field.len().saturating_sub(rest.len());
    *bytes = rest.strip_prefix(b"#")?;
    let is_plain = length == 1 || (length > 1 && !field.starts_with(b"0"));
    match is_plain && length < DIGITS_MAX {
        true => Some(number),
        false => parse_checked(field.get(..length)?),
    }
}

/// Parses a number that may be too large, or no number.
#[cold]
fn parse_checked(digits: &[u8]) -> Option<u64> {
    parse_number(std::str::from_utf8(digits).ok()?)
}

/// Returns the number of decimal digits in the first 8 bytes, up to another byte, and their value.
///
/// A byte is a digit if its upper half is 3, before and after 6 is added to it. A carry of this
/// addition only changes bytes after another byte than a digit. Then the digits move to the end of
/// the word, and neighbours are joined in three steps: digits, pairs, and groups of 4.
#[inline]
fn leading_digits(bytes: &[u8]) -> (usize, u64) {
    const UPPER: u64 = 0xF0F0_F0F0_F0F0_F0F0;
    const ZEROS: u64 = 0x3030_3030_3030_3030;
    const SIXES: u64 = 0x0606_0606_0606_0606;
    let word = match bytes.first_chunk() {
        Some(word) => u64::from_le_bytes(*word),
        None => bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    let others = ((word ^ ZEROS) | (word.wrapping_add(SIXES) ^ ZEROS)) & UPPER;
    let bits = others.trailing_zeros() & !7;
    let word = word.checked_shl(u64::BITS.saturating_sub(bits)).unwrap_or(0) & !UPPER;
    let pairs = word.wrapping_mul(10 << 8 | 1) >> 8 & 0x00FF_00FF_00FF_00FF;
    let fours = pairs.wrapping_mul(100 << 16 | 1) >> 16 & 0x0000_FFFF_0000_FFFF;
    ((bits / 8) as usize, fours.wrapping_mul(10_000 << 32 | 1) >> 32)
}

/// Returns the number of decimal digits.
pub(super) const fn digits(number: u64) -> usize {
    match number.checked_ilog10() {
        Some(log) => (log as usize).saturating_add(1),
        None => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_plain_decimal_digits_within_64_bits() {
        for (text, expected) in [
            ("0", Some(0)),
            ("1", Some(1)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("100000000000000000000", None),
            ("12345678", Some(12_345_678)),
            ("1234567890", Some(1_234_567_890)),
            ("9081726354433221", Some(9_081_726_354_433_221)),
            ("1234567:", None),
            ("1234567/", None),
            ("01234567", None),
            ("", None),
            ("00", None),
            ("01", None),
            ("+1", None),
            ("-1", None),
            (" 1", None),
            ("1 ", None),
            ("1x", None),
            ("\u{0661}", None),
        ] {
            assert_eq!(Seq::parse(text).map(Seq::as_u64), expected, "{text:?}");
            let field = format!("{text}#rest");
            let mut bytes = field.as_bytes();
            assert_eq!(take_number(&mut bytes), expected, "{field:?}");
            assert!(expected.is_none() || bytes == b"rest", "{field:?}");
            assert_eq!(take_number(&mut text.as_bytes()), None, "no field without its end");
        }
    }

    #[test]
    fn an_epoch_is_sixteen_lower_case_hex_digits() {
        let epoch = Epoch::new(0xabc);
        assert_eq!(epoch.to_string(), "0000000000000abc");
        assert_eq!(Epoch::parse("0000000000000abc"), Some(epoch));
        for bad in ["", "abc", "0000000000000ABC", "+000000000000abc", "0000000000000abcd"] {
            assert_eq!(Epoch::parse(bad), None, "{bad:?}");
        }
    }
}
