//! The user: lines in, text out, at a terminal or through pipes.
//!
//! ```text
//!   keys ─▶ reader thread ─▶ lines ─▶ loop ─▶ text ─▶ printer thread ─▶ above the line being typed
//!             readline                                                  or standard output
//! ```
//!
//! Reading and writing a terminal may block, so neither is done by the loop.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use mio::Waker;
use rustyline::{DefaultEditor, ExternalPrinter};

use super::reader::{Desk, Typed, read_lines, read_terminal};
use super::terminal::Terminal;
use crate::event_loop::{Diagnostic, Print, Sink};
use crate::limits::USER_LINES_WAITING_MAX;

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
            let desk = Desk::new(waker, move |typed| sender.send(typed).is_ok());
            reader.spawn(move || read_terminal(editor, &is_reading, &desk))?;
            return Ok(receiver);
        }
        let (sender, receiver) = mpsc::sync_channel(USER_LINES_WAITING_MAX);
        let desk = Desk::new(waker, move |typed| sender.send(typed).is_ok());
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
