//! Finds blocks of PEM between the lines of a file.

use super::lines::{ConfigLine, ConfigLines};
use super::{ConfigError, FoundValue};

/// Text of private keys and certificates, in PEM. Its `Debug` hides it.
#[derive(Clone, Default)]
pub struct SecretPem(String);

/// Entry of a file with PEM: a block, or a line outside of all blocks.
#[derive(Debug)]
pub(super) enum PemEntry<'a> {
    /// A line that is neither blank nor a comment.
    Line(ConfigLine<'a>),
    PrivateKey(PemBlock<'a>),
    Certificate(PemBlock<'a>),
}

/// A block, from its first line to its last.
#[derive(Debug)]
pub(super) struct PemBlock<'a> {
    pub(super) first: ConfigLine<'a>,
    pub(super) text: SecretPem,
}

const BEGIN: &str = "-----BEGIN ";
const DASHES: &str = "-----";
/// Labels of private keys. With other labels, the key is encrypted or is a public one.
const PRIVATE_KEYS: [&str; 3] = ["PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY"];
const CERTIFICATE: &str = "CERTIFICATE";
const LABEL_EXPECTED: &str =
    "CERTIFICATE, PRIVATE KEY, EC PRIVATE KEY or RSA PRIVATE KEY, which are not encrypted";

impl SecretPem {
    /// Returns the text: for TLS and for files, and for no log or error.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Appends a block.
    pub(super) fn append(&mut self, block: &Self) {
        self.0.push_str(&block.0);
    }

    fn push_line(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }
}

impl From<String> for SecretPem {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl std::fmt::Debug for SecretPem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretPem(hidden)")
    }
}

/// Returns the next line or block; `None` at the end of the file.
pub(super) fn next<'a>(lines: &mut ConfigLines<'a>) -> Result<Option<PemEntry<'a>>, ConfigError> {
    let Some(first) = lines.next()? else { return Ok(None) };
    let label = first.text.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(DASHES));
    let entry = match label {
        Some(CERTIFICATE) => PemEntry::Certificate(take_block(lines, first, CERTIFICATE)?),
        Some(label) if PRIVATE_KEYS.contains(&label) => {
            PemEntry::PrivateKey(take_block(lines, first, label)?)
        }
        Some(label) => {
            return Err(first.found("PEM", FoundValue::masked(label), LABEL_EXPECTED));
        }
        None => PemEntry::Line(first),
    };
    Ok(Some(entry))
}

/// Takes the lines behind `first` up to the end of the block. A line of base64 may begin with `//`,
/// and is no comment.
fn take_block<'a>(
    lines: &mut ConfigLines<'a>,
    first: ConfigLine<'a>,
    label: &str,
) -> Result<PemBlock<'a>, ConfigError> {
    let end = format!("-----END {label}-----");
    let expected = format!("lines of base64 up to {end}");
    let mut text = SecretPem::default();
    text.push_line(first.text);
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
    while let Some(line) = lines.next_of_all()? {
        match line.text {
            "" => (),
            last if last == end => {
                text.push_line(last);
                return Ok(PemBlock { first, text });
            }
            base64 if base64.bytes().all(is_base64) => text.push_line(base64),
            _ => return Err(line.found("PEM", FoundValue::Hidden, expected)),
        }
    }
    Err(lines.error("PEM", FoundValue::EndOfFile, &expected))
}
