//! The terminal that the user sits at: taken over for line editing, and given back.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, getpgrp, getpid, kill_process};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr};

use super::reader::UserInput;
use super::screen::{Editor, Screen};

/// The terminal, and who reads it.
pub(super) struct Terminal {
    editor: Option<Editor>,
    screen: Arc<Screen>,
    /// How it was when the program found it.
    found: Option<Termios>,
}

impl Terminal {
    pub(super) fn new(editor: Editor, screen: Arc<Screen>) -> Self {
        Self { editor: Some(editor), screen, found: tcgetattr(io::stdin()).ok() }
    }

    /// For the reader's thread; it is handed out once.
    pub(super) fn take_editor(&mut self) -> Option<Editor> {
        self.editor.take()
    }

    /// Sets what line editing needs again, after a shell has had the terminal; `false` if nothing
    /// is being edited.
    ///
    /// The editor does it too when the key that stops the program is pressed, but it cannot know
    /// whether the stop takes effect before it does, and it learns nothing of stops from elsewhere.
    pub(super) fn resume(&self) -> bool {
        let Some(found) = self.found.as_ref().filter(|_| self.screen.is_editing()) else {
            return false;
        };
        if tcgetpgrp(io::stdin()).is_ok_and(|group| group != getpgrp()) {
            return false; // It goes on in the background: setting anything would stop it again.
        }
        let mut raw = found.clone();
        raw.make_raw();
        raw.output_modes = found.output_modes; // A line feed still begins a line.
        // The size may be another one: the editor looks when it is told, and shows the line again.
        tcsetattr(io::stdin(), OptionalActions::Now, &raw).is_ok()
            && kill_process(getpid(), Signal::WINCH).is_ok()
    }

    /// Leaves it as it was found, also while a line is being typed.
    pub(super) fn restore(&self, typed: &Receiver<UserInput>, wait: Duration) {
        let Some(found) = &self.found else { return };
        self.screen.close();
        let is_edited = self.screen.is_editing() && !is_reader_ended(typed, wait);
        if is_edited && takes_text() {
            // Pastes are no longer bracketed, and whoever prompts next begins on a line of its own.
            let _ = io::stdout().write_all(b"\x1b[?2004l\r\n").and_then(|()| io::stdout().flush());
        }
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, found);
    }
}

/// Whether the terminal would take text now: one that was stopped would keep us from ending.
fn takes_text() -> bool {
    let stdout = io::stdout();
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut asked = [PollFd::new(&stdout, PollFlags::OUT)];
    poll(&mut asked, Some(&at_once)).is_ok_and(|ready| ready > 0)
}

/// Has the reader give up the line being typed, as the key that interrupts would, once it has shown
/// what it had taken to be shown; `false` if it does not.
///
/// It is safe to interrupt ourselves: the signal is watched from before the first line to the end
/// of the process, by the editor while it reads and by the loop otherwise.
fn is_reader_ended(typed: &Receiver<UserInput>, wait: Duration) -> bool {
    if kill_process(getpid(), Signal::INT).is_err() {
        return false;
    }
    loop {
        match typed.recv_timeout(wait) {
            Ok(UserInput::Line(_) | UserInput::TooLong) => (),
            Ok(UserInput::End | UserInput::Interrupt) | Err(RecvTimeoutError::Disconnected) => {
                return true;
            }
            Err(RecvTimeoutError::Timeout) => return false,
        }
    }
}
