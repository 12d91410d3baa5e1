//! Secrets of invitations, and their names.

use std::fmt;
use std::str::FromStr;

use super::{BadKeyName, KeyName};

/// Secret of an invitation: 32 lower-case hex digits, which are 128 random bits.
///
/// A secret is shown by [`Secret::reveal`] alone. It has no `Display`, and its `Debug` hides it, so
/// that no log line and no error shows it by mistake. Secrets are never compared: only their names
/// are.
#[derive(Clone, Copy)]
pub struct Secret([u8; Secret::DIGITS]);

/// A secret as it stands in a request: a reference, because each request has room for one. Its
/// `Debug` hides it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SecretText<'a>(&'a [u8; Secret::DIGITS]);

/// Name of a secret: the SHA-256 of its 32 characters. Its text is that of a
/// [`KeyName`](super::KeyName).
///
/// A comparison of names may take longer for names that begin alike. This shows at most the name,
/// and nobody can compute 128 random bits from their digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretName(KeyName);

impl Secret {
    /// Number of digits.
    pub const DIGITS: usize = 32;

    /// Creates a secret from random bits.
    #[must_use]
    pub fn new(bits: [u8; 16]) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digit = |half: u8| DIGITS.get(usize::from(half)).copied().unwrap_or_default();
        let mut digits = [0; Self::DIGITS];
        for (pair, byte) in digits.as_chunks_mut::<2>().0.iter_mut().zip(bits) {
            *pair = [digit(byte >> 4), digit(byte & 0xF)];
        }
        Self(digits)
    }

    /// Parses 32 lower-case hex digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        SecretText::parse(text).map(|text| text.secret())
    }

    /// Returns the digits: for the wire, a keys file and an invitation, and for no log or error.
    #[must_use]
    pub fn reveal(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Returns the name. `sha256` computes the digest of bytes.
    #[must_use]
    pub fn name(&self, sha256: impl FnOnce(&[u8]) -> [u8; 32]) -> SecretName {
        SecretName::new(sha256(&self.0))
    }
}

impl<'a> SecretText<'a> {
    /// Parses 32 lower-case hex digits.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let digits: &[u8; Secret::DIGITS] = text.as_bytes().try_into().ok()?;
        digits.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')).then_some(Self(digits))
    }

    /// Returns the secret.
    #[must_use]
    pub const fn secret(self) -> Secret {
        Secret(*self.0)
    }

    /// Returns the digits: for the wire, and for no log or error.
    pub(super) fn reveal(self) -> &'a str {
        std::str::from_utf8(self.0).unwrap_or_default()
    }
}

impl<'a> From<&'a Secret> for SecretText<'a> {
    fn from(secret: &'a Secret) -> Self {
        Self(&secret.0)
    }
}

impl fmt::Debug for SecretText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(hidden)")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

impl SecretName {
    /// Creates the name of the secret with this digest.
    #[must_use]
    pub const fn new(digest: [u8; 32]) -> Self {
        Self(KeyName(digest))
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for SecretName {
    type Err = BadKeyName;

    fn from_str(text: &str) -> Result<Self, BadKeyName> {
        text.parse().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGITS: &str = "00112233445566778899aabbccddeeff";

    #[test]
    fn a_secret_is_32_lower_case_hex_digits() {
        let bits = std::array::from_fn(|at| u8::try_from(at * 0x11).unwrap());
        assert_eq!(Secret::new(bits).reveal(), DIGITS);
        assert_eq!(Secret::parse(DIGITS).unwrap().reveal(), DIGITS);
        for text in [
            "",
            DIGITS.strip_prefix('0').unwrap(),
            &format!("{DIGITS}0"),
            &DIGITS.to_uppercase(),
            &DIGITS.replace('9', " "),
        ] {
            assert!(Secret::parse(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn the_name_of_a_secret_is_the_digest_of_its_characters() {
        let sha256 = |bytes: &[u8]| {
            assert_eq!(bytes, DIGITS.as_bytes());
            [7; 32]
        };
        let name = Secret::parse(DIGITS).unwrap().name(sha256);
        assert_eq!(name, SecretName::new([7; 32]));
        assert_eq!(name.to_string(), format!("sha256:{}", "07".repeat(32)));
        assert_eq!(name.to_string().parse(), Ok(name));
        assert_eq!(DIGITS.parse::<SecretName>(), Err(BadKeyName), "a secret is no name");
    }

    #[test]
    fn no_debug_output_shows_a_secret() {
        let secret = Secret::parse(DIGITS).unwrap();
        let shown = format!("{secret:?} {:#?} {:?}", Some(secret), [secret]);
        assert!(!shown.contains("0011"), "{shown}");
        assert!(shown.starts_with("Secret(hidden)"), "{shown}");
        let text = format!("{:?}", SecretText::from(&secret));
        assert_eq!(text, "SecretText(hidden)");
    }
}
