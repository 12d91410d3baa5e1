//! The lines that the programs write about themselves: to a terminal or file, or to the journal.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::process::{Child, Command, Stdio};

use groupcast::limits::LOG_SUBJECT_LINES_MAX;
use rustix::process::{Pid, Signal, kill_process};
use support::coordinator::Coordinator;
use support::transcript::lock;

const COORDINATOR: &str = env!("CARGO_BIN_EXE_coordinator");

/// A coordinator with its standard error in a file of a directory of its own.
struct Logged {
    child: Child,
    directory: tempfile::TempDir,
}

impl Logged {
    /// Starts one, and waits until it listens; `journal` says what `JOURNAL_STREAM` names.
    fn start(options: &[&str], journal: impl FnOnce(&File) -> Option<String>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("coordinator.txt");
        std::fs::write(&config, "0\n60\nbind=127.0.0.1\n").unwrap();
        let stderr = File::create(directory.path().join("stderr")).unwrap();
        let mut command = Command::new(COORDINATOR);
        command.args(options).arg(config).env_remove("JOURNAL_STREAM");
        command.envs(journal(&stderr).map(|stream| ("JOURNAL_STREAM", stream)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr);
        let mut child = command.spawn().unwrap();
        let mut first_line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first_line).unwrap();
        assert!(first_line.contains(" listening on "), "{first_line}");
        Self { child, directory }
    }

    /// Ends it; its standard error, line by line.
    fn lines(mut self) -> Vec<String> {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
        let text = std::fs::read_to_string(self.directory.path().join("stderr")).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

fn name_of(file: &File) -> String {
    let metadata = file.metadata().unwrap();
    format!("{}:{}", metadata.dev(), metadata.ino())
}

/// Returns the text behind `LEVEL [<RFC 3339 time in UTC with milliseconds>`.
#[track_caller]
fn behind_time<'a>(line: &'a str, level: &str) -> &'a str {
    let behind = line.strip_prefix(level).and_then(|rest| rest.trim_start().strip_prefix('['));
    let behind = behind.unwrap_or_else(|| panic!("no level {level}: {line}"));
    let (time, rest) = behind.split_at(24);
    let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(shape, "0000-00-00T00:00:00.000Z", "{line}");
    rest
}

#[test]
fn a_line_has_a_level_and_a_date_and_a_time_in_utc() {
    let lines = Logged::start(&[], |_| None).lines();
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!(behind_time(line, "INFO"), "] shutting down");
}

#[test]
fn the_module_that_speaks_is_named_with_v_only() {
    let lines = Logged::start(&["-v"], |_| None).lines();
    let line = lines.iter().find(|line| line.ends_with("shutting down")).unwrap();
    assert!(behind_time(line, "INFO").starts_with(" groupcast::coordinator::"), "{line}");
}

#[test]
fn in_the_journal_of_systemd_a_line_has_a_priority_and_no_time() {
    let lines = Logged::start(&[], |stderr| Some(name_of(stderr))).lines();
    assert_eq!(lines, ["<6>shutting down"]);
}

#[test]
fn a_journal_stream_that_is_another_file_changes_nothing() {
    let other = tempfile::tempfile().unwrap();
    let lines = Logged::start(&[], |_| Some(name_of(&other))).lines();
    assert_eq!(behind_time(&lines[0], "INFO"), "] shutting down");
}

/// The exit code and standard error of a coordinator that cannot run with this config.
fn refused(config: &str, is_journal: bool) -> (Option<i32>, String) {
    let directory = tempfile::tempdir().unwrap();
    let (path, said) = (directory.path().join("coordinator.txt"), directory.path().join("stderr"));
    std::fs::write(&path, config).unwrap();
    let stderr = File::create(&said).unwrap();
    let mut command = Command::new(COORDINATOR);
    command.arg(path).env_remove("JOURNAL_STREAM");
    command.envs(is_journal.then(|| ("JOURNAL_STREAM", name_of(&stderr))));
    let status = command.stdout(Stdio::null()).stderr(stderr).status().unwrap();
    (status.code(), std::fs::read_to_string(said).unwrap())
}

#[test]
fn a_port_in_use_is_explained_and_is_an_error_in_the_journal() {
    let first = Coordinator::start(60, &[]);
    let config = format!("{}\n60\n", first.address.port());
    let (code, said) = refused(&config, false);
    assert_eq!(code, Some(1));
    assert!(said.starts_with("coordinator: cannot listen on 0.0.0.0:"), "{said}");
    assert!(said.contains("another program listens there, perhaps a coordinator"), "{said}");
    let (_, said) = refused(&config, true);
    assert!(said.starts_with("<3>coordinator: cannot listen on "), "{said}");
    let (code, said) = refused("x\n", true);
    assert_eq!(code, Some(2));
    assert!(said.starts_with("<3>coordinator: "), "{said}");
}

#[test]
fn a_member_that_comes_and_goes_all_the_time_is_summarised() {
    let coordinator = Coordinator::start(60, &[]);
    let mut bob = coordinator.join("bob", "");
    for _ in 0..200 {
        bob.reconnect("");
    }
    let mut alice = coordinator.join("alice", "");
    alice.disconnect();
    coordinator.until_said("alice: offline: disconnected");
    drop((bob, alice));
    coordinator.terminate();
    assert!(coordinator.wait().success());
    coordinator.until_said("shutting down");
    coordinator.until_said(" more lines in 60 s, the last: ");
    let text = String::from_utf8(lock(&coordinator.transcript.stderr).clone()).unwrap();
    let about_bob = text.lines().filter(|line| line.contains("] bob: ")).count();
    assert_eq!(about_bob, LOG_SUBJECT_LINES_MAX + 1, "{text}");
}

#[test]
fn a_hangup_is_reported_and_user_signals_change_nothing() {
    let coordinator = Coordinator::start(60, &[]);
    let pid = Pid::from_child(&lock(&coordinator.transcript.child));
    for signal in [Signal::USR1, Signal::USR2, Signal::XFSZ, Signal::HUP] {
        kill_process(pid, signal).unwrap();
    }
    coordinator.until_said("SIGHUP: ");
    coordinator.client().check("bob#ping#127.0.0.1", "OK ping");
}

#[cfg(feature = "participant")]
#[test]
fn a_participant_outlives_user_signals() {
    use std::io::Write;

    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("participant.txt");
    let log = directory.path().join("bob.log");
    std::fs::write(&config, format!("bob\n{}\n127.0.0.1 9\n", log.display())).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_participant"));
    command.arg(config).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (mut stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut stdout = BufReader::new(stdout).lines();
    stdin.write_all(b"status\n").unwrap();
    stdout.next().unwrap().unwrap();
    for signal in [Signal::USR1, Signal::USR2] {
        kill_process(Pid::from_child(&child), signal).unwrap();
    }
    stdin.write_all(b"quit\n").unwrap();
    assert!(child.wait().unwrap().success());
}
