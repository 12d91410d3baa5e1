//! Writes to standard output on a thread of its own, as a terminal or a pipe may take no bytes.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::fs::FileTypeExt as _;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use crate::limits::PRINT_CLOSE_MS;
use crate::net::{Pool, Sink, Worker};
use crate::participant::terminal::write_all;

/// Token of standard output.
pub(super) const STDOUT: Token = Token(usize::MAX - 5);

/// Texts that may wait: one, and the last one of the program.
const TEXTS_MAX: usize = 2;

/// The loop's side of the printer.
pub(super) struct Printer {
    worker: Worker<StandardOutput>,
    is_busy: bool,
}

impl Printer {
    /// Starts the printer. If standard output is a pipe, its end is an event under [`STDOUT`].
    pub(super) fn start(registry: &Registry, pool: &Pool) -> io::Result<Self> {
        let stdout = io::stdout();
        let kind = File::from(stdout.as_fd().try_clone_to_owned()?).metadata()?.file_type();
        if kind.is_fifo() {
            let fd = stdout.as_raw_fd();
            registry.register(&mut SourceFd(&fd), STDOUT, Interest::WRITABLE)?;
        }
        let worker = pool.attach("printer", TEXTS_MAX, StandardOutput)?;
        Ok(Self { worker, is_busy: false })
    }

    /// Returns true while a text is not written yet.
    pub(super) fn is_busy(&self) -> bool {
        self.is_busy
    }

    /// Writes a text. The caller has waited until the text before it was written.
    pub(super) fn print(&mut self, text: String) {
        self.is_busy |= self.worker.try_submit(text).is_ok();
    }

    /// Returns the result of a text that was written since the last call.
    pub(super) fn result(&mut self) -> Option<io::Result<()>> {
        let result = self.worker.completions().into_iter().reduce(Result::and)?;
        self.is_busy = false;
        Some(result)
    }

    /// Waits until all is written, at most [`PRINT_CLOSE_MS`].
    pub(super) fn close(&self) {
        // A standard output that takes no bytes must not keep the program from exiting.
        let _ = self.worker.close(Duration::from_millis(PRINT_CLOSE_MS));
    }
}

/// The printer's thread.
struct StandardOutput;

impl Sink for StandardOutput {
    type Job = String;
    type Done = io::Result<()>;

    fn run(&mut self, batch: Vec<String>) -> io::Result<()> {
        write_all(io::stdout().lock(), &batch.concat())
    }
}
