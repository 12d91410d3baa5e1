//! What is wrong with a command line or a config file: where, what was found, what was expected.

use std::fmt;
use std::path::PathBuf;

use crate::limits::CONFIG_BYTES_MAX;

/// The first thing that was wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// The command line could not be understood.
    Usage(String),
    /// The operating system would not read the file.
    Unreadable {
        /// As it was named.
        path: PathBuf,
        /// The operating system's words.
        reason: String,
    },
    /// The file is larger than any config file.
    TooLarge {
        /// As it was named.
        path: PathBuf,
    },
    /// A field is not as it must be.
    Field {
        /// Where it stands.
        location: Location,
        /// Which it is, as the config file calls it.
        field: &'static str,
        /// What is there.
        found: FoundValue,
        /// What should be.
        expected: String,
    },
}

/// Where a field was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// In a file.
    Line {
        /// As it was named.
        path: PathBuf,
        /// From 1; skipped lines count.
        number: usize,
    },
    /// On the command line, as an option.
    Option,
}

/// What stood where something else was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FoundValue {
    /// This text.
    Text(String),
    /// A line that is not UTF-8.
    NotUtf8,
    /// Nothing more.
    EndOfFile,
    /// A key that was there already.
    Again {
        /// On this line.
        first: usize,
    },
}

/// Characters of a text that a message shows.
const SHOWN_CHARS_MAX: usize = 80;

impl ConfigError {
    /// Whether `--help` knows better.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        match self {
            Self::Usage(_) | Self::Field { location: Location::Option, .. } => true,
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
                write!(f, "{path}: found more than {CONFIG_BYTES_MAX} bytes, expected fewer")
            }
            Self::Field { location: Location::Line { path, number }, field, found, expected } => {
                let path = path.display();
                write!(f, "{path}:{number}: {field}: found {found}, expected {expected}")
            }
            Self::Field { location: Location::Option, field, found, expected } => {
                write!(f, "--{}: found {found}, expected {expected}", field.replace('_', "-"))
            }
        }
    }
}

impl std::error::Error for ConfigError {}

impl fmt::Display for FoundValue {
    /// Text is quoted and its control characters escaped: it must not drive the terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => match text.char_indices().nth(SHOWN_CHARS_MAX) {
                Some((end, _)) => write!(f, "{:?}...", text.get(..end).unwrap_or_default()),
                None => write!(f, "{text:?}"),
            },
            Self::NotUtf8 => f.write_str("bytes that are not UTF-8"),
            Self::EndOfFile => f.write_str("the end of the file"),
            Self::Again { first } => write!(f, "a second one, the first is on line {first}"),
        }
    }
}
