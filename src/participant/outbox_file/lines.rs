//! The lines of an outbox file.

use std::fmt::Write as _;
use std::num::NonZeroU64;
use std::str;

use crate::protocol::Epoch;
use crate::session::OutboxEntry;
use crate::text;
use crate::time::UnixMillis;

/// A line behind the header, without its checksum and its line feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OutboxLine<'a> {
    Text { order: u64, number: Option<NonZeroU64>, stored: UnixMillis, text: &'a str },
    Number { order: u64, number: NonZeroU64 },
    Done { order: u64 },
    Epoch { epoch: Option<Epoch> },
    Register { is_refused: bool },
}

/// Digits of a checksum.
const CHECKSUM_DIGITS: usize = 8;

/// Field without a number or an epoch.
const NOTHING: &str = "-";

/// Fields of a `register` line.
const ASKED: &str = "asked";
const REFUSED: &str = "refused";

impl<'a> OutboxLine<'a> {
    pub(super) fn new(entry: &'a OutboxEntry, stored: UnixMillis) -> Self {
        match entry {
            OutboxEntry::Text { order, number, text } => {
                Self::Text { order: *order, number: *number, stored, text }
            }
            OutboxEntry::Number { order, number } => {
                Self::Number { order: *order, number: *number }
            }
            OutboxEntry::Done { order } => Self::Done { order: *order },
            OutboxEntry::Epoch { epoch } => Self::Epoch { epoch: *epoch },
            OutboxEntry::Register { is_refused } => Self::Register { is_refused: *is_refused },
        }
    }

    /// Parses a line without its line feed. Returns `None` if the checksum is another one, or if
    /// the line makes no sense.
    pub(super) fn parse(line: &'a [u8]) -> Option<Self> {
        let (digits, content) = str::from_utf8(line).ok()?.split_once('\t')?;
        if digits != checksum(content) {
            return None;
        }
        let (kind, fields) = content.split_once('\t')?;
        match kind {
            "text" => {
                let mut fields = fields.splitn(4, '\t');
                let order = fields.next()?.parse().ok()?;
                let number = match fields.next()? {
                    NOTHING => None,
                    number => Some(number.parse().ok()?),
                };
                let stored = UnixMillis(fields.next()?.parse().ok()?);
                Some(Self::Text { order, number, stored, text: fields.next()? })
            }
            "number" => {
                let (order, number) = fields.split_once('\t')?;
                Some(Self::Number { order: order.parse().ok()?, number: number.parse().ok()? })
            }
            "done" => Some(Self::Done { order: fields.parse().ok()? }),
            "epoch" if fields == NOTHING => Some(Self::Epoch { epoch: None }),
            "epoch" => Some(Self::Epoch { epoch: Some(Epoch::parse(fields)?) }),
            "register" if fields == ASKED => Some(Self::Register { is_refused: false }),
            "register" if fields == REFUSED => Some(Self::Register { is_refused: true }),
            _ => None,
        }
    }

    /// Appends the line with its checksum and its line feed.
    pub(super) fn push_to(self, lines: &mut String) {
        let mut content = String::new();
        // Writing to a string cannot fail.
        let _ = match self {
            Self::Text { order, number, stored: UnixMillis(stored), text } => {
                let number = number.map_or(NOTHING.to_owned(), |number| number.to_string());
                // A text has no control characters but TAB. If it had, the line would stay a line.
                let text = text::for_file(text);
                write!(content, "text\t{order}\t{number}\t{stored}\t{text}")
            }
            Self::Number { order, number } => write!(content, "number\t{order}\t{number}"),
            Self::Done { order } => write!(content, "done\t{order}"),
            Self::Epoch { epoch: Some(epoch) } => write!(content, "epoch\t{epoch}"),
            Self::Epoch { epoch: None } => write!(content, "epoch\t{NOTHING}"),
            Self::Register { is_refused: false } => write!(content, "register\t{ASKED}"),
            Self::Register { is_refused: true } => write!(content, "register\t{REFUSED}"),
        };
        let _ = writeln!(lines, "{}\t{content}", checksum(&content));
    }
}

fn checksum(content: &str) -> String {
    format!("{:0digits$x}", crc32fast::hash(content.as_bytes()), digits = CHECKSUM_DIGITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORED: UnixMillis = UnixMillis(1_795_341_900_123);

    #[test]
    fn each_kind_of_entry_is_a_line_and_is_read_back() {
        let (five, seven) = (NonZeroU64::new(5), NonZeroU64::new(7).unwrap());
        for (line, content) in [
            (
                OutboxLine::Text { order: 1, number: None, stored: STORED, text: "a\tb" },
                "text\t1\t-\t1795341900123\ta\tb",
            ),
            (
                OutboxLine::Text { order: u64::MAX, number: five, stored: STORED, text: "" },
                "text\t18446744073709551615\t5\t1795341900123\t",
            ),
            (OutboxLine::Number { order: 1, number: seven }, "number\t1\t7"),
            (OutboxLine::Done { order: 1 }, "done\t1"),
            (OutboxLine::Epoch { epoch: Some(Epoch::new(0xfeed)) }, "epoch\t000000000000feed"),
            (OutboxLine::Epoch { epoch: None }, "epoch\t-"),
            (OutboxLine::Register { is_refused: false }, "register\tasked"),
            (OutboxLine::Register { is_refused: true }, "register\trefused"),
        ] {
            let mut lines = String::new();
            line.push_to(&mut lines);
            assert_eq!(lines, format!("{:08x}\t{content}\n", crc32fast::hash(content.as_bytes())));
            assert_eq!(OutboxLine::parse(lines.trim_end_matches('\n').as_bytes()), Some(line));
        }
    }

    #[test]
    fn a_line_without_sense_is_no_line_although_its_checksum_is_right() {
        for content in [
            "",
            "text",
            "text\t1\t-\t5",
            "text\t1\t0\t5\thi",
            "text\tx\t-\t5\thi",
            "number\t1\t0",
            "number\t1",
            "done\t-1",
            "done\t1\t2",
            "epoch\t",
            "epoch\tfeed",
            "register",
            "register\t-",
            "epoch\t000000000000feed\t",
            "forget\t1",
        ] {
            let line = format!("{}\t{content}", checksum(content));
            assert_eq!(OutboxLine::parse(line.as_bytes()), None, "{content:?}");
        }
    }
}
