//! Errors of a command line or a config file: location, found value, expected value.

use std::fmt;
use std::path::PathBuf;

use crate::limits::CONFIG_BYTES_MAX;

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
    /// The file is larger than the limit for config files.
    TooLarge {
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
            Self::Unreadable { .. } | Self::TooLarge { .. } | Self::Field { .. } => false,
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
            Self::TooLarge { path } => {
                let path = path.display();
                write!(f, "{path}: larger than {CONFIG_BYTES_MAX} bytes: not a config file")
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
            Self::Again { first } => write!(f, "a second value (the first is on line {first})"),
        }
    }
}
