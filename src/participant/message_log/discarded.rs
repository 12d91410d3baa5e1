//! The message log of a participant that keeps none.

use super::{LogBatch, LogJob, LogReport, MessageLog};
use crate::net::Sink;
use crate::session::LogPosition;

/// Destination of the log's entries.
#[derive(Debug)]
pub enum EntrySink {
    /// A file, which is the participant's memory.
    File(Box<MessageLog>),
    /// Entries count as written at once, and nothing is remembered: `--no-log`.
    Nothing,
}

impl EntrySink {
    /// Returns the last number that is remembered, and its epoch.
    #[must_use]
    pub fn log_position(&self) -> LogPosition {
        match self {
            Self::File(log) => log.log_position(),
            Self::Nothing => LogPosition::default(),
        }
    }
}

impl Sink for EntrySink {
    type Job = LogBatch;
    type Done = LogReport;

    fn run(&mut self, batch: Vec<LogBatch>) -> LogReport {
        match self {
            Self::File(log) => log.run(batch),
            Self::Nothing => batch.into_iter().flatten().fold(LogReport::default(), discard),
        }
    }
}

fn discard(report: LogReport, job: LogJob) -> LogReport {
    let LogReport { written, .. } = report;
    match job {
        LogJob::Append(lines) => {
            let mut spare = lines.text;
            spare.clear();
            LogReport { written: written.saturating_add(lines.entries), spare, ..report }
        }
        LogJob::Begin(_) => LogReport { written: written.saturating_add(1), ..report },
        LogJob::Retry | LogJob::Rotate => LogReport { is_checked: true, ..report },
        LogJob::ReadLast(_) => {
            let refused = "this participant keeps no message log (--no-log)";
            LogReport { last_messages: Some(Err(refused.to_owned())), ..report }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Delivery, Epoch, Seq};
    use crate::session::LogEntry;
    use crate::time::UnixMillis;

    #[test]
    fn without_a_log_each_entry_counts_as_written_and_none_is_remembered() {
        let mut batch = LogBatch::default();
        batch.append(&LogEntry::Epoch(Epoch::new(0xaa)));
        for seq in 1..=3 {
            let (seq, accepted) = (Seq::new(seq), UnixMillis(0));
            let delivery = Delivery { seq, sender: "bob", accepted, text: "hi" };
            batch.append(&LogEntry::Message(delivery.into()));
        }
        let mut sink = EntrySink::Nothing;
        let report = sink.run(vec![batch]);
        assert_eq!((report.written, report.failure, report.is_checked), (4, None, false));
        assert!(report.spare.is_empty() && report.spare.capacity() > 0, "memory is used again");
        assert_eq!(sink.log_position(), LogPosition::default());
        let mut asked = LogBatch::default();
        asked.push(LogJob::Rotate);
        let report = sink.run(vec![asked]);
        assert_eq!((report.written, report.is_checked), (0, true));
    }
}
