//! The message log: a text file with one line for each received message. The file is also the
//! participant's memory: its last number is the cursor for a reconnect.
//!
//! ```text
//!   # id alice                    the header, written first
//!   # epoch 00000000000000aa
//!   # last 0                      last number before this file
//!   1 TAB 2026-11-22T10:05:00.123Z TAB bob TAB hello
//!   # gap 2 2 4                   count, first, last
//!   # epoch 00000000000000ab      a new numbering starts
//!   3 TAB ...
//! ```
//!
//! The header needs an epoch, so a log is empty until the first hello of the coordinator. After a
//! failed write or fsync, the file is cut back to its last whole line before the next write.
//!
//! The message log is always the file under the configured name. Each write is checked before and
//! after. If the file was deleted, moved or truncated, a new file starts. An entry counts as
//! written only if a file has it.

mod discarded;
mod last_messages;
mod lines;
mod recovery;

use std::fmt;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::file_state::{FileState, OpenFileId, is_at, open_locked, sync_directory_entry};
use super::unusable_file::UnusableFile;
use crate::limits::LOG_WRITE_TRIES;
use crate::net::Sink;
use crate::protocol::{Epoch, Seq};
use crate::session::LogPosition;
use crate::text;

pub use discarded::EntrySink;
pub use last_messages::{LastMessages, LastMessagesLimit};
pub use lines::{Lines, LogBatch};

/// Permissions of a new message log, as far as the umask allows them.
const MODE: u32 = 0o666;

/// A job for the log's thread.
#[derive(Debug)]
pub enum LogJob {
    /// Append these lines.
    Append(Lines),
    /// Append the start of an epoch.
    Begin(Epoch),
    /// Try again to write the lines that could not be written.
    Retry,
    /// Check now whether the file was moved away, and not at the next write: SIGHUP.
    Rotate,
    /// Read this number of messages from the end of the file.
    ReadLast(usize),
}

/// Result of a batch of jobs.
#[derive(Debug, Default)]
pub struct LogReport {
    /// Number of entries that were written, the oldest first.
    pub written: usize,
    /// Error, if entries are still unwritten.
    pub failure: Option<String>,
    /// The file was checked because of [`LogJob::Retry`] or [`LogJob::Rotate`].
    pub is_checked: bool,
    /// Text for the user about a new file that started without [`LogJob::Rotate`].
    pub new_file: Option<String>,
    /// Result of [`LogJob::ReadLast`], or the error as text.
    pub last_messages: Option<Result<LastMessages, String>>,
    /// The emptied buffer, for the next batch.
    pub spare: String,
}

/// The open log file, locked until this value is dropped.
#[derive(Debug)]
pub struct MessageLog {
    id: String,
    /// Absolute if possible: a current directory that was removed and created again is a different
    /// directory.
    path: PathBuf,
    /// Opened with `O_APPEND`: a write after a truncation leaves no hole.
    file: File,
    file_id: OpenFileId,
    /// True if entries count as written only after an fsync.
    must_sync: bool,
    /// Length of the file after the last successful write.
    length: u64,
    /// Epoch and last number at that length.
    log_position: LogPosition,
    /// Lines that are not written yet.
    unwritten: String,
    unwritten_entries: usize,
    /// Epoch and last number after these lines.
    unwritten_position: LogPosition,
}

impl MessageLog {
    /// Opens, locks and checks the file, and cuts off a torn last line. Creates the file if it is
    /// missing. With `must_sync`, the content and the name of the file are durable on return.
    ///
    /// # Errors
    ///
    /// [`UnusableFile`]; the lines of the file are unchanged.
    pub fn open(path: &Path, id: &str, must_sync: bool) -> Result<Self, UnusableFile> {
        let file = open_locked(path, MODE)?;
        let metadata = file.metadata()?;
        let (log_position, length) = recovery::recover(&file, id)?;
        if length < file.metadata()?.len() {
            file.set_len(length)?;
        }
        if must_sync {
            file.sync_data()?;
            sync_directory_entry(path)?;
        }
        let absolute = std::path::absolute(path).ok();
        let absolute = absolute.filter(|absolute| is_at(&file, absolute));
        Ok(Self {
            id: id.to_owned(),
            path: absolute.unwrap_or_else(|| path.to_owned()),
            file,
            file_id: OpenFileId::of(&metadata),
            must_sync,
            length,
            log_position,
            unwritten: String::new(),
            unwritten_entries: 0,
            unwritten_position: log_position,
        })
    }

    /// Returns the last number of the file, and its epoch.
    #[must_use]
    pub const fn log_position(&self) -> LogPosition {
        self.log_position
    }

    fn append(&mut self, lines: Lines) {
        let Lines { text, entries, last, .. } = lines;
        match self.unwritten.is_empty() {
            true => self.unwritten = text,
            false => self.unwritten.push_str(&text),
        }
        self.unwritten_position.last = last;
        self.unwritten_entries = self.unwritten_entries.saturating_add(entries);
    }

    fn begin(&mut self, epoch: Epoch) {
        let line = match self.unwritten_position.epoch {
            None => LogHeader { id: &self.id, epoch, last: Seq::ZERO }.to_string(),
            Some(_) => format!("# epoch {epoch}\n"),
        };
        self.unwritten.push_str(&line);
        self.unwritten_position = LogPosition { epoch: Some(epoch), last: Seq::ZERO };
        self.unwritten_entries = self.unwritten_entries.saturating_add(1);
    }

    /// Writes all unwritten lines into the file under the log's name. Returns the number of entries
    /// written, or the error as text.
    fn write(&mut self, report: &mut LogReport) -> Result<usize, String> {
        for _ in 0..LOG_WRITE_TRIES {
            self.check_file(report)?;
            if self.write_once().map_err(|error| error.to_string())? {
                return Ok(std::mem::take(&mut self.unwritten_entries));
            }
        }
        let path = self.path_shown();
        Err(format!("{path} is deleted or truncated by another program during each write"))
    }

    /// Checks that the open file is the file under the log's name, and is as it was written. If
    /// not, starts a new file.
    fn check_file(&mut self, report: &mut LogReport) -> Result<(), String> {
        let state = FileState::of(&self.file, self.file_id, &self.path, self.length)
            .map_err(|error| format!("{}: {error}", self.path_shown()))?;
        let new_file = match state {
            FileState::Intact => return Ok(()),
            FileState::Longer => {
                let cut = self.cut_back();
                return cut.map_err(|unusable| format!("{}: {unusable}", self.path_shown()));
            }
            FileState::Truncated => self.restart_file(),
            FileState::Deleted | FileState::Moved => self.start_new_file(),
        };
        let path = self.path_shown();
        new_file.map_err(|unusable| {
            format!("{path} {state}, and no new file can be started: {unusable}")
        })?;
        let last = self.log_position.last;
        report.new_file = Some(format!("{path} {state}: a new file starts after message {last}"));
        Ok(())
    }

    /// Writes all unwritten lines with one call, followed by an fsync with `must_sync`. Returns
    /// false if the file was deleted or truncated meanwhile: the lines must be written again. Lines
    /// in a file that was only moved meanwhile stay there.
    fn write_once(&mut self) -> io::Result<bool> {
        if self.unwritten.is_empty() {
            return Ok(true);
        }
        self.file.write_all(self.unwritten.as_bytes())?;
        if self.must_sync {
            self.file.sync_data()?; // After an error, all lines are written again.
        }
        let length = self.length.saturating_add(self.unwritten.len() as u64);
        match FileState::of_open(&self.file, length)? {
            FileState::Intact | FileState::Longer | FileState::Moved => (),
            FileState::Deleted => return Ok(false),
            FileState::Truncated => {
                // The file has only lines of this write, which are not acknowledged.
                self.file.set_len(0)?;
                return Ok(false);
            }
        }
        self.length = length;
        self.log_position = self.unwritten_position;
        self.unwritten.clear();
        Ok(true)
    }

    /// Removes the partial lines of a failed write. A file that another program has overwritten
    /// stays unchanged.
    fn cut_back(&mut self) -> Result<(), UnusableFile> {
        recovery::recover(&self.file, &self.id)?;
        Ok(self.file.set_len(self.length)?)
    }

    /// Continues in the same file, which was truncated.
    fn restart_file(&mut self) -> Result<(), UnusableFile> {
        let (_, length) = recovery::recover(&self.file, &self.id)?;
        self.file.set_len(length)?;
        self.length = u64::MAX; // If the header fails, the file still counts as truncated.
        self.write_header(length)
    }

    /// Continues in a new file of the same name. The old file is unlocked.
    fn start_new_file(&mut self) -> Result<(), UnusableFile> {
        let mut new = Self::open(&self.path, &self.id, self.must_sync)?;
        new.log_position = self.log_position;
        new.write_header(new.length)?;
        new.unwritten = std::mem::take(&mut self.unwritten);
        new.unwritten_entries = self.unwritten_entries;
        new.unwritten_position = self.unwritten_position;
        *self = new;
        Ok(())
    }

    /// Writes the header at offset `length`, before all unwritten lines.
    fn write_header(&mut self, length: u64) -> Result<(), UnusableFile> {
        let header = match self.log_position {
            LogPosition { epoch: None, .. } => String::new(),
            LogPosition { epoch: Some(epoch), last } => {
                let header = LogHeader { id: &self.id, epoch, last };
                if length == 0 { header.to_string() } else { header.without_id() }
            }
        };
        self.file.write_all(header.as_bytes())?;
        if self.must_sync {
            self.file.sync_data()?;
        }
        self.length = length.saturating_add(header.len() as u64);
        Ok(())
    }

    fn path_shown(&self) -> String {
        text::for_terminal(&self.path.display().to_string()).to_string()
    }

    fn write_into(&mut self, report: &mut LogReport) {
        match self.write(report) {
            Ok(entries) => {
                report.written = report.written.saturating_add(entries);
                report.failure = None;
            }
            Err(reason) => report.failure = Some(reason),
        }
    }
}

impl Sink for MessageLog {
    type Job = LogBatch;
    type Done = LogReport;

    fn run(&mut self, batch: Vec<LogBatch>) -> LogReport {
        let mut report = LogReport::default();
        let mut is_expected = false;
        let mut last_count = None;
        for job in batch.into_iter().flatten() {
            match job {
                LogJob::Append(lines) => self.append(lines),
                LogJob::Begin(epoch) => self.begin(epoch),
                LogJob::Retry => report.is_checked = true,
                LogJob::Rotate => {
                    report.is_checked = true;
                    is_expected = true;
                }
                LogJob::ReadLast(count) => last_count = Some(count),
            }
        }
        self.write_into(&mut report);
        report.last_messages = last_count.map(|count| {
            let last = last_messages::read_last(&self.file, self.length, count);
            last.map_err(|error| format!("{}: {error}", self.path_shown()))
        });
        if is_expected {
            report.new_file = None;
        }
        if self.unwritten.is_empty() {
            report.spare = std::mem::take(&mut self.unwritten);
        }
        report
    }
}

/// The header of a file.
struct LogHeader<'a> {
    id: &'a str,
    epoch: Epoch,
    last: Seq,
}

impl LogHeader<'_> {
    fn without_id(&self) -> String {
        format!("# epoch {}\n# last {}\n", self.epoch, self.last)
    }
}

impl fmt::Display for LogHeader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "# id {}\n{}", self.id, self.without_id())
    }
}

#[cfg(test)]
mod tests;
