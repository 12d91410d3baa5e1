//! The lines of the user: commands of `-e`, texts, then the input. Knows the end of a script.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use super::line_report::{LineOutcomes, LineReport};
use super::terminal::{Prompt, UserInput};
use crate::config::ParticipantOptions;
use crate::limits::USER_LINE_BYTES_MAX;
use crate::session::TextOutcome;

/// Commands and lines that the session has not taken yet.
pub(super) struct UserLines {
    /// Commands of `-e` and texts of `--send`, to be run before the user's lines.
    commands: VecDeque<String>,
    /// True for `--exit-on-error`, until all commands are done.
    exits_on_error: bool,
    /// True from the first command on. Before it, only texts of the outbox file are under way, and
    /// they may wait for a `join` among the commands.
    has_begun: bool,
    typed: Receiver<UserInput>,
    texts: Option<TextLines>,
    end: ScriptEnd,
}

/// State of `--lines`.
#[derive(Debug, Default)]
struct TextLines {
    lines: LineOutcomes,
    /// True if an outbox file keeps the texts: no text waits for another one.
    are_stored: bool,
    /// The first text is on its way. The others wait for its outcome: it tells how to send.
    is_first_under_way: bool,
}

/// Conditions of the end of a script.
#[derive(Debug)]
struct ScriptEnd {
    /// True if the program ends when its work is done, and not with its input.
    waits_for_work: bool,
    /// True if only a signal ends the program.
    is_endless: bool,
    /// The input has ended.
    has_ended: bool,
    /// Messages of `--count` that have not come yet.
    messages_left: Option<u64>,
}

/// State of the session, for the choice of the next line.
#[derive(Clone, Copy, Debug)]
pub(super) struct SessionProgress {
    /// A command has failed.
    pub(super) has_failed: bool,
    /// All commands are done.
    pub(super) is_idle: bool,
    /// Another program has the id, so no message can come.
    pub(super) is_taken_over: bool,
    /// One more text can wait.
    pub(super) takes_texts: bool,
    /// Bytes of the longest text that the coordinator accepts, if known.
    pub(super) text_bytes_max: Option<usize>,
}

/// The next step for the user's lines.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NextLine {
    Input(UserInput),
    /// A line of `--lines` that is no text.
    BadText {
        line: u64,
        why: BadText,
    },
    /// A command has failed, so this number of commands is not run: quit.
    GiveUp(usize),
    /// This number of messages of `--count` cannot come, because another program has the id: quit.
    TakenOver(u64),
    /// There is no line now.
    Nothing,
}

/// Reason why a line is no text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BadText {
    NotUtf8,
    /// The line has a control character that is not TAB.
    Control,
    /// The line has more bytes than the participant reads.
    Unread(usize),
    /// The line has more bytes than the coordinator accepts.
    TooLong {
        bytes: usize,
        max: usize,
    },
}

impl UserLines {
    pub(super) fn new(options: &ParticipantOptions, typed: Receiver<UserInput>) -> Self {
        let script = &options.script;
        let are_stored = options.store.outbox.is_some();
        Self {
            commands: options.commands().into(),
            exits_on_error: options.exit_on_error,
            has_begun: false,
            typed,
            texts: script.lines.then(|| TextLines { are_stored, ..TextLines::default() }),
            end: ScriptEnd {
                waits_for_work: script.has_verb(),
                is_endless: (options.follow || script.exec.is_some()) && script.count.is_none(),
                has_ended: options.follow, // A FIFO has no end.
                messages_left: script.count,
            },
        }
    }

    /// Counts a message for `--count`.
    pub(super) fn on_message(&mut self) {
        if let Some(left) = &mut self.end.messages_left {
            *left = left.saturating_sub(1);
        }
    }

    /// Returns true if messages are counted.
    #[inline]
    pub(super) const fn counts_messages(&self) -> bool {
        self.end.messages_left.is_some()
    }

    /// Returns false after the last message of `--count`: a further one belongs to the next run.
    pub(super) fn wants_messages(&self) -> bool {
        self.end.messages_left != Some(0)
    }

    /// Returns true if the participant ends with its input or its work, and not only at a signal.
    pub(super) const fn end_by_themselves(&self) -> bool {
        !self.end.is_endless
    }

    /// The session has taken the last line, and its last request has this position.
    pub(super) fn on_taken(&mut self, order: u64) {
        if let Some(texts) = &mut self.texts {
            texts.lines.on_taken(order);
        }
    }

    /// The outcome of a text is known.
    pub(super) fn on_text_done(&mut self, order: u64, outcome: TextOutcome) {
        if let Some(texts) = &mut self.texts {
            texts.lines.on_done(order, outcome);
        }
    }

    /// Returns the report about the lines of `--lines`.
    pub(super) fn report(&self) -> Option<LineReport> {
        self.texts.as_ref().map(|texts| texts.lines.report())
    }

    /// Drops the commands that are left. Returns their number.
    pub(super) fn give_up(&mut self) -> usize {
        std::mem::take(&mut self.commands).len()
    }

    /// Returns the next line. With `--exit-on-error`, each command of `-e` waits until the session
    /// is idle, and a command that has failed quits.
    pub(super) fn next(&mut self, progress: SessionProgress) -> NextLine {
        if self.exits_on_error && progress.has_failed {
            self.exits_on_error = false;
            return NextLine::GiveUp(self.give_up());
        }
        if self.exits_on_error {
            self.exits_on_error = !progress.is_idle || !self.commands.is_empty();
            if self.has_begun && !progress.is_idle {
                return NextLine::Nothing;
            }
        }
        if let Some(command) = self.commands.pop_front() {
            self.has_begun = true;
            return NextLine::Input(UserInput::Line(command.into_bytes()));
        }
        if self.end.is_reached(progress.is_idle) {
            return NextLine::Input(UserInput::Line(b"quit".to_vec()));
        }
        if let Some(left @ 1..) = self.end.messages_left
            && progress.is_taken_over
            && (self.texts.is_none() || self.end.has_ended)
        {
            return match progress.is_idle {
                true => NextLine::TakenOver(left),
                false => NextLine::Nothing,
            };
        }
        let next = match &mut self.texts {
            Some(texts) => texts.next(&self.typed, progress),
            None => self.typed.try_recv().map_or(NextLine::Nothing, NextLine::Input),
        };
        match next {
            NextLine::Input(UserInput::End) if self.end.waits_for_work => {
                self.end.has_ended = true;
                self.next(progress)
            }
            next @ (NextLine::Input(_)
            | NextLine::BadText { .. }
            | NextLine::GiveUp(_)
            | NextLine::TakenOver(_)
            | NextLine::Nothing) => next,
        }
    }

    /// Restores the settings of the terminal.
    pub(super) fn restore(&self, prompt: &Prompt, wait: Duration) {
        prompt.restore(&self.typed, wait);
    }
}

impl ScriptEnd {
    /// Returns true if the work of a script is done.
    const fn is_reached(&self, is_idle: bool) -> bool {
        let is_counted = matches!(self.messages_left, None | Some(0));
        self.waits_for_work && self.has_ended && is_idle && is_counted && !self.is_endless
    }
}

impl TextLines {
    /// Returns the command that sends the next line. An empty line is no message.
    fn next(&mut self, typed: &Receiver<UserInput>, progress: SessionProgress) -> NextLine {
        self.is_first_under_way &= !progress.is_idle;
        if !progress.takes_texts || self.is_first_under_way {
            return NextLine::Nothing;
        }
        while let Ok(input) = typed.try_recv() {
            let line = match input {
                UserInput::Line(line) => Ok(line),
                UserInput::TooLong => Err(BadText::Unread(USER_LINE_BYTES_MAX)),
                UserInput::Unreadable(_) | UserInput::End | UserInput::Interrupt => {
                    return NextLine::Input(input);
                }
            };
            let is_first = self.lines.read() == 0 && !self.are_stored;
            let number = self.lines.count();
            match line.and_then(|line| command(&line, progress.text_bytes_max)) {
                Ok(None) => (),
                Ok(Some(command)) => {
                    self.is_first_under_way = is_first;
                    self.lines.give();
                    return NextLine::Input(UserInput::Line(command));
                }
                Err(why) => return NextLine::BadText { line: number, why },
            }
        }
        NextLine::Nothing
    }
}

/// Returns the command that sends a line, or `None` for an empty line.
fn command(line: &[u8], bytes_max: Option<usize>) -> Result<Option<Vec<u8>>, BadText> {
    if let Some(max) = bytes_max.filter(|max| line.len() > *max) {
        return Err(BadText::TooLong { bytes: line.len(), max });
    }
    let text = str::from_utf8(line).map_err(|_| BadText::NotUtf8)?;
    if text.chars().any(|char| char.is_control() && char != '\t') {
        return Err(BadText::Control);
    }
    Ok((!line.is_empty()).then(|| [b"msend ".as_slice(), line].concat()))
}

impl fmt::Display for BadText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUtf8 => f.write_str("not UTF-8"),
            Self::Control => f.write_str("a control character that is not TAB"),
            Self::Unread(max) => write!(f, "more than {max} bytes"),
            Self::TooLong { bytes, max } => write!(
                f,
                "a text of {bytes} bytes exceeds {max}, the most that the coordinator accepts \
                 (max_line)"
            ),
        }
    }
}
