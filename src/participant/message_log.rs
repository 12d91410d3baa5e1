//! The message log: what was received, one line a message, and what the participant remembers.
//!
//! ```text
//!   # id alice                    written before anything else
//!   # epoch 00000000000000aa
//!   # last 0                      the last number taken before this file
//!   1 TAB 2026-11-22T10:05:00.123Z TAB bob TAB hello
//!   # gap 2 2 4                   count, first, last
//!   # epoch 00000000000000ab      numbers begin anew
//!   3 TAB ...
//! ```
//!
//! The header needs an epoch, so a log is empty until the coordinator has greeted for the first
//! time. After a failed write or sync the file is cut back to its last whole line before the next.
//!
//! The message log is the file under its name. Each write is checked before and after: if the file
//! was deleted, moved or truncated, a new one begins, and no entry counts as written that stands in
//! no file.

mod file_state;
mod lines;
mod recovery;

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::limits::LOG_WRITE_TRIES;
use crate::net::Sink;
use crate::protocol::{Epoch, Seq};
use crate::session::LogPosition;
use crate::text;
use file_state::{FileState, LogFileId};

pub(super) use lines::{Lines, LogBatch};

/// Why a file cannot be the message log. It was not touched.
#[derive(Debug)]
pub enum MessageLogError {
    /// The operating system would not open, lock, read or cut it.
    System(io::Error),
    /// A device, a pipe: nothing that remembers.
    NoFile,
    /// Another program writes it.
    InUse,
    /// It does not begin as a message log does.
    Foreign,
    /// It is the message log of this participant.
    OfAnother(String),
}

impl From<io::Error> for MessageLogError {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

impl fmt::Display for MessageLogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(error) => error.fmt(f),
            Self::NoFile => f.write_str("not a regular file"),
            Self::InUse => f.write_str("in use by another program"),
            Self::Foreign => f.write_str("not empty, and does not begin as a message log does"),
            Self::OfAnother(id) => {
                write!(f, "the message log of {}", text::for_terminal(id))
            }
        }
    }
}

/// What the log's thread is asked to do.
#[derive(Debug)]
pub(super) enum LogJob {
    /// Write these at the end.
    Append(Lines),
    /// Write at the end that the numbers begin anew.
    Begin(Epoch),
    /// Try again to write what could not be written.
    Retry,
    /// The user says that the file was moved away: check it now, not at the next write.
    Rotate,
}

/// What came of a batch of orders.
#[derive(Debug, Default)]
pub(super) struct LogReport {
    /// How many of the oldest unwritten entries are written now.
    pub(super) written: usize,
    /// Why the others are not.
    pub(super) failure: Option<String>,
    /// The file was checked because of [`LogJob::Retry`] or [`LogJob::Rotate`].
    pub(super) is_checked: bool,
    /// A new file began without [`LogJob::Rotate`]: words for the user.
    pub(super) new_file: Option<String>,
    /// For [`LogBatch::reuse`]: memory that is not given back need not be got again.
    pub(super) spare: String,
}

/// The file, locked for as long as it is held.
#[derive(Debug)]
pub(super) struct MessageLog {
    id: String,
    /// Absolute where possible: a current directory that was removed and made again is another one.
    path: PathBuf,
    /// Opened to append: no write leaves a hole where the file was truncated.
    file: File,
    file_id: LogFileId,
    /// Whether only that counts as written which is safe against power loss.
    must_sync: bool,
    /// The length up to which the file is as it should be.
    length: u64,
    /// What the file remembers at that length.
    log_position: LogPosition,
    /// Lines that are not yet written, and what will be remembered with them.
    unwritten: String,
    unwritten_entries: usize,
    unwritten_position: LogPosition,
}

impl MessageLog {
    /// Opens, locks and checks the file, creates it if it is not there, and cuts a torn last line.
    /// With `must_sync` what it holds and its name are safe then, whoever wrote it.
    ///
    /// # Errors
    ///
    /// [`MessageLogError`]; nothing that it remembers was touched.
    pub(super) fn open(path: &Path, id: &str, must_sync: bool) -> Result<Self, MessageLogError> {
        let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(MessageLogError::NoFile);
        }
        match file.try_lock() {
            Ok(()) => (),
            Err(TryLockError::WouldBlock) => return Err(MessageLogError::InUse),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        let (log_position, length) = recovery::recover(&file, id)?;
        if length < file.metadata()?.len() {
            file.set_len(length)?;
        }
        if must_sync {
            file.sync_data()?;
            sync_directory_entry(path)?;
        }
        let absolute = std::path::absolute(path).ok();
        let absolute = absolute.filter(|absolute| file_state::is_at(&file, absolute));
        Ok(Self {
            id: id.to_owned(),
            path: absolute.unwrap_or_else(|| path.to_owned()),
            file,
            file_id: LogFileId::of(&metadata),
            must_sync,
            length,
            log_position,
            unwritten: String::new(),
            unwritten_entries: 0,
            unwritten_position: log_position,
        })
    }

    /// What it remembers.
    pub(super) const fn log_position(&self) -> LogPosition {
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

    /// Writes all that is unwritten into the file under the log's name. Returns the number of
    /// entries written, or the reason in words.
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

    /// Compares the file with its name, and begins a new one if it is not what was written.
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
        new_file
            .map_err(|unusable| format!("{path} {state}, and no new file begins: {unusable}"))?;
        let last = self.log_position.last;
        report.new_file = Some(format!("{path} {state}: a new file begins after message {last}"));
        Ok(())
    }

    /// Writes with one call, and makes it safe with another if that is asked for. Returns `false`
    /// if the lines went into a file that was deleted or truncated meanwhile: they must be written
    /// again. Lines in a file that was only moved meanwhile stay there.
    fn write_once(&mut self) -> io::Result<bool> {
        if self.unwritten.is_empty() {
            return Ok(true);
        }
        self.file.write_all(self.unwritten.as_bytes())?;
        if self.must_sync {
            self.file.sync_data()?; // If it fails, all of it is written again: it may be lost.
        }
        let length = self.length.saturating_add(self.unwritten.len() as u64);
        match FileState::of_open(&self.file, length)? {
            FileState::Intact | FileState::Longer | FileState::Moved => (),
            FileState::Deleted => return Ok(false),
            FileState::Truncated => {
                // The file holds nothing but unacknowledged lines of this write.
                self.file.set_len(0)?;
                return Ok(false);
            }
        }
        self.length = length;
        self.log_position = self.unwritten_position;
        self.unwritten.clear();
        Ok(true)
    }

    /// Removes what a failed write has left behind: it is not whole. A file that another program
    /// has overwritten is not touched.
    fn cut_back(&mut self) -> Result<(), MessageLogError> {
        recovery::recover(&self.file, &self.id)?;
        Ok(self.file.set_len(self.length)?)
    }

    /// Goes on in the same file, of which only a part or nothing is left.
    fn restart_file(&mut self) -> Result<(), MessageLogError> {
        let (_, length) = recovery::recover(&self.file, &self.id)?;
        self.file.set_len(length)?;
        self.length = u64::MAX; // If the header fails, the file counts as truncated still.
        self.write_header(length)
    }

    /// Goes on in a new file of the same name. The old one is released.
    fn start_new_file(&mut self) -> Result<(), MessageLogError> {
        let mut new = Self::open(&self.path, &self.id, self.must_sync)?;
        new.log_position = self.log_position;
        new.write_header(new.length)?;
        new.unwritten = std::mem::take(&mut self.unwritten);
        new.unwritten_entries = self.unwritten_entries;
        new.unwritten_position = self.unwritten_position;
        *self = new;
        Ok(())
    }

    /// Writes what is remembered behind `length` bytes, ahead of all unwritten lines.
    fn write_header(&mut self, length: u64) -> Result<(), MessageLogError> {
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
        for job in batch.into_iter().flatten() {
            match job {
                LogJob::Append(lines) => self.append(lines),
                LogJob::Begin(epoch) => self.begin(epoch),
                LogJob::Retry => report.is_checked = true,
                LogJob::Rotate => {
                    report.is_checked = true;
                    is_expected = true;
                }
            }
        }
        self.write_into(&mut report);
        if is_expected {
            report.new_file = None;
        }
        if self.unwritten.is_empty() {
            report.spare = std::mem::take(&mut self.unwritten);
        }
        report
    }
}

/// Makes the name of a file safe against power loss.
fn sync_directory_entry(path: &Path) -> io::Result<()> {
    let above = path.parent().filter(|above| !above.as_os_str().is_empty());
    File::open(above.unwrap_or(Path::new(".")))?.sync_all()
}

/// The first lines of a file.
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
