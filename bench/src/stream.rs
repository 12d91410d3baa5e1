//! Parts of every non-blocking socket: output that waits, and lines in several pieces.

use std::io::{self, ErrorKind, Write};
use std::time::Duration;

use anyhow::{Context as _, Result};
use memchr::{memchr, memrchr};
use mio::{Events, Interest, Poll};

/// Events that are watched for on every socket.
pub(crate) const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// Waits for events, at most `timeout`. A signal ends the wait without events.
pub(crate) fn wait(poll: &mut Poll, events: &mut Events, timeout: Duration) -> Result<()> {
    match poll.poll(events, Some(timeout)) {
        Err(error) if error.kind() == ErrorKind::Interrupted => {
            events.clear();
            Ok(())
        }
        polled => polled.context("cannot poll"),
    }
}

/// Result of a read or write that does not block. `None` if the socket is not ready.
pub(crate) fn ready(done: io::Result<usize>) -> io::Result<Option<usize>> {
    match done {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

/// Bytes that wait to be written.
#[derive(Debug, Default)]
pub(crate) struct Output {
    bytes: Vec<u8>,
    written: usize,
}

impl Output {
    pub(crate) fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    pub(crate) fn waiting(&self) -> usize {
        self.bytes.len() - self.written
    }

    /// Writes as much as `stream` takes.
    pub(crate) fn write_to(&mut self, stream: &mut impl Write) -> io::Result<()> {
        while let Some(piece) = self.bytes.get(self.written..).filter(|piece| !piece.is_empty()) {
            match stream.write(piece) {
                Ok(written) => self.written += written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => (),
                Err(error) => return Err(error),
            }
        }
        self.bytes.clear();
        self.written = 0;
        // With TLS a record may wait.
        ready(stream.flush().map(|()| 0)).map(drop)
    }
}

/// Joins lines that arrive in pieces.
#[derive(Debug, Default)]
pub(crate) struct WholeLines {
    part: Vec<u8>,
}

impl WholeLines {
    pub(crate) fn begun(&self) -> usize {
        self.part.len()
    }

    /// Passes on the bytes as runs of whole lines, each with its LF.
    pub(crate) fn take(&mut self, bytes: &[u8], mut run: impl FnMut(&[u8])) {
        let mut rest = bytes;
        if !self.part.is_empty() {
            let Some(end) = memchr(b'\n', rest) else {
                self.part.extend_from_slice(rest);
                return;
            };
            let (line, behind) = rest.split_at(end + 1);
            self.part.extend_from_slice(line);
            run(&self.part);
            self.part.clear();
            rest = behind;
        }
        if let Some(end) = memrchr(b'\n', rest) {
            let (whole, behind) = rest.split_at(end + 1);
            run(whole);
            rest = behind;
        }
        self.part.extend_from_slice(rest);
    }
}

/// Lines of a run, without their ends.
pub(crate) fn lines(run: &[u8]) -> impl Iterator<Item = &[u8]> {
    run.split_inclusive(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\n").unwrap_or(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_wherever_the_bytes_are_split() {
        let bytes = b"one\n\ntwo\nthr";
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                let (mut whole, mut found) = (WholeLines::default(), Vec::new());
                for piece in [&bytes[..first], &bytes[first..second], &bytes[second..]] {
                    whole.take(piece, |run| {
                        assert!(run.ends_with(b"\n"));
                        found.extend(lines(run).map(<[u8]>::to_vec));
                    });
                }
                assert_eq!(found, [&b"one"[..], b"", b"two"], "split at {first} and {second}");
                assert_eq!(whole.begun(), 3);
            }
        }
    }

    #[test]
    fn bytes_that_the_stream_does_not_take_wait() {
        /// Takes three bytes and then nothing, in turn.
        struct Narrow(Vec<u8>, bool);
        impl Write for Narrow {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.1 = !self.1;
                if !self.1 {
                    return Err(ErrorKind::WouldBlock.into());
                }
                let taken = bytes.len().min(3);
                self.0.extend_from_slice(&bytes[..taken]);
                Ok(taken)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (mut output, mut stream) = (Output::default(), Narrow(Vec::new(), false));
        output.bytes().extend_from_slice(b"abcdefgh");
        for waiting in [5, 2, 0] {
            output.write_to(&mut stream).unwrap();
            assert_eq!(output.waiting(), waiting);
        }
        assert_eq!(stream.0, b"abcdefgh");
    }
}
