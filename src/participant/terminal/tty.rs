//! The settings of the terminal: set for line editing, and restored at the end.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, getpgrp, getpid, kill_process};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr};

use super::reader::UserInput;
use super::screen::{Editor, Screen};

/// A terminal with line editing.
pub(super) struct Terminal {
    editor: Option<Editor>,
    screen: Arc<Screen>,
    /// Settings of the terminal before line editing.
    found: Option<Termios>,
}

/// Result of setting the terminal for line editing again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::participant) enum ResumedEditing {
    Done,
    /// The program is in the background. A shell that brings it to the foreground need not send a
    /// signal: the program must look again.
    Background,
    /// No line is being edited, or the terminal cannot be set.
    NoLine,
}

impl Terminal {
    pub(super) fn new(editor: Editor, screen: Arc<Screen>) -> Self {
        Self { editor: Some(editor), screen, found: tcgetattr(io::stdin()).ok() }
    }

    /// Returns the editor for the reader's thread, once.
    pub(super) fn take_editor(&mut self) -> Option<Editor> {
        self.editor.take()
    }

    /// Sets the terminal for line editing again, after a shell has used it.
    ///
    /// The editor does the same on Ctrl-Z. But it cannot know whether the stop takes effect before
    /// its change, and it does not notice a stop signal from another program.
    pub(super) fn resume(&self) -> ResumedEditing {
        let Some(found) = self.found.as_ref().filter(|_| self.screen.is_editing()) else {
            return ResumedEditing::NoLine;
        };
        if tcgetpgrp(io::stdin()).is_ok_and(|group| group != getpgrp()) {
            // In the background, a change of the settings would stop the program again.
            return ResumedEditing::Background;
        }
        let mut raw = found.clone();
        raw.make_raw();
        raw.output_modes = found.output_modes; // A line feed still starts a new line.
        // SIGWINCH makes the editor read the size, which may have changed, and draw its line.
        let is_set = tcsetattr(io::stdin(), OptionalActions::Now, &raw)
            .and_then(|()| kill_process(getpid(), Signal::WINCH));
        if is_set.is_ok() { ResumedEditing::Done } else { ResumedEditing::NoLine }
    }

    /// Restores the settings, also while a line is being typed.
    pub(super) fn restore(&self, typed: &Receiver<UserInput>, wait: Duration) {
        let Some(found) = &self.found else { return };
        self.screen.close();
        let is_edited = self.screen.is_editing() && !is_reader_ended(typed, wait);
        if is_edited && takes_text() {
            // Turns bracketed paste off, and starts a new line for the next prompt.
            let _ = io::stdout().write_all(b"\x1b[?2004l\r\n").and_then(|()| io::stdout().flush());
        }
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, found);
    }
}

/// Returns true if the terminal takes text now. A terminal stopped by Ctrl-S would block the exit.
fn takes_text() -> bool {
    let stdout = io::stdout();
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut asked = [PollFd::new(&stdout, PollFlags::OUT)];
    poll(&mut asked, Some(&at_once)).is_ok_and(|ready| ready > 0)
}

/// Makes the reader give up the line being typed, as Ctrl-C would, after it has shown the waiting
/// text. Returns false if the reader does not end in time.
///
/// The SIGINT to this process is harmless: a handler exists from before the first line to the end
/// of the process, of the editor while it reads, and of the loop otherwise.
fn is_reader_ended(typed: &Receiver<UserInput>, wait: Duration) -> bool {
    if kill_process(getpid(), Signal::INT).is_err() {
        return false;
    }
    loop {
        match typed.recv_timeout(wait) {
            Ok(UserInput::Line(_) | UserInput::TooLong | UserInput::Unreadable(_)) => (),
            Ok(UserInput::End | UserInput::Interrupt) | Err(RecvTimeoutError::Disconnected) => {
                return true;
            }
            Err(RecvTimeoutError::Timeout) => return false,
        }
    }
}
