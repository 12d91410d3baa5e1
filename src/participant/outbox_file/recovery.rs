//! Reads an outbox file from its beginning to its end, in constant memory but for the index.
//!
//! ```text
//!   header │ line │ line │ bad │ line │ bad, zeros, torn line
//!                          ^            ^
//!                          damage       torn end: no valid line follows
//! ```

use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek as _};

use memchr::memchr;

use super::index::OutboxIndex;
use super::lines::OutboxLine;
use crate::limits::{ID_BYTES_MAX, OUTBOX_LINE_BYTES_MAX};
use crate::participant::unusable_file::{FileUse, UnusableFile};
use crate::protocol::is_id;

/// Content of an outbox file.
#[derive(Debug, Default)]
pub(super) struct OutboxContent {
    pub(super) index: OutboxIndex,
    /// Length up to the end of the last valid line. 0: the file has no header.
    pub(super) length: u64,
    /// Valid lines behind the header.
    pub(super) entries: usize,
    /// Number of the first bad line that has a valid line after it. The header is line 1.
    pub(super) damaged_line: Option<u64>,
}

const HEADER_START: &str = "# groupcast outbox of ";

/// Most bytes of a header.
const HEADER_BYTES_MAX: usize = HEADER_START.len() + ID_BYTES_MAX + "\n".len();

/// Returns the header of a file.
pub(super) fn header(id: &str) -> String {
    format!("{HEADER_START}{id}\n")
}

/// Reads a file, which is not changed.
pub(super) fn read(mut file: &File, id: &str) -> Result<OutboxContent, UnusableFile> {
    file.rewind()?;
    let mut lines = FileLines::new(file);
    let first = lines.next(HEADER_BYTES_MAX)?;
    let Some(mut offset) = check_header(first, &lines.line, id)? else {
        return match lines.are_others_zero()? {
            true => Ok(OutboxContent::default()),
            false => Err(UnusableFile::Foreign(FileUse::Outbox)),
        };
    };
    let mut content = OutboxContent { length: offset, ..OutboxContent::default() };
    let mut bad_line = None;
    for number in 2_u64.. {
        let bytes = lines.next(OUTBOX_LINE_BYTES_MAX)?;
        if bytes == 0 {
            break;
        }
        match lines.line.strip_suffix(b"\n").and_then(OutboxLine::parse) {
            None => bad_line = bad_line.or(Some(number)),
            Some(line) => {
                content.damaged_line = content.damaged_line.or(bad_line);
                content.index.apply(line, offset, bytes);
                content.length = offset.saturating_add(bytes);
                content.entries = content.entries.saturating_add(1);
            }
        }
        offset = offset.saturating_add(bytes);
    }
    Ok(content)
}

/// Checks that an open file still begins with the header, or has been emptied.
pub(super) fn check_beginning(mut file: &File, id: &str) -> Result<(), UnusableFile> {
    file.rewind()?;
    let mut lines = FileLines::new(file);
    let first = lines.next(HEADER_BYTES_MAX)?;
    check_header(first, &lines.line, id).map(drop)
}

/// Returns the length of the header. Returns `None` if the file is empty or its header is torn: the
/// header has zeros from its torn end on.
fn check_header(length: u64, line: &[u8], id: &str) -> Result<Option<u64>, UnusableFile> {
    let expected = header(id);
    if line == expected.as_bytes() {
        return Ok(Some(length));
    }
    let text = std::str::from_utf8(line).unwrap_or_default();
    let other = text.strip_prefix(HEADER_START).and_then(|line| line.strip_suffix('\n'));
    if let Some(other) = other.filter(|other| is_id(other)) {
        return Err(UnusableFile::OfAnother(FileUse::Outbox, other.to_owned()));
    }
    let zeros = line.iter().rev().take_while(|byte| **byte == 0).count();
    let (begin, _) = line.split_at(line.len().saturating_sub(zeros));
    match expected.as_bytes().starts_with(begin) {
        true => Ok(None),
        false => Err(UnusableFile::Foreign(FileUse::Outbox)),
    }
}

/// The lines of a file.
struct FileLines<'a> {
    reader: BufReader<&'a File>,
    /// The last line, with its line feed. Of a longer line, only the first bytes.
    line: Vec<u8>,
    /// True if all bytes of lines that were not kept are zero.
    is_rest_zero: bool,
}

impl<'a> FileLines<'a> {
    fn new(file: &'a File) -> Self {
        Self { reader: BufReader::new(file), line: Vec::new(), is_rest_zero: true }
    }

    /// Reads the next line, and keeps up to `bytes_max` bytes of it. Returns the length of the
    /// whole line, and 0 at the end of the file.
    fn next(&mut self, bytes_max: usize) -> io::Result<u64> {
        self.line.clear();
        let mut length = 0_u64;
        loop {
            let chunk = match self.reader.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                chunk => chunk?,
            };
            let end = memchr(b'\n', chunk).map(|at| at.saturating_add(1));
            let (part, _) = chunk.split_at(end.unwrap_or(chunk.len()));
            let room = bytes_max.saturating_sub(self.line.len());
            let (kept, rest) = part.split_at(room.min(part.len()));
            self.line.extend_from_slice(kept);
            self.is_rest_zero &= rest.iter().all(|byte| *byte == 0);
            let bytes = part.len();
            self.reader.consume(bytes);
            length = length.saturating_add(bytes as u64);
            if end.is_some() || bytes == 0 {
                return Ok(length);
            }
        }
    }

    /// Returns true if all bytes after the kept ones are zero, up to the end of the file.
    fn are_others_zero(&mut self) -> io::Result<bool> {
        while self.next(0)? > 0 {}
        Ok(self.is_rest_zero)
    }
}
