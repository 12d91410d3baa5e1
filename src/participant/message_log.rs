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
//! time. After a failed write the file is cut back to its last whole line before the next one.

mod lines;
mod recovery;

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::event_loop::Sink;
use crate::protocol::{Epoch, Seq};
use crate::session::{Memory, safe};

pub(super) use lines::{Lines, Orders};

/// Why a file cannot be the message log. It was not touched.
#[derive(Debug)]
pub enum Unusable {
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

impl From<io::Error> for Unusable {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(error) => error.fmt(f),
            Self::NoFile => f.write_str("not a regular file"),
            Self::InUse => f.write_str("in use by another program"),
            Self::Foreign => f.write_str("not empty, and does not begin as a message log does"),
            Self::OfAnother(id) => {
                write!(f, "the message log of {}", safe::for_terminal(id))
            }
        }
    }
}

/// What the log's thread is asked to do.
#[derive(Debug)]
pub(super) enum Order {
    /// Write these at the end.
    Append(Lines),
    /// Write at the end that the numbers begin anew.
    Begin(Epoch),
    /// Try again to write what could not be written.
    Retry,
    /// The file was moved away: begin a new one.
    Rotate,
}

/// What came of a batch of orders.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// How many of the oldest unwritten entries are written now.
    pub(super) written: usize,
    /// Why the others are not.
    pub(super) trouble: Option<String>,
    /// Why there is no new file.
    pub(super) not_rotated: Option<String>,
    /// For [`Orders::reuse`]: memory that is not given back need not be got again.
    pub(super) spare: String,
}

/// The file, locked for as long as it is held.
#[derive(Debug)]
pub(super) struct MessageLog {
    id: String,
    path: PathBuf,
    file: File,
    /// The length up to which the file is as it should be.
    length: u64,
    /// What the file remembers at that length.
    memory: Memory,
    /// Lines that are not yet written, and what will be remembered with them.
    unwritten: String,
    unwritten_entries: usize,
    unwritten_memory: Memory,
}

impl MessageLog {
    /// Opens, locks and checks the file, creates it if it is not there, and cuts a torn last line.
    ///
    /// # Errors
    ///
    /// [`Unusable`]; the file is as it was.
    pub(super) fn open(path: &Path, id: &str) -> Result<Self, Unusable> {
        let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        if !file.metadata()?.is_file() {
            return Err(Unusable::NoFile);
        }
        match file.try_lock() {
            Ok(()) => (),
            Err(TryLockError::WouldBlock) => return Err(Unusable::InUse),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        let (memory, length) = recovery::recover(&file, id)?;
        if length < file.metadata()?.len() {
            file.set_len(length)?;
        }
        Ok(Self {
            id: id.to_owned(),
            path: path.to_owned(),
            file,
            length,
            memory,
            unwritten: String::new(),
            unwritten_entries: 0,
            unwritten_memory: memory,
        })
    }

    /// What it remembers.
    pub(super) const fn memory(&self) -> Memory {
        self.memory
    }

    fn append(&mut self, lines: Lines) {
        let Lines { text, entries, last, .. } = lines;
        match self.unwritten.is_empty() {
            true => self.unwritten = text,
            false => self.unwritten.push_str(&text),
        }
        self.unwritten_memory.last = last;
        self.unwritten_entries = self.unwritten_entries.saturating_add(entries);
    }

    fn begin(&mut self, epoch: Epoch) {
        let header = Header { id: &self.id, epoch, last: Seq::ZERO };
        let line = match self.length == 0 && self.unwritten.is_empty() {
            true => header.to_string(),
            false => format!("# epoch {epoch}\n"),
        };
        self.unwritten.push_str(&line);
        self.unwritten_memory = Memory { epoch: Some(epoch), last: Seq::ZERO };
        self.unwritten_entries = self.unwritten_entries.saturating_add(1);
    }

    /// Writes all that is unwritten with one call; answers how many entries that were.
    fn write(&mut self) -> io::Result<usize> {
        if self.unwritten.is_empty() {
            return Ok(0);
        }
        // What a failed write has left behind is not whole, and does not stay.
        if self.file.metadata()?.len() != self.length {
            self.file.set_len(self.length)?;
        }
        self.file.write_all(self.unwritten.as_bytes())?;
        self.length = self.length.saturating_add(self.unwritten.len() as u64);
        self.memory = self.unwritten_memory;
        self.unwritten.clear();
        Ok(std::mem::take(&mut self.unwritten_entries))
    }

    /// Goes on in a new file of the same name; what is unwritten goes there.
    fn rotate(&mut self) -> Result<(), Unusable> {
        let held = self.file.metadata()?;
        if std::fs::metadata(&self.path)
            .is_ok_and(|there| (there.dev(), there.ino()) == (held.dev(), held.ino()))
        {
            return Ok(()); // Nobody has moved it.
        }
        let mut new = Self::open(&self.path, &self.id)?;
        if let Memory { epoch: Some(epoch), last } = self.memory {
            let header = Header { id: &self.id, epoch, last };
            new.unwritten = match new.length {
                0 => header.to_string(),
                _ => header.without_id(),
            };
        }
        new.unwritten_memory = self.memory;
        new.write()?;
        new.unwritten = std::mem::take(&mut self.unwritten);
        new.unwritten_entries = self.unwritten_entries;
        new.unwritten_memory = self.unwritten_memory;
        *self = new; // The old file is released.
        Ok(())
    }

    fn write_into(&mut self, report: &mut Report) {
        match self.write() {
            Ok(entries) => {
                report.written = report.written.saturating_add(entries);
                report.trouble = None;
            }
            Err(error) => report.trouble = Some(error.to_string()),
        }
    }
}

impl Sink for MessageLog {
    type Job = Orders;
    type Done = Report;

    fn run(&mut self, batch: Vec<Orders>) -> Report {
        let mut report = Report::default();
        for order in batch.into_iter().flatten() {
            match order {
                Order::Append(lines) => self.append(lines),
                Order::Begin(epoch) => self.begin(epoch),
                Order::Retry => (),
                Order::Rotate => {
                    self.write_into(&mut report);
                    report.not_rotated = self.rotate().err().map(|error| error.to_string());
                }
            }
        }
        self.write_into(&mut report);
        if self.unwritten.is_empty() {
            report.spare = std::mem::take(&mut self.unwritten);
        }
        report
    }
}

/// The first lines of a file.
struct Header<'a> {
    id: &'a str,
    epoch: Epoch,
    last: Seq,
}

impl Header<'_> {
    fn without_id(&self) -> String {
        format!("# epoch {}\n# last {}\n", self.epoch, self.last)
    }
}

impl fmt::Display for Header<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "# id {}\n{}", self.id, self.without_id())
    }
}

#[cfg(test)]
mod tests;
