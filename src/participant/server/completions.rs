//! Gives the results of the workers to the session: commands of `--exec`, the message log, the
//! outbox file, the printer, and looked up names.

use super::{Participant, push_outbox_note};
use crate::participant::exec::FailedCommand;
use crate::participant::message_log::LogReport;
use crate::participant::outbox_file::OutboxReport;
use crate::session::{NoticeKind, SessionInput};
use crate::text::Counted;
use crate::time::Millis;

impl Participant {
    pub(super) fn take_completions(&mut self, now: Millis) {
        let (entries, failed) = self.exec.completions(self.exit.has_signal);
        entries.iter().for_each(|entry| self.files.log().append(entry));
        if let Some(FailedCommand { reason, failures, comes_again }) = failed {
            self.exit.has_failed = true;
            let failures = Counted(failures, "failure", "failures");
            let again = if comes_again { ": the message comes again" } else { "" };
            let line = format_args!("error: --exec: {reason}{again} ({failures})");
            self.output.push_line(NoticeKind::Error, &line);
            if comes_again {
                // Its log entry is not awaited: as at a second signal.
                self.handle(SessionInput::Stop, now);
            }
        }
        for report in self.files.log_reports() {
            let LogReport { written, failure, is_checked, new_file, last_messages, spare } = report;
            self.files.log().reuse(spare);
            if let Some(words) = new_file {
                let line = format_args!("* message log: {words}");
                self.output.push_line(NoticeKind::Event, &line);
            }
            if written > 0 || is_checked && failure.is_none() {
                self.handle(SessionInput::LogWritten { entries: written }, now);
            }
            if let Some(reason) = failure {
                self.handle(SessionInput::LogFailed { reason: &reason }, now);
            }
            if let Some(last) = last_messages {
                let last = last.map(|last| self.output.push_last_messages(last));
                let failure = last.as_ref().err().map(String::as_str);
                self.handle(SessionInput::LastRead { failure }, now);
            }
        }
        self.take_outbox_reports(now);
        for result in self.output.completions() {
            if self.exit.stdout.on_printed(result) {
                self.exit.is_stopped |= !self.session.is_leaving();
                self.handle(SessionInput::Stop, now);
            }
        }
        let failed = self.dialer.take_addresses(&mut self.event_loop, now);
        self.on_dial_failed(failed, now);
    }

    fn take_outbox_reports(&mut self, now: Millis) {
        for report in self.files.outbox_reports() {
            let OutboxReport { written, failure, notes, is_damaged } = report;
            self.exit.is_outbox_damaged |= is_damaged;
            notes.iter().for_each(|note| push_outbox_note(&mut self.output, note));
            if written > 0 {
                self.handle(SessionInput::OutboxWritten { entries: written }, now);
            }
            if let Some(reason) = failure {
                self.handle(SessionInput::OutboxFailed { reason: &reason }, now);
            }
        }
    }
}
