//! Finds the last number and epoch of a message log, from its end, in constant memory.
//!
//! ```text
//!   header │ lines ... ──────────┤ last write: ... │ 0 0 0 ... │ torn line
//!                                               whole      a power loss may leave zeros
//!
//!   0 0 0 ... │ lines ...         a file that was truncated in place under an earlier version
//! ```

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use memchr::{memchr, memmem, memrchr};

use crate::limits::{ID_BYTES_MAX, LOG_SEARCH_BYTES, LOG_WRITE_BYTES_MAX};
use crate::participant::unusable_file::{FileUse, UnusableFile};
use crate::protocol::{Epoch, Seq, is_id};
use crate::session::LogPosition;

/// Returns the last number and epoch of a file, and the length of its whole lines. The file is not
/// changed.
pub(super) fn recover(file: &File, id: &str) -> Result<(LogPosition, u64), UnusableFile> {
    let end = file.metadata()?.len();
    let begin = first_nonzero(file, 0, end)?;
    let whole = first_zero(file, begin, end)?;
    let beginning = read(file, begin, HEADER_BYTES_MAX.min(whole.saturating_sub(begin)))?;
    if begin > 0 && begin < end {
        return recover_padded(file, &beginning, whole);
    }
    match check_header(&beginning, id)? {
        LogBeginning::Nothing if first_nonzero(file, whole, end)? == end => {
            return Ok((LogPosition::default(), 0));
        }
        LogBeginning::Nothing => return Err(UnusableFile::Foreign(FileUse::MessageLog)),
        LogBeginning::Header => (),
    }
    let length = end_of_last_line(file, whole)?;
    let last = last_number(file, length)?;
    let epoch = last_epoch(file, length)?;
    Ok((LogPosition { epoch: Some(epoch), last }, length))
}

/// Recovers a file that begins with zeros. Its lines give a position only if they have an epoch. If
/// not, the participant reconnects without a cursor, and the coordinator knows `acked`.
fn recover_padded(
    file: &File,
    beginning: &[u8],
    whole: u64,
) -> Result<(LogPosition, u64), UnusableFile> {
    if !is_line_of_log(beginning) {
        return Err(UnusableFile::Foreign(FileUse::MessageLog));
    }
    let length = end_of_last_line(file, whole)?;
    let log_position = match last_epoch(file, length) {
        Ok(epoch) => LogPosition { epoch: Some(epoch), last: last_number(file, length)? },
        Err(UnusableFile::Foreign(FileUse::MessageLog)) => LogPosition::default(),
        Err(unusable) => return Err(unusable),
    };
    Ok((log_position, length))
}

/// Returns true if the bytes begin with a line of a message log, or with a torn one.
fn is_line_of_log(bytes: &[u8]) -> bool {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    match number_of(line) {
        LogLineKind::Number(_) | LogLineKind::Epoch => true,
        LogLineKind::Not => line.starts_with(b"# id "),
    }
}

/// Returns the offset of the first zero byte within the longest possible last write, or `end`. No
/// line has a zero byte: a power loss leaves zeros instead of bytes that were not durable. So the
/// bytes after a zero were not durable either. Zeros before `begin` are not searched.
fn first_zero(file: &File, begin: u64, end: u64) -> io::Result<u64> {
    let last_line = end_of_last_line(file, end_of_last_line(file, end)?.saturating_sub(1))?;
    let mut at = last_line.saturating_sub(LOG_WRITE_BYTES_MAX as u64).max(begin);
    while at < end {
        let chunk = read(file, at, end.saturating_sub(at).min(LOG_SEARCH_BYTES as u64))?;
        if let Some(zero) = memchr(0, &chunk) {
            return Ok(at.saturating_add(zero as u64));
        }
        at = at.saturating_add(chunk.len() as u64);
    }
    Ok(end)
}

/// Returns the offset of the first byte from `at` on that is not zero, or `end`.
fn first_nonzero(file: &File, mut at: u64, end: u64) -> io::Result<u64> {
    while at < end {
        let chunk = read(file, at, end.saturating_sub(at).min(LOG_SEARCH_BYTES as u64))?;
        if let Some(found) = chunk.iter().position(|byte| *byte != 0) {
            return Ok(at.saturating_add(found as u64));
        }
        at = at.saturating_add(chunk.len() as u64);
    }
    Ok(end)
}

enum LogBeginning {
    /// The file is empty, or its header is torn.
    Nothing,
    Header,
}

/// Most bytes of a header: three lines with their numbers.
const HEADER_BYTES_MAX: u64 = "# id \n# epoch 0123456789abcdef\n# last 18446744073709551615\n".len()
    as u64
    + ID_BYTES_MAX as u64;

fn check_header(beginning: &[u8], id: &str) -> Result<LogBeginning, UnusableFile> {
    if beginning.is_empty() {
        return Ok(LogBeginning::Nothing);
    }
    let mut lines = beginning.split(|byte| *byte == b'\n');
    let mut line = || lines.next().and_then(|line| std::str::from_utf8(line).ok()).unwrap_or("");
    let (first, second, third) = (line(), line(), line());
    let is_whole = lines.next().is_some();
    let other = first.strip_prefix("# id ").filter(|other| is_id(other) && *other != id);
    if let (Some(other), true) = (other, beginning.contains(&b'\n')) {
        return Err(UnusableFile::OfAnother(FileUse::MessageLog, other.to_owned()));
    }
    let epoch = second.strip_prefix("# epoch ").and_then(Epoch::parse);
    let last = third.strip_prefix("# last ").and_then(Seq::parse);
    if first == format!("# id {id}") && epoch.is_some() && last.is_some() && is_whole {
        return Ok(LogBeginning::Header);
    }
    match is_torn_header(beginning, id) {
        true => Ok(LogBeginning::Nothing),
        false => Err(UnusableFile::Foreign(FileUse::MessageLog)),
    }
}

/// Returns true if the bytes are the beginning of a header whose write was interrupted.
fn is_torn_header(bytes: &[u8], id: &str) -> bool {
    const LAST: &[u8] = b"\n# last ";
    let head = format!("# id {id}\n# epoch ");
    let Some(remaining) = bytes.strip_prefix(head.as_bytes()) else {
        return head.as_bytes().starts_with(bytes);
    };
    let (epoch, remaining) = remaining.split_at(remaining.len().min(Epoch::DIGITS));
    let is_last = match remaining.strip_prefix(LAST) {
        Some(number) => number.iter().all(u8::is_ascii_digit),
        None => LAST.starts_with(remaining),
    };
    epoch.iter().all(u8::is_ascii_hexdigit) && is_last
}

/// Returns the offset after the last line feed before `end`.
fn end_of_last_line(file: &File, end: u64) -> io::Result<u64> {
    let found = find_backwards(file, end, 0, |chunk| memrchr(b'\n', chunk))?;
    Ok(found.map_or(0, |at| at.saturating_add(1)))
}

/// Returns the number of the last line that has one, or zero if an epoch starts after it.
fn last_number(file: &File, mut end: u64) -> io::Result<Seq> {
    while end > 0 {
        let start = end_of_last_line(file, end.saturating_sub(1))?;
        let line = read(file, start, LINE_BYTES_LOOKED_AT.min(end.saturating_sub(start)))?;
        match number_of(&line) {
            LogLineKind::Number(seq) => return Ok(seq),
            LogLineKind::Epoch => return Ok(Seq::ZERO),
            LogLineKind::Not => end = start,
        }
    }
    Ok(Seq::ZERO)
}

/// Most bytes of a line that are read: enough for its numbers.
const LINE_BYTES_LOOKED_AT: u64 = 128;

enum LogLineKind {
    Number(Seq),
    Epoch,
    Not,
}

fn number_of(line: &[u8]) -> LogLineKind {
    let line = String::from_utf8_lossy(line);
    let line = line.trim_end_matches('\n');
    let epoch = line.strip_prefix("# epoch ").and_then(Epoch::parse);
    let number = if epoch.is_some() {
        return LogLineKind::Epoch;
    } else if let Some(last) = line.strip_prefix("# last ") {
        Seq::parse(last)
    } else if let Some(gap) = line.strip_prefix("# gap ") {
        gap.rsplit_once(' ').and_then(|(_, last)| Seq::parse(last))
    } else {
        line.split_once('\t').and_then(|(seq, _)| Seq::parse(seq))
    };
    number.map_or(LogLineKind::Not, LogLineKind::Number)
}

/// Returns the epoch of the last whole line before `end` that has one. The header has one.
fn last_epoch(file: &File, end: u64) -> Result<Epoch, UnusableFile> {
    const MARK: &[u8] = b"\n# epoch ";
    let mark = memmem::FinderRev::new(MARK);
    let mut before = end;
    while let Some(at) = find_backwards(file, before, MARK.len() - 1, |chunk| mark.rfind(chunk))? {
        let start = at.saturating_add(MARK.len() as u64);
        let line = read(file, start, end.saturating_sub(start).min(Epoch::DIGITS as u64 + 1))?;
        let digits = line.strip_suffix(b"\n").and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(epoch) = digits.and_then(Epoch::parse) {
            return Ok(epoch);
        }
        before = at;
    }
    Err(UnusableFile::Foreign(FileUse::MessageLog))
}

/// Searches backwards from `end` in chunks, and returns the offset of the first match of `find`.
/// Each chunk is read with the `overlap` bytes after it, so that a match across two chunks is
/// found.
fn find_backwards(
    file: &File,
    end: u64,
    overlap: usize,
    find: impl Fn(&[u8]) -> Option<usize>,
) -> io::Result<Option<u64>> {
    let mut chunk_end = end;
    while chunk_end > 0 {
        let start = chunk_end.saturating_sub(LOG_SEARCH_BYTES as u64);
        let read_end = chunk_end.saturating_add(overlap as u64).min(end);
        let chunk = read(file, start, read_end.saturating_sub(start))?;
        if let Some(at) = find(&chunk) {
            return Ok(Some(start.saturating_add(at as u64)));
        }
        chunk_end = start;
    }
    Ok(None)
}

fn read(file: &File, start: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    file.read_exact_at(&mut bytes, start)?;
    Ok(bytes)
}
