//! The participant's message log: recovery of arbitrary bytes, and the lines written after them.

use std::fs;
use std::path::Path;

use groupcast::limits::SEQ_MAX;
use groupcast::net::Sink as _;
use groupcast::participant::{LogBatch, MessageLog};
use groupcast::protocol::{Delivery, Epoch, Seq};
use groupcast::session::{LogEntry, LogPosition};
use groupcast::time::UnixMillis;

use super::config_file;

const HEADER: &[u8] = b"# id alice\n# epoch 00000000000000aa\n# last 7\n";

/// Checks the bytes as a whole file, as lines after a good header, and as the text of a message.
pub fn check(bytes: &[u8]) {
    check_file(bytes, bytes);
    check_file(&[HEADER, bytes].concat(), bytes);
}

fn check_file(content: &[u8], text: &[u8]) {
    let path = config_file::path();
    fs::write(&path, content).expect("the file can be written");
    let Ok(log) = open(&path) else {
        assert_eq!(read(&path), content, "a file that is refused is not changed");
        return;
    };
    let left = read(&path);
    assert!(content.starts_with(&left), "bytes were changed or added");
    assert!(left.is_empty() || left.ends_with(b"\n"), "a torn line is left");
    if !content.contains(&0) && content.starts_with(HEADER) {
        let whole = content.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        assert_eq!(left, &content[..whole], "whole lines were cut off");
        assert_eq!(log.log_position(), simple_position(&left));
    }
    check_continuation(log, &path, left, text);
}

/// Writes a message with this text after the recovered lines, and recovers again.
fn check_continuation(mut log: MessageLog, path: &Path, mut left: Vec<u8>, text: &[u8]) {
    let LogPosition { epoch, last } = log.log_position();
    if last.as_u64() >= SEQ_MAX {
        return;
    }
    let mut batch = LogBatch::default();
    if epoch.is_none() {
        batch.append(&LogEntry::Epoch(Epoch::new(0xbb)));
        left.extend_from_slice(b"# id alice\n# epoch 00000000000000bb\n# last 0\n");
    }
    let text = String::from_utf8_lossy(text);
    let (seq, accepted) = (last.next(), UnixMillis(1_795_341_900_123));
    let delivery = Delivery { seq, sender: "bob", accepted, text: &*text };
    batch.append(&LogEntry::Message(delivery.into()));
    let report = log.run(vec![batch]);
    let entries = if epoch.is_none() { 2 } else { 1 };
    assert_eq!((report.written, report.failure, report.new_file), (entries, None, None));
    let position = LogPosition { epoch: epoch.or(Some(Epoch::new(0xbb))), last: seq };
    assert_eq!(log.log_position(), position);
    drop(log);
    let written = read(path);
    let line = written.strip_prefix(left.as_slice()).expect("the whole lines are still there");
    let start = format!("{seq}\t2026-11-22T10:05:00.123Z\tbob\t");
    let shown = line.strip_prefix(start.as_bytes()).and_then(|line| line.strip_suffix(b"\n"));
    let shown = std::str::from_utf8(shown.expect("the line of a message")).expect("UTF-8");
    assert!(!shown.contains(|char: char| char.is_control() && char != '\t'), "{shown:?}");
    let again = open(path).expect("a log that was written can be read");
    assert_eq!(again.log_position(), position);
    drop(again);
    assert_eq!(read(path), written);
}

fn open(path: &Path) -> Result<MessageLog, groupcast::participant::UnusableFile> {
    MessageLog::open(path, "alice", false)
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).expect("the file can be read")
}

/// Reads a log from its beginning, line by line.
fn simple_position(content: &[u8]) -> LogPosition {
    let mut position = LogPosition::default();
    for line in content.split(|byte| *byte == b'\n') {
        // The numbers of a line are within its first bytes.
        let line = String::from_utf8_lossy(&line[..line.len().min(128)]).into_owned();
        let number = if let Some(epoch) = line.strip_prefix("# epoch ") {
            if let Some(epoch) = Epoch::parse(epoch) {
                position = LogPosition { epoch: Some(epoch), last: Seq::ZERO };
            }
            None
        } else if let Some(last) = line.strip_prefix("# last ") {
            Seq::parse(last)
        } else if let Some(gap) = line.strip_prefix("# gap ") {
            gap.split(' ').next_back().filter(|last| *last != gap).and_then(Seq::parse)
        } else {
            line.split_once('\t').and_then(|(seq, _)| Seq::parse(seq))
        };
        position.last = number.unwrap_or(position.last);
    }
    position
}
