//! Reads the user's lines and prints text, at a terminal or through pipes.
//!
//! ```text
//!   keys ─▶ reader thread ─▶ lines ─▶ loop ─▶ text ─▶ printer thread ─▶ above the line typed,
//!             readline                                                  or both streams
//! ```
//!
//! Reading and writing a terminal may block, so two threads do it and not the loop.

mod colours;
mod completion;
mod history_file;
mod input;
mod json;
mod known_ids;
mod output;
mod printout;
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
use crate::net::{Diagnostic, Print, print_each};
use colours::shows_colours;
use input::{Writers, close_stdin};
use known_ids::KnownIds;
use printout::OutputPrinter;
use reader::{InputSender, ends_program, read_lines, read_terminal};
use screen::Screen;
use tty::Terminal;

pub(super) use history_file::{HistoryFile, HistoryVariables};
pub(super) use input::InputMode;
pub(super) use json::push_time;
pub(super) use output::Output;
pub(super) use printout::write_all;
pub(super) use reader::UserInput;
pub(super) use screen::PASTES_ARE_BRACKETED;
pub(super) use tty::ResumedEditing;

/// The user's input and output.
pub(super) struct Prompt {
    screen: Arc<Screen>,
    terminal: Option<Terminal>,
    ids: Arc<KnownIds>,
    history: HistoryFile,
    reading: InputMode,
    /// True for `--lines`: no line is a command.
    reads_texts: bool,
}

/// Returns true if messages on standard output may have colours.
fn stdout_shows_colours() -> bool {
    let [no_color, term] = ["NO_COLOR", "TERM"].map(std::env::var_os);
    shows_colours(io::stdout().is_terminal(), no_color.as_deref(), term.as_deref())
}

impl Prompt {
    /// Prepares the terminal. Lines are edited if commands are read, and if input and output are a
    /// terminal.
    pub(super) fn new(reading: InputMode, reads_texts: bool, history: HistoryFile) -> Self {
        let is_terminal = reading != InputMode::Nothing
            && !reads_texts
            && io::stdin().is_terminal()
            && io::stdout().is_terminal();
        let ids = Arc::default();
        match is_terminal.then(|| Screen::with_editor(&ids)).and_then(Result::ok) {
            Some((screen, editor)) => {
                let terminal = Some(Terminal::new(editor, Arc::clone(&screen)));
                Self { screen, terminal, ids, history, reading, reads_texts }
            }
            None => {
                Self { screen: Screen::plain(), terminal: None, ids, history, reading, reads_texts }
            }
        }
    }

    /// Starts the reader's thread. `waker` wakes the loop for each line.
    ///
    /// # Errors
    ///
    /// If the thread cannot be started, or a FIFO cannot be watched.
    pub(super) fn read(&mut self, waker: Arc<Waker>) -> io::Result<Receiver<UserInput>> {
        let reader = thread::Builder::new().name("reader".to_owned());
        if let Some(editor) = self.terminal.as_mut().and_then(Terminal::take_editor) {
            let screen = Arc::clone(&self.screen);
            let history = std::mem::take(&mut self.history);
            // This channel is unbounded. If the reader waited for the loop, the printer would wait
            // for the reader, and the loop for the printer: a deadlock.
            let (sender, receiver) = mpsc::channel();
            let sender = InputSender::new(waker, move |typed| sender.send(typed).is_ok());
            reader.spawn(move || read_terminal(editor, history, &screen, &sender))?;
            return Ok(receiver);
        }
        let (sender, receiver) = mpsc::sync_channel(USER_LINES_WAITING_MAX);
        let sender = InputSender::new(waker, move |typed| sender.send(typed).is_ok());
        let writers = match self.reading {
            InputMode::Nothing => {
                close_stdin(); // Writers get an error instead of blocking.
                sender.send(UserInput::End);
                return Ok(receiver);
            }
            InputMode::ToItsEnd => None,
            InputMode::OfEachWriter => Writers::of_stdin()?,
        };
        let ends_at: fn(&str) -> bool = if self.reads_texts { |_| false } else { ends_program };
        reader.spawn(move || read_lines(io::stdin().lock(), writers, ends_at, &sender))?;
        Ok(receiver)
    }

    /// Returns the sink that runs on the printer's thread.
    pub(super) fn printer(&self) -> OutputPrinter {
        OutputPrinter::new(Arc::clone(&self.screen))
    }

    /// Returns the ids for completion, if lines are edited.
    pub(super) fn known_ids(&self) -> Option<Arc<KnownIds>> {
        self.terminal.as_ref().map(|_| Arc::clone(&self.ids))
    }

    /// Returns the printer of diagnostics for a terminal with line editing, where they must not
    /// damage the line being typed.
    pub(super) fn diagnostics(&self, has_modules: bool) -> Option<Print> {
        self.terminal.as_ref()?;
        let screen = Arc::clone(&self.screen);
        Some(print_each(move |diagnostic| {
            let Diagnostic { level, text, .. } = diagnostic;
            screen.print(&format!("{level:<5} [{}] {text}\n", diagnostic.label(has_modules)))
        }))
    }

    /// Restores line editing after the program was stopped and continued. If that is done,
    /// [`PASTES_ARE_BRACKETED`] is to be printed.
    pub(super) fn resume(&self) -> ResumedEditing {
        self.terminal.as_ref().map_or(ResumedEditing::NoLine, Terminal::resume)
    }

    /// Restores the terminal's settings, also while a line is being typed.
    pub(super) fn restore(&self, typed: &Receiver<UserInput>, wait: Duration) {
        self.terminal.iter().for_each(|terminal| terminal.restore(typed, wait));
    }
}
