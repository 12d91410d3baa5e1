//! Standard error: detects systemd's journal, and reports the failure of a program.

use std::env;
use std::ffi::OsStr;
use std::fmt::Display;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use super::write_line::{StandardStream, write_line};

/// Returns true if standard error goes to systemd's journal: `JOURNAL_STREAM` names its device and
/// inode (systemd.exec(5)). A program that was started by a service inherits the variable and may
/// write elsewhere, so the file itself is compared.
#[must_use]
pub fn stderr_is_journal() -> bool {
    let stream = env::var_os("JOURNAL_STREAM");
    let is_named = |stream: &OsStr| stderr_name().is_ok_and(|name| OsStr::new(&name) == stream);
    stream.as_deref().is_some_and(is_named)
}

/// Returns `<device>:<inode>` of standard error.
fn stderr_name() -> io::Result<String> {
    let file = File::from(io::stderr().as_fd().try_clone_to_owned()?);
    let metadata = file.metadata()?;
    Ok(format!("{}:{}", metadata.dev(), metadata.ino()))
}

/// Writes the failure of `program` to standard error, with the priority of an error in the journal.
pub fn report_failure(program: &str, failure: &dyn Display) {
    let priority = if stderr_is_journal() { "<3>" } else { "" };
    write_line(StandardStream::Error, &format!("{priority}{program}: {failure}"));
}
