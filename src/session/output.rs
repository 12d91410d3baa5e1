//! Effects of a session, its exit and its exit code.

use std::collections::VecDeque;

use super::io::{MessageSocket, SessionEffect};
use super::notice::Notice;
use super::text_outcome::TextOutcome;

/// Effects that wait for the shell, and the exit after them.
#[derive(Debug, Default)]
pub(super) struct SessionOutput {
    effects: VecDeque<SessionEffect>,
    /// The last effect.
    exit: Option<SessionEffect>,
    /// True after the exit.
    is_over: bool,
    /// True if a command has failed: the exit code is 1.
    has_failed: bool,
}

impl SessionOutput {
    /// Adds an effect.
    pub(super) fn push(&mut self, effect: SessionEffect) {
        self.effects.push_back(effect);
    }

    /// Closes a message socket.
    pub(super) fn push_close(&mut self, socket: Option<MessageSocket>) {
        let close = socket.map(|socket| SessionEffect::CloseMessageSocket { socket });
        self.effects.extend(close);
    }

    /// Shows a notice to the user.
    pub(super) fn show(&mut self, notice: Notice) {
        self.push(SessionEffect::Show(notice));
    }

    /// Notes that a command of the user has failed.
    pub(super) fn fail(&mut self) {
        self.has_failed = true;
    }

    /// Shows a failed command of the user.
    pub(super) fn fail_with(&mut self, notice: Notice) {
        self.fail();
        self.show(notice);
    }

    /// Tells the shell the outcome of a text.
    pub(super) fn finish_text(&mut self, order: u64, outcome: TextOutcome) {
        self.push(SessionEffect::TextDone { order, outcome });
    }

    /// Adds the exit as the last effect, once.
    pub(super) fn exit(&mut self) {
        self.is_over = true;
        self.exit = Some(SessionEffect::Exit { code: u8::from(self.has_failed) });
    }

    /// Returns true after the exit: inputs are ignored.
    pub(super) const fn is_over(&self) -> bool {
        self.is_over
    }

    /// Returns true if a command of the user has failed.
    pub(super) const fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// Returns the next effect.
    pub(super) fn poll(&mut self) -> Option<SessionEffect> {
        self.effects.pop_front().or_else(|| self.exit.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_is_the_last_effect_and_has_the_code_of_its_time() {
        let mut output = SessionOutput::default();
        output.exit();
        output.fail();
        output.push(SessionEffect::CloseListener);
        assert_eq!(output.poll(), Some(SessionEffect::CloseListener));
        assert_eq!(output.poll(), Some(SessionEffect::Exit { code: 0 }));
        assert_eq!((output.poll(), output.is_over(), output.has_failed()), (None, true, true));
    }
}
