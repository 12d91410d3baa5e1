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
use std::time::Duration;

use super::colours::push_coloured;
use super::{OutputPrinter, Printed};
use crate::limits::{
    UNPRINTED_COMMANDS_BYTES_MAX, UNPRINTED_LINES_BYTES_MAX, UNPRINTED_MESSAGES_BYTES_MAX,
};
use crate::participant::batched_worker::BatchedWorker;
use crate::session::LogEntry;
use crate::text::Counted;

/// The queued text, and the numbers of dropped messages and lines.
pub(in crate::participant) struct Output {
    printer: BatchedWorker<OutputPrinter>,
    /// True for `--quiet`: messages are neither shown nor counted.
    is_quiet: bool,
    has_colours: bool,
    messages_dropped: u64,
    lines_dropped: u64,
}

impl Output {
    pub(in crate::participant) fn new(
        printer: BatchedWorker<OutputPrinter>,
        is_quiet: bool,
        has_colours: bool,
    ) -> Self {
        Self { printer, is_quiet, has_colours, messages_dropped: 0, lines_dropped: 0 }
    }

    /// Shows an entry of the message log. Only messages are dropped early.
    pub(in crate::participant) fn push_entry(&mut self, entry: &LogEntry) {
        let (bytes_max, dropped) = match entry {
            LogEntry::Message(_) if self.is_quiet => return,
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
        let text = self.printer.waiting_mut();
        match entry {
            LogEntry::Message(message) if self.has_colours => push_coloured(message, text),
            LogEntry::Message(_) | LogEntry::Gap(_) | LogEntry::Epoch(_) => entry.push_to(text),
        }
        text.push('\n');
    }

    /// Shows a reply or a notice.
    pub(in crate::participant) fn push_line(&mut self, line: &impl fmt::Display) {
        if self.is_full(UNPRINTED_LINES_BYTES_MAX) {
            self.lines_dropped = self.lines_dropped.saturating_add(1);
            return;
        }
        self.push_counts();
        // Writing to a string cannot fail.
        let _ = writeln!(self.printer.waiting_mut(), "{line}");
    }

    /// Sends a control sequence to the terminal.
    pub(in crate::participant) fn push_control(&mut self, sequence: &str) {
        self.printer.waiting_mut().push_str(sequence);
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
    pub(in crate::participant) fn completions(&mut self) -> Vec<std::io::Result<()>> {
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
                // Writing to a string cannot fail.
                let _ = writeln!(self.printer.waiting_mut(), "* {dropped} not shown");
            }
        }
    }
}
