//! Text for the printer, in pieces that go to standard output or to standard error, in order.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, poll};

use super::screen::Screen;
use crate::net::Sink;
use crate::participant::batched_worker::Batch;

/// A stream of the program for text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TextStream {
    Output,
    Error,
    /// Standard output, or standard error if standard output takes no text.
    OutputOrError,
}

/// Whole lines for both streams.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::participant) struct Printout {
    text: String,
    /// Position at which each piece starts, and its stream.
    pieces: Vec<(usize, TextStream)>,
}

impl Batch for Printout {
    fn is_empty(&self) -> bool {
        self.text.is_empty()
    }
}

impl Printout {
    /// Returns the number of bytes of both streams.
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// Returns the text, to which lines for `stream` are appended.
    pub(super) fn lines_of(&mut self, stream: TextStream) -> &mut String {
        if self.pieces.last().is_none_or(|(_, last)| *last != stream) {
            self.pieces.push((self.text.len(), stream));
        }
        &mut self.text
    }

    /// Appends the text of a later printout.
    fn append(&mut self, later: &Self) {
        for (stream, text) in later.pieces() {
            self.lines_of(stream).push_str(text);
        }
    }

    /// Returns the pieces in order. Neighbours have different streams.
    fn pieces(&self) -> impl Iterator<Item = (TextStream, &str)> {
        let ends = self.pieces.iter().skip(1).map(|(start, _)| *start).chain([self.text.len()]);
        let pieces = self.pieces.iter().zip(ends);
        pieces
            .map(|((start, stream), end)| (*stream, self.text.get(*start..end).unwrap_or_default()))
    }

    fn clear(&mut self) {
        self.text.clear();
        self.pieces.clear();
    }
}

/// Result of printing a text.
pub(in crate::participant) struct Printed {
    /// Result of standard output.
    pub(super) result: io::Result<()>,
    /// The emptied buffer, to be used for the next text.
    pub(super) spare: Printout,
}

/// Prints text on the printer's thread.
pub(in crate::participant) struct OutputPrinter {
    screen: Arc<Screen>,
}

impl OutputPrinter {
    pub(super) const fn new(screen: Arc<Screen>) -> Self {
        Self { screen }
    }

    fn print(&self, stream: TextStream, text: &str) -> io::Result<()> {
        match stream {
            TextStream::Output => self.screen.print(text),
            TextStream::Error => {
                print_error(text);
                Ok(())
            }
            TextStream::OutputOrError => self.screen.print(text).inspect_err(|_| print_error(text)),
        }
    }
}

impl Sink for OutputPrinter {
    type Job = Printout;
    type Done = Printed;

    fn run(&mut self, batch: Vec<Printout>) -> Printed {
        let mut printouts = batch.into_iter();
        let mut all = printouts.next().unwrap_or_default();
        printouts.for_each(|later| all.append(&later));
        // The notices behind text that could not be printed are printed all the same.
        let result = all
            .pieces()
            .map(|(stream, text)| self.print(stream, text))
            .fold(Ok(()), io::Result::and);
        all.clear();
        Printed { result, spare: all }
    }
}

/// Prints text on standard error. As for diagnostics, there is no place to report a failure.
fn print_error(text: &str) {
    let _ = write_all(io::stderr().lock(), text);
}

/// Writes all bytes, also if another program has made the stream non-blocking.
pub(in crate::participant) fn write_all(
    mut stream: impl io::Write + AsFd,
    text: &str,
) -> io::Result<()> {
    let mut unwritten = text.as_bytes();
    loop {
        let written =
            if unwritten.is_empty() { stream.flush().map(|()| 0) } else { stream.write(unwritten) };
        match written {
            Ok(0) if unwritten.is_empty() => return Ok(()),
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => unwritten = unwritten.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                poll(&mut [PollFd::new(&stream, PollFlags::OUT)], None)?;
            }
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_their_order_across_streams_and_printouts() {
        let lines = [
            (TextStream::Error, "* a\n"),
            (TextStream::Output, "1\n"),
            (TextStream::Output, "2\n"),
            (TextStream::Error, "* b\n"),
        ];
        for cut in 0..=lines.len() {
            let mut printouts = [Printout::default(), Printout::default()];
            for (number, (stream, line)) in lines.into_iter().enumerate() {
                printouts[usize::from(number >= cut)].lines_of(stream).push_str(line);
            }
            let [mut first, second] = printouts;
            first.append(&second);
            let expected = [
                (TextStream::Error, "* a\n"),
                (TextStream::Output, "1\n2\n"),
                (TextStream::Error, "* b\n"),
            ];
            assert_eq!(first.pieces().collect::<Vec<_>>(), expected, "cut at {cut}");
            first.clear();
            assert_eq!((first.pieces().count(), first.is_empty()), (0, true));
        }
    }
}
