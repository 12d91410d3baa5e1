//! Reads a config file, and iterates over its lines without blank lines and comments.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, IsTerminal as _, Read};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

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

/// Handling of files whose writer may let the reader wait: FIFOs and terminals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fifos {
    /// Reads them to their end, as a shell's `<(...)` wants it. Only at the start of a program:
    /// nothing else goes on meanwhile.
    Awaited,
    /// Refuses them: the program serves others meanwhile.
    Refused,
}

/// Reads a whole config file.
pub(super) fn read(path: &Path, fifos: Fifos) -> Result<Vec<u8>, ConfigError> {
    read_up_to(CONFIG_BYTES_MAX, path, fifos)
}

/// Reads a whole file. Stops at the limit, as a device may have no end.
pub(super) fn read_up_to(
    bytes_max: usize,
    path: &Path,
    fifos: Fifos,
) -> Result<Vec<u8>, ConfigError> {
    let (file, _) = open(path, fifos)?;
    read_open(bytes_max, path, file)
}

/// Reads a whole file that only its user, and readers of its group, can open.
pub(super) fn read_private(
    bytes_max: usize,
    path: &Path,
    fifos: Fifos,
) -> Result<Vec<u8>, ConfigError> {
    let (file, metadata) = open(path, fifos)?;
    check_private(path, &metadata)?;
    read_open(bytes_max, path, file)
}

fn open(path: &Path, fifos: Fifos) -> Result<(File, Metadata), ConfigError> {
    let mut options = OpenOptions::new();
    options.read(true);
    if fifos == Fifos::Refused {
        // Opening a FIFO would block until somebody writes to it.
        options.custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    }
    let file = options.open(path).map_err(|error| unreadable(path, &error))?;
    let metadata = file.metadata().map_err(|error| unreadable(path, &error))?;
    let may_wait = metadata.file_type().is_fifo() || file.is_terminal();
    match fifos == Fifos::Refused && may_wait {
        true => Err(ConfigError::Unawaited { path: path.to_owned() }),
        false => Ok((file, metadata)),
    }
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
pub(super) fn read_guarded(
    bytes_max: usize,
    path: &Path,
    fifos: Fifos,
) -> Result<Vec<u8>, ConfigError> {
    const OTHERS_WRITE: u32 = 0o002;
    let (file, metadata) = open(path, fifos)?;
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

/// Returns true if a line of a config can hold this value as it is: on one line, with nothing that
/// would be trimmed.
#[must_use]
pub fn stands_in_a_line(value: &str) -> bool {
    let line = format!("key={value}");
    let mut lines = ConfigLines::new(Path::new(""), line.as_bytes());
    let found = lines.next_of_all().ok().flatten().and_then(|line| line.text.strip_prefix("key="));
    found.map(str::trim_start) == Some(value) && lines.remaining.is_empty()
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

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::fd::AsRawFd as _;
    use std::process::Command;
    use std::thread;

    use super::*;

    /// As the shell's `<(...)` and `/dev/stdin` are: the writer may write later.
    #[test]
    fn a_pipe_is_read_to_its_end_where_fifos_are_awaited() {
        let (reader, mut writer) = io::pipe().unwrap();
        let path = format!("/dev/fd/{}", reader.as_raw_fd());
        let reading = thread::spawn(move || read(path.as_ref(), Fifos::Awaited));
        writer.write_all(b"5000\n").unwrap();
        writer.write_all(b"60\n").unwrap();
        drop(writer);
        assert_eq!(reading.join().unwrap().unwrap(), b"5000\n60\n");
    }

    #[test]
    fn a_value_of_one_line_without_spaces_around_it_stands_in_a_config() {
        for (value, expected) in [
            ("a/b c", true),
            ("a=b//", true),
            ("//a", true),
            ("a\u{feff}", false),
            (" a", false),
            ("a ", false),
            ("a\r", false),
            ("\ta", false),
            ("a\nb", false),
            ("a\n", false),
        ] {
            assert_eq!(stands_in_a_line(value), expected, "{value:?}");
        }
    }

    /// No test waits for the writer: none ever comes.
    #[test]
    fn a_fifo_is_refused_without_waiting_for_its_writer() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fifo");
        assert!(Command::new("mkfifo").args(["-m", "600"]).arg(&path).status().unwrap().success());
        let expected = ConfigError::Unawaited { path: path.clone() };
        for found in [
            read(&path, Fifos::Refused),
            read_private(9, &path, Fifos::Refused),
            read_guarded(9, &path, Fifos::Refused),
        ] {
            assert_eq!(found, Err(expected.clone()));
        }
        let (reader, _writer) = io::pipe().unwrap();
        let path = format!("/dev/fd/{}", reader.as_raw_fd());
        assert!(read(path.as_ref(), Fifos::Refused).is_err(), "it has a writer that says nothing");
        assert_eq!(read("/dev/null".as_ref(), Fifos::Refused), Ok(Vec::new()));
    }
}
