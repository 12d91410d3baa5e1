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

/// The listener is at another address than the command socket comes from, as behind a gateway.
#[test]
fn an_advertised_address_needs_no_consent_of_the_operator_if_the_key_is_the_own_one() {
    let group = TlsGroup::new();
    let homes = [group.home("alice"), group.home("bob")];
    let elsewhere = ["--listen", "127.0.0.2", "--advertise", "127.0.0.2"];
    let options = [&["-i", "--join"][..], &elsewhere].concat();
    let mut alice = group.start(&homes[0], "alice", &options);
    alice.expect("OK register epoch=");
    alice.write("members\n");
    alice.expect("alice online 127.0.0.2:");
    alice.write("join\n");
    alice.expect("OK reconnect epoch=");
    let (code, said) = group.run(&homes[1], "bob", &["--send", "hello"]);
    assert_eq!(code, Some(0), "{said}");
    alice.expect("bob: hello");
    // The id belongs to another key, and a client without TLS has none.
    let reconnect = ["--id", "alice", "--no-log", "-e", "reconnect 0"];
    let (code, said) = group.run(&homes[1], "bob", &[&reconnect[..], &elsewhere].concat());
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("ERR 403 ip: 127.0.0.2 is not 127.0.0.1"), "{said}");
    alice.write("quit\n");
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
    let plain = Coordinator::start(60, &[]);
    let home = Home::new("eve", plain.address);
    let options = [&["-e", "register 0"][..], &elsewhere].concat();
    let mut eve = Running::start(home.command_as_is(&options));
    eve.expect("ERR 403 ip: 127.0.0.2 is not 127.0.0.1");
    assert_eq!(eve.wait(), Some(1), "{}", eve.said);
}
