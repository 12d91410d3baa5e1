//! Names of keys.

use std::fmt;
use std::str::FromStr;

/// Name of a public key: the SHA-256 of its DER SubjectPublicKeyInfo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyName(pub [u8; 32]);

/// Text that names no key. Names are `sha256:` and 64 hexadecimal digits in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadKeyName;

const PREFIX: &str = "sha256:";

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for KeyName {
    type Err = BadKeyName;

    fn from_str(text: &str) -> Result<Self, BadKeyName> {
        let digits = text.strip_prefix(PREFIX).ok_or(BadKeyName)?.as_bytes();
        let mut name = [0; 32];
        let (pairs, rest) = digits.as_chunks::<2>();
        if pairs.len() != name.len() || !rest.is_empty() {
            return Err(BadKeyName);
        }
        for (byte, &[high, low]) in name.iter_mut().zip(pairs) {
            *byte = value(high)? << 4 | value(low)?;
        }
        Ok(Self(name))
    }
}

/// Returns the value of a hexadecimal digit in lower case.
fn value(digit: u8) -> Result<u8, BadKeyName> {
    match digit {
        b'0'..=b'9' => Ok(digit.wrapping_sub(b'0')),
        b'a'..=b'f' => Ok(digit.wrapping_sub(b'a').wrapping_add(10)),
        _ => Err(BadKeyName),
    }
}

impl fmt::Display for BadKeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected `sha256:` and 64 hexadecimal digits in lower case")
    }
}

impl std::error::Error for BadKeyName {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_is_printed() {
        let name = KeyName(std::array::from_fn(|index| index as u8 * 7));
        let text = name.to_string();
        assert!(text.starts_with("sha256:00070e151c23") && text.len() == 71, "{text}");
        assert_eq!(text.parse(), Ok(name));
    }

    #[test]
    fn other_texts_name_no_key() {
        let name = KeyName([0xAB; 32]).to_string();
        let mut wrong = vec![name.to_uppercase(), format!("{name}0"), format!(" {name}")];
        wrong.extend((0..name.len()).map(|end| name.get(..end).unwrap().to_owned()));
        wrong.push(name.replace("sha256", "sha512"));
        wrong.extend(
            ["g", "é", ":", "/", "A", "`", " ", "\0"].map(|other| name.replace("b", other)),
        );
        for text in wrong {
            assert_eq!(text.parse::<KeyName>(), Err(BadKeyName), "{text}");
        }
    }
}
