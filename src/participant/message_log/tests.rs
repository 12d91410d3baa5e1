use std::fs::{self, OpenOptions};

use super::*;
use crate::participant::unusable_file::FileUse;
use crate::protocol::{Delivery, Gap};
use crate::session::LogEntry;
use crate::time::UnixMillis;

mod files;

const EPOCH: &str = "00000000000000aa";

struct LogFixture {
    directory: tempfile::TempDir,
}

impl LogFixture {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("alice.log")
    }

    fn other_path(&self) -> PathBuf {
        self.directory.path().join("aside")
    }

    fn open(&self) -> Result<MessageLog, UnusableFile> {
        MessageLog::open(&self.path(), "alice", false)
    }

    fn content(&self) -> String {
        fs::read_to_string(self.path()).unwrap()
    }

    /// Opens a file with this content. Returns the position found, and the content afterwards.
    fn recover(&self, content: &[u8]) -> Result<(LogPosition, Vec<u8>), UnusableFile> {
        fs::write(self.path(), content).unwrap();
        let log_position = self.open().map(|log| log.log_position());
        let left = fs::read(self.path()).unwrap();
        if log_position.is_err() {
            assert_eq!(left, content, "a refused file is unchanged");
        }
        log_position.map(|log_position| (log_position, left))
    }
}

fn job(entry: &LogEntry) -> LogJob {
    let mut jobs = LogBatch::default();
    jobs.append(entry);
    jobs.into_iter().next().unwrap()
}

fn message(seq: u64, text: &str) -> LogJob {
    let (seq, accepted) = (Seq::new(seq), UnixMillis(1_795_341_900_123));
    job(&LogEntry::Message(Delivery { seq, accepted, sender: "bob", text }.into()))
}

fn epoch() -> LogJob {
    job(&LogEntry::Epoch(Epoch::parse(EPOCH).unwrap()))
}

fn gap(count: u64, first: u64, last: u64) -> LogJob {
    job(&LogEntry::Gap(Gap { count, first: Seq::new(first), last: Seq::new(last) }))
}

fn log_position(last: u64) -> LogPosition {
    LogPosition { epoch: Epoch::parse(EPOCH), last: Seq::new(last) }
}

fn run(log: &mut MessageLog, list: Vec<LogJob>) -> LogReport {
    let mut jobs = LogBatch::default();
    list.into_iter().for_each(|job| jobs.push(job));
    log.run(vec![jobs])
}

fn written(log: &mut MessageLog, jobs: Vec<LogJob>) -> usize {
    let report = run(log, jobs);
    assert_eq!(report.failure, None);
    report.written
}

#[test]
fn a_file_begins_with_its_header_and_has_one_line_for_each_entry() {
    let fixture = LogFixture::new();
    let mut log = fixture.open().unwrap();
    assert_eq!(fixture.content(), "");
    assert_eq!(written(&mut log, vec![epoch(), message(1, "a\tb"), gap(2, 2, 4)]), 3);
    assert_eq!(written(&mut log, vec![message(5, "one\nline\u{1b}")]), 1);
    let expected = "# id alice\n# epoch 00000000000000aa\n# last 0\n\
        1\t2026-11-22T10:05:00.123Z\tbob\ta\tb\n# gap 2 2 4\n\
        5\t2026-11-22T10:05:00.123Z\tbob\tone\\u{a}line\\u{1b}\n";
    assert_eq!(fixture.content(), expected);
    assert_eq!(written(&mut log, vec![epoch()]), 1);
    assert_eq!(fixture.content(), format!("{expected}# epoch {EPOCH}\n"));
    drop(log);
    assert_eq!(fixture.open().unwrap().log_position(), log_position(0));
}

#[test]
fn the_buffer_of_written_lines_is_reused_empty() {
    let fixture = LogFixture::new();
    let mut log = fixture.open().unwrap();
    written(&mut log, vec![epoch()]);
    let text = "x".repeat(10_000);
    let spare = run(&mut log, vec![message(1, &text)]).spare;
    assert!(spare.is_empty() && spare.capacity() > text.len());
    let before = fixture.content();
    let mut jobs = LogBatch::default();
    jobs.reuse(spare);
    jobs.append(&LogEntry::Gap(Gap { count: 1, first: Seq::new(2), last: Seq::new(2) }));
    assert!(log.run(vec![jobs]).spare.capacity() > text.len());
    assert_eq!(fixture.content(), format!("{before}# gap 1 2 2\n"));
}

#[test]
fn the_position_is_the_last_number_in_the_file() {
    let fixture = LogFixture::new();
    let header = format!("# id alice\n# epoch {EPOCH}\n# last 7\n");
    for (lines, last) in [
        ("", 7),
        ("8\tt\tbob\tx\n", 8),
        ("8\tt\tbob\tx\n# gap 3 9 12\n", 12),
        ("8\tt\tbob\t# gap 1 90 90\n", 8),
        ("8\tt\tbob\tx\nnot a line of ours\n", 8),
        ("# epoch 00000000000000bb\n3\tt\tbob\tx\n# epoch 00000000000000aa\n", 0),
        ("# epoch 00000000000000bb\n3\tt\tbob\tx\n# epoch 00000000000000aa\n# last 2\n", 2),
    ] {
        let content = format!("{header}{lines}");
        for torn in ["", "9", "99\tt\tbob\tx", "# epoch 00000000000000cc", "\u{fc}"] {
            let (found, left) = fixture.recover(format!("{content}{torn}").as_bytes()).unwrap();
            assert_eq!(found, log_position(last), "{lines:?} {torn:?}");
            assert_eq!(left, content.as_bytes(), "a torn line is cut");
        }
    }
}

#[test]
fn the_position_is_found_at_any_distance_from_the_end() {
    let fixture = LogFixture::new();
    for length in (1..70_000).step_by(997).chain(65_500..65_560) {
        let text = "x".repeat(length);
        let content = format!(
            "# id alice\n# epoch 00000000000000bb\n# last 0\n# epoch {EPOCH}\n9\tt\tbob\t{text}\n"
        );
        assert_eq!(fixture.recover(content.as_bytes()).unwrap().0, log_position(9), "{length}");
    }
}

#[test]
fn a_header_that_was_interrupted_is_written_again() {
    let fixture = LogFixture::new();
    let header = format!("# id alice\n# epoch {EPOCH}\n# last 10\n");
    for cut in 0..header.len() {
        let (found, left) = fixture.recover(&header.as_bytes()[..cut]).unwrap();
        assert_eq!((found, left), (LogPosition::default(), Vec::new()), "cut at {cut}");
    }
}

#[test]
fn zeros_of_a_power_loss_are_cut_with_all_bytes_after_them() {
    let fixture = LogFixture::new();
    let header = format!("# id alice\n# epoch {EPOCH}\n# last 10\n");
    for cut in 0..header.len() {
        for zeros in [1, header.len() - cut, 5_000, 200_000] {
            let content = [&header.as_bytes()[..cut], &vec![0; zeros]].concat();
            let (found, left) = fixture.recover(&content).unwrap();
            assert_eq!((found, left), (LogPosition::default(), Vec::new()), "cut at {cut}");
        }
    }
    let durable = format!("{header}11\tt\tbob\tx\n");
    for lines in [0, 1, 1_000] {
        let behind = "13\tt\tbob\tlost with what stood before it\n".repeat(lines);
        for torn in ["", "12\tt\tbo", "12\tt\tbob\ty"] {
            let content = format!("{durable}{torn}\0\0\0\n{behind}14\tt\tbob\ttorn");
            let (found, left) = fixture.recover(content.as_bytes()).unwrap();
            assert_eq!(
                (found, left),
                (log_position(11), durable.clone().into_bytes()),
                "{torn:?} {lines}"
            );
        }
    }
}

#[test]
fn zeros_before_the_lines_do_not_stop_a_start() {
    let fixture = LogFixture::new();
    let nothing = LogPosition::default();
    for zeros in [1, 300, 70_000] {
        for (lines, found) in [
            ("8\tt\tbob\tx\n", nothing),
            ("8\tt\tbob\tx\n9\tt\tbob\ty\n", nothing),
            ("# gap 3 9 12\n", nothing),
            ("8\tt\tbob\tx\n# epoch 00000000000000aa\n", log_position(0)),
            ("8\tt\tbob\tx\n# epoch 00000000000000aa\n3\tt\tbob\tx\n", log_position(3)),
            ("# id alice\n# epoch 00000000000000aa\n# last 5\n", log_position(5)),
        ] {
            for torn in ["", "9", "10\tt\tbob\thal", "10\tt\0\0\0"] {
                let padded = [&vec![0; zeros], lines.as_bytes()].concat();
                let content = [&padded, torn.as_bytes()].concat();
                let (log_position, left) = fixture.recover(&content).unwrap();
                assert_eq!((log_position, left), (found, padded), "{zeros} {lines:?} {torn:?}");
            }
        }
        assert_eq!(fixture.recover(&vec![0; zeros]).unwrap(), (nothing, Vec::new()));
    }
    let mut padded = vec![0; 300];
    padded.extend_from_slice(b"8\tt\tbob\tx\n");
    fixture.recover(&padded).unwrap();
    let mut log = fixture.open().unwrap();
    assert_eq!(written(&mut log, vec![epoch(), message(9, "nine")]), 2);
    drop(log);
    assert_eq!(fixture.open().unwrap().log_position(), log_position(9));
    let header = format!("\tx\n# id alice\n# epoch {EPOCH}\n# last 0\n9\t");
    assert!(fixture.content().contains(&header), "{:?}", fixture.content());
}

#[test]
fn a_foreign_file_is_refused_and_not_changed() {
    let fixture = LogFixture::new();
    let of_bob = format!("# id bob\n# epoch {EPOCH}\n# last 0\n");
    let recovered = fixture.recover(of_bob.as_bytes());
    assert!(
        matches!(recovered, Err(UnusableFile::OfAnother(FileUse::MessageLog, id)) if id == "bob")
    );
    for content in [
        "dear diary",
        "\n",
        "# my id\n# epoch 00000000000000aa\n# last 0\n",
        "# id alice\nepoch\n",
        "# id alice\n# epoch 00000000000000aa\n1\tt\tbob\tx\n",
        "# id alice\n# epoch 00000000000000ax\n# last 0\n",
        "# id alice\n# epoch 00000000000000aa\n# last x\n",
        "\u{0}\u{0}\u{0}\u{0}x",
        "\u{0}\u{0}dear diary\n",
        "\u{0}\u{0}8 t bob x\n",
        "# id alice\n# ep\u{0}\u{0}x",
    ] {
        assert!(
            matches!(
                fixture.recover(content.as_bytes()),
                Err(UnusableFile::Foreign(FileUse::MessageLog))
            ),
            "{content:?}"
        );
    }
    let other = LogFixture::new();
    let log = other.open().unwrap();
    assert!(matches!(other.open(), Err(UnusableFile::InUse)));
    drop(log);
    assert!(other.open().is_ok());
}

#[test]
fn the_reason_for_which_a_file_is_refused_is_said_in_words() {
    let fixture = LogFixture::new();
    let refused = |path: &Path| MessageLog::open(path, "alice", false).unwrap_err().to_string();
    assert_eq!(refused(Path::new("/dev/null")), "not a regular file");
    for (content, expected) in [
        ("dear diary", "not empty, and does not start with the header of a message log"),
        ("# id bob\n# epoch 00000000000000aa\n# last 0\n", "it is the message log of bob"),
    ] {
        fs::write(fixture.path(), content).unwrap();
        assert_eq!(refused(&fixture.path()), expected);
    }
    fs::remove_file(fixture.path()).unwrap();
    let _log = fixture.open().unwrap();
    assert_eq!(refused(&fixture.path()), "in use by another program");
}

#[test]
fn lines_of_a_failed_write_are_written_whole_later() {
    let fixture = LogFixture::new();
    let mut log = fixture.open().unwrap();
    written(&mut log, vec![epoch(), message(1, "one")]);
    let before = fixture.content();
    let file = std::mem::replace(&mut log.file, File::open(fixture.path()).unwrap());
    let report = run(&mut log, vec![message(2, "two")]);
    assert_eq!(report.written, 0);
    assert!(report.failure.is_some());
    log.file = file;
    fs::write(fixture.path(), format!("{before}2\t2026-")).unwrap();
    assert_eq!(written(&mut log, vec![message(3, "three"), LogJob::Retry]), 2);
    let line = |seq, text| format!("{seq}\t2026-11-22T10:05:00.123Z\tbob\t{text}\n");
    assert_eq!(fixture.content(), format!("{before}{}{}", line(2, "two"), line(3, "three")));
}

/// A file that takes every write and fails every fsync.
#[cfg(target_os = "linux")]
const UNSYNCABLE: &str = "/dev/null";

#[cfg(target_os = "linux")]
fn unsyncable() -> File {
    let file = OpenOptions::new().read(true).append(true).open(UNSYNCABLE).unwrap();
    assert!(file.sync_data().is_err());
    file
}

#[cfg(target_os = "linux")]
#[test]
fn with_sync_no_entry_counts_as_written_before_the_fsync() {
    let fixture = LogFixture::new();
    let mut log = MessageLog::open(&fixture.path(), "alice", true).unwrap();
    let file = std::mem::replace(&mut log.file, unsyncable());
    let path = std::mem::replace(&mut log.path, UNSYNCABLE.into());
    let report = run(&mut log, vec![epoch(), message(1, "one"), message(2, "two")]);
    assert_eq!(report.written, 0);
    assert!(report.failure.is_some());
    assert_eq!(log.log_position(), LogPosition::default());
    (log.file, log.path) = (file, path);
    fs::write(fixture.path(), "# id alice\n# epo").unwrap(); // The bytes that reached the disk.
    assert_eq!(written(&mut log, vec![LogJob::Retry]), 3);
    assert!(fixture.content().ends_with("\tbob\tone\n2\t2026-11-22T10:05:00.123Z\tbob\ttwo\n"));
    assert_eq!(log.log_position(), log_position(2));
}

#[cfg(target_os = "linux")]
#[test]
fn with_sync_a_new_file_is_synced_too() {
    let fixture = LogFixture::new();
    let mut log = MessageLog::open(&fixture.path(), "alice", true).unwrap();
    assert_eq!(written(&mut log, vec![epoch(), message(1, "one")]), 2);
    fs::rename(fixture.path(), fixture.directory.path().join("moved")).unwrap();
    assert_eq!(written(&mut log, vec![LogJob::Rotate, message(2, "two")]), 1);
    assert!(log.must_sync, "the new file is synced as the old one");
}

#[test]
fn an_invalid_epoch_line_starts_no_epoch() {
    let fixture = LogFixture::new();
    let head =
        format!("# id alice\n# epoch {EPOCH}\n# last 0\n7\t2026-11-22T10:05:00.123Z\tbob\thi\n");
    for line in [
        "# epoch 2222\n",
        "# epoch \n",
        "# epoch 00000000000000ZZ\n",
        "# epoch 00000000000000bbb\n",
        "# epoch 00000000000000bb\r\n",
    ] {
        let content = format!("{head}{line}");
        let (found, left) = fixture.recover(content.as_bytes()).unwrap();
        assert_eq!((found, left), (log_position(7), content.into_bytes()));
    }
}
