//! `--keys`: the participant speaks TLS, makes its own key, and trusts the keys of its file.

mod ca;
mod real;
mod refused;
mod relay;

use std::fs::{self, Permissions};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::thread;

use groupcast::net::Connection;
use groupcast::net::tls::{TlsContext, Trust};
use rustix::process::Signal;

use relay::{Relay, RelayKey};
use support::coordinator::Coordinator;
use support::participant::{Home, Running, texts, until};
use support::port::ReservedPort;

const SECRET: &str = "0f1e2d3c4b5a69780f1e2d3c4b5a6978";

/// A coordinator, a relay with a key, and the home of alice with the invitation.
struct Group {
    coordinator: Coordinator,
    relay: Relay,
    key: RelayKey,
    home: Home,
    /// Port of alice's listener.
    port: ReservedPort,
}

impl Group {
    fn new() -> Self {
        let coordinator = Coordinator::start(60, &[]);
        let (key, port) = (RelayKey::new(), ReservedPort::new());
        let relay = Relay::start(coordinator.address, port.number(), &key);
        let home = Home::new("alice", relay.address);
        let group = Self { coordinator, relay, key, home, port };
        group.write_keys(&group.invitation(), 0o600);
        group
    }

    fn invitation(&self) -> String {
        let key = self.key.name.to_string();
        format!("gc1:{}:{SECRET}\n", key.strip_prefix("sha256:").unwrap())
    }

    fn keys(&self) -> PathBuf {
        self.home.directory.path().join("alice.keys")
    }

    fn write_keys(&self, text: &str, mode: u32) {
        write_private(&self.keys(), text);
        fs::set_permissions(self.keys(), Permissions::from_mode(mode)).unwrap();
    }

    /// Returns a participant with these options. It shows all diagnostics.
    fn start(&self, options: &[&str]) -> Running {
        let keys = self.keys();
        let options = [options, &["--keys", keys.to_str().unwrap(), "-vvv"]].concat();
        Running::start(self.home.command_as_is(&options))
    }

    /// Runs a participant without input to its end.
    fn run(&self, options: &[&str]) -> (Option<i32>, String) {
        let mut running = self.start(options);
        running.input = None;
        (running.wait(), std::mem::take(&mut running.said))
    }

    /// Options that let the coordinator connect back through the relay.
    fn connect_back(&self) -> [String; 2] {
        ["--advertise".to_owned(), format!("127.0.0.1:{}", self.relay.advertised)]
    }
}

/// Writes a file that its user alone can open.
fn write_private(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

/// Checks that the output shows no secret and no private key.
#[track_caller]
fn check_secrets(said: &str) {
    assert!(!said.contains(SECRET) && !said.contains("PRIVATE KEY"), "{said}");
}

#[test]
fn the_first_start_makes_the_own_key_and_the_next_one_uses_it() {
    let group = Group::new();
    let mut bob = group.coordinator.join("bob", "");
    let mut alice = group.start(&["-i", "--passive", "--join"]);
    alice.expect("* keys: made a key of its own, in ");
    alice.expect("alice.keys now: keep the file, it owns the id\n");
    alice.expect("* TLS, own key sha256:");
    let own = alice.expect_line();
    alice.expect("OK register epoch=");
    bob.msend("over TLS");
    alice.expect("bob: over TLS");
    alice.write("msend back\n");
    alice.expect("OK msend seq=2");
    alice.write("status\n");
    bob.socket().delivery(2, "alice", "back");
    alice.expect(&format!("security TLS, own key sha256:{own}\n"));
    alice.write("quit\n");
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
    check_secrets(&alice.said);
    let keys = fs::read_to_string(group.keys()).unwrap();
    assert!(keys.starts_with(&group.invitation()), "the invitation stays");
    assert_eq!(keys.matches("-----BEGIN PRIVATE KEY-----").count(), 1);
    assert_eq!(fs::metadata(group.keys()).unwrap().permissions().mode() & 0o7777, 0o600);

    let mut alice = group.start(&["-i", "--passive", "--join"]);
    alice.expect(&format!("* TLS, own key sha256:{own}\n"));
    alice.expect("OK reconnect epoch=");
    assert!(!alice.said.contains("made a key of its own"), "{}", alice.said);
    alice.signal(Signal::TERM);
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
    assert_eq!(fs::read_to_string(group.keys()).unwrap(), keys);
    assert_eq!(texts(&group.home.log()), ["over TLS"]);
}

#[test]
fn a_coordinator_connects_back_with_its_key_and_takeovers_lose_nothing() {
    let group = Group::new();
    let mut bob = group.coordinator.join("bob", "");
    let advertise = group.connect_back();
    let mut alice = group.start(&["-i", &advertise[0], &advertise[1]]);
    alice.write(&format!("join {}\n", group.port));
    alice.expect("OK register epoch=");
    for (number, way) in
        [&format!("reconnect {}", group.port), "reconnect here", "join here"].iter().enumerate()
    {
        bob.msend(&format!("before {number}"));
        alice.write(&format!("{way}\n"));
        alice.expect("OK reconnect epoch=");
        bob.msend(&format!("after {number}"));
        alice.expect(&format!("bob: after {number}"));
    }
    alice.write("quit\n");
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
    assert_eq!(texts(&group.home.log()).len(), 6, "{}", alice.said);
    check_secrets(&alice.said);
}

#[test]
fn a_participant_with_tls_comes_back_after_a_restart() {
    let group = Group::new();
    let mut alice = group.start(&["-f", "--passive", "--join"]);
    alice.expect("OK register epoch=");
    group.coordinator.kill();
    alice.expect("* message socket lost: ");
    let second = group.coordinator.start_again();
    alice.expect("* registered as a new member, messages may have been missed: OK");
    second.join("bob", "").msend("after");
    alice.expect("bob: after");
    alice.signal(Signal::TERM);
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
    check_secrets(&alice.said);
}

#[test]
fn scripts_work_over_tls() {
    let group = Group::new();
    let mut bob = group.coordinator.join("bob", "");
    let (code, said) = group.run(&["--passive", "--send", "hello"]);
    assert_eq!(code, Some(0), "{said}");
    bob.socket().delivery(1, "alice", "hello");
    let mut lines = group.start(&["--passive", "--lines"]);
    lines.write("one\ntwo\n");
    lines.input = None;
    assert_eq!(lines.wait(), Some(0), "{}", lines.said);
    bob.socket().delivery(2, "alice", "one");
    bob.socket().delivery(3, "alice", "two");
    let outbox = group.home.directory.path().join("outbox");
    let exec = ["--passive", "--join", "--count", "1", "--exec", "cat", "--outbox"];
    let exec = [&exec[..], &[outbox.to_str().unwrap()]].concat();
    let mut alice = group.start(&exec);
    bob.command.until_member("alice", |line| line.contains(" online "));
    bob.msend("for alice");
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
    let (code, top) = group.run(&["--top", "--count", "1"]);
    assert_eq!(code, Some(0), "{top}");
    assert!(top.contains("members=2") && top.contains("online=1"), "{top}");
    for said in [&said, &lines.said, &alice.said, &top] {
        check_secrets(said);
    }
}

#[test]
fn a_coordinator_with_another_key_gets_nothing_and_is_reported_once() {
    let group = Group::new();
    let other = RelayKey::new();
    let key = format!("coordinator={}\ncoordinator={}\n", other.name, RelayKey::new().name);
    group.write_keys(&key, 0o600);
    let mut alice = group.start(&["-f", "--passive", "--join"]);
    let words = format!("found the key {}, expected {} or ", group.key.name, other.name);
    alice.expect(&words);
    alice.expect("nothing was sent");
    // The second attempt fails silently. Then the right key is there.
    let second = Relay::start(group.coordinator.address, 1, &other);
    let config = fs::read_to_string(group.home.config()).unwrap();
    alice.signal(Signal::TERM);
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
    assert_eq!(alice.said.matches(&words).count(), 1, "{}", alice.said);
    assert_eq!(group.coordinator.client().stat("members"), 0);
    let config =
        config.replace(&group.relay.address.port().to_string(), &second.address.port().to_string());
    fs::write(group.home.config(), config).unwrap();
    let mut alice = group.start(&["-f", "--passive", "--join"]);
    alice.expect("OK register epoch=");
    let mut top = group.start(&["--top", "--coordinator", &group.relay.address.to_string()]);
    top.expect(&words);
    top.signal(Signal::TERM);
    top.wait();
}

#[test]
fn a_coordinator_without_tls_gets_no_request() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        peer.write_all(b"ERR 400 line: not UTF-8\n").unwrap();
        let mut bytes = Vec::new();
        // The participant may reset the connection.
        let _ = peer.read_to_end(&mut bytes);
        bytes
    });
    let group = Group::new();
    let coordinator = address.to_string();
    let (code, said) = group.run(&["--coordinator", &coordinator, "-e", "register here"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("the coordinator does not speak TLS, which "), "{said}");
    let sent = server.join().unwrap();
    assert_eq!(sent.first(), Some(&0x16), "a handshake, and no line");
    assert!(!sent.windows(5).any(|part| part == b"alice"), "{sent:?}");
}

#[test]
fn strangers_at_the_listener_bring_no_line_and_do_not_disturb_the_coordinator() {
    let group = Group::new();
    let mut bob = group.coordinator.join("bob", "");
    // The coordinator connects to a gateway that passes bytes once the strangers have been there.
    let gateway = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let advertise = format!("127.0.0.1:{}", gateway.local_addr().unwrap().port());
    let mut alice = group.start(&["-i", "--advertise", &advertise]);
    alice.write(&format!("register {}\n", group.port));
    let (coordinator, _) = gateway.accept().unwrap();
    alice.expect("OK register epoch=");
    let listener = SocketAddr::from((Ipv4Addr::LOCALHOST, group.port.number()));
    let hello = b"hello#00000000000000000000000000000000#00000000000000aa\n1#bob#0#forged\n";
    let mut strangers = Vec::new();
    for bytes in [&hello[..], b"", &[0x16], &[0x16, 3, 1]] {
        let mut stranger = TcpStream::connect(listener).unwrap();
        stranger.write_all(bytes).unwrap();
        strangers.push(stranger);
    }
    let stranger = RelayKey::new();
    let context = TlsContext::new();
    let side = context.client(&stranger.identity(), Trust::AnyKey).unwrap();
    let mut secure = Connection::connect(listener).unwrap().tls_client(&side).unwrap();
    until("the stranger's handshake ends", || !matches!(secure.connected(), Ok(false)));
    alice.expect("was dropped: its TLS handshake failed");
    alice.expect(&format!(
        "was dropped: it shows the key {}, which is none of the coordinator's",
        stranger.name
    ));
    // The gateway passes bytes to the relay, which has the coordinator's key.
    let relay = TcpStream::connect((Ipv4Addr::LOCALHOST, group.relay.advertised)).unwrap();
    let (mut from, mut to) = (coordinator.try_clone().unwrap(), relay.try_clone().unwrap());
    let there = thread::spawn(move || drop(std::io::copy(&mut from, &mut to)));
    let (mut from, mut to) = (relay, coordinator);
    let back = thread::spawn(move || drop(std::io::copy(&mut from, &mut to)));
    bob.msend("true");
    alice.expect("bob: true");
    alice.write("quit\n");
    assert_eq!(alice.wait(), Some(0), "{}", alice.said);
    assert_eq!(texts(&group.home.log()), ["true"]);
    drop((strangers, bob, group));
    there.join().unwrap();
    back.join().unwrap();
}

#[test]
fn two_participants_with_one_new_keys_file_have_one_key() {
    let group = Group::new();
    let keys = group.keys();
    let ids = ["alice", "eve"];
    let mut running = ids.map(|id| {
        let options = ["-i", "--passive", "--join", "--no-log", "--id", id, "--keys"];
        let options = [&options[..], &[keys.to_str().unwrap()]].concat();
        Running::start(group.home.command_as_is(&options))
    });
    let keys = running.each_mut().map(|participant| {
        participant.expect("* TLS, own key sha256:");
        let own = participant.expect_line();
        participant.expect("OK register epoch=");
        own
    });
    assert_eq!(keys[0], keys[1]);
    let made = running.iter().filter(|it| it.said.contains("made a key of its own")).count();
    assert_eq!(made, 1, "one of the two has made the key");
    running[0].write("msend from alice\n");
    running[1].expect("alice: from alice");
}

#[test]
fn a_keys_file_that_others_can_open_is_refused() {
    let group = Group::new();
    for mode in [0o644, 0o666, 0o620] {
        group.write_keys(&group.invitation(), mode);
        for options in [&["--join"][..], &["--check"], &["--top"], &["--send", "x"]] {
            let (code, said) = group.run(options);
            assert_eq!(code, Some(2), "{options:?}: {said}");
            assert!(said.contains(&format!("alice.keys: mode: found {mode:04o}")), "{said}");
            check_secrets(&said);
        }
    }
    assert_eq!(group.coordinator.client().stat("connections"), 1, "this one");
}

#[test]
fn check_looks_at_the_keys_file_and_makes_nothing() {
    let group = Group::new();
    let (code, said) = group.run(&["--check"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("alice.keys: valid: TLS, no own key yet: the first start"), "{said}");
    assert_eq!(fs::read_to_string(group.keys()).unwrap(), group.invitation());
    let (_, started) = group.run(&["--passive", "-e", "register here", "-e", "deregister"]);
    let (code, said) = group.run(&["--check"]);
    assert_eq!(code, Some(0), "{said}");
    let own = started.split("* TLS, own key ").nth(1).unwrap().split('\n').next().unwrap();
    assert!(said.contains(&format!("alice.keys: valid: TLS, own key {own}\n")), "{said}");
    for (text, words) in [
        (
            format!("{}x\n", group.invitation().trim_end()),
            "alice.keys:1: invitation: found a value",
        ),
        ("ca=nothing.pem name=hub\n".to_owned(), "nothing.pem: cannot be read"),
        (String::new(), "alice.keys:1: coordinator: found the end of the file"),
    ] {
        group.write_keys(&text, 0o600);
        let (code, said) = group.run(&["--check"]);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(words), "{said}");
        check_secrets(&said);
    }
}
