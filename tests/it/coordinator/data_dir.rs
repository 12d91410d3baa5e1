//! The directory of a journal: which one can be used, what is said of one that cannot, and what
//! happens when somebody moves it, or a file in it, away.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use support::coordinator::Coordinator;
use support::member::Member;
use support::{DEADLINE, Timer, files_in, number};

/// Runs a coordinator that is to be refused: its exit code, and what it says on stderr.
fn run(mut command: Command, directory: &Path) -> (Option<i32>, String) {
    let config = directory.with_extension("txt");
    fs::write(&config, format!("0\n600\ndata_dir={}\n", directory.display())).unwrap();
    command.arg(&config).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let timer = Timer::start(DEADLINE);
    while child.try_wait().unwrap().is_none() {
        if timer.left().is_none() {
            child.kill().unwrap();
        }
        std::thread::yield_now();
    }
    let Output { status, stderr, .. } = child.wait_with_output().unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_coordinator"))
}

#[test]
fn a_data_dir_that_cannot_be_used_is_refused_with_what_is_wrong_and_what_to_do() {
    let root = tempfile::tempdir().unwrap();
    let below = |name: &str| root.path().join(name);
    fs::write(below("file"), "").unwrap();
    symlink("nowhere", below("link")).unwrap();
    fs::create_dir(below("locked")).unwrap();
    fs::create_dir(below("locked/lock")).unwrap();
    for (name, expected) in [
        ("file", "not a directory".to_owned()),
        ("link", "a symbolic link to nowhere, which is not there: mount the disk".to_owned()),
        ("locked", "cannot take the file lock: not a regular file; nothing was changed".to_owned()),
    ] {
        let (code, said) = run(program(), &below(name));
        let expected = format!("journal {}: {expected}", below(name).display());
        assert!(code == Some(1) && said.contains(&expected), "{code:?} {said}");
    }
    let config = below("file.txt");
    for (name, expected) in [
        ("disk/journal", format!("{} is not there: mount the disk", below("disk").display())),
        ("a/b/journal", format!("{} is not there: mount the disk", below("a").display())),
        ("file/journal", format!("{} is not a directory", below("file").display())),
    ] {
        let data_dir = format!("--data-dir={}", below(name).display());
        let output = program().arg(&data_dir).arg(&config).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && said.contains(&expected), "{said}");
    }
    assert!(!below("disk").exists() && !below("a").exists());
}

#[test]
fn a_journal_that_is_new_is_said_to_be_new_and_one_that_goes_on_is_not() {
    const NEW: &str = "new, empty journal in ";
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("empty")).unwrap();
    for name in ["missing", "empty"] {
        let data_dir = format!("data_dir={}", root.path().join(name).display());
        let first = Coordinator::start(600, &[&data_dir]);
        first.until_said(NEW);
        assert_eq!(first.said(&format!("{NEW}{}", root.path().join(name).display())), 1);
        first.kill();
        let second = first.start_again();
        second.until_said("recovered 0 members");
        assert_eq!(second.said(NEW), 0);
    }
}

/// Runs the coordinator as a user that may not read what belongs to root, if this is root.
fn unprivileged(program: &Path) -> Option<Command> {
    if !rustix::process::geteuid().is_root() {
        return Some(Command::new(program));
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(program);
    match Command::new("setpriv").arg("--version").output() {
        Ok(_) => Some(command),
        Err(error) => {
            eprintln!("SKIPPED: setpriv, to run as another user than root: {error}");
            None
        }
    }
}

fn allow(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Bytes of each file but the lock.
fn contents(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = files_in(directory);
    all.remove("lock");
    all
}

#[test]
fn a_segment_that_the_user_may_not_read_refuses_the_start_and_stays_what_it_is() {
    let first = Coordinator::start_with_data_dir(600, &[]);
    let mut alice = first.join("alice", "");
    let mut bob = first.join("bob", "acks=1");
    bob.disconnect();
    assert_eq!(alice.msend("one"), 1);
    first.kill();
    let (data, segment) = (first.data_dir(), first.data_dir().join("0000000000000001.journal"));
    let before = contents(&data);
    let program = data.with_file_name("program");
    fs::copy(env!("CARGO_BIN_EXE_coordinator"), &program).unwrap();
    allow(data.parent().unwrap(), 0o755);
    allow(&data, 0o777);
    allow(&data.join("lock"), 0o666);
    allow(&segment, 0);
    let Some(command) = unprivileged(&program) else { return };
    let (code, said) = run(command, &data);
    let expected = "0000000000000001.journal cannot be read: Permission denied (os error 13); \
                    nothing was changed: let the user that the coordinator runs as read and write";
    assert!(code == Some(1) && said.contains(expected), "{code:?} {said}");
    allow(&segment, 0o600);
    assert_eq!(contents(&data), before);
    // And of a directory in which no file is to be made.
    allow(&segment, 0o666);
    allow(&data, 0o555);
    let Some(command) = unprivileged(&program) else { return };
    let (code, said) = run(command, &data);
    let expected = "give the user of the coordinator write permission for the directory";
    assert!(code == Some(1) && said.contains(expected), "{code:?} {said}");
    allow(&segment, 0o600);
    assert_eq!(contents(&data), before);
    // And of a directory that is not to be entered.
    allow(&data, 0);
    let Some(command) = unprivileged(&program) else { return };
    let (code, said) = run(command, &data);
    assert!(code == Some(1) && said.contains("Permission denied"), "{code:?} {said}");
    allow(&data, 0o700);
    let second = first.start_again();
    let mut bob = Member::come_back(&second, "bob", "acks=1");
    bob.socket().delivery(1, "alice", "one");
}

/// Messages that alice sends while bob is away and needs all of them.
struct Talk {
    alice: Member,
    /// Texts without a reply yet.
    asked: VecDeque<String>,
    confirmed: Vec<String>,
    count: u64,
}

impl Talk {
    fn start(coordinator: &Coordinator) -> Self {
        let alice = coordinator.join("alice", "");
        coordinator.join("bob", "acks=1").disconnect();
        let mut talk = Self { alice, asked: VecDeque::new(), confirmed: Vec::new(), count: 0 };
        talk.until_confirmed();
        talk
    }

    fn say(&mut self, bytes: usize) {
        self.count += 1;
        let text = format!("{} {}", self.count, "x".repeat(bytes));
        let request = self.alice.request(&format!("msend {text}"));
        self.alice.command.say(&request);
        self.asked.push_back(text);
    }

    /// Takes the next reply, if it comes in time: whether it confirms a text.
    fn take(&mut self, time: Duration) -> Option<bool> {
        let reply = self.alice.command.line_within(Timer::start(time)).ok()?;
        let text = self.asked.pop_front().unwrap();
        let is_confirmed = reply.starts_with("OK msend ");
        if is_confirmed {
            self.confirmed.push(text);
            assert_eq!(number(&reply, "seq"), self.confirmed.len() as u64);
        } else {
            assert!(reply.starts_with("ERR 506 "), "{reply:?}");
        }
        Some(is_confirmed)
    }

    /// Takes all replies that are due, and asks until one more text is confirmed.
    fn until_confirmed(&mut self) {
        let timer = Timer::start(DEADLINE);
        while timer.left().is_some() {
            self.say(10);
            while !self.asked.is_empty() {
                if self.take(DEADLINE).unwrap() && self.asked.is_empty() {
                    return;
                }
            }
        }
        self.alice.command.fail("nothing is confirmed any more");
    }

    /// Speaks until the segment is full, so that the next one is begun, and the journal fails.
    fn until_failing(&mut self, coordinator: &Coordinator) {
        let mut observer = coordinator.client();
        while observer.stat("journal_failures") == 0 {
            assert!(self.count < 400, "no segment has begun");
            self.say(60_000);
            if self.take(Duration::from_millis(500)).is_none() {
                break; // The journal has it, or has failed.
            }
        }
        coordinator.until_said("the journal cannot be written: ");
    }

    /// Bob gets all that was confirmed, from the next coordinator.
    fn check(&self, first: &Coordinator) {
        first.kill();
        let second = first.start_again();
        let mut bob = Member::come_back(&second, "bob", "acks=1");
        assert_eq!(bob.epoch(), self.alice.epoch());
        assert_eq!(number(&bob.reply, "expired"), 0);
        for (seq, text) in (1..).zip(&self.confirmed) {
            bob.socket().delivery(seq, "alice", text);
        }
    }
}

#[test]
fn a_segment_that_is_moved_away_is_reported_and_nothing_confirmed_is_lost_with_it() {
    let coordinator = Coordinator::start_with_data_dir(600, &["sync=never"]);
    let mut talk = Talk::start(&coordinator);
    let segment = coordinator.data_dir().join("0000000000000001.journal");
    fs::rename(&segment, segment.with_extension("moved")).unwrap();
    talk.until_failing(&coordinator);
    coordinator.until_said("1 segment was moved, deleted or replaced (first: 0000000000000001)");
    talk.until_confirmed();
    coordinator.until_said("the journal can be written again");
    talk.check(&coordinator);
}

#[test]
fn a_directory_that_is_moved_away_refuses_what_must_be_written_until_it_is_back() {
    let coordinator = Coordinator::start_with_data_dir(600, &["sync=never"]);
    let mut talk = Talk::start(&coordinator);
    let (data, away) = (coordinator.data_dir(), coordinator.data_dir().with_extension("away"));
    fs::rename(&data, &away).unwrap();
    talk.until_failing(&coordinator);
    let expected = format!("the directory {} was moved away or deleted: put it", data.display());
    coordinator.until_said(&expected);
    let mut observer = coordinator.client();
    observer.refused("zed#register 9#127.0.0.1", 403, "");
    assert_eq!(observer.stat("members"), 2, "all else goes on");
    fs::rename(&away, &data).unwrap();
    talk.until_confirmed();
    talk.check(&coordinator);
}

/// A coordinator works under a link, and the link is changed to point to another journal.
#[test]
fn two_journals_are_never_mixed_where_a_link_comes_to_lead_to_another_one() {
    let other = Coordinator::start_with_data_dir(600, &[]);
    Talk::start(&other);
    other.kill();
    let theirs = contents(&other.data_dir());
    let root = tempfile::tempdir().unwrap();
    let [ours, link] = ["ours", "link"].map(|name| root.path().join(name));
    fs::create_dir(&ours).unwrap();
    symlink(&ours, &link).unwrap();
    let data_dir = format!("data_dir={}", link.display());
    let coordinator = Coordinator::start(600, &[&data_dir, "sync=never"]);
    let mut talk = Talk::start(&coordinator);
    fs::remove_file(&link).unwrap();
    symlink(other.data_dir(), &link).unwrap();
    talk.until_failing(&coordinator);
    coordinator
        .until_said("the directory now holds another journal: put the original directory back");
    assert_eq!(contents(&other.data_dir()), theirs);
    fs::remove_file(&link).unwrap();
    symlink(&ours, &link).unwrap();
    talk.until_confirmed();
    assert_eq!(contents(&other.data_dir()), theirs);
    talk.check(&coordinator);
}
