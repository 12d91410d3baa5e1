//! Reads the last messages of a message log, from its end, in bounded memory.
//!
//! ```text
//!   header │ lines ... │ ... 64 KiB ... │ ... 64 KiB ... │ length
//!                          ◀─ read, until the messages are in it, or the limit
//! ```

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::time::UNIX_EPOCH;

use crate::limits::{LAST_BYTES_MAX, LOG_SEARCH_BYTES};
use crate::protocol::Delivery;
use crate::session::Message;

/// The last messages of a message log, the oldest first.
#[derive(Debug, PartialEq, Eq)]
pub struct LastMessages {
    /// Messages as the file has them: control characters are escaped already.
    pub messages: Vec<Message>,
    /// Reason why there are fewer messages than asked for.
    pub limit: Option<LastMessagesLimit>,
}

/// Reason for fewer messages than asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastMessagesLimit {
    /// The file has no further message.
    BeginOfFile,
    /// Earlier messages are before the bytes that are read at most.
    Bytes,
}

/// Returns the last `count` messages of the first `length` bytes of a file.
pub(super) fn read_last(file: &File, length: u64, count: usize) -> io::Result<LastMessages> {
    let bytes_max = length.min(LAST_BYTES_MAX as u64);
    let mut bytes = (LOG_SEARCH_BYTES as u64).min(bytes_max);
    loop {
        let start = length.saturating_sub(bytes);
        let chunk = read(file, start, bytes)?;
        // The first line may be the end of a line.
        let first = if start == 0 { Some(0) } else { memchr::memchr(b'\n', &chunk) };
        let lines = first.and_then(|at| chunk.get(at..)).unwrap_or_default();
        let lines = lines.rsplit(|byte| *byte == b'\n');
        let mut messages: Vec<Message> = lines.filter_map(message).take(count).collect();
        let limit = match (start, bytes == bytes_max) {
            _ if messages.len() >= count => None,
            (0, _) => Some(LastMessagesLimit::BeginOfFile),
            (_, true) => Some(LastMessagesLimit::Bytes),
            (_, false) => {
                bytes = bytes.saturating_mul(4).min(bytes_max);
                continue;
            }
        };
        messages.reverse();
        return Ok(LastMessages { messages, limit });
    }
}

fn read(file: &File, start: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    file.read_exact_at(&mut bytes, start)?;
    Ok(bytes)
}

/// Parses a line. Returns `None` for a line that is no message.
fn message(line: &[u8]) -> Option<Message> {
    let line = std::str::from_utf8(line).ok()?;
    let mut fields = line.splitn(4, '\t');
    let (seq, time, sender, text) =
        (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let accepted = humantime::parse_rfc3339(time).ok()?.duration_since(UNIX_EPOCH).ok()?;
    let delivery = format!("{seq}#{sender}#{}#{text}", accepted.as_millis());
    Some(Delivery::parse(&delivery)?.into())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::session::LogEntry;

    const TIME: &str = "2026-11-22T10:05:00.123Z";

    #[track_caller]
    fn check(content: &str, count: usize, seqs: &[u64], limit: Option<LastMessagesLimit>) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content.as_bytes()).unwrap();
        let last = read_last(&file, content.len() as u64, count).unwrap();
        let found: Vec<u64> = last.messages.iter().map(|it| it.seq().as_u64()).collect();
        assert_eq!((&found[..], last.limit), (seqs, limit));
    }

    #[test]
    fn the_last_messages_come_in_their_order() {
        let head = format!("# id alice\n# epoch {}\n# last 0\n", "0".repeat(16));
        let line = |seq: u64| format!("{seq}\t{TIME}\tbob\ttext\n");
        let content = format!("{head}{}# gap 1 2 2\n{}{}", line(1), line(3), line(4));
        let begin = Some(LastMessagesLimit::BeginOfFile);
        check(&content, 2, &[3, 4], None);
        check(&content, 3, &[1, 3, 4], None);
        check(&content, 4, &[1, 3, 4], begin);
        check(&head, 1, &[], begin);
        check("", 1, &[], begin);
        let foreign = format!("{content}x\ty\n5\tnever\tbob\ttext\n6\t{TIME}\tb#b\ttext\n");
        check(&foreign, 1, &[4], None);
    }

    #[test]
    fn a_message_is_as_it_was_written() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(format!("7\t{TIME}\tbob\ta\ttab # \\u{{1b}}\n").as_bytes()).unwrap();
        let length = file.metadata().unwrap().len();
        let mut last = read_last(&file, length, 1).unwrap();
        let message = last.messages.remove(0);
        assert_eq!(message.accepted().to_string(), "1795341900123");
        let mut shown = String::new();
        LogEntry::Message(message).push_to(&mut shown);
        assert_eq!(shown, "7 bob: a\ttab # \\u{1b}");
    }

    #[test]
    fn lines_of_any_length_are_found_across_the_chunks() {
        for text_bytes in [1, 1000, LOG_SEARCH_BYTES - 40, LOG_SEARCH_BYTES, 200_000] {
            let lines =
                (1..=5).map(|seq| format!("{seq}\t{TIME}\tbob\t{}\n", "x".repeat(text_bytes)));
            let content: String = lines.collect();
            check(&content, 3, &[3, 4, 5], None);
        }
    }

    #[test]
    fn the_end_of_a_text_is_never_a_line() {
        let forged = format!("9\t{TIME}\teve\t");
        let rest = "x".repeat(LOG_SEARCH_BYTES - forged.len() - 1);
        check(&format!("1\t{TIME}\tbob\ttext\t{forged}{rest}\n"), 1, &[1], None);
    }

    #[test]
    fn no_more_than_the_limit_is_read() {
        let text = "x".repeat(LAST_BYTES_MAX / 2 - 100);
        let lines = (1..=5).map(|seq| format!("{seq}\t{TIME}\tbob\t{text}\n"));
        let content: String = lines.collect();
        check(&content, 2, &[4, 5], None);
        check(&content, 3, &[4, 5], Some(LastMessagesLimit::Bytes));
        let endless = format!("1\t{TIME}\tbob\t{}\n", "x".repeat(LAST_BYTES_MAX));
        check(&endless, 1, &[], Some(LastMessagesLimit::Bytes));
    }
}
