//! Prints text to standard output, or above the line that the user types.
//!
//! ```text
//!   print ─┬─ no line is being typed ───────────────────────────▶ standard output
//!          └─ one is ─▶ waiting ─┬─ the editor draws its prompt ─▶ text, prompt, line
//!                                └─ the line ends ──────────────▶ standard output
//! ```
//!
//! The editor (rustyline) can print above its line too. But it loses a text that it gets in the
//! moment in which the last line ends. So the text stays here until it is shown, and the editor
//! only gets an empty text, which makes it draw its prompt.

use std::borrow::Cow;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustyline::completion::Completer;
use rustyline::config::{ColorMode, CompletionType, Config};
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::Validator;
use rustyline::{Context, ExternalPrinter, Helper};

use super::printout::write_all;

use super::completion::{self, Completion};
use super::known_ids::KnownIds;
use crate::limits::HISTORY_LINES_MAX;

/// The line editor.
pub(super) type Editor = rustyline::Editor<PromptHelper, DefaultHistory>;

/// Standard output, shared with the line editor.
pub(super) struct Screen {
    /// Text to be shown above the line being edited. The lock is held while printing, and a slow
    /// terminal can make that long.
    waiting: Mutex<String>,
    /// True while a line is being edited. It changes only while `waiting` is locked, and can be
    /// read without the lock.
    is_editing: AtomicBool,
    /// The line being edited is not empty.
    has_text: AtomicBool,
    /// The program shuts down: Ctrl-C ends the line in any case.
    is_closing: AtomicBool,
    /// Makes the editor draw its prompt. `None` without line editing.
    redraw: Option<Mutex<Box<dyn ExternalPrinter + Send>>>,
}

impl Screen {
    /// Creates a screen without line editing.
    pub(super) fn plain() -> Arc<Self> {
        Arc::new(Self::new(None))
    }

    /// Creates a screen with line editing. Without terminal support, the editor reads plain lines.
    pub(super) fn with_editor(ids: &Arc<KnownIds>) -> rustyline::Result<(Arc<Self>, Editor)> {
        // With colours, the editor lets `PromptHelper` draw text above the prompt. Without
        // questions in a completion, it always does so at once.
        let config = Config::builder()
            .max_history_size(HISTORY_LINES_MAX)?
            .color_mode(ColorMode::Forced)
            .completion_type(CompletionType::List)
            .completion_show_all_if_ambiguous(true)
            .build();
        let mut editor = Editor::with_config(config)?;
        let redraw = editor.create_external_printer().ok();
        let redraw = redraw.map(|redraw| Mutex::new(Box::new(redraw) as Box<_>));
        let screen = Arc::new(Self::new(redraw));
        let ids = Arc::clone(ids);
        editor.set_helper(Some(PromptHelper { screen: Arc::clone(&screen), ids }));
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

    /// Prints whole lines. While a line is being typed, this may block until the editor has drawn
    /// the text: in a search, or after Ctrl-V, the editor waits for the user.
    pub(super) fn print(&self, text: &str) -> io::Result<()> {
        let mut waiting = lock(&self.waiting);
        if !self.is_editing() {
            return write_all(io::stdout().lock(), text);
        }
        waiting.push_str(text);
        drop(waiting);
        if let Some(redraw) = &self.redraw {
            // If this fails, the line has ended, and `end_line` has shown the text.
            let _ = lock(redraw).print(EMPTY_LINE.to_owned());
        }
        Ok(())
    }

    /// Starts a line: text is shown above it from here on, if there is line editing.
    pub(super) fn begin_line(&self) {
        let _guard = lock(&self.waiting);
        self.is_editing.store(self.redraw.is_some(), Ordering::Release);
    }

    /// Ends a line, and prints the waiting text below it.
    pub(super) fn end_line(&self) {
        let mut waiting = lock(&self.waiting);
        self.is_editing.store(false, Ordering::Release);
        // An error is ignored here: the next print fails too, and reports it.
        let _ = write_all(io::stdout().lock(), &std::mem::take(&mut *waiting));
    }

    /// Returns true if Ctrl-C clears the line instead of ending the program.
    pub(super) fn may_clear_line(&self) -> bool {
        self.has_text.load(Ordering::Acquire) && !self.is_closing()
    }

    /// Returns true if the program shuts down.
    pub(super) fn is_closing(&self) -> bool {
        self.is_closing.load(Ordering::Acquire)
    }

    /// Makes Ctrl-C end the line in any case.
    pub(super) fn close(&self) {
        self.is_closing.store(true, Ordering::Release);
    }

    /// Returns true while a line is being edited. Never blocks.
    pub(super) fn is_editing(&self) -> bool {
        self.is_editing.load(Ordering::Acquire)
    }
}

/// Control sequence without a visible effect: one line up and down again. The editor adds a line
/// feed to a text that has none.
const EMPTY_LINE: &str = "\x1b[A\n";

/// As [`EMPTY_LINE`], and turns bracketed paste on.
pub(in crate::participant) const PASTES_ARE_BRACKETED: &str = "\x1b[?2004h\x1b[A\n";

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Draws the waiting text above the prompt, when the editor draws its prompt, and completes words.
pub(super) struct PromptHelper {
    screen: Arc<Screen>,
    ids: Arc<KnownIds>,
}

impl Highlighter for PromptHelper {
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _: bool) -> Cow<'b, str> {
        let mut text = std::mem::take(&mut *lock(&self.screen.waiting));
        text.push_str(prompt);
        Cow::Owned(text)
    }
}

impl Completer for PromptHelper {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        cursor: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let Completion { start, words } = completion::complete(line, cursor, &self.ids);
        Ok((start, words))
    }
}

/// Gives no hints. The editor calls it for each change of the line.
impl Hinter for PromptHelper {
    type Hint = String;

    fn hint(&self, line: &str, _: usize, _: &Context<'_>) -> Option<String> {
        self.screen.has_text.store(!line.is_empty(), Ordering::Release);
        None
    }
}

impl Validator for PromptHelper {}

impl Helper for PromptHelper {}
