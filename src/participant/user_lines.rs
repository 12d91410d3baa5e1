//! The lines of the user: the commands of `-e`, then the input.

use std::collections::VecDeque;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use super::terminal::{Prompt, UserInput};

/// Commands and lines that the session has not taken yet.
pub(super) struct UserLines {
    /// Commands of `-e`, to be run before the user's lines.
    commands: VecDeque<String>,
    /// True for `--exit-on-error`, until all commands are done.
    exits_on_error: bool,
    typed: Receiver<UserInput>,
}

/// The next step for the user's lines.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NextLine {
    Input(UserInput),
    /// A command has failed, so this number of commands is not run: quit.
    GiveUp(usize),
    /// There is no line now.
    Nothing,
}

impl UserLines {
    pub(super) fn new(
        commands: Vec<String>,
        exits_on_error: bool,
        typed: Receiver<UserInput>,
    ) -> Self {
        Self { commands: commands.into(), exits_on_error, typed }
    }

    /// Returns the next line. With `--exit-on-error`, each command of `-e` waits until the session
    /// `is_idle`, and a command that `has_failed` quits.
    pub(super) fn next(&mut self, has_failed: bool, is_idle: bool) -> NextLine {
        if self.exits_on_error && has_failed {
            self.exits_on_error = false;
            return NextLine::GiveUp(std::mem::take(&mut self.commands).len());
        }
        if self.exits_on_error {
            self.exits_on_error = !is_idle || !self.commands.is_empty();
            if !is_idle {
                return NextLine::Nothing;
            }
        }
        if let Some(command) = self.commands.pop_front() {
            return NextLine::Input(UserInput::Line(command.into_bytes()));
        }
        self.typed.try_recv().map_or(NextLine::Nothing, NextLine::Input)
    }

    /// Restores the settings of the terminal.
    pub(super) fn restore(&self, prompt: &Prompt, wait: Duration) {
        prompt.restore(&self.typed, wait);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn line(text: &str) -> NextLine {
        NextLine::Input(UserInput::Line(text.into()))
    }

    /// Two commands, and one typed line.
    fn lines(exits_on_error: bool) -> UserLines {
        let (sender, typed) = mpsc::channel();
        sender.send(UserInput::Line("typed".into())).unwrap();
        UserLines::new(vec!["one".to_owned(), "two".to_owned()], exits_on_error, typed)
    }

    #[test]
    fn commands_come_before_typed_lines() {
        let mut lines = lines(false);
        let next = [(); 4].map(|()| lines.next(true, false));
        assert_eq!(next, [line("one"), line("two"), line("typed"), NextLine::Nothing]);
    }

    #[test]
    fn with_exit_on_error_a_command_waits_for_the_one_before() {
        let mut lines = lines(true);
        for text in ["one", "two"] {
            assert_eq!(lines.next(false, false), NextLine::Nothing);
            assert_eq!(lines.next(false, true), line(text));
        }
        assert_eq!(lines.next(false, false), NextLine::Nothing);
        assert_eq!(lines.next(false, true), line("typed"));
        assert_eq!(lines.next(true, false), NextLine::Nothing, "it holds for commands only");
    }

    #[test]
    fn with_exit_on_error_a_failed_command_drops_the_others() {
        let mut lines = lines(true);
        assert_eq!(lines.next(false, true), line("one"));
        assert_eq!(lines.next(true, true), NextLine::GiveUp(1));
        assert_eq!(lines.next(true, true), line("typed"));
    }
}
