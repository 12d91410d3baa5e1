//! The first and the last line of a program, written without waiting for long.

use std::io::{self, Write};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::limits::DIAGNOSTICS_CLOSE_MS;
use crate::text;

/// A standard stream to write to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StandardStream {
    /// Standard output.
    Output,
    /// Standard error.
    Error,
}

/// Writes a line to a standard stream. If nobody reads the stream and its pipe is full, the line is
/// given up after half a second: a program must start and end all the same.
///
/// Characters that could drive a terminal, as in the name of a file, are escaped.
pub fn write_line(stream: StandardStream, line: &str) {
    let line = format!("{}\n", text::for_terminal(line));
    let (done, waited) = mpsc::channel();
    let write = move || {
        // If this line cannot be written either, the error is ignored: no other output is left.
        let _ = match stream {
            StandardStream::Output => io::stdout().write_all(line.as_bytes()),
            StandardStream::Error => io::stderr().write_all(line.as_bytes()),
        };
        let _ = done.send(());
    };
    // Without a thread the line is lost as well.
    if thread::Builder::new().name("write line".to_owned()).spawn(write).is_ok() {
        let _ = waited.recv_timeout(Duration::from_millis(DIAGNOSTICS_CLOSE_MS));
    }
}
