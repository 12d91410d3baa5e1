//! The access file: rights, their errors, and files that are read again.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use support::coordinator::Coordinator;
use support::transcript::lock;
use support::{DEADLINE, Timer};
use tempfile::TempDir;

const COORDINATOR: &str = env!("CARGO_BIN_EXE_coordinator");

/// A coordinator with an access file.
struct Guarded {
    coordinator: Coordinator,
    file: PathBuf,
    reloads: usize,
    _directory: TempDir,
}

impl Guarded {
    fn start(rules: &str) -> Self {
        Self::start_with(rules, &[])
    }

    fn start_with(rules: &str, options: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("access.txt");
        std::fs::write(&file, rules).unwrap();
        let access = format!("access={}", file.display());
        let options = [&[access.as_str()], options].concat();
        let coordinator = Coordinator::start(60, &options);
        Self { coordinator, file, reloads: 0, _directory: directory }
    }

    /// Writes the access file, lets it be read again, and returns the line of the log.
    fn reload(&mut self, rules: impl AsRef<[u8]>) -> String {
        std::fs::write(&self.file, rules).unwrap();
        self.coordinator.hang_up();
        self.reloads += 1;
        let timer = Timer::start(DEADLINE);
        while timer.left().is_some() {
            let text =
                String::from_utf8(lock(&self.coordinator.transcript.stderr).clone()).unwrap();
            let mut lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
            let mut said = lines.by_ref().filter(|line| line.contains("SIGHUP: "));
            if let Some(line) = said.nth(self.reloads - 1) {
                return line.trim_end().to_owned();
            }
        }
        self.coordinator.transcript.fail("the files were not read again")
    }
}

#[test]
fn every_right_is_given_by_a_line_and_refused_without_one() {
    let rules = "alice address=127.0.0.1\nsensor* address=127.0.0.2 send rate=1 max_text=5\n\
                 screen* anyone receive ids=1\n@operator address=127.0.0.9\n";
    let Guarded { coordinator, .. } = &Guarded::start(rules);
    let mut stranger = coordinator.client_from("127.0.0.3");
    for command in ["register here", "reconnect 9000", "msend hi", "members", "deregister"] {
        let part = "address: no line of the access file lets 127.0.0.3 use this id";
        stranger.refused(&format!("alice#{command}#-"), 401, part);
        stranger.refused(&format!("alice#{command}#192.0.2.1"), 401, part);
        stranger.refused(&format!("nobody#{command}#-"), 401, part);
    }
    stranger.check("nobody#ping#-", "OK ping");
    let mut alice = coordinator.join("alice", "acks=1");
    let mut sensor = coordinator.join_from("127.0.0.2", "sensor1", "acks=1");
    let mut screen = coordinator.join_from("127.0.0.4", "screen1", "");
    sensor.refused("msend 123456", 403);
    assert_eq!(sensor.msend("12345"), 1);
    sensor.refused("msend 1", 429);
    sensor.refused("members", 403);
    screen.refused("msend hi", 403);
    screen.refused("members", 403);
    let mut second = coordinator.client_from("127.0.0.4");
    let limit = "too many members of 127.0.0.4: 1 is the limit (ids of the access file)";
    second.refused("screen2#register here#-", 421, limit);
    assert_eq!(alice.msend("to all"), 2);
    assert!(screen.socket().line().ends_with("#12345"));
    assert!(screen.socket().line().ends_with("#to all"));
    assert!(alice.socket().line().ends_with("#12345"));
    let mut operator = coordinator.client_from("127.0.0.9");
    let line = operator.member("sensor1").unwrap();
    assert!(line.contains(" pending=0 acked=2 "), "it needs no message: {line}");
    operator.check("x#disconnect#-", "ERR 404 not a member: register first");
    operator.refused("screen1#deregister#192.0.2.1", 403, "ip: 192.0.2.1 is not 127.0.0.9");
    operator.check("screen1#disconnect#-", "OK disconnect");
    operator.check("screen1#deregister#-", "OK deregister");
    operator.say("x#members#-");
    operator.expect("OK members 2");
    operator.line();
    operator.line();
    operator.refused("x#register here#-", 401, "address: no line");
    let mut own_machine = coordinator.client_from("127.0.0.1");
    own_machine.refused("sensor1#deregister#-", 401, "address: no line");
}

#[test]
fn a_new_access_file_closes_the_connections_that_it_no_longer_allows_and_no_others() {
    let mut guarded = Guarded::start("* anyone\n");
    let mut members = ["ann", "bob", "eve"].map(|id| guarded.coordinator.join(id, "acks=1"));
    let said = guarded.reload("ann anyone\n// bob has gone.\ne* anyone receive\n");
    assert!(
        said.contains(" with 2 lines; 1 member was set offline; changed: no other key"),
        "{said}"
    );
    let [ann, bob, eve] = &mut members;
    bob.socket().expect("bye#access revoked");
    bob.socket().expect_eof();
    let said = "bob: offline: access revoked: no line of the access file fits this member now (";
    guarded.coordinator.until_said(said);
    bob.refused("msend hi", 401);
    bob.refused("reconnect here", 401);
    eve.refused("msend hi", 403);
    ann.msend("hi");
    assert!(eve.socket().line().ends_with("#hi"));
    let said = guarded.reload("* anyone\n");
    assert!(said.contains(" with 1 line; 0 members were set offline"), "{said}");
    bob.comes_back("", 1, 0);
}

#[test]
fn a_fault_in_a_new_access_file_changes_nothing_and_is_named() {
    // At most 20 lines about one subject are logged in a minute.
    for faults in broken().chunks(15) {
        let mut guarded = Guarded::start("ann anyone\nbob address=127.0.0.1 send\n");
        let mut ann = guarded.coordinator.join("ann", "acks=1");
        let mut bob = guarded.coordinator.join("bob", "acks=1");
        let path = guarded.file.display().to_string();
        for (bytes, expected) in faults {
            let said = guarded.reload(bytes);
            let expected = expected.replace("FILE", &path);
            let words = format!("SIGHUP: nothing was changed: {expected}");
            assert!(said.contains(&words), "{said}\n{words}");
        }
        bob.msend("still here");
        assert!(ann.socket().line().ends_with("#still here"));
        bob.refused("members", 403);
    }
}

#[test]
fn an_access_file_that_cannot_be_read_again_changes_nothing() {
    let guarded = Guarded::start("* anyone\n");
    let mut ann = guarded.coordinator.join("ann", "acks=1");
    std::fs::remove_file(&guarded.file).unwrap();
    std::fs::create_dir(&guarded.file).unwrap();
    guarded.coordinator.hang_up();
    guarded.coordinator.until_said("access.txt: cannot be read: Is a directory");
    ann.msend("still here");
}

#[test]
fn a_fault_at_the_start_is_exit_code_2_with_check_and_without() {
    let directory = tempfile::tempdir().unwrap();
    let (config, file) = (directory.path().join("c.txt"), directory.path().join("a.txt"));
    std::fs::write(&config, format!("0\n60\naccess={}\n", file.display())).unwrap();
    for (bytes, expected) in broken() {
        std::fs::write(&file, bytes).unwrap();
        for arguments in [&["--check"][..], &[]] {
            let output = run(directory.path(), arguments, &config);
            let said = String::from_utf8(output.stderr).unwrap();
            let expected = expected.replace("FILE", &file.display().to_string());
            assert!(said.starts_with(&format!("coordinator: {expected}")), "{said}\n{expected}");
            assert_eq!((output.status.code(), &*output.stdout), (Some(2), &b""[..]), "{said}");
        }
    }
    std::fs::remove_file(&file).unwrap();
    let said = run(directory.path(), &[], &config).stderr;
    assert!(String::from_utf8(said).unwrap().contains("a.txt: cannot be read: No such file"));
}

fn run(folder: &Path, arguments: &[&str], config: &Path) -> Output {
    Command::new(COORDINATOR).current_dir(folder).args(arguments).arg(config).output().unwrap()
}

/// Owners come from the journal, and rights from the file.
#[test]
fn after_a_restart_the_owners_are_the_same_and_the_rights_are_those_of_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("access.txt");
    std::fs::write(&file, "* anyone\n").unwrap();
    let access = format!("access={}", file.display());
    let coordinator = Coordinator::start_with_data_dir(60, &[&access]);
    let mut ann = coordinator.join("ann", "acks=1");
    let mut eve = coordinator.join_from("127.0.0.2", "eve", "acks=1");
    eve.disconnect();
    ann.msend("one");
    coordinator.kill();
    std::fs::write(&file, "ann anyone receive list\neve anyone send\nobserver anyone list\n")
        .unwrap();
    let coordinator = coordinator.start_again();
    let mut other = coordinator.client_from("127.0.0.3");
    other.refused("eve#reconnect here#-", 403, "id: registered from 127.0.0.2");
    let mut ann = coordinator.client();
    let eve = ann.member("eve").unwrap();
    assert!(eve.contains(" pending=0 acked=1 "), "it may not receive: {eve}");
    ann.refused("ann#msend two#-", 403, "right: the access file does not give send");
    other.refused("bob#register here#-", 401, "address: no line");
}

#[test]
fn a_check_counts_the_lines_of_the_access_file() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("c.txt");
    std::fs::write(&config, "0\n60\naccess=absent.txt\n").unwrap();
    std::fs::write(directory.path().join("a.txt"), "// All.\n* anyone\nann anyone\n").unwrap();
    let checked = |arguments: &[&str]| {
        let arguments = [&["--check"], arguments].concat();
        let output = run(directory.path(), &arguments, &config);
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(checked(&[]), (Some(2), String::new()));
    let valid = format!("{}: valid\n", config.display());
    assert_eq!(checked(&["--access", "a.txt"]), (Some(0), format!("{valid}a.txt: 2 lines\n")));
    assert_eq!(checked(&["--access", ""]), (Some(0), valid), "no access file");
}

#[test]
fn the_first_line_says_who_may_do_what() {
    let Guarded { coordinator, file, .. } = &Guarded::start("// All.\n* anyone\n\nann anyone\n");
    let expected = format!("; no TLS, {} with 2 lines", file.display());
    assert!(coordinator.first_line().ends_with(&expected), "{}", coordinator.first_line());
    let open = Coordinator::start(60, &[]);
    let expected = "; no TLS: whoever reaches this port can read and send";
    assert!(open.first_line().ends_with(expected), "{}", open.first_line());
}

/// Access files with one fault each, and the words about the fault.
fn broken() -> Vec<(Vec<u8>, &'static str)> {
    let texts = [
        ("", "FILE:1: who: found the end of the file, expected an id, "),
        ("\n \t\r\n\n", "FILE:3: who: found the end of the file"),
        ("// ann anyone\n", "FILE:1: who: found the end of the file"),
        ("ann\n", "FILE:1: how: found the end of the line, expected address= or anyone"),
        ("* anyone\nan n anyone\n", "FILE:2: how: found \"n\""),
        ("a#b anyone\n", "FILE:1: who: found \"a#b\""),
        ("**  anyone\n", "FILE:1: who: found \"**\""),
        ("@operators address=127.0.0.1\n", "FILE:1: who: found \"@operators\""),
        ("@operator anyone\n", "FILE:1: how: found \"anyone\", expected key=, ca or address="),
        ("@operator address=127.0.0.1 send\n", "FILE:1: right: found \"send\", expected nothing"),
        ("ann anybody\n", "FILE:1: how: found \"anybody\""),
        ("ann ca\n", "FILE:1: how: found \"ca\", expected address= or anyone: without tls"),
        ("ann address=\n", "FILE:1: address: found \"\""),
        ("ann address=10.0.0.1/8\n", "FILE:1: address: found \"10.0.0.1/8\""),
        ("ann address=localhost\n", "FILE:1: address: found \"localhost\""),
        ("ann anyone write\n", "FILE:1: right: found \"write\", expected send, receive, list"),
        ("ann anyone send send\n", "FILE:1: right: found \"send\", expected each right once"),
        ("ann anyone rate=0\n", "FILE:1: rate: found \"0\""),
        ("ann anyone receive rate=1\n", "FILE:1: right: found \"rate=1\", expected send too"),
        ("ann anyone max_text=17m\n", "FILE:1: max_text: found \"17m\""),
        ("ann anyone ids=2\n", "FILE:1: right: found \"ids=2\", expected ids only for"),
        ("ann anyone\nann anyone send\n", "FILE:2: line: found a second value (the first is on"),
    ];
    let texts = texts.map(|(text, expected)| (text.as_bytes().to_vec(), expected));
    let key = format!("ann key=sha256:{}\n", "0".repeat(64)).into_bytes();
    let binary = [b"ann anyone\n".as_slice(), &[0xff, 0xfe, 0, 1]].concat();
    let others = [
        (key, "FILE:1: how: found \"key=sha256:<64 characters>\", expected address= or anyone"),
        (binary, "FILE:2: line: found bytes that are not UTF-8, expected UTF-8 text"),
        (vec![b'\n'; (4 << 20) + 1], "FILE: larger than 4194304 bytes"),
    ];
    texts.into_iter().chain(others).collect()
}
