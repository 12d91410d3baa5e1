//! The user: lines in, text out, at a terminal or through pipes.
//!
//! ```text
//!   keys ─▶ reader thread ─▶ lines ─▶ loop ─▶ text ─▶ printer thread ─▶ above the line being typed
//!             readline                                                  or standard output
//! ```
//!
//! Reading and writing a terminal may block, so neither is done by the loop.

mod input;
mod output;
mod reader;
mod screen;
mod tty;

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use mio::Waker;

use crate::limits::USER_LINES_WAITING_MAX;
use crate::net::{Diagnostic, Print, Sink};
use input::{Writers, close_stdin};
use reader::{InputSender, read_lines, read_terminal};
use screen::{PASTES_ARE_BRACKETED, Screen};
use tty::Terminal;

pub(super) use input::InputMode;
pub(super) use output::Output;
pub(super) use reader::UserInput;

/// The user's side of the program.
pub(super) struct Prompt {
    screen: Arc<Screen>,
    terminal: Option<Terminal>,
    reading: InputMode,
}

impl Prompt {
    /// With line editing if lines are read and both sides of the user are a terminal.
    pub(super) fn new(reading: InputMode) -> Self {
        let is_terminal = reading != InputMode::Nothing
            && io::stdin().is_terminal()
            && io::stdout().is_terminal();
        match is_terminal.then(Screen::with_editor).and_then(Result::ok) {
            Some((screen, editor)) => {
                let terminal = Some(Terminal::new(editor, Arc::clone(&screen)));
                Self { screen, terminal, reading }
            }
            None => Self { screen: Screen::plain(), terminal: None, reading },
        }
    }

    /// Begins to read; `waker` says that there is something.
    ///
    /// # Errors
    ///
    /// If there can be no further thread, or a FIFO cannot be watched.
    pub(super) fn read(&mut self, waker: Arc<Waker>) -> io::Result<Receiver<UserInput>> {
        let reader = thread::Builder::new().name("reader".to_owned());
        if let Some(editor) = self.terminal.as_mut().and_then(Terminal::take_editor) {
            let screen = Arc::clone(&self.screen);
            // Without a bound but the user's patience: while the reader waited for the loop, the
            // printer would wait for the reader, and in the end the loop for the printer.
            let (sender, receiver) = mpsc::channel();
            let sender = InputSender::new(waker, move |typed| sender.send(typed).is_ok());
            reader.spawn(move || read_terminal(editor, &screen, &sender))?;
            return Ok(receiver);
        }
        let (sender, receiver) = mpsc::sync_channel(USER_LINES_WAITING_MAX);
        let sender = InputSender::new(waker, move |typed| sender.send(typed).is_ok());
        let writers = match self.reading {
            InputMode::Nothing => {
                close_stdin(); // Nobody can write what nobody reads.
                sender.send(UserInput::End);
                return Ok(receiver);
            }
            InputMode::ToItsEnd => None,
            InputMode::OfEachWriter => Writers::of_stdin()?,
        };
        reader.spawn(move || read_lines(io::stdin().lock(), writers, &sender))?;
        Ok(receiver)
    }

    /// What the printer's thread prints to.
    pub(super) fn printer(&self) -> OutputPrinter {
        OutputPrinter { screen: Arc::clone(&self.screen) }
    }

    /// What diagnostics are printed with where they would damage the line being typed.
    pub(super) fn diagnostics(&self, has_modules: bool) -> Option<Print> {
        self.terminal.as_ref()?;
        let screen = Arc::clone(&self.screen);
        Some(Box::new(move |diagnostic| {
            let Diagnostic { level, text, .. } = diagnostic;
            screen.print(&format!("{level:<5} [{}] {text}\n", diagnostic.label(has_modules)))
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
    pub(super) fn restore(&self, typed: &Receiver<UserInput>, wait: Duration) {
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
pub(super) struct OutputPrinter {
    screen: Arc<Screen>,
}

impl Sink for OutputPrinter {
    type Job = String;
    type Done = Printed;

    fn run(&mut self, batch: Vec<String>) -> Printed {
        let mut texts = batch.into_iter();
        let mut text = texts.next().unwrap_or_default();
        text.extend(texts);
        let result = self.screen.print(&text);
        text.clear();
        Printed { result, spare: text }
    }
}
