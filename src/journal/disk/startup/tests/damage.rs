//! Damage of the newest segments: no text is accepted twice, and no seq is given out twice.

use super::*;
use crate::journal::HEADER_BYTES;

/// Two starts in one boot: the second segment repeats the last message of the first one.
fn written() -> (tempfile::TempDir, std::path::PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let mut opened = open(directory.path(), 1, SyncPolicy::Always, 0);
    ask(&mut opened, 10, &["bob#register 9001 acks=1", "alice#register 9000"]);
    for (now, number) in [(20, 1), (30, 2), (40, 3)] {
        let replies = ask(&mut opened, now, &[&format!("alice#send {number} text {number}")]);
        assert_eq!(replies, [format!("OK send {number} seq={number}")]);
    }
    drop(opened);
    drop(open(directory.path(), 1, SyncPolicy::Always, 1_000));
    assert_eq!(newest(directory.path()), [3], "written again");
    let path = directory.path().join("0000000000000002.journal");
    (directory, path)
}

/// Damages one of the records that contain `text`, counted from 0.
fn damage(path: &Path, text: &str, count: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    let found = bytes.windows(text.len()).enumerate().filter(|(_, it)| *it == text.as_bytes());
    let at = found.map(|(at, _)| at).nth(count).unwrap();
    bytes[at] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_damaged_member_keeps_the_numbers_of_its_texts() {
    let (directory, path) = written();
    damage(&path, "alice", 0);
    let mut opened = open(directory.path(), 1, SyncPolicy::Always, 2_000);
    let replies = ask(
        &mut opened,
        2_010,
        &["alice#reconnect 9000", "alice#send 3 text 3", "alice#send 5 text 5"],
    );
    assert!(replies[0].ends_with(" published=3"), "{replies:?}");
    assert_eq!(replies[1..], ["OK send 3 duplicate=1", "ERR 409 send: expected 4"]);
}

/// A failed write leaves the first segment without the last message.
#[test]
fn a_damaged_member_keeps_the_numbers_that_no_earlier_segment_has() {
    for damaged in [0, 2] {
        let (directory, path) = written();
        let first = directory.path().join("0000000000000001.journal");
        let mut bytes = std::fs::read(&first).unwrap();
        let text = b"3#alice#";
        bytes.truncate(bytes.windows(text.len()).position(|bytes| bytes == text).unwrap());
        std::fs::write(&first, bytes).unwrap();
        damage(&path, "alice", damaged);
        let mut opened = open(directory.path(), 1, SyncPolicy::Always, 2_000);
        let replies = ask(&mut opened, 2_010, &["alice#reconnect 9000", "alice#send 3 text 3"]);
        assert_eq!(replies[1..], ["OK send 3 duplicate=1"], "{damaged}: {replies:?}");
    }
}

/// The example of PROTOCOL.md.
#[test]
fn a_damaged_message_loses_its_number_unless_a_later_one_of_the_sender_is_there() {
    for (damaged, published) in [("1#alice#", 3), ("2#alice#", 3), ("3#alice#", 2)] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let mut opened = open(path, 1, SyncPolicy::Always, 0);
        ask(&mut opened, 10, &["bob#register 9001 acks=1", "alice#register 9000"]);
        ask(&mut opened, 20, &["alice#send 1 a", "alice#send 2 b", "alice#send 3 c"]);
        drop(opened);
        damage(&path.join("0000000000000001.journal"), damaged, 0);
        let mut opened = open(path, 1, SyncPolicy::Always, 1_000);
        let reconnects = ["alice#reconnect 9000", "bob#reconnect 9001 acks=1"];
        let replies = ask(&mut opened, 1_010, &reconnects);
        assert!(replies[0].ends_with(&format!(" published={published}")), "{damaged}: {replies:?}");
        assert!(replies[1].contains(" missed=2 "), "{damaged}: {replies:?}");
    }
}

/// Cuts the newest segment, which repeats messages, at each length.
#[test]
fn a_segment_that_is_cut_inside_its_snapshot_repeats_no_number_and_loses_no_message() {
    let (directory, path) = written();
    let whole = std::fs::read(&path).unwrap();
    let earlier = std::fs::read(directory.path().join("0000000000000001.journal")).unwrap();
    for length in HEADER_BYTES..whole.len() {
        let copy = tempfile::tempdir().unwrap();
        std::fs::write(copy.path().join("0000000000000001.journal"), &earlier).unwrap();
        std::fs::write(copy.path().join("0000000000000002.journal"), &whole[..length]).unwrap();
        for start in 1..3 {
            let mut opened = open(copy.path(), 1, SyncPolicy::Always, start * 1_000);
            assert_ne!(opened.state.epoch(), Epoch::new(0), "{length}: 4 may be given out");
            assert_eq!(opened.state.lines(Seq::ZERO).count(), 3, "{length} at start {start}");
            let request = ["alice#reconnect 9000"];
            let replies = ask(&mut opened, start * 1_000 + 10, &request);
            assert!(replies[0].contains(" next=4 "), "{length}: {replies:?}");
            assert!(replies[0].ends_with(" published=3"), "{length}: {replies:?}");
        }
    }
    drop(directory);
}
