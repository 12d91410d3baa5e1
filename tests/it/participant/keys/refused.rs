//! Participants that the access file does not let in: a wrong secret, and a key that is removed.

use super::*;

/// SHA-256 of [`SECRET`].
const NAME_OF_SECRET: &str = "2e7167ba54a6c33deb427acb737f5fde216e88d8608b1e74d7ab20e90e7d166b";
/// The access file of an operator who has not issued [`SECRET`].
const OTHER_SECRET: &str =
    "* secret=sha256:00000000000000000000000000000000000000000000000000000000000000ff\n";

/// A coordinator with TLS and an access file, and the home of alice with an invitation.
struct Guarded {
    coordinator: Coordinator,
    home: Home,
    directory: tempfile::TempDir,
}

impl Guarded {
    fn new(rules: &str) -> Self {
        let (directory, key) = (tempfile::tempdir().unwrap(), RelayKey::new());
        let path = |name| directory.path().join(name);
        write_private(&path("coordinator.keys"), key.pem());
        fs::write(path("access.txt"), rules).unwrap();
        let named = ["tls=coordinator.keys", "access=access.txt"].map(|line: &str| {
            let (key, name) = line.split_once('=').unwrap();
            format!("{key}={}", path(name).display())
        });
        let coordinator = Coordinator::start(60, &named.each_ref().map(String::as_str));
        let home = Home::new("alice", coordinator.address);
        let name = key.name.to_string();
        let invitation = format!("gc1:{}:{SECRET}\n", name.strip_prefix("sha256:").unwrap());
        write_private(&path("alice.keys"), &invitation);
        Self { coordinator, home, directory }
    }

    fn start(&self, options: &[&str]) -> Running {
        let keys = self.directory.path().join("alice.keys");
        let options = [options, &["--keys", keys.to_str().unwrap()]].concat();
        Running::start(self.home.command_as_is(&options))
    }

    /// Runs a participant to its end. Returns the exit code and all that it has said.
    fn run(&self, options: &[&str], input: Option<&str>) -> (Option<i32>, String) {
        let mut running = self.start(options);
        if let Some(input) = input {
            running.write(input);
        }
        running.input = None;
        (running.wait(), std::mem::take(&mut running.said))
    }

    fn mend(&self, rules: &str) {
        fs::write(self.directory.path().join("access.txt"), rules).unwrap();
        self.coordinator.hang_up();
        self.coordinator.until_said("SIGHUP: files read again");
    }
}

const WRONG: &str = "ERR 401 secret: not valid, from sha256:";

#[test]
fn a_wrong_secret_ends_a_script_at_once_with_exit_code_1() {
    let group = Guarded::new(OTHER_SECRET);
    for (options, input, more) in [
        (&["--send", "one"][..], None, "error: msend: not sent: the participant shuts down: one\n"),
        (&["--lines"], Some("one\ntwo\n"), "error: --lines: stopped: "),
        (&["--count", "1"], None, ""),
        (&["--count", "1", "--send", "one", "--passive"], None, ""),
    ] {
        let (code, said) = group.run(options, input);
        assert_eq!(code, Some(1), "{options:?}: {said}");
        assert_eq!(said.matches(&format!("error: join: {WRONG}")).count(), 1, "{said}");
        assert!(said.contains(": ask the operator for another invitation\n"), "{said}");
        assert!(said.contains(more), "{said}");
        check_secrets(&said);
    }
}

#[test]
fn a_service_reports_a_wrong_secret_once_and_is_let_in_when_the_operator_mends_the_file() {
    let group = Guarded::new(OTHER_SECRET);
    let mut alice = group.start(&["-i", "--join", "--passive"]);
    alice.expect(&format!("* join failed: {WRONG}"));
    alice.expect("ask the operator for another invitation; trying again in ");
    let seconds: f64 = alice.expect_line().split(' ').next().unwrap().parse().unwrap();
    assert!((15.0..=30.0).contains(&seconds), "the longest pause: {seconds}");
    group.mend(&format!("* secret=sha256:{NAME_OF_SECRET}\n"));
    alice.write("join\n"); // The user need not wait for the pause.
    alice.expect("OK register epoch=");
    alice.write("msend hi\nquit\n");
    alice.expect("OK msend seq=1");
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
    assert_eq!(alice.said.matches(WRONG).count(), 1, "{}", alice.said);
    check_secrets(&alice.said);
}

#[test]
fn a_script_whose_key_is_removed_while_it_waits_ends_with_exit_code_1() {
    let group = Guarded::new(&format!("* secret=sha256:{NAME_OF_SECRET}\n"));
    let mut alice = group.start(&["--count", "5", "--passive"]);
    group.coordinator.until_said("alice: registered");
    group.mend("bob anyone\n");
    alice.input = None;
    assert_eq!(alice.wait(), Some(1), "{}", alice.said);
    assert!(alice.said.contains("no longer lets this id in"), "{}", alice.said);
    for command in ["register", "deregister"] {
        let words = format!("error: {command}: ERR 401 key: no line of the access file lets ");
        assert!(alice.said.contains(&words), "{}", alice.said);
    }
}
