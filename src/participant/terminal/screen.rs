//! Where text goes: above the line being typed, or to standard output.
//!
//! ```text
//!   print ─┬─ no line is being typed ───────────────────────────▶ standard output
//!          └─ one is ─▶ waiting ─┬─ the editor draws its prompt ─▶ text, prompt, line
//!                                └─ the line ends ──────────────▶ standard output
//! ```
//!
//! The editor can print above its line as well, but keeps a text that it was handed in the moment
//! in which the last line ends, and shows it to nobody. So the text stays here until it is shown;
//! what the editor is handed is nothing but a reason to draw its prompt.

use std::borrow::Cow;
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::event::{PollFd, PollFlags, poll};
use rustyline::completion::Completer;
use rustyline::config::{ColorMode, Config};
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::Validator;
use rustyline::{Context, ExternalPrinter, Helper};

/// Edits lines below what is printed.
pub(super) type Editor = rustyline::Editor<PromptHelper, DefaultHistory>;

/// Standard output, which the line being typed may share.
pub(super) struct Screen {
    /// To be shown above the line being edited. Whoever prints holds it meanwhile, which a terminal
    /// may make as long as it likes.
    waiting: Mutex<String>,
    /// Whether a line is being edited. It changes only while `waiting` is held, and can be known
    /// without.
    is_editing: AtomicBool,
    /// The line being edited is not empty.
    has_text: AtomicBool,
    /// The program ends: the key that interrupts ends the line in any case.
    is_closing: AtomicBool,
    /// Has the editor draw its prompt. Without it no line is ever edited.
    redraw: Option<Mutex<Box<dyn ExternalPrinter + Send>>>,
}

impl Screen {
    /// One without line editing.
    pub(super) fn plain() -> Arc<Self> {
        Arc::new(Self::new(None))
    }

    /// At a terminal, which may still be one that can do nothing.
    pub(super) fn with_editor() -> rustyline::Result<(Arc<Self>, Editor)> {
        // What is drawn above the prompt counts as its colour.
        let config = Config::builder().color_mode(ColorMode::Forced).build();
        let mut editor = Editor::with_config(config)?;
        let redraw = editor.create_external_printer().ok();
        let redraw = redraw.map(|redraw| Mutex::new(Box::new(redraw) as Box<_>));
        let screen = Arc::new(Self::new(redraw));
        editor.set_helper(Some(PromptHelper(Arc::clone(&screen))));
        Ok((screen, editor))
    }

    fn new(redraw: Option<Mutex<Box<dyn ExternalPrinter + Send>>>) -> Self {
        Self {
            waiting: Mutex::default(),
            is_editing: AtomicBool::new(false),
            has_text: AtomicBool::new(false),
            is_closing: AtomicBool::new(false),
            redraw,
        }
    }

    /// Prints whole lines. While one is being typed this may wait for the editor, which waits for
    /// the user amid a search or behind Ctrl-V.
    pub(super) fn print(&self, text: &str) -> io::Result<()> {
        let mut waiting = lock(&self.waiting);
        if !self.is_editing() {
            return write(text);
        }
        waiting.push_str(text);
        drop(waiting);
        if let Some(redraw) = &self.redraw {
            // Where it fails there is no editor any more: the end of the line has shown the text.
            let _ = lock(redraw).print(EMPTY_LINE.to_owned());
        }
        Ok(())
    }

    /// From here on the editor has the last line of the screen, if it can edit at all.
    pub(super) fn begin_line(&self) {
        let _guard = lock(&self.waiting);
        self.is_editing.store(self.redraw.is_some(), Ordering::Release);
    }

    /// The line is ended: what it kept waiting stands below it.
    pub(super) fn end_line(&self) {
        let mut waiting = lock(&self.waiting);
        self.is_editing.store(false, Ordering::Release);
        // Who cannot read this cannot read what is printed next either, and that is an error.
        let _ = write(&std::mem::take(&mut *waiting));
    }

    /// Tells if the key that interrupts clears the line instead of ending the program.
    pub(super) fn may_clear_line(&self) -> bool {
        self.has_text.load(Ordering::Acquire) && !self.is_closing.load(Ordering::Acquire)
    }

    /// From here on the key that interrupts ends the line in any case.
    pub(super) fn close(&self) {
        self.is_closing.store(true, Ordering::Release);
    }

    /// Whether a line is being edited; waits for nothing.
    pub(super) fn is_editing(&self) -> bool {
        self.is_editing.load(Ordering::Acquire)
    }
}

/// One line up and down again: a text without the line feed at its end would get one.
const EMPTY_LINE: &str = "\x1b[A\n";

/// As [`EMPTY_LINE`], but for what it asks of the terminal.
pub(super) const PASTES_ARE_BRACKETED: &str = "\x1b[?2004h\x1b[A\n";

/// Writes all of it, also where another program has made standard output non-blocking.
fn write(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    let mut unwritten = text.as_bytes();
    loop {
        let written =
            if unwritten.is_empty() { stdout.flush().map(|()| 0) } else { stdout.write(unwritten) };
        match written {
            Ok(0) if unwritten.is_empty() => return Ok(()),
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => unwritten = unwritten.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                poll(&mut [PollFd::new(&io::stdout(), PollFlags::OUT)], None)?;
            }
            Err(error) => return Err(error),
        }
    }
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has the editor draw what waits above its prompt.
pub(super) struct PromptHelper(Arc<Screen>);

impl Highlighter for PromptHelper {
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _: bool) -> Cow<'b, str> {
        let mut text = std::mem::take(&mut *lock(&self.0.waiting));
        text.push_str(prompt);
        Cow::Owned(text)
    }
}

impl Completer for PromptHelper {
    type Candidate = String;
}

/// Hints at nothing, but is shown the line whenever it changes.
impl Hinter for PromptHelper {
    type Hint = String;

    fn hint(&self, line: &str, _: usize, _: &Context<'_>) -> Option<String> {
        self.0.has_text.store(!line.is_empty(), Ordering::Release);
        None
    }
}

impl Validator for PromptHelper {}

impl Helper for PromptHelper {}
