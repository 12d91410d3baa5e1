use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;

struct HistoryFixture {
    directory: tempfile::TempDir,
}

impl HistoryFixture {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn open(&self) -> HistoryFile {
        let home = Some(self.directory.path().into());
        HistoryFile::of("alice", HistoryVariables { xdg_state_home: None, home })
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join(".local/state/groupcast/alice.history")
    }

    fn content(&self) -> String {
        fs::read_to_string(self.path()).unwrap()
    }
}

#[test]
fn the_state_directory_is_that_of_the_environment() {
    let path = |xdg_state_home: Option<&str>, home: Option<&str>| {
        let [xdg_state_home, home] = [xdg_state_home, home].map(|it| it.map(OsString::from));
        let mut history = HistoryFile::of("..", HistoryVariables { xdg_state_home, home });
        (history.path.clone(), history.take_notice().is_some())
    };
    let in_state = (Some(PathBuf::from("/x/groupcast/...history")), false);
    let in_home = (Some(PathBuf::from("/h/.local/state/groupcast/...history")), false);
    assert_eq!(path(Some("/x"), Some("/h")), in_state);
    for unset in [None, Some(""), Some("x")] {
        assert_eq!(path(unset, Some("/h")), in_home, "a path of XDG is absolute");
        assert_eq!(path(unset, None), (None, true));
    }
}

#[test]
fn a_line_is_there_for_the_next_program_and_for_nobody_else() {
    let fixture = HistoryFixture::new();
    let mut history = fixture.open();
    assert_eq!(history.load(), Vec::<String>::new());
    for line in ["msend one", "two\nlines", "\x1b[2J", "tab\there", &"x".repeat(5000)] {
        history.push(line);
    }
    assert_eq!(fixture.open().load(), ["msend one", "tab\there"]);
    assert_eq!(fixture.content(), "msend one\ntab\there\n");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&fixture.path()), mode(fixture.path().parent().unwrap())), (0o600, 0o700));
    assert_eq!(history.take_notice(), None);
}

#[test]
fn two_programs_with_one_id_keep_the_lines_of_both() {
    let fixture = HistoryFixture::new();
    let [mut first, mut second] = [fixture.open(), fixture.open()];
    for number in 0..3 * HISTORY_LINES_MAX {
        first.push(&format!("first {number}"));
        second.push(&format!("second {number}"));
        if number % 100 == 0 {
            let last = format!("first {number}\nsecond {number}\n");
            assert!(fixture.content().ends_with(&last), "{number}");
        }
    }
    let lines = fixture.open().load();
    assert_eq!(lines.len(), HISTORY_LINES_MAX);
    let last = 3 * HISTORY_LINES_MAX - 1;
    assert_eq!(lines.last(), Some(&format!("second {last}")));
    let lines_in_file = fixture.content().lines().count();
    assert!(lines_in_file <= 4 * HISTORY_LINES_MAX, "{lines_in_file}");
    let files = fs::read_dir(fixture.path().parent().unwrap()).unwrap().count();
    assert_eq!(files, 1, "no temporary file is left");
    let mode = fs::metadata(fixture.path()).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
}

#[test]
fn the_file_stays_short_over_many_short_runs() {
    let fixture = HistoryFixture::new();
    create_directory(&fixture.path()).unwrap();
    fs::write(fixture.path(), "line\n".repeat(2 * HISTORY_LINES_MAX - 10)).unwrap();
    for number in 0..20 {
        let mut history = fixture.open();
        history.load();
        history.push(&format!("line {number}"));
    }
    let lines = fixture.content().lines().count();
    assert!(lines <= 2 * HISTORY_LINES_MAX, "{lines}");
    fs::write(fixture.path(), "x".repeat(2 * HISTORY_BYTES_MAX)).unwrap();
    let mut history = fixture.open();
    history.load();
    history.push("\tnew");
    assert_eq!(history.take_notice(), None);
    assert!(fixture.content().len() < HISTORY_BYTES_MAX, "a file of another program too");
}

#[test]
fn a_file_of_any_content_gives_its_last_whole_lines() {
    let fixture = HistoryFixture::new();
    create_directory(&fixture.path()).unwrap();
    for (content, expected) in [
        (&b""[..], vec![]),
        (b"\n \n\xff\none\ntorn", vec!["one", "torn"]),
        (b"\x1b[2J\nok\n", vec!["ok"]),
    ] {
        fs::write(fixture.path(), content).unwrap();
        assert_eq!(fixture.open().load(), expected);
    }
    let long = format!("{}\nlast\n", "x".repeat(2 * HISTORY_BYTES_MAX));
    fs::write(fixture.path(), long).unwrap();
    assert_eq!(fixture.open().load(), ["last"]);
    let many: String = (0..5000).map(|number| format!("{number}\n")).collect();
    fs::write(fixture.path(), many).unwrap();
    let lines = fixture.open().load();
    assert_eq!((lines.len(), lines[0].as_str()), (HISTORY_LINES_MAX, "4000"));
}

#[test]
fn a_directory_that_cannot_be_used_is_reported_once() {
    let fixture = HistoryFixture::new();
    fs::write(fixture.directory.path().join(".local"), "a file").unwrap();
    let mut history = fixture.open();
    assert_eq!(history.load(), Vec::<String>::new());
    history.push("one");
    history.push("two");
    let path = fixture.path();
    let reason = format!("{}: Not a directory (os error 20)", path.display());
    let notice = format!("* history: {reason}: lines are kept until the exit only");
    assert_eq!(history.take_notice(), Some(notice));
    history.push("three");
    assert_eq!(history.take_notice(), None);
}

#[test]
fn a_full_disk_is_reported_once_and_the_next_line_is_a_line_of_its_own() {
    let fixture = HistoryFixture::new();
    create_directory(&fixture.path()).unwrap();
    symlink("/dev/full", fixture.path()).unwrap();
    let mut history = fixture.open();
    history.push("lost");
    let notice = history.take_notice().unwrap();
    assert!(notice.contains(": No space left on device (os error 28): "), "{notice}");
    history.push("lost");
    assert_eq!(history.take_notice(), None);
    fs::remove_file(fixture.path()).unwrap();
    fs::write(fixture.path(), "one\ntw").unwrap();
    history.push("three");
    history.push("four");
    assert_eq!(fixture.content(), "one\ntw\nthree\nfour\n");
}
