//! Files that are moved, deleted, truncated or overwritten by another program.

use proptest::prelude::*;

use super::*;

#[test]
fn a_new_file_keeps_the_position_of_the_moved_file() {
    let fixture = LogFixture::new();
    let mut log = fixture.open().unwrap();
    written(&mut log, vec![epoch(), message(1, "one")]);
    let moved = fixture.directory.path().join("moved");
    fs::rename(fixture.path(), &moved).unwrap();
    let report = run(&mut log, vec![gap(1, 2, 2), LogJob::Rotate, message(3, "three")]);
    assert_eq!((report.written, report.new_file), (2, None), "no notice after a signal");
    assert!(fs::read_to_string(&moved).unwrap().ends_with("\tbob\tone\n"));
    let header = format!("# id alice\n# epoch {EPOCH}\n# last 1\n# gap 1 2 2\n3\t");
    assert!(fixture.content().starts_with(&header), "{}", fixture.content());
    assert!(MessageLog::open(&moved, "alice", false).is_ok(), "the old file is released");
    assert!(matches!(fixture.open(), Err(UnusableFile::InUse)));
    drop(log);
    assert_eq!(fixture.open().unwrap().log_position(), log_position(3));
}

#[test]
fn no_line_is_written_while_the_name_leads_to_a_foreign_file() {
    let fixture = LogFixture::new();
    let mut log = fixture.open().unwrap();
    assert_eq!(written(&mut log, vec![epoch(), LogJob::Rotate, message(1, "one")]), 2);
    let moved = fixture.directory.path().join("moved");
    fs::rename(fixture.path(), &moved).unwrap();
    let before = fs::read(&moved).unwrap();
    fs::write(fixture.path(), "dear diary").unwrap();
    let report = run(&mut log, vec![LogJob::Rotate, message(2, "two")]);
    assert_eq!(report.written, 0);
    let expected = format!(
        "{} was moved away, and no new file can be started: not empty, and does not start with \
         the header of a message log",
        fixture.path().display()
    );
    assert_eq!(report.failure, Some(expected));
    assert_eq!((fixture.content().as_str(), fs::read(&moved).unwrap()), ("dear diary", before));
    fs::remove_file(fixture.path()).unwrap();
    assert_eq!(written(&mut log, vec![LogJob::Retry]), 1);
    assert!(fixture.content().ends_with("# last 1\n2\t2026-11-22T10:05:00.123Z\tbob\ttwo\n"));
}

#[test]
fn a_file_overwritten_by_another_program_is_not_touched() {
    for (diary, state) in
        [("dear diary", " was truncated, and no new file can be started"), ("", "")]
    {
        let fixture = LogFixture::new();
        let mut log = fixture.open().unwrap();
        written(&mut log, vec![epoch(), message(1, "one")]);
        let diary = if diary.is_empty() { "long diary ".repeat(100) } else { diary.to_owned() };
        fs::write(fixture.path(), &diary).unwrap(); // The same inode.
        let report = run(&mut log, vec![message(2, "two")]);
        assert_eq!(report.written, 0);
        let path = fixture.path().display().to_string();
        let foreign = "not empty, and does not start with the header of a message log";
        assert_eq!(report.failure, Some(format!("{path}{state}: {foreign}")));
        assert_eq!(fixture.content(), diary);
    }
}

/// The content left in the file, the act of another program, and the state in the notice.
type Case = (&'static str, fn(&LogFixture), &'static str);

#[test]
fn a_lost_file_is_replaced_and_the_reason_is_reported() {
    let cases: [Case; 6] = [
        ("", |fixture| fs::remove_file(fixture.path()).unwrap(), "was deleted"),
        ("", |fixture| drop(File::create(fixture.path()).unwrap()), "was truncated"),
        ("", |fixture| fs::rename(fixture.path(), fixture.other_path()).unwrap(), "was moved away"),
        (
            "",
            |fixture| {
                fs::write(fixture.other_path(), "").unwrap();
                fs::rename(fixture.other_path(), fixture.path()).unwrap();
            },
            "was deleted",
        ),
        (
            "# id alice\n# epoch 00000000000000bb\n# last 3\n",
            |fixture| {
                let other = "# id alice\n# epoch 00000000000000bb\n# last 3\n4\ttorn";
                fs::write(fixture.other_path(), other).unwrap();
                fs::rename(fixture.other_path(), fixture.path()).unwrap();
            },
            "was deleted",
        ),
        (
            "# id alice\n# epoch 00000000000000aa\n# last 0\n",
            |fixture| {
                let file = File::options().write(true).open(fixture.path()).unwrap();
                file.set_len(50).unwrap(); // In the middle of the first line.
            },
            "was truncated",
        ),
    ];
    for must_sync in [false, true] {
        for (left, act, state) in cases {
            let fixture = LogFixture::new();
            let mut log = MessageLog::open(&fixture.path(), "alice", must_sync).unwrap();
            written(&mut log, vec![epoch(), message(1, "one")]);
            act(&fixture);
            let report = run(&mut log, vec![message(2, "two")]);
            assert_eq!((report.written, report.failure), (1, None), "{state}");
            let path = fixture.path().display().to_string();
            let notice = format!("{path} {state}: a new file starts after message 1");
            assert_eq!(report.new_file, Some(notice));
            let id = if left.is_empty() { "# id alice\n" } else { "" };
            let line = "2\t2026-11-22T10:05:00.123Z\tbob\ttwo\n";
            let expected = format!("{left}{id}# epoch {EPOCH}\n# last 1\n{line}");
            assert_eq!(fixture.content(), expected, "{state}");
            assert_eq!(written(&mut log, vec![message(3, "three")]), 1);
            drop(log);
            assert_eq!(fixture.open().unwrap().log_position(), log_position(3));
        }
    }
}

#[test]
fn without_the_directory_no_entry_counts_as_written() {
    let fixture = LogFixture::new();
    let directory = fixture.directory.path().join("logs");
    let path = directory.join("alice.log");
    fs::create_dir(&directory).unwrap();
    let mut log = MessageLog::open(&path, "alice", true).unwrap();
    written(&mut log, vec![epoch(), message(1, "one")]);
    fs::remove_dir_all(&directory).unwrap();
    for jobs in [vec![message(2, "two")], vec![LogJob::Retry]] {
        let report = run(&mut log, jobs);
        assert_eq!(report.written, 0);
        let shown = path.display();
        let absent = "and no new file can be started: No such file or directory (os error 2)";
        assert_eq!(report.failure, Some(format!("{shown} was deleted, {absent}")));
    }
    fs::create_dir(&directory).unwrap();
    assert_eq!(written(&mut log, vec![LogJob::Retry, message(3, "three")]), 2);
    let content = fs::read_to_string(&path).unwrap();
    let header = format!("# id alice\n# epoch {EPOCH}\n# last 1\n2\t");
    assert!(content.starts_with(&header) && content.ends_with("\tthree\n"), "{content}");
}

#[test]
fn a_check_of_an_intact_file_is_reported_without_a_write() {
    let fixture = LogFixture::new();
    let mut log = fixture.open().unwrap();
    written(&mut log, vec![epoch()]);
    for job in [LogJob::Retry, LogJob::Rotate] {
        let report = run(&mut log, vec![job]);
        assert!(report.is_checked && report.failure.is_none() && report.new_file.is_none());
    }
    assert!(!run(&mut log, vec![message(1, "one")]).is_checked);
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Write,
    Move,
    MoveAndSignal,
    MoveAndCreate,
    CopyAndTruncate,
    RemoveDirectory,
    StartAgain,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    use Act::{CopyAndTruncate, Move, MoveAndCreate, MoveAndSignal, RemoveDirectory, StartAgain};
    let act = prop_oneof![
        4 => Just(Act::Write),
        1 => prop::sample::select(vec![
            Move, MoveAndSignal, MoveAndCreate, CopyAndTruncate, RemoveDirectory, StartAgain
        ]),
    ];
    prop::collection::vec(act, 1..40)
}

/// Collects the contents of all files of a log.
struct Archive {
    fixture: LogFixture,
    directory: PathBuf,
    path: PathBuf,
    files: Vec<String>,
}

impl Archive {
    fn new() -> Self {
        let fixture = LogFixture::new();
        let directory = fixture.directory.path().join("logs");
        fs::create_dir(&directory).unwrap();
        let path = directory.join("alice.log");
        Self { fixture, directory, path, files: Vec::new() }
    }

    fn save(&mut self) {
        self.files.extend(fs::read_to_string(&self.path).ok());
    }

    fn move_away(&mut self) {
        self.save();
        let other_path = self.fixture.directory.path().join(self.files.len().to_string());
        // The file is missing if no line was written since.
        let _ = fs::rename(&self.path, other_path);
    }

    /// Returns the texts of all messages in all files.
    fn texts(mut self) -> Vec<String> {
        self.save();
        let texts = |file: &String| -> Vec<String> {
            assert!(file.is_empty() || file.starts_with("# id alice\n# epoch "), "{file:?}");
            assert!(!file.contains('\0'), "{file:?}");
            let lines = file.lines().filter(|line| !line.starts_with('#'));
            lines.map(|line| line.rsplit('\t').next().unwrap().to_owned()).collect()
        };
        self.files.iter().flat_map(texts).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn each_message_is_in_exactly_one_file_after_any_moves(acts in acts()) {
        let mut archive = Archive::new();
        let mut log = MessageLog::open(&archive.path, "alice", false).unwrap();
        written(&mut log, vec![epoch()]);
        let mut sent = Vec::new();
        for act in acts {
            match act {
                Act::Write => {
                    sent.push(format!("text {}", sent.len()));
                    let seq = sent.len() as u64;
                    assert_eq!(written(&mut log, vec![message(seq, sent.last().unwrap())]), 1);
                }
                Act::Move => archive.move_away(),
                Act::MoveAndSignal => {
                    archive.move_away();
                    written(&mut log, vec![LogJob::Rotate]);
                    assert!(archive.path.exists());
                }
                Act::MoveAndCreate => {
                    archive.move_away();
                    fs::write(&archive.path, "").unwrap();
                }
                Act::CopyAndTruncate => {
                    archive.save();
                    drop(File::create(&archive.path).unwrap());
                }
                Act::RemoveDirectory => {
                    archive.save();
                    fs::remove_dir_all(&archive.directory).unwrap();
                    assert!(run(&mut log, vec![LogJob::Retry]).failure.is_some());
                    fs::create_dir(&archive.directory).unwrap();
                    written(&mut log, vec![LogJob::Retry]);
                }
                Act::StartAgain => {
                    written(&mut log, vec![LogJob::Retry]);
                    drop(log);
                    log = MessageLog::open(&archive.path, "alice", false).unwrap();
                    assert_eq!(log.log_position(), log_position(sent.len() as u64));
                }
            }
        }
        drop(log);
        prop_assert_eq!(archive.texts(), sent);
    }
}
