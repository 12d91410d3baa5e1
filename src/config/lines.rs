//! Reads a config file, and iterates over its lines without blank lines and comments.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::{ConfigError, FoundValue, Location, value};
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
    /// Trimmed text; empty only for a line of [`ConfigLines::next_of_all`].
    pub(super) text: &'a str,
}

/// Reads a whole config file.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, ConfigError> {
    read_up_to(CONFIG_BYTES_MAX, path)
}

/// Reads a whole file. Stops at the limit, as a device may have no end.
pub(super) fn read_up_to(bytes_max: usize, path: &Path) -> Result<Vec<u8>, ConfigError> {
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    read_open(bytes_max, path, file)
}

/// Reads a whole file that only its user, and readers of its group, can open.
pub(super) fn read_private(bytes_max: usize, path: &Path) -> Result<Vec<u8>, ConfigError> {
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    let metadata = file.metadata().map_err(|error| unreadable(path, &error))?;
    check_private(path, &metadata)?;
    read_open(bytes_max, path, file)
}

/// Checks that other users can neither read a file nor write it. The group may read it.
pub fn check_private(path: &Path, metadata: &Metadata) -> Result<(), ConfigError> {
    const GROUP_WRITES: u32 = 0o020;
    const OTHERS_READ_OR_WRITE: u32 = 0o006;
    let mode = metadata.mode() & 0o7777;
    match mode & (GROUP_WRITES | OTHERS_READ_OR_WRITE) {
        0 => Ok(()),
        _ => Err(ConfigError::Exposed { path: path.to_owned(), mode }),
    }
}

/// Reads a whole file that other users cannot change.
pub(super) fn read_guarded(bytes_max: usize, path: &Path) -> Result<Vec<u8>, ConfigError> {
    const OTHERS_WRITE: u32 = 0o002;
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    let metadata = file.metadata().map_err(|error| unreadable(path, &error))?;
    let mode = metadata.mode() & 0o7777;
    if metadata.is_file() && mode & OTHERS_WRITE != 0 {
        return Err(ConfigError::Writable { path: path.to_owned(), mode });
    }
    read_open(bytes_max, path, file)
}

fn read_open(bytes_max: usize, path: &Path, file: File) -> Result<Vec<u8>, ConfigError> {
    let mut bytes = Vec::new();
    let most = value::wide(bytes_max).saturating_add(1);
    file.take(most).read_to_end(&mut bytes).map_err(|error| unreadable(path, &error))?;
    match bytes.len() > bytes_max {
        true => Err(ConfigError::TooLarge { path: path.to_owned(), bytes_max }),
        false => Ok(bytes),
    }
}

fn unreadable(path: &Path, error: &io::Error) -> ConfigError {
    ConfigError::Unreadable { path: path.to_owned(), reason: error.to_string() }
}

impl<'a> ConfigLines<'a> {
    /// Creates an iterator over `bytes`, the content of the file at `path`.
    pub(super) const fn new(path: &'a Path, bytes: &'a [u8]) -> Self {
        Self { path, remaining: bytes, number: 0 }
    }

    /// Returns the next line, or `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<ConfigLine<'a>>, ConfigError> {
        while let Some(line) = self.next_of_all()? {
            if !line.text.is_empty() && !line.text.starts_with("//") {
                return Ok(Some(line));
            }
        }
        Ok(None)
    }

    /// Returns the next line, also if it is blank or a comment, or `None` at the end.
    pub(super) fn next_of_all(&mut self) -> Result<Option<ConfigLine<'a>>, ConfigError> {
        if self.remaining.is_empty() {
            return Ok(None);
        }
        let end = self.remaining.iter().position(|&byte| byte == b'\n');
        let (line, remaining) = match end.and_then(|end| self.remaining.split_at_checked(end)) {
            Some((line, remaining)) => (line, remaining.get(1..).unwrap_or_default()),
            None => (self.remaining, [].as_slice()),
        };
        self.remaining = remaining;
        self.number = self.number.saturating_add(1);
        match std::str::from_utf8(line) {
            Ok(text) => {
                let is_trimmed = |c: char| c.is_whitespace() || c == BYTE_ORDER_MARK;
                let text = text.trim_matches(is_trimmed);
                Ok(Some(ConfigLine { path: self.path, number: self.number, text }))
            }
            Err(_) => Err(self.error("line", FoundValue::NotUtf8, "UTF-8 text")),
        }
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

    /// Creates an error about the line that was read last.
    pub(super) fn error(
        &self,
        field: &'static str,
        found: FoundValue,
        expected: &str,
    ) -> ConfigError {
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
        self.found(field, FoundValue::Text(text.to_owned()), expected)
    }

    /// Creates the error that this line has something else than the expected `field`.
    pub(super) fn found(
        &self,
        field: &'static str,
        found: FoundValue,
        expected: impl Into<String>,
    ) -> ConfigError {
        ConfigError::Field { location: self.location(), field, found, expected: expected.into() }
    }
}

/// Some editors write this mark at the beginning of a file. Joined files have it in the middle.
const BYTE_ORDER_MARK: char = '\u{feff}';
