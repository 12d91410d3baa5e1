//! Gives the results of the workers to the session: commands of `--exec`, the message log, the
//! outbox file, the printer, and looked up names.

use super::{Participant, push_outbox_note};
use crate::participant::event_loop::ParticipantTimer;
use crate::participant::exec::{CommandResults, FailedCommand};
use crate::participant::message_log::LogReport;
use crate::participant::outbox_file::OutboxReport;
use crate::session::{NoticeKind, SessionInput};
use crate::text::Counted;
use crate::time::Millis;

/// Gives all results to the session.
pub(super) fn take_completions(participant: &mut Participant, now: Millis) {
    let results = participant.exec.completions(participant.exit.has_signal, now);
    let CommandResults { entries, failed, due } = results;
    if let Some(due) = due {
        participant.event_loop.wake_at(due, ParticipantTimer::Command);
    }
    entries.iter().for_each(|entry| participant.files.log().append(entry));
    if let Some(FailedCommand { reason, failures, comes_again }) = failed {
        participant.exit.has_failed = true;
        let failures = Counted(failures, "failure", "failures");
        let again = if comes_again { ": the message comes again" } else { "" };
        let line = format_args!("error: --exec: {reason}{again} ({failures})");
        participant.output.push_line(NoticeKind::Error, &line);
        if comes_again {
            // Its log entry is not awaited: as at a second signal.
            participant.handle(SessionInput::Stop, now);
        }
    }
    for report in participant.files.log_reports() {
        let LogReport { written, failure, is_checked, new_file, last_messages, spare } = report;
        participant.files.log().reuse(spare);
        if let Some(words) = new_file {
            let line = format_args!("* message log: {words}");
            participant.output.push_line(NoticeKind::Event, &line);
        }
        if written > 0 || is_checked && failure.is_none() {
            participant.handle(SessionInput::LogWritten { entries: written }, now);
        }
        if let Some(reason) = failure {
            participant.handle(SessionInput::LogFailed { reason: &reason }, now);
        }
        if let Some(last) = last_messages {
            let last = last.map(|last| participant.output.push_last_messages(last));
            let failure = last.as_ref().err().map(String::as_str);
            participant.handle(SessionInput::LastRead { failure }, now);
        }
    }
    take_outbox_reports(participant, now);
    for result in participant.output.completions() {
        if participant.exit.stdout.on_printed(result) {
            participant.exit.is_stopped |= !participant.session.is_leaving();
            participant.handle(SessionInput::Stop, now);
        }
    }
    let failed = participant.dialer.take_addresses(&mut participant.event_loop, now);
    participant.on_dial_failed(failed, now);
}

fn take_outbox_reports(participant: &mut Participant, now: Millis) {
    for report in participant.files.outbox_reports() {
        let OutboxReport { written, failure, notes, is_damaged } = report;
        participant.exit.is_outbox_damaged |= is_damaged;
        notes.iter().for_each(|note| push_outbox_note(&mut participant.output, note));
        if written > 0 {
            participant.handle(SessionInput::OutboxWritten { entries: written }, now);
        }
        if let Some(reason) = failure {
            participant.handle(SessionInput::OutboxFailed { reason: &reason }, now);
        }
    }
}
