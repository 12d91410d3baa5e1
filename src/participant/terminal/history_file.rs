//! The history of the prompt: one file for each id, shared by all programs with this id.
//!
//! ```text
//!   start   the last 1000 lines of the file ─▶ the editor
//!   line    appended with one write, so lines of two programs do not mix
//!   2000    the last 1000 lines are written to a new file, which is renamed
//! ```
//!
//! No lock is taken, as a program that is stopped would hold it. The cost: a line that another
//! program appends while a file is shortened, about once in 1000 lines, can be lost.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::limits::{HISTORY_BYTES_MAX, HISTORY_LINE_BYTES_MAX, HISTORY_LINES_MAX};
use crate::text;

/// Variables of the environment that name the directory of the history.
#[derive(Clone, Debug, Default)]
pub(in crate::participant) struct HistoryVariables {
    pub(in crate::participant) xdg_state_home: Option<OsString>,
    pub(in crate::participant) home: Option<OsString>,
}

impl HistoryVariables {
    pub(in crate::participant) fn of_environment() -> Self {
        let [xdg_state_home, home] = ["XDG_STATE_HOME", "HOME"].map(std::env::var_os);
        Self { xdg_state_home, home }
    }

    /// Returns the state directory of this program.
    fn directory(self) -> Option<PathBuf> {
        let absolute = |path: OsString| Some(PathBuf::from(path)).filter(|path| path.is_absolute());
        let state = self.xdg_state_home.and_then(absolute);
        let state = state.or_else(|| Some(absolute(self.home?)?.join(".local/state")));
        Some(state?.join("groupcast"))
    }
}

/// Lines of the prompt on the disk. After a failure the prompt goes on without the file.
#[derive(Debug, Default)]
pub(in crate::participant) struct HistoryFile {
    /// `None` if no history is kept.
    path: Option<PathBuf>,
    /// Number of lines in the file, as far as this program knows.
    lines: usize,
    /// True after a failed write: the file may end in a part of a line.
    is_torn: bool,
    /// Error for the user, shown once.
    notice: Option<String>,
    is_reported: bool,
}

impl HistoryFile {
    /// Returns the history of a participant. Nothing is read or created yet.
    pub(in crate::participant) fn of(id: &str, variables: HistoryVariables) -> Self {
        let directory = variables.directory();
        let mut history = Self::default();
        if directory.is_none() {
            history.report("neither XDG_STATE_HOME nor HOME names a directory");
        }
        history.path = directory.map(|directory| directory.join(format!("{id}.history")));
        history
    }

    /// Returns the lines of the file, the oldest first.
    pub(super) fn load(&mut self) -> Vec<String> {
        let Some(path) = self.path.clone() else { return Vec::new() };
        match read_lines(&path) {
            Ok(LastLines { lines, in_file }) => {
                self.lines = in_file;
                lines
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                self.fail(&path, &error);
                self.path = None; // To open a FIFO, for example, would block.
                Vec::new()
            }
        }
    }

    /// Appends a line, unless it is too long or more than one line.
    pub(super) fn push(&mut self, line: &str) {
        let Some(path) = self.path.clone().filter(|_| is_kept(line)) else { return };
        let written = self.append(&path, line).and_then(|()| self.shorten(&path));
        if let Err(error) = written {
            self.fail(&path, &error);
        }
    }

    /// Returns the first error, once.
    pub(super) fn take_notice(&mut self) -> Option<String> {
        self.notice.take()
    }

    fn append(&mut self, path: &Path, line: &str) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o600);
        let mut file = match options.open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                create_directory(path)?;
                options.open(path)?
            }
            opened => opened?,
        };
        let begin = if self.is_torn { "\n" } else { "" };
        self.is_torn = true;
        file.write_all(format!("{begin}{line}\n").as_bytes())?;
        self.is_torn = false;
        self.lines = self.lines.saturating_add(1);
        Ok(())
    }

    /// Keeps the last lines if the file has twice as many as needed.
    fn shorten(&mut self, path: &Path) -> io::Result<()> {
        if self.lines < HISTORY_LINES_MAX.saturating_mul(2) {
            return Ok(());
        }
        let LastLines { lines, .. } = read_lines(path)?;
        let random = getrandom::u64().map_err(io::Error::other)?;
        let new = path.with_extension(format!("{random:016x}.tmp")); // Another program has its own.
        let written = write_new(&new, &lines).and_then(|()| fs::rename(&new, path));
        if written.is_err() {
            // The error of the write is reported.
            let _ = fs::remove_file(&new);
        }
        self.lines = lines.len();
        written
    }

    fn fail(&mut self, path: &Path, error: &io::Error) {
        self.report(&format!("{}: {error}", path.display()));
    }

    fn report(&mut self, reason: &str) {
        if !std::mem::replace(&mut self.is_reported, true) {
            let reason = text::for_terminal(reason);
            self.notice = Some(format!("* history: {reason}: lines are kept until the exit only"));
        }
    }
}

/// Returns true for a line that the file can hold.
fn is_kept(line: &str) -> bool {
    let is_harmless = |char: char| char == '\t' || !char.is_control();
    line.len() <= HISTORY_LINE_BYTES_MAX && line.chars().all(is_harmless)
}

struct LastLines {
    /// The oldest first, at most [`HISTORY_LINES_MAX`].
    lines: Vec<String>,
    /// Number of lines in the file. A file that is too long to be read has the most.
    in_file: usize,
}

fn read_lines(path: &Path) -> io::Result<LastLines> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a regular file")); // A FIFO would block.
    }
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let start = length.saturating_sub(HISTORY_BYTES_MAX as u64);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(HISTORY_BYTES_MAX as u64).read_to_end(&mut bytes)?;
    let lines = bytes.split(|byte| *byte == b'\n').skip(usize::from(start > 0));
    let line = |line| std::str::from_utf8(line).ok().filter(|line| is_kept(line));
    let lines = lines.filter_map(line).filter(|line| !line.trim().is_empty());
    let lines: Vec<&str> = lines.collect();
    let in_file = if start > 0 { usize::MAX } else { lines.len() };
    let first = lines.len().saturating_sub(HISTORY_LINES_MAX);
    let lines = lines.into_iter().skip(first).map(str::to_owned).collect();
    Ok(LastLines { lines, in_file })
}

fn create_directory(path: &Path) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

/// Writes all lines to a new file. It is durable on return, so a power loss destroys no history.
fn write_new(path: &Path, lines: &[String]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(path)?;
    let text: String = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
    file.write_all(text.as_bytes())?;
    file.sync_data()
}

#[cfg(test)]
mod tests;
