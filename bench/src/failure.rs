//! The reasons why a measurement fails.

use std::fmt;
use std::io;

/// The reason why a measurement failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The measurement itself could not be made.
    System(String, io::Error),
    /// The command line is wrong.
    Usage(String),
    /// A server did something wrong: lost, doubled, reordered or refused.
    Wrong(String),
}

/// Result of a measurement.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// Describes the work that failed, for `map_err`.
    pub(crate) fn system(what: impl fmt::Display) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::System(what.to_string(), error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(what, error) => write!(f, "{what}: {error}"),
            Self::Usage(what) | Self::Wrong(what) => f.write_str(what),
        }
    }
}
