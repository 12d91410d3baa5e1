//! Errors of a command line or a config file: location, found value, expected value.

use std::fmt;
use std::path::PathBuf;

/// The first error of a command line or a config file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// The command line is invalid.
    Usage(String),
    /// The file cannot be read.
    Unreadable {
        /// Path of the file.
        path: PathBuf,
        /// Error of the operating system.
        reason: String,
    },
    /// The file is larger than the limit for files of its kind.
    TooLarge {
        /// Path of the file.
        path: PathBuf,
        /// Most bytes of such a file.
        bytes_max: usize,
    },
    /// The contents of the file cannot be used as a whole.
    Unusable {
        /// Path of the file.
        path: PathBuf,
        /// Reason, which shows nothing of the contents.
        reason: String,
    },
    /// Other users may read or write a file with secrets.
    Exposed {
        /// Path of the file.
        path: PathBuf,
        /// Permission bits of the file.
        mode: u32,
    },
    /// Other users can change the file.
    Writable {
        /// Path of the file.
        path: PathBuf,
        /// Permissions of the file.
        mode: u32,
    },
    /// The file is a FIFO or a terminal, for which a program that runs does not wait.
    Unawaited {
        /// Path of the file.
        path: PathBuf,
    },
    /// A field has an invalid value.
    Field {
        /// Location of the field.
        location: Location,
        /// Name of the field in the config file.
        field: &'static str,
        /// Value that was found.
        found: FoundValue,
        /// Description of a valid value.
        expected: String,
    },
}

/// Location of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// In a file.
    Line {
        /// Path of the file.
        path: PathBuf,
        /// Number of the line, from 1; skipped lines count.
        number: usize,
    },
    /// On the command line, as an option.
    Option,
    /// In the environment, as a variable.
    Environment,
}

/// Value found instead of a valid one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FoundValue {
    Text(String),
    /// A line that is not UTF-8.
    NotUtf8,
    /// The end of the file.
    EndOfFile,
    /// The end of the line.
    EndOfLine,
    /// A value that may be a secret.
    Hidden,
    /// A key that was given before.
    Again {
        /// Number of the line that has the key first.
        first: usize,
    },
}

/// Most characters of a text in an error.
const SHOWN_CHARS_MAX: usize = 80;

impl ConfigError {
    /// Returns true if the error should point to `--help`.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        match self {
            Self::Usage(_)
            | Self::Field { location: Location::Option | Location::Environment, .. } => true,
            Self::Unreadable { .. }
            | Self::TooLarge { .. }
            | Self::Unusable { .. }
            | Self::Exposed { .. }
            | Self::Writable { .. }
            | Self::Unawaited { .. }
            | Self::Field { .. } => false,
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(reason) => f.write_str(reason),
            Self::Unreadable { path, reason } => {
                write!(f, "{}: cannot be read: {reason}", path.display())
            }
            Self::TooLarge { path, bytes_max } => {
                write!(f, "{}: larger than {bytes_max} bytes: not a config file", path.display())
            }
            Self::Unusable { path, reason } => write!(f, "{}: {reason}", path.display()),
            Self::Exposed { path, mode } => {
                let path = path.display();
                write!(
                    f,
                    "{path}: mode: found {mode:04o}, expected 0600 or 0640, so that no other \
                    user can read the secrets or change them: chmod 600 {path}"
                )
            }
            Self::Unawaited { path } => {
                let path = path.display();
                write!(
                    f,
                    "{path}: a FIFO or a terminal: expected a regular file, which can be read \
                    again without waiting"
                )
            }
            Self::Writable { path, mode } => {
                let path = path.display();
                write!(
                    f,
                    "{path}: mode: found {mode:04o}, expected one with which other users cannot \
                    change it: chmod o-w {path}"
                )
            }
            Self::Field { location: Location::Line { path, number }, field, found, expected } => {
                let path = path.display();
                write!(f, "{path}:{number}: {field}: found {found}, expected {expected}")
            }
            Self::Field { location: Location::Option, field, found, expected } => {
                write!(f, "--{}: found {found}, expected {expected}", field.replace('_', "-"))
            }
            Self::Field { location: Location::Environment, field, found, expected } => {
                write!(f, "{field}: found {found}, expected {expected}")
            }
        }
    }
}

impl std::error::Error for ConfigError {}

impl FoundValue {
    /// Creates a text in which no secret can be read: digests, secrets and keys are replaced by
    /// their lengths.
    pub(super) fn masked(text: &str) -> Self {
        let mut masked = String::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let end = rest.find(|char| !is_of_key(char)).unwrap_or(rest.len());
            let (run, behind) = rest.split_at_checked(end).unwrap_or((rest, ""));
            match run.len() {
                0 => masked.push(first),
                length if is_secret(run) => masked.push_str(&format!("<{length} characters>")),
                _ => masked.push_str(run),
            }
            let skipped = if run.is_empty() { first.len_utf8() } else { 0 };
            rest = behind.get(skipped..).unwrap_or_default();
        }
        Self::Text(masked)
    }
}

/// Returns true for a character of hex digits and of base64.
fn is_of_key(char: char) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, '+' | '/')
}

/// Returns true if so many characters in a row may be a part of a secret or of a key.
fn is_secret(run: &str) -> bool {
    let hex = run.split(|char: char| !char.is_ascii_hexdigit()).map(str::len).max();
    run.len() >= 16 || hex >= Some(8)
}

impl fmt::Display for FoundValue {
    /// Quotes a text and escapes its control characters, which could control the terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => match text.char_indices().nth(SHOWN_CHARS_MAX) {
                Some((end, _)) => write!(f, "{:?}...", text.get(..end).unwrap_or_default()),
                None => write!(f, "{text:?}"),
            },
            Self::NotUtf8 => f.write_str("bytes that are not UTF-8"),
            Self::EndOfFile => f.write_str("the end of the file"),
            Self::EndOfLine => f.write_str("the end of the line"),
            Self::Hidden => f.write_str("a value that is not shown"),
            Self::Again { first } => write!(f, "a second value (the first is on line {first})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_text_shows_words_and_the_lengths_of_digests_and_keys() {
        for (text, expected) in [
            ("", ""),
            ("alice", "alice"),
            ("receive,", "receive,"),
            ("\u{fc}\tbob*", "\u{fc}\tbob*"),
            ("0123456", "0123456"),
            ("01234567", "<8 characters>"),
            ("ABCDEFab", "<8 characters>"),
            ("fedcbag", "fedcbag"),
            ("z12345678z", "<10 characters>"),
            ("abcdefz0123456z", "abcdefz0123456z"),
            ("abcdefz0123456zz", "<16 characters>"),
            ("key=sha256:0123456789abcdef.", "key=sha256:<16 characters>."),
            ("gc1:00112233:44556677", "gc1:<8 characters>:<8 characters>"),
            ("MIGHAgEAMBMGByqG+SM/9AgE==", "<24 characters>=="),
            ("-----BEGIN PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----"),
            ("my-long-name-of-an-id!", "my-long-name-of-an-id!"),
        ] {
            assert_eq!(FoundValue::masked(text), FoundValue::Text(expected.to_owned()));
        }
    }
}
