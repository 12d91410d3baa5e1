//! Participants and a coordinator, all with TLS.

use super::*;

/// A coordinator with TLS, its key, and the folder of the keys files.
struct TlsGroup {
    coordinator: Coordinator,
    key: RelayKey,
    directory: tempfile::TempDir,
}

impl TlsGroup {
    fn new() -> Self {
        let (directory, key) = (tempfile::tempdir().unwrap(), RelayKey::new());
        let file = directory.path().join("coordinator.keys");
        write_private(&file, key.pem());
        let tls = format!("tls={}", file.display());
        let coordinator = Coordinator::start_with_data_dir(60, &[&tls]);
        Self { coordinator, key, directory }
    }

    /// The home of a participant, which has an invitation in its keys file.
    fn home(&self, id: &str) -> Home {
        let home = Home::new(id, self.coordinator.address);
        let key = self.key.name.to_string();
        let invitation = format!("gc1:{}:{SECRET}\n", key.strip_prefix("sha256:").unwrap());
        write_private(&self.keys(id), &invitation);
        home
    }

    fn keys(&self, id: &str) -> PathBuf {
        self.directory.path().join(format!("{id}.keys"))
    }

    fn start(&self, home: &Home, id: &str, options: &[&str]) -> Running {
        let keys = self.keys(id);
        let options = [options, &["--keys", keys.to_str().unwrap(), "-vvv"]].concat();
        Running::start(home.command_as_is(&options))
    }

    fn run(&self, home: &Home, id: &str, options: &[&str]) -> (Option<i32>, String) {
        let mut running = self.start(home, id, options);
        running.input = None;
        (running.wait(), std::mem::take(&mut running.said))
    }
}

#[test]
fn members_with_both_kinds_of_message_sockets_talk_and_come_back() {
    let mut group = TlsGroup::new();
    let homes = [group.home("alice"), group.home("bob")];
    let mut alice = group.start(&homes[0], "alice", &["-i", "--join"]);
    alice.expect("OK register epoch=");
    let mut bob = group.start(&homes[1], "bob", &["-i", "--join", "--passive"]);
    bob.expect("OK register epoch=");
    alice.write("msend one\n");
    bob.expect("alice: one");
    bob.write("msend two\n");
    alice.expect("bob: two");
    for way in ["reconnect here", "reconnect 0", "join"] {
        alice.write(&format!("{way}\n"));
        alice.expect("OK reconnect epoch=");
    }
    bob.write("msend three\n");
    alice.expect("bob: three");
    group.coordinator.kill();
    alice.expect("* message socket lost: ");
    bob.expect("* message socket lost: ");
    group.coordinator = group.coordinator.start_again();
    alice.expect("* reconnected: OK reconnect");
    bob.expect("* reconnected: OK reconnect");
    alice.write("msend four\nquit\n");
    bob.expect("alice: four");
    bob.write("members\nquit\n");
    bob.expect("alice ");
    assert_eq!((alice.wait(), bob.wait()), (Some(0), Some(0)), "{}{}", alice.said, bob.said);
    assert_eq!(texts(&homes[0].log()), ["two", "three"]);
    assert_eq!(texts(&homes[1].log()), ["one", "four"]);
    check_secrets(&alice.said);
    check_secrets(&bob.said);
}

#[test]
fn scripts_and_top_work_and_an_id_belongs_to_its_key() {
    let group = TlsGroup::new();
    let homes = [group.home("alice"), group.home("eve")];
    let mut alice = group.start(&homes[0], "alice", &["--count", "3", "--no-log"]);
    let mut top = group.start(&homes[1], "eve", &["--top"]);
    top.expect(" online=1 ");
    top.signal(Signal::TERM);
    top.wait();
    let (code, said) = group.run(&homes[1], "eve", &["--send", "one"]);
    assert_eq!(code, Some(0), "{said}");
    let mut lines = group.start(&homes[1], "eve", &["--lines", "--passive"]);
    lines.write("two\n");
    lines.input = None;
    assert_eq!(lines.wait(), Some(0), "{}", lines.said);
    let (code, said) = group.run(&homes[1], "eve", &["--id", "alice", "-e", "reconnect here"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("ERR 403 id: "), "{said}");
    let (code, said) = group.run(&homes[1], "eve", &["--id", "alice", "--send", "forged"]);
    assert_ne!(code, Some(0), "{said}");
    let (code, said) = group.run(&homes[1], "eve", &["--send", "three"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
    let said: Vec<&str> = alice.said.lines().filter(|line| line.contains(": ")).collect();
    assert!(said.iter().any(|line| line.ends_with("eve: three")), "{said:?}");
    assert!(!alice.said.contains("forged"), "{}", alice.said);
}

#[test]
fn a_participant_without_keys_is_refused_in_words_and_tries_again() {
    let group = TlsGroup::new();
    let home = group.home("alice");
    let mut alice = Running::start(home.command_as_is(&["-f", "--join", "--passive"]));
    alice.expect("ERR 401 tls: this port speaks TLS 1.3 only");
    alice.signal(Signal::TERM);
    alice.wait();
}
