//! Reads an outbox file for `--check`, and changes nothing.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::recovery;
use crate::limits::OUTBOX_FILE_BYTES_MAX;
use crate::participant::unusable_file::UnusableFile;
use crate::text::Counted;

/// Returns a line about the texts in the file. The file is not locked: it may be in use.
///
/// # Errors
///
/// [`UnusableFile`], also for a file that is damaged.
pub(in crate::participant) fn inspect(path: &Path, id: &str) -> Result<String, UnusableFile> {
    let metadata = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok("no outbox file yet".to_owned());
        }
        metadata => metadata?,
    };
    if !metadata.is_file() {
        return Err(UnusableFile::NoFile);
    }
    let file = File::open(path)?;
    let bytes = file.metadata()?.len();
    if bytes > OUTBOX_FILE_BYTES_MAX {
        return Err(UnusableFile::TooLong(bytes));
    }
    let content = recovery::read(&file, id)?;
    let waiting = Counted(content.index.len() as u64, "text waits", "texts wait");
    match (content.damaged_line, bytes.saturating_sub(content.length)) {
        (Some(line), _) => Err(UnusableFile::Damaged(line)),
        (None, 0) => Ok(waiting.to_string()),
        (None, torn) => {
            let torn = Counted(torn, "byte", "bytes");
            Ok(format!("{waiting}; {torn} at the end are the rest of an interrupted write"))
        }
    }
}
