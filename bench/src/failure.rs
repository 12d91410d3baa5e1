//! Why a figure could not be had.

use std::fmt;
use std::io;

/// What ends a measurement.
#[derive(Debug)]
pub enum Failure {
    /// The measurement itself could not be made.
    System(String, io::Error),
    /// A server did what it must not: something was lost, doubled, out of order, or refused.
    Wrong(String),
}

/// What most things here come to.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// Names what was being done, for `map_err`.
    pub fn system(what: impl fmt::Display) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::System(what.to_string(), error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(what, error) => write!(f, "{what}: {error}"),
            Self::Wrong(what) => f.write_str(what),
        }
    }
}
