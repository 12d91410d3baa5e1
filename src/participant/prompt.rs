//! The user: lines in, text out, at a terminal or through pipes.
//!
//! ```text
//!   keys ─▶ reader thread ─▶ lines ─▶ loop ─▶ text ─▶ printer thread ─▶ above the line being typed
//!             readline                                                  or standard output
//! ```
//!
//! Reading and writing a terminal may block, so neither is done by the loop.

use std::io::{self, BufRead, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use mio::Waker;
use rustyline::error::{ReadlineError, Signal};
use rustyline::{DefaultEditor, ExternalPrinter};

use super::terminal::Terminal;
use crate::event_loop::{Diagnostic, Print, Sink};
use crate::limits::{USER_LINE_BYTES_MAX, USER_LINES_WAITING_MAX};

/// What comes from the user.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Typed {
    /// A line without its end.
    Line(Vec<u8>),
    /// A line that was not kept, for it has too many bytes.
    TooLong,
    /// There will be no more.
    End,
    /// The key that interrupts.
    Interrupt,
}

/// The user's side of the program.
pub(super) struct Prompt {
    screen: Arc<Mutex<Screen>>,
    terminal: Option<Terminal>,
}

/// Where text goes.
pub(super) struct Screen {
    above: Option<Box<dyn ExternalPrinter + Send>>,
    is_reading: Arc<AtomicBool>,
}

impl Prompt {
    /// With line editing if both sides of the user are a terminal.
    pub(super) fn new() -> Self {
        let is_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
        let mut editor = is_terminal.then(DefaultEditor::new).and_then(Result::ok);
        let above = editor
            .as_mut()
            .and_then(|editor| editor.create_external_printer().ok())
            .map(|printer| Box::new(printer) as Box<dyn ExternalPrinter + Send>);
        let is_reading = Arc::new(AtomicBool::new(false));
        let terminal =
            editor.map(|editor| Terminal::new(editor, above.is_some(), Arc::clone(&is_reading)));
        let screen = Screen { above, is_reading };
        Self { screen: Arc::new(Mutex::new(screen)), terminal }
    }

    /// Begins to read; `waker` says that there is something.
    ///
    /// # Errors
    ///
    /// If there can be no further thread.
    pub(super) fn read(&mut self, waker: Arc<Waker>) -> io::Result<Receiver<Typed>> {
        let reader = thread::Builder::new().name("reader".to_owned());
        if let Some((editor, is_reading)) = self.terminal.as_mut().and_then(Terminal::take_editor) {
            // Without a bound but the user's patience: while the reader waited for the loop, the
            // printer would wait for the reader, and in the end the loop for the printer.
            let (sender, receiver) = mpsc::channel();
            let desk = Desk { waker, send: Box::new(move |typed| sender.send(typed).is_ok()) };
            reader.spawn(move || read_terminal(editor, &is_reading, &desk))?;
            return Ok(receiver);
        }
        let (sender, receiver) = mpsc::sync_channel(USER_LINES_WAITING_MAX);
        let desk = Desk { waker, send: Box::new(move |typed| sender.send(typed).is_ok()) };
        reader.spawn(move || read_lines(io::stdin().lock(), &desk))?;
        Ok(receiver)
    }

    /// What the printer's thread prints to.
    pub(super) fn printer(&self) -> Printer {
        Printer { screen: Arc::clone(&self.screen) }
    }

    /// What diagnostics are printed with where they would damage the line being typed.
    pub(super) fn diagnostics(&self) -> Option<Print> {
        self.terminal.as_ref()?;
        let screen = Arc::clone(&self.screen);
        Some(Box::new(move |diagnostic| {
            let Diagnostic { level, target, text, .. } = diagnostic;
            lock(&screen).print(&format!("{level:<5} [{target}] {text}\n"))
        }))
    }

    /// After the program was stopped: what to print so that the line being typed can be edited
    /// again, which whoever used the terminal meanwhile has put an end to.
    pub(super) fn resume(&self) -> &'static str {
        match self.terminal.as_ref().is_some_and(Terminal::resume) {
            true => PASTES_ARE_BRACKETED,
            false => "",
        }
    }

    /// Leaves the terminal as it was found, also while a line is being typed.
    pub(super) fn restore(&self, typed: &Receiver<Typed>, wait: Duration) {
        self.terminal.iter().for_each(|terminal| terminal.restore(typed, wait));
    }
}

/// What came of printing.
pub(super) struct Printed {
    pub(super) result: io::Result<()>,
    /// Emptied, for the next text: memory that is not given back need not be got again.
    pub(super) spare: String,
}

/// The printer's thread.
pub(super) struct Printer {
    screen: Arc<Mutex<Screen>>,
}

impl Sink for Printer {
    type Job = String;
    type Done = Printed;

    fn run(&mut self, batch: Vec<String>) -> Printed {
        let mut texts = batch.into_iter();
        let mut text = texts.next().unwrap_or_default();
        text.extend(texts);
        let result = lock(&self.screen).print(&text);
        text.clear();
        Printed { result, spare: text }
    }
}

fn lock(screen: &Mutex<Screen>) -> std::sync::MutexGuard<'_, Screen> {
    screen.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Screen {
    /// Prints whole lines.
    ///
    /// While a line is being typed they are left in a box that holds one text, and the reader
    /// takes them out when no key is pressed. If the user ends the last line in that moment, nobody
    /// will. Hence the second text, which shows nothing: that it found the box empty proves that
    /// the first was taken, and will be shown before the reader does anything else. When the
    /// reader is gone, both calls fail, and the text is printed here.
    fn print(&mut self, text: &str) -> io::Result<()> {
        if let Some(above) = &mut self.above {
            // Looked at on both sides: a line may be begun, or ended, while the text is left.
            let was_reading = self.is_reading.load(Ordering::Acquire);
            let printed = above.print(text.to_owned());
            let is_reading = was_reading || self.is_reading.load(Ordering::Acquire);
            let printed = printed.and_then(|()| match is_reading {
                true => above.print(NOTHING.to_owned()),
                false => Ok(()),
            });
            match printed {
                Ok(()) => return Ok(()),
                Err(_) => self.above = None,
            }
        }
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()
    }
}

/// One line up and down again: a text without the line feed at its end would get one.
const NOTHING: &str = "\x1b[A\n";

/// As [`NOTHING`], but for what it asks of the terminal.
const PASTES_ARE_BRACKETED: &str = "\x1b[?2004h\x1b[A\n";

/// The readers' way to the loop.
struct Desk {
    send: Box<dyn Fn(Typed) -> bool + Send>,
    waker: Arc<Waker>,
}

impl Desk {
    /// Waits while the loop has enough; `false` if there is no loop any more.
    fn hand_in(&self, typed: Typed) -> bool {
        let is_taken = (self.send)(typed);
        // It fails only if its file descriptor is bad: then the poll fails too, and says so.
        let _ = self.waker.wake();
        is_taken
    }
}

fn read_terminal(mut editor: DefaultEditor, is_reading: &AtomicBool, desk: &Desk) {
    let end = loop {
        is_reading.store(true, Ordering::Release);
        let line = editor.readline("participant> ");
        is_reading.store(false, Ordering::Release);
        let line = match line {
            Ok(line) => line,
            Err(ReadlineError::Eof) => break Typed::End,
            Err(ReadlineError::Signal(Signal::Resize)) => continue,
            // The line is gone; what it was, is said of what has made it so.
            Err(ReadlineError::Io(error)) if error.kind() == io::ErrorKind::InvalidData => {
                match desk.hand_in(Typed::Line(vec![NEVER_IN_UTF8])) {
                    true => continue,
                    false => return,
                }
            }
            Err(_) => break Typed::Interrupt,
        };
        if !line.trim().is_empty() {
            // An editor without a history still edits.
            let _ = editor.add_history_entry(&line);
        }
        // What was pasted may be several lines.
        for line in line.split('\n') {
            let typed = Typed::Line(line.as_bytes().to_vec());
            if line.trim() == "quit" {
                drop(editor);
                desk.hand_in(typed);
                return;
            }
            if !desk.hand_in(typed) {
                return;
            }
        }
    };
    drop(editor); // From here on nothing waits for a line above which it could stand.
    desk.hand_in(end);
}

const NEVER_IN_UTF8: u8 = 0xff;

fn read_lines(mut input: impl BufRead, desk: &Desk) {
    loop {
        // What cannot be read has ended.
        let typed = read_line(&mut input).ok().flatten().unwrap_or(Typed::End);
        let is_end = typed == Typed::End;
        if !desk.hand_in(typed) || is_end {
            return;
        }
    }
}

/// The next line, without its end; bytes before the end of input are one too.
fn read_line(input: &mut impl BufRead) -> io::Result<Option<Typed>> {
    let mut line = Vec::new();
    let mut is_too_long = false;
    loop {
        let chunk = match input.fill_buf() {
            Ok(chunk) => chunk,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if chunk.is_empty() && line.is_empty() && !is_too_long {
            return Ok(None);
        }
        let end = memchr::memchr(b'\n', chunk);
        let part = chunk.get(..end.unwrap_or(chunk.len())).unwrap_or_default();
        is_too_long |= line.len().saturating_add(part.len()) >= USER_LINE_BYTES_MAX;
        match is_too_long {
            true => line = Vec::new(),
            false => line.extend_from_slice(part),
        }
        let is_whole = end.is_some() || chunk.is_empty();
        let used = part.len().saturating_add(usize::from(end.is_some()));
        input.consume(used);
        if is_whole && is_too_long {
            return Ok(Some(Typed::TooLong));
        }
        if is_whole {
            let _ = line.pop_if(|byte| *byte == b'\r');
            return Ok(Some(Typed::Line(line)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn read_all(input: &[u8], capacity: usize) -> Vec<Typed> {
        let mut input = BufReader::with_capacity(capacity, input);
        std::iter::from_fn(|| read_line(&mut input).unwrap()).collect()
    }

    fn line(text: &str) -> Typed {
        Typed::Line(text.into())
    }

    #[test]
    fn lines_come_out_the_same_however_they_came_in() {
        for capacity in 1..20 {
            let lines = read_all(b"one\ntwo\r\n\nthree", capacity);
            assert_eq!(lines, [line("one"), line("two"), line(""), line("three")], "{capacity}");
        }
        assert_eq!(read_all(b"", 8), []);
        assert_eq!(read_all(b"\n", 8), [line("")]);
    }

    #[test]
    fn a_line_without_an_end_takes_no_memory_and_the_next_one_is_read() {
        let fits = "x".repeat(USER_LINE_BYTES_MAX - 1);
        let exceeds = "x".repeat(USER_LINE_BYTES_MAX);
        let input = format!("{exceeds}\n{fits}\nnext\n{exceeds}");
        let lines = read_all(input.as_bytes(), 8192);
        assert_eq!(lines, [Typed::TooLong, line(&fits), line("next"), Typed::TooLong]);
    }
}
