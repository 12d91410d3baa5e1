//! Texts of messages.

use std::fmt;

use super::Malformed;

/// Text of a message, in UTF-8.
///
/// This is no `str`: the coordinator only passes the bytes on, and `Text::parse` costs less than
/// the check of a `str`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Text<'a>(&'a [u8]);

impl<'a> Text<'a> {
    /// Parses the text of a request: 1 or more characters, no control character but TAB.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        if bytes.is_empty() {
            return Err(Malformed::TextEmpty);
        }
        if !is_printable_ascii(bytes) {
            let text = str::from_utf8(bytes).map_err(|_| Malformed::NotUtf8)?;
            if text.chars().any(|c| c.is_control() && c != '\t') {
                return Err(Malformed::TextControl);
            }
        }
        Ok(Self(bytes))
    }

    /// Takes bytes as the text of a message; `None` if a request may not have this text.
    #[must_use]
    pub fn checked(bytes: &'a [u8]) -> Option<Self> {
        Self::parse(bytes).ok()
    }

    /// Returns true if a request may have this text.
    #[must_use]
    pub fn is_valid(text: &str) -> bool {
        Text::parse(text.as_bytes()).is_ok()
    }

    /// Returns the bytes.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(text.as_bytes())
    }
}

impl AsRef<[u8]> for Text<'_> {
    fn as_ref(&self) -> &[u8] {
        self.0
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.0))
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&String::from_utf8_lossy(self.0), f)
    }
}

/// Returns true if all bytes are printable ASCII characters. Tests 16 bytes at once, because every
/// message is tested: the compiler makes one vector of them.
fn is_printable_ascii(bytes: &[u8]) -> bool {
    const LANES: usize = 16;
    let is_other = |byte: u8| !matches!(byte, b' '..=b'~');
    let Some(last) = bytes.last_chunk::<LANES>() else {
        return !bytes.iter().any(|byte| is_other(*byte));
    };
    let (pieces, _) = bytes.as_chunks::<LANES>();
    // The last piece may overlap the one before it.
    let mut others = last.map(is_other);
    for piece in pieces {
        for (other, byte) in others.iter_mut().zip(piece) {
            *other |= is_other(*byte);
        }
    }
    !others.contains(&true)
}
