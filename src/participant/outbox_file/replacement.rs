//! A new file that replaces the outbox file.
//!
//! ```text
//!   outbox, locked       outbox.unfinished, locked      outbox = the new file, locked
//!   ───────────────▶ write, sync ───────────▶ rename ───────────▶ sync the directory
//! ```
//!
//! The name always leads to a whole file that is locked. A crash leaves at most the unfinished
//! file, which the next start removes.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::index::OutboxIndex;
use super::{recovery, shown};
use crate::limits::OUTBOX_DAMAGED_MAX;
use crate::participant::file_state::is_at;

/// Permissions of an outbox file: texts are for the user alone.
pub(super) const MODE: u32 = 0o600;

/// A whole new file, which has not the name of the outbox file yet.
#[derive(Debug)]
pub(super) struct Replacement {
    pub(super) file: File,
    pub(super) index: OutboxIndex,
    pub(super) length: u64,
    /// Texts that could not be found in the old file.
    pub(super) lost: usize,
}

impl Replacement {
    /// Writes the texts of `index` into a new file beside `path`.
    pub(super) fn write(
        (path, id): (&Path, &str),
        (old, index): (&File, &OutboxIndex),
        must_sync: bool,
    ) -> io::Result<Self> {
        remove_unfinished(path)?;
        let file = create_locked(&unfinished(path))?;
        let header = recovery::header(id);
        let mut length = header.len() as u64;
        let mut new_index = OutboxIndex::default();
        let mut writer = BufWriter::new(&file);
        writer.write_all(header.as_bytes())?;
        let mut text = String::new();
        let lost = index.read(old, |line| {
            text.clear();
            line.push_to(&mut text);
            writer.write_all(text.as_bytes())?;
            new_index.apply(line, length, text.len() as u64);
            length = length.saturating_add(text.len() as u64);
            Ok(())
        })?;
        writer.flush()?;
        drop(writer);
        if must_sync {
            file.sync_data()?;
        }
        Ok(Self { file, index: new_index, length, lost })
    }

    /// Renames the file to `path`. If `is_free`, no other file may have this name.
    pub(super) fn take_name(&self, path: &Path, is_free: bool) -> io::Result<()> {
        let placeholder = if is_free { Some(create_locked(path)?) } else { None };
        fs::rename(unfinished(path), path).inspect_err(|_| {
            if placeholder.is_some_and(|file| is_at(&file, path)) {
                // The error of the rename is reported. Another one does not matter.
                let _ = fs::remove_file(path);
            }
        })
    }
}

/// Removes the unfinished file that a crash has left.
pub(super) fn remove_unfinished(path: &Path) -> io::Result<()> {
    match fs::remove_file(unfinished(path)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Gives the file a further name, under which it stays when its name leads to another file. Returns
/// this name.
pub(super) fn keep_damaged(file: &File, path: &Path) -> io::Result<PathBuf> {
    for number in 1..=OUTBOX_DAMAGED_MAX {
        let kept = match number {
            1 => beside(path, ".damaged"),
            _ => beside(path, &format!(".damaged.{number}")),
        };
        match fs::hard_link(path, &kept) {
            Ok(()) => return Ok(kept),
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Err(_) if is_at(file, &kept) => return Ok(kept), // A crash came before the rename.
            Err(_) => (),
        }
    }
    let first = shown(&beside(path, ".damaged"));
    Err(io::Error::other(format!("{OUTBOX_DAMAGED_MAX} damaged files are kept, from {first} on")))
}

/// Creates and locks a file that does not exist yet.
fn create_locked(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).append(true).create_new(true).mode(MODE).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::Error(error)) => Err(error),
        Err(TryLockError::WouldBlock) => Err(io::ErrorKind::ResourceBusy.into()),
    }
}

fn unfinished(path: &Path) -> PathBuf {
    beside(path, ".unfinished")
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}
