//! Writes a line to standard output or standard error, with a timeout.

use std::io::{self, Write};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::limits::DIAGNOSTICS_CLOSE_MS;
use crate::text;

/// A standard stream to write to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StandardStream {
    Output,
    Error,
}

/// Writes a line to a standard stream. If its pipe is full, the line is given up after half a
/// second: the program must start and exit even then.
///
/// Characters that could control a terminal are escaped.
pub fn write_line(stream: StandardStream, line: &str) {
    let line = format!("{}\n", text::for_terminal(line));
    let (done, waited) = mpsc::channel();
    let write = move || {
        // An error is ignored: there is no other output to report it to.
        let _ = match stream {
            StandardStream::Output => io::stdout().write_all(line.as_bytes()),
            StandardStream::Error => io::stderr().write_all(line.as_bytes()),
        };
        let _ = done.send(());
    };
    // If the thread cannot be started, the line is lost.
    if thread::Builder::new().name("write line".to_owned()).spawn(write).is_ok() {
        let _ = waited.recv_timeout(Duration::from_millis(DIAGNOSTICS_CLOSE_MS));
    }
}
