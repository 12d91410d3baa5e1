//! The file is moved, deleted, truncated or overwritten while it is written.

use proptest::prelude::*;

use super::*;

#[test]
fn a_new_file_keeps_the_memory_of_the_one_that_was_moved_away() {
    let bench = Bench::new();
    let mut log = bench.open().unwrap();
    written(&mut log, vec![epoch(), message(1, "one")]);
    let moved = bench.coordinator_address.path().join("moved");
    fs::rename(bench.path(), &moved).unwrap();
    let report = run(&mut log, vec![gap(1, 2, 2), LogJob::Rotate, message(3, "three")]);
    assert_eq!((report.written, report.begun), (2, None), "who sends the signal knows");
    assert!(fs::read_to_string(&moved).unwrap().ends_with("\tbob\tone\n"));
    let header = format!("# id alice\n# epoch {EPOCH}\n# last 1\n# gap 1 2 2\n3\t");
    assert!(bench.content().starts_with(&header), "{}", bench.content());
    assert!(MessageLog::open(&moved, "alice", false).is_ok(), "the old file is released");
    assert!(matches!(bench.open(), Err(MessageLogError::InUse)));
    drop(log);
    assert_eq!(bench.open().unwrap().log_position(), log_position(3));
}

#[test]
fn nothing_is_written_elsewhere_while_the_name_leads_to_a_file_of_somebody_else() {
    let bench = Bench::new();
    let mut log = bench.open().unwrap();
    assert_eq!(written(&mut log, vec![epoch(), LogJob::Rotate, message(1, "one")]), 2);
    let moved = bench.coordinator_address.path().join("moved");
    fs::rename(bench.path(), &moved).unwrap();
    let before = fs::read(&moved).unwrap();
    fs::write(bench.path(), "dear diary").unwrap();
    let report = run(&mut log, vec![LogJob::Rotate, message(2, "two")]);
    assert_eq!(report.written, 0);
    let expected = format!(
        "{} was moved away, and no new file begins: not empty, and does not begin as a message \
         log does",
        bench.path().display()
    );
    assert_eq!(report.failure, Some(expected));
    assert_eq!((bench.content().as_str(), fs::read(&moved).unwrap()), ("dear diary", before));
    fs::remove_file(bench.path()).unwrap();
    assert_eq!(written(&mut log, vec![LogJob::Retry]), 1);
    assert!(bench.content().ends_with("# last 1\n2\t2026-11-22T10:05:00.123Z\tbob\ttwo\n"));
}

#[test]
fn a_file_overwritten_by_another_program_is_not_touched() {
    for (diary, state) in [("dear diary", " was truncated, and no new file begins"), ("", "")] {
        let bench = Bench::new();
        let mut log = bench.open().unwrap();
        written(&mut log, vec![epoch(), message(1, "one")]);
        let diary = if diary.is_empty() { "long diary ".repeat(100) } else { diary.to_owned() };
        fs::write(bench.path(), &diary).unwrap(); // The same inode.
        let report = run(&mut log, vec![message(2, "two")]);
        assert_eq!(report.written, 0);
        let path = bench.path().display().to_string();
        let foreign = "not empty, and does not begin as a message log does";
        assert_eq!(report.failure, Some(format!("{path}{state}: {foreign}")));
        assert_eq!(bench.content(), diary);
    }
}

/// Lines that stay, what another program does, and the words for it.
type Case = (&'static str, fn(&Bench), &'static str);

#[test]
fn a_file_that_is_gone_is_begun_anew_and_it_is_said_why() {
    let cases: [Case; 6] = [
        ("", |bench| fs::remove_file(bench.path()).unwrap(), "was deleted"),
        ("", |bench| drop(File::create(bench.path()).unwrap()), "was truncated"),
        ("", |bench| fs::rename(bench.path(), bench.aside()).unwrap(), "was moved away"),
        (
            "",
            |bench| {
                fs::write(bench.aside(), "").unwrap();
                fs::rename(bench.aside(), bench.path()).unwrap();
            },
            "was deleted",
        ),
        (
            "# id alice\n# epoch 00000000000000bb\n# last 3\n",
            |bench| {
                let other = "# id alice\n# epoch 00000000000000bb\n# last 3\n4\ttorn";
                fs::write(bench.aside(), other).unwrap();
                fs::rename(bench.aside(), bench.path()).unwrap();
            },
            "was deleted",
        ),
        (
            "# id alice\n# epoch 00000000000000aa\n# last 0\n",
            |bench| {
                let file = File::options().write(true).open(bench.path()).unwrap();
                file.set_len(50).unwrap(); // In the middle of the first line.
            },
            "was truncated",
        ),
    ];
    for must_sync in [false, true] {
        for (left, act, state) in cases {
            let bench = Bench::new();
            let mut log = MessageLog::open(&bench.path(), "alice", must_sync).unwrap();
            written(&mut log, vec![epoch(), message(1, "one")]);
            act(&bench);
            let report = run(&mut log, vec![message(2, "two")]);
            assert_eq!((report.written, report.failure), (1, None), "{state}");
            let path = bench.path().display().to_string();
            let words = format!("{path} {state}: a new file begins after message 1");
            assert_eq!(report.begun, Some(words));
            let id = if left.is_empty() { "# id alice\n" } else { "" };
            let line = "2\t2026-11-22T10:05:00.123Z\tbob\ttwo\n";
            let expected = format!("{left}{id}# epoch {EPOCH}\n# last 1\n{line}");
            assert_eq!(bench.content(), expected, "{state}");
            assert_eq!(written(&mut log, vec![message(3, "three")]), 1);
            drop(log);
            assert_eq!(bench.open().unwrap().log_position(), log_position(3));
        }
    }
}

#[test]
fn without_its_directory_nothing_counts_as_written_until_it_is_back() {
    let bench = Bench::new();
    let coordinator_address = bench.coordinator_address.path().join("logs");
    let path = coordinator_address.join("alice.log");
    fs::create_dir(&coordinator_address).unwrap();
    let mut log = MessageLog::open(&path, "alice", true).unwrap();
    written(&mut log, vec![epoch(), message(1, "one")]);
    fs::remove_dir_all(&coordinator_address).unwrap();
    for orders in [vec![message(2, "two")], vec![LogJob::Retry]] {
        let report = run(&mut log, orders);
        assert_eq!(report.written, 0);
        let shown = path.display();
        let absent = "and no new file begins: No such file or directory (os error 2)";
        assert_eq!(report.failure, Some(format!("{shown} was deleted, {absent}")));
    }
    fs::create_dir(&coordinator_address).unwrap();
    assert_eq!(written(&mut log, vec![LogJob::Retry, message(3, "three")]), 2);
    let content = fs::read_to_string(&path).unwrap();
    let header = format!("# id alice\n# epoch {EPOCH}\n# last 1\n2\t");
    assert!(content.starts_with(&header) && content.ends_with("\tthree\n"), "{content}");
}

#[test]
fn a_check_that_finds_all_well_says_so_without_anything_to_write() {
    let bench = Bench::new();
    let mut log = bench.open().unwrap();
    written(&mut log, vec![epoch()]);
    for order in [LogJob::Retry, LogJob::Rotate] {
        let report = run(&mut log, vec![order]);
        assert!(report.is_checked && report.failure.is_none() && report.begun.is_none());
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
    LoseDirectory,
    StartAgain,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    use Act::{CopyAndTruncate, LoseDirectory, Move, MoveAndCreate, MoveAndSignal, StartAgain};
    let act = prop_oneof![
        4 => Just(Act::Write),
        1 => prop::sample::select(vec![
            Move, MoveAndSignal, MoveAndCreate, CopyAndTruncate, LoseDirectory, StartAgain
        ]),
    ];
    prop::collection::vec(act, 1..40)
}

/// Where the files of a log go that is moved about.
struct Archive {
    bench: Bench,
    coordinator_address: PathBuf,
    path: PathBuf,
    files: Vec<String>,
}

impl Archive {
    fn new() -> Self {
        let bench = Bench::new();
        let coordinator_address = bench.coordinator_address.path().join("logs");
        fs::create_dir(&coordinator_address).unwrap();
        let path = coordinator_address.join("alice.log");
        Self { bench, coordinator_address, path, files: Vec::new() }
    }

    fn keep(&mut self) {
        self.files.extend(fs::read_to_string(&self.path).ok());
    }

    fn take_away(&mut self) {
        self.keep();
        let aside = self.bench.coordinator_address.path().join(self.files.len().to_string());
        let _ = fs::rename(&self.path, aside); // Without a write since, it may not be there.
    }

    /// The texts of all files that ever were.
    fn texts(mut self) -> Vec<String> {
        self.keep();
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
    fn each_message_stands_once_in_one_of_the_files_whatever_happens_to_them(acts in acts()) {
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
                Act::Move => archive.take_away(),
                Act::MoveAndSignal => {
                    archive.take_away();
                    written(&mut log, vec![LogJob::Rotate]);
                    assert!(archive.path.exists());
                }
                Act::MoveAndCreate => {
                    archive.take_away();
                    fs::write(&archive.path, "").unwrap();
                }
                Act::CopyAndTruncate => {
                    archive.keep();
                    drop(File::create(&archive.path).unwrap());
                }
                Act::LoseDirectory => {
                    archive.keep();
                    fs::remove_dir_all(&archive.coordinator_address).unwrap();
                    assert!(run(&mut log, vec![LogJob::Retry]).failure.is_some());
                    fs::create_dir(&archive.coordinator_address).unwrap();
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
