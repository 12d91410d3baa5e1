//! The outbox file: texts of the user, until the coordinator has confirmed them. The texts survive
//! the end of the program, and with `must_sync` also a power loss.
//!
//! ```text
//!   # groupcast outbox of alice                                 the header
//!   cbfb9641 TAB epoch TAB 6d0f3a2b9c81e574                     epoch of the numbers that follow
//!   06c84562 TAB text TAB 1 TAB - TAB 1795341900123 TAB hello   order, number or -, Unix ms, text
//!   2ba2c1a4 TAB number TAB 1 TAB 7                             order, number
//!   2c3c3efb TAB done TAB 1                                     order: the text has its outcome
//! ```
//!
//! Each line begins with the CRC-32 of the bytes between the first TAB and the line feed. A text
//! has no control characters but TAB, and so needs no escapes.
//!
//! An `epoch` line starts a numbering: the numbers in the lines above are over. Only the first one
//! of a file of an earlier version leaves them. After a line `register TAB asked` the numbers above
//! may be of an earlier registration, until an `epoch` line or `register TAB refused`.
//!
//! An entry that was reported as written is there after a restart, with all entries before it. Bad
//! lines at the end are the rest of an interrupted write: they are cut off. A bad line before a
//! valid one is damage: the whole file is kept under another name.
//!
//! The file only grows. When most of it is over, a new file with the epoch and the texts that still
//! wait replaces it (compaction). The thread keeps the offsets of these texts, and reads the texts
//! from the file. The open file can be read after another program has deleted or moved it, so its
//! texts are saved to a new file. After a failed fsync, nobody knows which bytes are durable, so a
//! new file is written, too.

mod batch;
mod index;
mod inspection;
mod lines;
mod recovery;
mod replacement;

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::file_state::{FileState, OpenFileId, is_at, open_locked, sync_directory_entry};
use super::unusable_file::UnusableFile;
use crate::limits::{
    LOG_WRITE_TRIES, OUTBOX_COMPACTION_RATIO, OUTBOX_DONE_BYTES_MAX, OUTBOX_EMPTY_BYTES_MAX,
    OUTBOX_FILE_BYTES_MAX,
};
use crate::net::Sink;
use crate::session::{OutboxEntry, StoredOutbox};
use crate::text::{self, Counted};
use crate::time::UnixMillis;
use index::OutboxIndex;
use lines::OutboxLine;
use recovery::OutboxContent;
use replacement::{MODE, Replacement, keep_damaged, remove_unfinished};

pub use batch::{OutboxBatch, OutboxJob, OutboxReport};
pub(super) use inspection::inspect;

/// Result of opening an outbox file.
#[derive(Debug)]
pub struct OpenedOutbox {
    /// The file, for its thread.
    pub file: OutboxFile,
    /// Texts that an earlier run has left, and the epoch of their numbers.
    pub stored: StoredOutbox,
    /// Lines for the user about the file.
    pub notes: Vec<String>,
}

/// The open outbox file, locked until this value is dropped.
#[derive(Debug)]
pub struct OutboxFile {
    id: String,
    /// Without symbolic links, if possible: a new file replaces the file, and not a link to it.
    path: PathBuf,
    /// Opened with `O_APPEND`: a write after a truncation leaves no hole.
    file: File,
    file_id: OpenFileId,
    /// True if entries count as written only after an fsync.
    must_sync: bool,
    /// Length of the file after the last successful write.
    length: u64,
    /// The texts that wait, at that length.
    index: OutboxIndex,
    /// Entries that are not written yet, and their times. The session limits their number.
    unwritten: Vec<(OutboxEntry, UnixMillis)>,
    /// True if a new file must be written first: after a failed fsync.
    must_replace: bool,
    /// True if a damaged file was found: a text may be missing, or may be sent twice.
    is_damaged: bool,
    /// Length above which a compaction is tried. After a failed one, this is twice the length.
    compact_above: u64,
}

impl OutboxFile {
    /// Opens, locks, checks and reads the file. Creates it if it is missing. Cuts off a torn end,
    /// replaces a file that is damaged or has entries that are over. With `must_sync`, the content
    /// and the name of the file are durable on return.
    ///
    /// # Errors
    ///
    /// [`UnusableFile`]; the lines of the file are unchanged.
    pub fn open(
        path: &Path,
        id: &str,
        must_sync: bool,
        now: UnixMillis,
    ) -> Result<OpenedOutbox, UnusableFile> {
        let file = open_locked(path, MODE)?;
        let metadata = file.metadata()?;
        if metadata.len() > OUTBOX_FILE_BYTES_MAX {
            return Err(UnusableFile::TooLong(metadata.len()));
        }
        let content = recovery::read(&file, id)?;
        let stored = content.index.stored(&file, now)?;
        let resolved = fs::canonicalize(path).ok().filter(|resolved| is_at(&file, resolved));
        let OutboxContent { index, length, entries, damaged_line } = content;
        let mut outbox = Self {
            id: id.to_owned(),
            path: resolved.unwrap_or_else(|| path.to_owned()),
            file,
            file_id: OpenFileId::of(&metadata),
            must_sync,
            length,
            index,
            unwritten: Vec::new(),
            must_replace: false,
            is_damaged: damaged_line.is_some(),
            compact_above: 0,
        };
        let mut notes = Vec::new();
        match damaged_line {
            Some(number) => outbox.replace_damaged(number, &mut notes)?,
            None => outbox.tidy(metadata.len(), entries, &mut notes)?,
        }
        Ok(OpenedOutbox { file: outbox, stored, notes })
    }

    /// Keeps the damaged file under another name, and goes on in a new file.
    fn replace_damaged(&mut self, number: u64, notes: &mut Vec<String>) -> io::Result<()> {
        let kept = keep_damaged(&self.file, &self.path)?;
        self.replace(false)?;
        notes.push(format!(
            "{}: line {number} is damaged: a text may be missing, or may be sent twice. The \
             damaged file is kept as {}",
            self.path_shown(),
            shown(&kept)
        ));
        Ok(())
    }

    /// Cuts off a torn end, writes the header of a new file, and removes entries that are over.
    fn tidy(&mut self, found: u64, entries: usize, notes: &mut Vec<String>) -> io::Result<()> {
        if self.length < found {
            self.file.set_len(self.length)?;
            let torn = Counted(found.saturating_sub(self.length), "byte", "bytes");
            let path = self.path_shown();
            notes.push(format!(
                "{path}: cut off {torn} at the end, the rest of an interrupted write"
            ));
        }
        if self.length == 0 {
            let header = recovery::header(&self.id);
            self.file.write_all(header.as_bytes())?;
            self.length = header.len() as u64;
        }
        if self.must_sync {
            self.file.sync_data()?;
            sync_directory_entry(&self.path)?;
        }
        if entries > self.index.lines() {
            self.compact(notes);
        } else if let Err(error) = remove_unfinished(&self.path) {
            notes.push(format!("{}.unfinished cannot be removed: {error}", self.path_shown()));
        }
        Ok(())
    }

    /// Writes all unwritten entries into the file under the outbox's name. Returns the number of
    /// entries written, or the error as text.
    fn write(&mut self, notes: &mut Vec<String>) -> Result<usize, String> {
        let lines = self.unwritten_lines();
        for _ in 0..LOG_WRITE_TRIES {
            if self.unwritten.is_empty() {
                return Ok(0);
            }
            let checked = self.check_file(lines.len() as u64, notes);
            checked.map_err(|unusable| format!("{}: {unusable}", self.path_shown()))?;
            let written = self.write_once(&lines);
            if written.map_err(|error| format!("{}: {error}", self.path_shown()))? {
                return Ok(std::mem::take(&mut self.unwritten).len());
            }
        }
        let path = self.path_shown();
        Err(format!("{path} is deleted or truncated by another program during each write"))
    }

    fn unwritten_lines(&self) -> String {
        let mut lines = String::new();
        for (entry, stored) in &self.unwritten {
            OutboxLine::new(entry, *stored).push_to(&mut lines);
        }
        lines
    }

    /// Checks that the open file is the file under the outbox's name, is as it was written, and has
    /// room for `bytes`. If not, cuts it back or replaces it.
    fn check_file(&mut self, bytes: u64, notes: &mut Vec<String>) -> Result<(), UnusableFile> {
        let state = FileState::of(&self.file, self.file_id, &self.path, self.length)?;
        let is_too_long = self.length.saturating_add(bytes) > OUTBOX_FILE_BYTES_MAX;
        match state {
            FileState::Intact => (),
            FileState::Longer => {
                recovery::check_beginning(&self.file, &self.id)?;
                self.file.set_len(self.length)?;
            }
            FileState::Truncated => {
                recovery::check_beginning(&self.file, &self.id)?;
                let lost = self.replace(false)?;
                self.is_damaged |= lost > 0;
                notes.push(self.new_file_note(state, lost));
            }
            FileState::Deleted | FileState::Moved => {
                let lost = self.replace(true).map_err(|error| {
                    io::Error::other(format!("{state}, and no new file can be written: {error}"))
                })?;
                self.is_damaged |= lost > 0;
                notes.push(self.new_file_note(state, lost));
            }
        }
        if self.must_replace || is_too_long {
            self.replace_intact(notes)?;
        }
        match self.length.saturating_add(bytes) {
            length if length > OUTBOX_FILE_BYTES_MAX => Err(UnusableFile::TooLong(length)),
            _ => Ok(()),
        }
    }

    /// Writes all lines with one call, followed by an fsync with `must_sync`. Returns false if the
    /// file was deleted or truncated meanwhile: the lines must be written again.
    fn write_once(&mut self, lines: &str) -> io::Result<bool> {
        self.file.write_all(lines.as_bytes())?;
        if self.must_sync {
            self.file.sync_data().inspect_err(|_| self.must_replace = true)?;
        }
        let length = self.length.saturating_add(lines.len() as u64);
        match FileState::of_open(&self.file, length)? {
            FileState::Intact | FileState::Longer | FileState::Moved => (),
            FileState::Deleted | FileState::Truncated => return Ok(false),
        }
        self.index.apply_lines(lines, self.length);
        self.length = length;
        Ok(true)
    }

    /// Replaces a file that is as it was written. If a text cannot be found in the file, the file
    /// is kept under another name.
    fn replace_intact(&mut self, notes: &mut Vec<String>) -> io::Result<()> {
        let lost = self.index.read(&self.file, |_| Ok(()))?;
        let kept = if lost > 0 { Some(keep_damaged(&self.file, &self.path)?) } else { None };
        self.replace(false)?;
        if let Some(kept) = kept {
            self.is_damaged = true;
            let texts = Counted(lost as u64, "text", "texts");
            let (path, kept) = (self.path_shown(), shown(&kept));
            notes.push(format!(
                "{path} was damaged: {texts} cannot be read, and may be missing after a restart. \
                 The damaged file is kept as {kept}"
            ));
        }
        Ok(())
    }

    /// Writes a new file with the texts that wait, and gives it the outbox's name, which is free or
    /// leads to the old file. Returns the number of texts that the old file has lost.
    fn replace(&mut self, is_free: bool) -> io::Result<usize> {
        let names = (self.path.as_path(), self.id.as_str());
        let (new, file_id) = Replacement::write(names, (&self.file, &self.index), self.must_sync)
            .and_then(|new| {
                let file_id = OpenFileId::of(&new.file.metadata()?);
                new.take_name(&self.path, is_free)?;
                Ok((new, file_id))
            })
            .inspect_err(|_| {
                // The first error is reported. The next try removes the rest.
                let _ = remove_unfinished(&self.path);
            })?;
        let Replacement { file, index, length, lost } = new;
        (self.file, self.file_id) = (file, file_id);
        (self.index, self.length) = (index, length);
        (self.must_replace, self.compact_above) = (false, 0);
        if self.must_sync {
            sync_directory_entry(&self.path).inspect_err(|_| self.must_replace = true)?;
        }
        Ok(lost)
    }

    /// Replaces the file if most of it is over.
    fn compact_if_due(&mut self, notes: &mut Vec<String>) {
        let is_due = match self.index.is_empty() {
            true => self.length > OUTBOX_EMPTY_BYTES_MAX,
            false => {
                self.length > OUTBOX_DONE_BYTES_MAX
                    && self.length > self.index.bytes().saturating_mul(OUTBOX_COMPACTION_RATIO)
            }
        };
        if is_due && self.length > self.compact_above && !self.must_replace {
            self.compact(notes);
        }
    }

    fn compact(&mut self, notes: &mut Vec<String>) {
        if let Err(error) = self.replace_intact(notes) {
            self.compact_above = self.length.saturating_mul(2);
            notes.push(format!("{} cannot be shortened now: {error}", self.path_shown()));
        }
    }

    /// Returns the line for the user about a new file that was necessary.
    fn new_file_note(&self, state: FileState, lost: usize) -> String {
        let path = self.path_shown();
        let waiting = Counted(self.index.len() as u64, "text", "texts");
        let lost = match lost {
            0 => String::new(),
            _ => {
                let lost = Counted(lost as u64, "more text", "more texts");
                format!(". {lost} could not be saved from the old file")
            }
        };
        format!("{path} {state}: a new file has {waiting} of the old one{lost}")
    }

    /// Returns true if a damaged file was found: a text may be missing, or may be sent twice.
    #[must_use]
    pub const fn is_damaged(&self) -> bool {
        self.is_damaged
    }

    fn path_shown(&self) -> String {
        shown(&self.path)
    }
}

impl Sink for OutboxFile {
    type Job = OutboxBatch;
    type Done = OutboxReport;

    fn run(&mut self, batch: Vec<OutboxBatch>) -> OutboxReport {
        let mut report = OutboxReport::default();
        for job in batch.into_iter().flatten() {
            match job {
                OutboxJob::Store(entry, now) => self.unwritten.push((entry, now)),
                OutboxJob::Retry => (), // Each batch tries to write.
            }
        }
        match self.write(&mut report.notes) {
            Ok(entries) => {
                report.written = entries;
                self.compact_if_due(&mut report.notes);
            }
            Err(reason) => report.failure = Some(reason),
        }
        report.is_damaged = self.is_damaged;
        report
    }
}

fn shown(path: &Path) -> String {
    text::for_terminal(&path.display().to_string()).to_string()
}

#[cfg(test)]
mod tests;
