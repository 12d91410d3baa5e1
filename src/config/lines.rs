//! Reads a config file, and iterates over its lines without blank lines and comments.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::{ConfigError, FoundValue, Location};
use crate::limits::CONFIG_BYTES_MAX;

/// Iterator over the trimmed lines of a file, without blank lines and comments.
#[derive(Debug)]
pub(super) struct ConfigLines<'a> {
    path: &'a Path,
    remaining: &'a [u8],
    /// Number of the line that was read last.
    number: usize,
}

/// A line that is neither blank nor a comment.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConfigLine<'a> {
    path: &'a Path,
    /// Number of the line, from 1; skipped lines count.
    pub(super) number: usize,
    /// Trimmed text, never empty.
    pub(super) text: &'a str,
}

/// Reads the whole file. Stops at the limit, as a device may have no end.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, ConfigError> {
    let unreadable =
        |e: io::Error| ConfigError::Unreadable { path: path.to_owned(), reason: e.to_string() };
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    let bytes_max = u64::try_from(CONFIG_BYTES_MAX).unwrap_or(u64::MAX);
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > CONFIG_BYTES_MAX {
        return Err(ConfigError::TooLarge { path: path.to_owned() });
    }
    Ok(bytes)
}

impl<'a> ConfigLines<'a> {
    /// Creates an iterator over `bytes`, the content of the file at `path`.
    pub(super) const fn new(path: &'a Path, bytes: &'a [u8]) -> Self {
        Self { path, remaining: bytes, number: 0 }
    }

    /// Returns the next line, or `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<ConfigLine<'a>>, ConfigError> {
        while !self.remaining.is_empty() {
            let end = self.remaining.iter().position(|&byte| byte == b'\n');
            let (line, remaining) = match end.and_then(|end| self.remaining.split_at_checked(end)) {
                Some((line, remaining)) => (line, remaining.get(1..).unwrap_or_default()),
                None => (self.remaining, [].as_slice()),
            };
            self.remaining = remaining;
            self.number = self.number.saturating_add(1);
            let text = match std::str::from_utf8(line) {
                Ok(text) => text.trim_matches(|c: char| c.is_whitespace() || c == BYTE_ORDER_MARK),
                Err(_) => return Err(self.error("line", FoundValue::NotUtf8, "UTF-8 text")),
            };
            if !text.is_empty() && !text.starts_with("//") {
                return Ok(Some(ConfigLine { path: self.path, number: self.number, text }));
            }
        }
        Ok(None)
    }

    /// Returns the next line, which has the `field`, or an error at the end.
    pub(super) fn require(
        &mut self,
        field: &'static str,
        expected: &str,
    ) -> Result<ConfigLine<'a>, ConfigError> {
        match self.next()? {
            Some(line) => Ok(line),
            None => Err(self.error(field, FoundValue::EndOfFile, expected)),
        }
    }

    fn error(&self, field: &'static str, found: FoundValue, expected: &str) -> ConfigError {
        let location = Location::Line { path: self.path.to_owned(), number: self.number.max(1) };
        ConfigError::Field { location, field, found, expected: expected.to_owned() }
    }
}

impl ConfigLine<'_> {
    /// Returns the location of the line.
    pub(super) fn location(&self) -> Location {
        Location::Line { path: self.path.to_owned(), number: self.number }
    }

    /// Creates the error that this line has no valid value for `field`.
    pub(super) fn error(&self, field: &'static str, text: &str, expected: String) -> ConfigError {
        let found = FoundValue::Text(text.to_owned());
        ConfigError::Field { location: self.location(), field, found, expected }
    }
}

/// Some editors write this mark at the beginning of a file. Joined files have it in the middle.
const BYTE_ORDER_MARK: char = '\u{feff}';
