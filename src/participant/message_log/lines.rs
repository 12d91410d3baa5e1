//! Formats entries as lines of the file. This runs on the loop's thread: memory that one thread
//! allocates and another frees costs more than the formatting.

use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use super::LogJob;
use crate::protocol::{Gap, Seq};
use crate::session::LogEntry;
use crate::text;
use crate::time::UnixMillis;

/// Consecutive lines, and the number of the last one.
#[derive(Debug, Default)]
pub struct Lines {
    pub(super) text: String,
    pub(super) entries: usize,
    pub(super) last: Seq,
    second: SecondText,
}

/// Jobs for the log's thread, and a spare buffer for more lines.
#[derive(Debug, Default)]
pub struct LogBatch {
    jobs: Vec<LogJob>,
    spare: String,
}

/// Room for the first lines of a batch.
const LINES_BYTES: usize = 8 * 1024;

impl LogBatch {
    pub(in crate::participant) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    pub(in crate::participant) fn push(&mut self, job: LogJob) {
        self.jobs.push(job);
    }

    /// Adds an entry to the last job if that has lines, or as a new job.
    pub fn append(&mut self, entry: &LogEntry) {
        if let LogEntry::Epoch(epoch) = entry {
            return self.push(LogJob::Begin(*epoch));
        }
        if let Some(LogJob::Append(lines)) = self.jobs.last_mut() {
            return lines.push(entry);
        }
        let mut lines = Lines { text: std::mem::take(&mut self.spare), ..Lines::default() };
        lines.text.reserve(LINES_BYTES);
        lines.push(entry);
        self.push(LogJob::Append(lines));
    }

    /// Gives back the buffer of written lines.
    pub(in crate::participant) fn reuse(&mut self, spare: String) {
        self.spare = spare;
    }
}

impl IntoIterator for LogBatch {
    type Item = LogJob;
    type IntoIter = std::vec::IntoIter<LogJob>;

    fn into_iter(self) -> Self::IntoIter {
        self.jobs.into_iter()
    }
}

impl Lines {
    fn push(&mut self, entry: &LogEntry) {
        let text = &mut self.text;
        match entry {
            LogEntry::Message(message) => {
                self.last = message.seq();
                text.push_str(itoa::Buffer::new().format(message.seq().as_u64()));
                text.push('\t');
                self.second.push_rfc_3339(text, message.accepted());
                text.push('\t');
                text.push_str(message.sender());
                text.push('\t');
                message.push_text(text, text::for_file);
                text.push('\n');
            }
            LogEntry::Gap(Gap { count, first, last }) => {
                self.last = *last;
                // Writing to a string cannot fail.
                let _ = writeln!(text, "# gap {count} {first} {last}");
            }
            LogEntry::Epoch(_) => return, // An epoch is a job of its own.
        }
        self.entries = self.entries.saturating_add(1);
    }
}

/// A cached second as text: most messages come in the same second as the one before.
#[derive(Debug, Default)]
struct SecondText {
    number: u64,
    /// Date and time up to the second in RFC 3339; empty before the first use.
    digits: String,
}

impl SecondText {
    /// Appends the time in RFC 3339 with milliseconds. A time after the year 9999 becomes the end
    /// of that year.
    fn push_rfc_3339(&mut self, text: &mut String, UnixMillis(millis): UnixMillis) {
        let millis = millis.min(UnixMillis::END_OF_9999.0);
        let (number, millis) = (millis / 1000, millis % 1000);
        if self.number != number || self.digits.is_empty() {
            let time = UNIX_EPOCH + Duration::from_secs(number);
            self.digits = humantime::format_rfc3339_seconds(time).to_string();
            let _ = self.digits.pop(); // The zone `Z` comes after the milliseconds.
            self.number = number;
        }
        text.push_str(&self.digits);
        text.push('.');
        for divisor in [100, 10, 1] {
            text.push(char::from(b'0' + (millis / divisor % 10) as u8));
        }
        text.push('Z');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_formatted_as_rfc_3339_after_any_other_time() {
        let mut second = SecondText::default();
        for (millis, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_795_341_900_123, "2026-11-22T10:05:00.123Z"),
            (1_795_341_900_999, "2026-11-22T10:05:00.999Z"),
            (1_795_341_901_000, "2026-11-22T10:05:01.000Z"),
            (1_795_341_900_007, "2026-11-22T10:05:00.007Z"),
            (u64::MAX, "9999-12-31T23:59:59.999Z"),
        ] {
            let mut text = String::new();
            second.push_rfc_3339(&mut text, UnixMillis(millis));
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn consecutive_entries_are_one_job_and_an_epoch_is_a_job_of_its_own() {
        let mut waiting = LogBatch::default();
        let gap = |first| {
            let (first, last) = (Seq::new(first), Seq::new(first));
            LogEntry::Gap(Gap { count: 1, first, last })
        };
        waiting.append(&gap(1));
        waiting.append(&gap(2));
        waiting.append(&LogEntry::Epoch(crate::protocol::Epoch::new(1)));
        waiting.append(&gap(1));
        waiting.push(LogJob::Rotate);
        waiting.append(&gap(2));
        let jobs: Vec<_> = waiting
            .into_iter()
            .map(|job| match job {
                LogJob::Append(lines) => (lines.entries, lines.last.as_u64()),
                LogJob::Begin(_) | LogJob::Retry | LogJob::Rotate | LogJob::ReadLast(_) => (0, 0),
            })
            .collect();
        assert_eq!(jobs, [(2, 2), (0, 0), (1, 1), (0, 0), (1, 2)]);
    }
}
