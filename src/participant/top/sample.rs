//! One reading of a coordinator: its counters and its members, from two replies.

use std::collections::BTreeMap;
use std::fmt;

use crate::protocol::ReplyLine;
use crate::time::Millis;

/// Counters and members of a coordinator at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sample {
    /// Time at which the replies were complete.
    pub(super) at: Millis,
    counters: BTreeMap<String, String>,
    pub(super) members: Vec<MemberRow>,
}

/// One row of `members`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct MemberRow {
    pub(super) id: String,
    pub(super) state: String,
    pub(super) address: String,
    /// Number of messages that the member has not got yet.
    pub(super) pending: u64,
    pub(super) acked: u64,
    /// Site of the member; empty if there is one coordinator only.
    pub(super) site: String,
}

/// Reason why a coordinator gave no sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoSample {
    /// The coordinator refused a request.
    Refused(String),
    /// A line that is no part of the replies.
    Unexpected(String),
}

impl fmt::Display for NoSample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(reason) => write!(f, "the coordinator answers: {reason}"),
            Self::Unexpected(line) => write!(f, "not a reply of a coordinator: {line:?}"),
        }
    }
}

impl Sample {
    /// Returns a counter as the coordinator wrote it.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.counters.get(key).map(String::as_str)
    }

    /// Returns a counter that is a number.
    pub(super) fn count(&self, key: &str) -> Option<u64> {
        self.text(key)?.parse().ok()
    }

    /// Returns the growth of a counter since `before`, for one second. `None` if the coordinator
    /// was started again between the two samples.
    pub(super) fn rate(&self, before: &Self, key: &str) -> Option<f64> {
        let is_same_run = before.count("uptime_s")? <= self.count("uptime_s")?;
        let millis = self.at.since(before.at);
        let grown = self.count(key)?.checked_sub(before.count(key)?)?;
        (is_same_run && millis > 0).then(|| grown as f64 * 1000.0 / millis as f64)
    }
}

/// Reads the replies to `stats` and `members`, line by line.
#[derive(Debug, Default)]
pub(super) struct SampleReader {
    sample: Sample,
    expected: Expected,
}

/// Next line of the replies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Expected {
    #[default]
    Stats,
    Counters(u64),
    Members,
    Rows(u64),
}

impl SampleReader {
    /// Returns the requests of one sample, for a participant `id` at the address `ip`.
    pub(super) fn requests(id: &str, ip: std::net::IpAddr) -> String {
        format!("{id}#stats#{ip}\n{id}#members#{ip}\n")
    }

    /// Takes a line. Returns the sample if the line is its last one.
    ///
    /// # Errors
    ///
    /// [`NoSample`] for a refusal, and for a line that belongs to no sample.
    pub(super) fn take(&mut self, line: &str, now: Millis) -> Result<Option<Sample>, NoSample> {
        self.expected = match self.expected {
            Expected::Stats => Expected::Counters(count(line, "stats")?),
            Expected::Counters(left) => {
                let counter = line.split_once(' ');
                let (key, value) = counter.ok_or_else(|| NoSample::Unexpected(line.to_owned()))?;
                self.sample.counters.insert(key.to_owned(), value.to_owned());
                Expected::Counters(left.saturating_sub(1))
            }
            Expected::Members => Expected::Rows(count(line, "members")?),
            Expected::Rows(left) => {
                let row = MemberRow::parse(line);
                let row = row.ok_or_else(|| NoSample::Unexpected(line.to_owned()))?;
                self.sample.members.push(row);
                Expected::Rows(left.saturating_sub(1))
            }
        };
        match self.expected {
            Expected::Counters(0) => self.expected = Expected::Members,
            Expected::Rows(0) => {
                self.expected = Expected::Stats;
                return Ok(Some(Sample { at: now, ..std::mem::take(&mut self.sample) }));
            }
            Expected::Stats | Expected::Counters(_) | Expected::Members | Expected::Rows(_) => (),
        }
        Ok(None)
    }
}

/// Returns the number of rows that a first line announces.
fn count(line: &str, word: &str) -> Result<u64, NoSample> {
    match ReplyLine::parse(line) {
        Some(ReplyLine::Ok { command, fields }) if command == word => {
            fields.count().ok_or_else(|| NoSample::Unexpected(line.to_owned()))
        }
        Some(ReplyLine::Err { reason, .. }) => Err(NoSample::Refused(reason.to_owned())),
        Some(ReplyLine::Ok { .. }) | None => Err(NoSample::Unexpected(line.to_owned())),
    }
}

impl MemberRow {
    /// Parses a row. Keys that are missing are 0, and unknown ones are skipped.
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ').map(str::to_owned);
        let (id, state, address) = (words.next()?, words.next()?, words.next()?);
        let mut row = Self { id, state, address, ..Self::default() };
        for word in words {
            let (key, value) = word.split_once('=')?;
            match key {
                "pending" => row.pending = value.parse().ok()?,
                "acked" => row.acked = value.parse().ok()?,
                "site" => row.site = value.to_owned(),
                _ => (),
            }
        }
        Some(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPLIES: [&str; 6] = [
        "OK stats 3",
        "uptime_s 7",
        "epoch 00000000000000ff",
        "messages_in 40",
        "OK members 1",
        "bob offline [::1]:9000 pending=2 acked=17 later=x",
    ];

    fn sample(replies: &[&str], now: u64) -> Sample {
        let mut reader = SampleReader::default();
        let (last, others) = replies.split_last().unwrap();
        for line in others {
            assert_eq!(
                reader.take(line, Millis::new(now)),
                Ok(None),
                "the last line ends a sample"
            );
        }
        reader.take(last, Millis::new(now)).unwrap().unwrap()
    }

    #[test]
    fn two_replies_are_a_sample() {
        let found = sample(&REPLIES, 1_000);
        assert_eq!(found.text("epoch"), Some("00000000000000ff"));
        assert_eq!((found.count("messages_in"), found.count("epoch")), (Some(40), None));
        let (id, state, address) =
            ("bob".to_owned(), "offline".to_owned(), "[::1]:9000".to_owned());
        let row = MemberRow { id, state, address, pending: 2, acked: 17, site: String::new() };
        assert_eq!(found.members, [row]);
    }

    #[test]
    fn a_group_without_members_is_a_sample() {
        let found = sample(&["OK stats 1", "uptime_s 7", "OK members 0"], 1_000);
        assert_eq!(found.members, []);
    }

    #[test]
    fn a_rate_is_per_second_and_only_within_one_run() {
        let before = sample(&REPLIES, 1_000);
        let mut after = before.clone();
        after.at = Millis::new(3_000);
        after.counters.insert("messages_in".to_owned(), "50".to_owned());
        assert_eq!(after.rate(&before, "messages_in"), Some(5.0));
        assert_eq!(before.rate(&before, "messages_in"), None, "no time has passed");
        after.counters.insert("uptime_s".to_owned(), "1".to_owned());
        assert_eq!(after.rate(&before, "messages_in"), None, "started again");
    }

    #[test]
    fn other_lines_are_no_sample() {
        for (lines, reason) in [
            (&["ERR 503 shutting down"][..], "the coordinator answers: shutting down"),
            (&["OK ping"], "not a reply of a coordinator: \"OK ping\""),
            (&["OK stats 1", "uptime_s"], "not a reply of a coordinator: \"uptime_s\""),
            (
                &["OK stats 1", "uptime_s 1", "OK members 1", "bob offline"],
                "not a reply of a coordinator: \"bob offline\"",
            ),
        ] {
            let mut reader = SampleReader::default();
            let (last, others) = lines.split_last().unwrap();
            others.iter().for_each(|line| drop(reader.take(line, Millis::ZERO).unwrap()));
            let refused = reader.take(last, Millis::ZERO).unwrap_err();
            assert_eq!(refused.to_string(), reason);
        }
    }
}
