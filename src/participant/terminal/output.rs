//! Queues text for the printer, with a limit for each kind. The loop never waits for a slow
//! terminal: lines above the limit are dropped and counted, and the count is shown later.
//!
//! ```text
//!   bytes in the queue  0 ──────── messages max ──────── commands max ──────── lines max
//!   messages            │  shown   │ counted
//!   user's commands     │  taken                         │ wait
//!   replies, notices    │  shown                                              │ counted
//! ```

use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal as _};
use std::sync::Arc;
use std::time::Duration;

use super::colours::push_coloured;
use super::json;
use super::known_ids::KnownIds;
use super::printout::{OutputPrinter, Printed, TextStream};
use super::stdout_shows_colours;
use crate::config::ParticipantOptions;
use crate::limits::{
    LAST_BYTES_MAX, UNPRINTED_COMMANDS_BYTES_MAX, UNPRINTED_LINES_BYTES_MAX,
    UNPRINTED_MESSAGES_BYTES_MAX,
};
use crate::participant::batched_worker::{Batch as _, BatchedWorker};
use crate::participant::line_report::LineReport;
use crate::participant::message_log::{LastMessages, LastMessagesLimit};
use crate::session::{LogEntry, Notice, NoticeKind};
use crate::text::Counted;

/// The queued text, and the numbers of dropped messages and lines.
pub(in crate::participant) struct Output {
    printer: BatchedWorker<OutputPrinter>,
    form: OutputForm,
    /// Ids for completion, if lines are edited.
    known_ids: Option<Arc<KnownIds>>,
    messages_dropped: u64,
    lines_dropped: u64,
}

/// Form of the output, fixed for its life.
struct OutputForm {
    /// True for `--quiet`: messages are neither shown nor counted.
    is_quiet: bool,
    has_colours: bool,
    /// True for `--json`: each line is an object on standard output.
    is_json: bool,
    /// True for `--time`: each message begins with its time.
    has_times: bool,
    /// Stream of events.
    events: TextStream,
    /// Stream of replies, and of errors of commands.
    outcomes: TextStream,
}

impl OutputForm {
    /// At a terminal all lines are on standard output. Elsewhere events are on standard error, so
    /// that standard output has messages and replies only: messages alone if no command is given.
    fn new(options: &ParticipantOptions) -> Self {
        let is_terminal = io::stdout().is_terminal();
        let output_if = |is_output| match is_output {
            true => TextStream::Output,
            false => TextStream::Error,
        };
        Self {
            is_quiet: options.quiet,
            has_colours: stdout_shows_colours(),
            is_json: options.script.json,
            has_times: options.time,
            events: output_if(is_terminal || options.script.json),
            outcomes: output_if(is_terminal || options.script.json || options.has_commands()),
        }
    }

    fn stream(&self, kind: NoticeKind) -> TextStream {
        match kind {
            NoticeKind::Reply | NoticeKind::Row | NoticeKind::Error => self.outcomes,
            NoticeKind::Event => self.events,
        }
    }
}

impl Output {
    pub(in crate::participant) fn new(
        printer: BatchedWorker<OutputPrinter>,
        options: &ParticipantOptions,
        known_ids: Option<Arc<KnownIds>>,
    ) -> Self {
        let form = OutputForm::new(options);
        Self { printer, form, known_ids, messages_dropped: 0, lines_dropped: 0 }
    }

    /// Shows an entry of the message log. Only messages are dropped early.
    pub(in crate::participant) fn push_entry(&mut self, entry: &LogEntry) {
        if let (Some(ids), LogEntry::Message(message)) = (&self.known_ids, entry) {
            ids.learn(message.sender());
        }
        let (bytes_max, dropped) = match entry {
            LogEntry::Message(_) if self.form.is_quiet => return,
            LogEntry::Message(_) => (UNPRINTED_MESSAGES_BYTES_MAX, &mut self.messages_dropped),
            LogEntry::Gap(_) | LogEntry::Epoch(_) => {
                (UNPRINTED_LINES_BYTES_MAX, &mut self.lines_dropped)
            }
        };
        if self.printer.waiting().len() >= bytes_max {
            *dropped = dropped.saturating_add(1);
            return;
        }
        self.push_counts();
        self.push_entry_text(entry);
    }

    fn push_entry_text(&mut self, entry: &LogEntry) {
        let stream = match entry {
            LogEntry::Message(_) => TextStream::Output,
            LogEntry::Gap(_) | LogEntry::Epoch(_) => self.form.events,
        };
        let text = self.printer.waiting_mut().lines_of(stream);
        match entry {
            entry if self.form.is_json => json::push_entry(entry, text),
            LogEntry::Message(message) => {
                if self.form.has_times {
                    json::push_time(message.accepted(), text);
                    text.push(' ');
                }
                match self.form.has_colours {
                    true => push_coloured(message, text),
                    false => entry.push_to(text),
                }
            }
            LogEntry::Gap(_) | LogEntry::Epoch(_) => entry.push_to(text),
        }
        text.push('\n');
    }

    /// Shows the reply to `last`, also with `--quiet`.
    pub(in crate::participant) fn push_last_messages(&mut self, last: LastMessages) {
        let LastMessages { messages, limit } = last;
        let shown = Counted(messages.len(), "message", "messages");
        match limit {
            None => (),
            Some(LastMessagesLimit::BeginOfFile) => {
                let line = format_args!("* last: the message log has {shown}");
                self.push_line(NoticeKind::Event, &line);
            }
            Some(LastMessagesLimit::Bytes) => {
                let line = format_args!(
                    "* last: {shown}, all in the last {LAST_BYTES_MAX} bytes of the message log"
                );
                self.push_line(NoticeKind::Event, &line);
            }
        }
        for message in messages {
            self.push_entry_text(&LogEntry::Message(message));
        }
    }

    /// Shows a notice of the session.
    pub(in crate::participant) fn push_notice(&mut self, notice: &Notice) {
        if let (Some(ids), Notice::Member { line, .. }) = (&self.known_ids, notice) {
            ids.learn(line.split(' ').next().unwrap_or_default());
        }
        self.push_line(notice.kind(), notice);
    }

    /// Shows a line of this kind.
    pub(in crate::participant) fn push_line(&mut self, kind: NoticeKind, line: &impl fmt::Display) {
        if self.is_full(UNPRINTED_LINES_BYTES_MAX) {
            self.lines_dropped = self.lines_dropped.saturating_add(1);
            return;
        }
        self.push_counts();
        self.push_text(kind, line);
    }

    fn push_text(&mut self, kind: NoticeKind, line: &impl fmt::Display) {
        let text = self.printer.waiting_mut().lines_of(self.form.stream(kind));
        match self.form.is_json {
            true => json::push_line(kind, &line.to_string(), text),
            false => {
                // Writing to a string cannot fail.
                let _ = write!(text, "{line}");
            }
        }
        text.push('\n');
    }

    /// Shows the report about the lines of `--lines`. A closed standard output can be the reason
    /// for it, so standard error is the second choice.
    pub(in crate::participant) fn push_line_report(&mut self, report: &LineReport) {
        if !self.form.is_json {
            return self.push_line(NoticeKind::Event, report);
        }
        self.push_counts();
        let text = self.printer.waiting_mut().lines_of(TextStream::OutputOrError);
        json::push_line_report(report, text);
        text.push('\n');
    }

    /// Sends a control sequence to the terminal.
    pub(in crate::participant) fn push_control(&mut self, sequence: &str) {
        if !sequence.is_empty() {
            self.printer.waiting_mut().lines_of(TextStream::Output).push_str(sequence);
        }
    }

    /// Returns true if there is room for the reply to the user's next command.
    pub(in crate::participant) fn takes_commands(&self) -> bool {
        !self.is_full(UNPRINTED_COMMANDS_BYTES_MAX)
    }

    /// Returns true if the printer has all text.
    pub(in crate::participant) fn is_handed_over(&self) -> bool {
        self.printer.waiting().is_empty()
    }

    /// Gives the queued text to the printer, if the printer has room.
    pub(in crate::participant) fn hand_over(&mut self) {
        if self.printer.waiting().is_empty() {
            self.push_counts();
        }
        self.printer.hand_over();
    }

    /// Returns the results of printing. The memory of the printed text is used again.
    pub(in crate::participant) fn completions(&mut self) -> Vec<io::Result<()>> {
        let printed = self.printer.completions().into_iter();
        let results = printed.map(|Printed { result, spare }| {
            if self.printer.waiting().is_empty() {
                *self.printer.waiting_mut() = spare;
            }
            result
        });
        results.collect()
    }

    /// Waits until all text is printed. Returns false if that takes longer than `wait`.
    pub(in crate::participant) fn close(&self, wait: Duration) -> bool {
        self.printer.close(wait) && self.is_handed_over()
    }

    fn is_full(&self, bytes_max: usize) -> bool {
        self.printer.waiting().len() >= bytes_max
    }

    /// Adds the numbers of dropped messages and lines to the text.
    fn push_counts(&mut self) {
        for dropped in [
            Counted(std::mem::take(&mut self.messages_dropped), "message", "messages"),
            Counted(std::mem::take(&mut self.lines_dropped), "line", "lines"),
        ] {
            if dropped.0 > 0 {
                self.push_text(NoticeKind::Event, &format_args!("* {dropped} not shown"));
            }
        }
    }
}
