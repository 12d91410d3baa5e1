//! Attacks on TLS from the network, from the same machine and from members of the group.
//! SECURITY.md names these tests.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use rcgen::{DnType, SanType};
use support::coordinator::Coordinator;
use support::participant::until;
use support::tls::{Identity, TlsPeer};
use support::transcript::lock;

use super::relay::{Attack, Relay};
use super::{TlsCoordinator, expect_text, listener};

/// Bytes of a record besides its text: header, type and tag.
const RECORD_OVERHEAD: usize = 5 + 1 + 16;

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// Returns the line of `stats` with this key.
#[track_caller]
fn stat(observer: &mut TlsPeer, key: &str) -> String {
    let count: usize = observer.ask("x#stats#-").rsplit(' ').next().unwrap().parse().unwrap();
    let lines: Vec<String> = (0..count).map(|_| observer.line()).collect();
    lines.iter().find(|line| line.split(' ').next() == Some(key)).unwrap().clone()
}

/// Returns the number of messages that the coordinator has accepted.
#[track_caller]
fn accepted(coordinator: &TlsCoordinator) -> String {
    stat(&mut TlsPeer::connect(coordinator.address, None), "messages_in")
}

#[test]
fn eavesdropping_shows_no_text_and_no_id() {
    let coordinator = TlsCoordinator::start(&[]);
    let (alice, bob) = (Identity::new("key-of-alice"), Identity::new("key-of-bob"));
    let _alice = coordinator.here("alice-the-sender", &alice);
    let relay = Relay::start(coordinator.address, Attack::Listen);
    let mut messages = TlsPeer::connect(relay.address, Some(&bob));
    messages.say("bob-the-receiver#register here#-");
    messages.expect_start("OK register ");
    let commands_relay = Relay::start(coordinator.address, Attack::Listen);
    let mut commands = TlsPeer::connect(commands_relay.address, Some(&alice));
    commands.say("alice-the-sender#msend the secret text#-");
    commands.expect_start("OK msend ");
    expect_text(&mut messages, "alice-the-sender", "the secret text");
    for bytes in [relay.seen(0), relay.seen(1), commands_relay.seen(0), commands_relay.seen(1)] {
        assert!(bytes.len() > 500, "the relay has seen a handshake and a line");
        for text in
            ["the secret text", "alice-the", "bob-the", "register", "msend", "OK ", "key-of"]
        {
            assert!(!contains(&bytes, text), "{text:?} can be read on the way");
        }
    }
}

/// Records a connection with one `msend`, and returns the bytes of the client.
fn record(coordinator: &TlsCoordinator, alice: &Identity) -> Vec<u8> {
    let relay = Relay::start(coordinator.address, Attack::Listen);
    let mut commands = TlsPeer::connect(relay.address, Some(alice));
    commands.say("alice#msend once#-");
    commands.expect_start("OK msend ");
    relay.seen(0)
}

#[test]
fn a_replayed_connection_does_nothing() {
    let coordinator = TlsCoordinator::start(&[]);
    let alice = Identity::new("alice");
    let _here = coordinator.here("alice", &alice);
    let bytes = record(&coordinator, &alice);
    assert_eq!(accepted(&coordinator), "messages_in 1");
    let mut replay = TcpStream::connect(coordinator.address).unwrap();
    replay.write_all(&bytes).unwrap();
    replay.shutdown(Shutdown::Write).unwrap();
    replay.read_to_end(&mut Vec::new()).unwrap(); // The coordinator has closed it.
    assert_eq!(accepted(&coordinator), "messages_in 1");
}

/// The attacker changes each byte of the record of a request.
#[test]
fn a_request_that_was_changed_on_the_way_is_not_executed() {
    let coordinator = TlsCoordinator::start(&["max_connections_per_address=1000"]);
    let alice = Identity::new("alice");
    let _here = coordinator.here("alice", &alice);
    let text = "alice#msend once#-";
    // Receivers ignore the version in the header of a record (RFC 8446, section 5.1).
    const VERSION: std::ops::Range<usize> = 1..3;
    const LENGTH: std::ops::Range<usize> = 3..5;
    for at in (0..text.len() + 1 + RECORD_OVERHEAD).filter(|at| !VERSION.contains(at)) {
        let relay = Relay::start(coordinator.address, Attack::Change(at));
        let mut commands = TlsPeer::connect(relay.address, Some(&alice));
        assert_eq!(commands.ask("x#ping#-"), "OK ping");
        relay.arm();
        commands.say(text);
        let end = commands.read_line();
        // A record with a greater length never ends: the client is too slow then.
        let is_late =
            LENGTH.contains(&at) && matches!(&end, Ok(Some(line)) if line.starts_with("ERR 408 "));
        assert!(is_late || !matches!(end, Ok(Some(_))), "byte {at}: {end:?}");
    }
    assert_eq!(accepted(&coordinator), "messages_in 0");
}

/// The attacker ends the stream at each byte of the record of a request. The request has no LF:
/// with a `close_notify` it would be executed.
#[test]
fn a_request_that_was_cut_on_the_way_is_not_executed() {
    let coordinator = TlsCoordinator::start(&["max_connections_per_address=1000"]);
    let alice = Identity::new("alice");
    let _here = coordinator.here("alice", &alice);
    let cut_text = "alice#msend once#-";
    // The last position is behind the whole record: only the `close_notify` is missing.
    for at in 0..=cut_text.len() + RECORD_OVERHEAD {
        let relay = Relay::start(coordinator.address, Attack::Cut(at));
        let mut commands = TlsPeer::connect(relay.address, Some(&alice));
        assert_eq!(commands.ask("x#ping#-"), "OK ping");
        relay.arm();
        commands.write(cut_text.as_bytes()).unwrap();
        let end = commands.read_line();
        assert!(!matches!(end, Ok(Some(_))), "byte {at}: {end:?}");
    }
    assert_eq!(accepted(&coordinator), "messages_in 0");
    let mut commands = coordinator.connect(&alice);
    commands.write(cut_text.as_bytes()).unwrap();
    commands.close_notify();
    commands.expect_start("OK msend ");
}

#[test]
fn a_client_without_tls_is_refused_with_a_line_that_it_can_read() {
    let coordinator = TlsCoordinator::start(&[]);
    for first in ["alice#register here#-\n", "G", "\n", "\0", "\u{15}\u{3}\u{3}"] {
        let mut plain = coordinator.client();
        plain.write(first.as_bytes());
        plain.expect_start("ERR 401 tls: this port speaks TLS 1.3 only");
        plain.expect_eof();
    }
    let mut observer = TlsPeer::connect(coordinator.address, None);
    assert_eq!(observer.ask("x#members#-"), "OK members 0");
}

#[test]
fn a_client_with_tls_does_not_get_through_to_a_port_without() {
    let coordinator = Coordinator::start(60, &[]);
    let socket = TcpStream::connect(coordinator.address).unwrap();
    assert!(TlsPeer::connect_over(socket, None).is_err());
}

/// A `register` that aims the connect-back at somebody else.
#[test]
fn a_connect_back_aimed_at_others_shows_them_no_line() {
    let coordinator = TlsCoordinator::start(&[]);
    let (alice, victim) = (Identity::new("alice"), Identity::new("victim"));
    let mut commands = coordinator.connect(&alice);
    // Another participant's listener.
    let (listener_of_victim, address) = listener();
    commands.say(&format!("alice#register {} acks=1 nonce=ab#-", address.port()));
    let mut got = TlsPeer::accept(&listener_of_victim, &victim);
    let refusal = commands.line();
    let reason = format!("the peer shows another key: {}", victim.name());
    assert!(refusal.starts_with("ERR 502 ") && refusal.contains(&reason), "{refusal}");
    let line = got.as_mut().map(TlsPeer::read_line);
    assert!(!matches!(line, Ok(Ok(Some(_)))), "a line came: {line:?}");
    // A server without TLS.
    let (plain, address) = listener();
    commands.say(&format!("alice#register {}#-", address.port()));
    let (mut socket, _) = plain.accept().unwrap();
    socket.write_all(b"220 mail.example.org ESMTP\r\n").unwrap();
    let refusal = commands.line();
    assert!(refusal.starts_with("ERR 502 "), "{refusal}");
    let mut bytes = Vec::new();
    let _ = socket.read_to_end(&mut bytes);
    assert_eq!(bytes[0], 0x16, "a handshake");
    assert!(!contains(&bytes, "hello") && !contains(&bytes, "alice"));
}

#[test]
fn an_id_cannot_be_taken_from_the_same_machine_or_behind_the_same_nat() {
    let coordinator = TlsCoordinator::start(&["presence=no"]);
    let (alice, other) = (Identity::new("alice"), Identity::new("other"));
    let mut here = coordinator.here("alice", &alice);
    let (_listener, address) = listener();
    for ip in ["127.0.0.1", "127.0.0.2"] {
        let mut thief = coordinator.connect_from(ip, &other);
        for command in [
            "msend x".to_owned(),
            "send 1 x".to_owned(),
            "reconnect here".to_owned(),
            format!("reconnect {}", address.port()),
            "register here".to_owned(),
            // A `disconnect` or `deregister` from the coordinator's own machine is the operator's.
        ] {
            let reply = thief.ask(&format!("alice#{command}#-"));
            assert!(
                reply.starts_with("ERR 403 id: belongs to another client"),
                "{command}: {reply}"
            );
        }
    }
    let mut commands = coordinator.connect(&alice);
    commands.say("alice#msend still mine#-");
    commands.expect_start("OK msend seq=1");
    commands.say("alice#disconnect#-");
    commands.expect_start("OK disconnect");
    assert!(here.read_line().is_ok_and(|line| line.is_none()));
}

/// 5,000 connections that send nothing, or one byte, beside a group that talks.
#[test]
fn silent_handshakes_stop_nobody() {
    let options = ["max_connections_per_address=10000"];
    let coordinator = TlsCoordinator::start(&options);
    let (alice, bob) = (Identity::new("alice"), Identity::new("bob"));
    let mut receives = coordinator.here("bob", &bob);
    let _here = coordinator.here("alice", &alice);
    let mut sends = coordinator.connect(&alice);
    let mut silent = std::collections::VecDeque::new();
    for number in 0..5000 {
        let mut stream = TcpStream::connect(coordinator.address).unwrap();
        if number % 2 == 0 {
            // The coordinator may have closed it already.
            let _ = stream.write_all(&[0x16]);
        }
        silent.push_back(stream);
        if silent.len() > 400 {
            silent.pop_front();
        }
        if number % 100 == 0 {
            sends.say(&format!("alice#msend {number}#-"));
            sends.expect_start("OK msend ");
            expect_text(&mut receives, "alice", &number.to_string());
        }
    }
    // A client that speaks still finds the door open.
    let mut late = coordinator.connect(&bob);
    assert_eq!(late.ask("x#ping#-"), "OK ping");
}

/// Control characters and long names in a certificate reach neither the log nor a reply.
#[test]
fn names_of_a_certificate_drive_no_terminal() {
    let coordinator = TlsCoordinator::start_with(&[], |_| Vec::new());
    let evil = Identity::with(|params| {
        let name = "\u{1b}[2J\u{7}evil\r\nERROR fake line";
        params.distinguished_name.push(DnType::CommonName, name);
        params.distinguished_name.push(DnType::OrganizationName, "x".repeat(2000));
        params.subject_alt_names.push(SanType::Rfc822Name("evil@x".try_into().unwrap()));
    });
    let mut peer = coordinator.here("evil-id", &evil);
    peer.close_notify();
    let mut other = coordinator.connect(&Identity::new("other"));
    let reply = other.ask("evil-id#deregister#-");
    assert!(reply.is_ascii() && !reply.contains("2J"), "{reply}");
    coordinator.terminate();
    coordinator.wait();
    let log = String::from_utf8(lock(&coordinator.transcript.stderr).clone()).unwrap();
    assert!(log.contains("evil-id"), "{log}");
    for part in ["2J", "fake", "evil@x", "xxxxx"] {
        assert!(!log.contains(part), "{part:?} in {log}");
    }
}

#[test]
fn a_keys_file_that_others_can_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let keys = Identity::new("coordinator").write(&folder.path().join("coordinator.keys"));
    let config = folder.path().join("c.txt");
    fs::write(&config, format!("0\n60\ntls={}\n", keys.display())).unwrap();
    for (mode, is_fine) in [
        (0o644, false),
        (0o604, false),
        (0o602, false),
        (0o660, false),
        (0o640, true),
        (0o400, true),
    ] {
        fs::set_permissions(&keys, fs::Permissions::from_mode(mode)).unwrap();
        let output = Command::new(support::program("coordinator"))
            .arg("--check")
            .arg(&config)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(if is_fine { 0 } else { 2 }), "{mode:o}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            said.contains(&format!("mode: found {mode:04o}, expected 0600")),
            !is_fine,
            "{said}"
        );
    }
}

/// Two participants that share one key are one client: each of them may use both ids.
#[test]
fn two_participants_with_one_key_are_one_client() {
    let coordinator = TlsCoordinator::start(&[]);
    let shared = Identity::new("shared");
    let mut one = coordinator.here("one", &shared);
    let _two = coordinator.here("two", &shared);
    let mut two = coordinator.connect(&shared);
    two.say("one#reconnect here#-");
    two.expect_start("OK reconnect ");
    assert!(one.read_line().is_ok_and(|line| line.is_none()), "taken over");
}

/// A connection that leaves in the middle of each flight of the handshake.
#[test]
fn handshakes_that_break_off_leave_nothing_behind() {
    let coordinator = TlsCoordinator::start(&["max_connections_per_address=1000"]);
    let alice = Identity::new("alice");
    let bytes = {
        let _here = coordinator.here("alice", &alice);
        record(&coordinator, &alice)
    };
    for at in (0..bytes.len()).step_by(37) {
        let relay = Relay::start(coordinator.address, Attack::Cut(at));
        relay.arm();
        let socket = TcpStream::connect(relay.address).unwrap();
        drop(TlsPeer::connect_over(socket, Some(&alice)));
    }
    let mut observer = TlsPeer::connect(coordinator.address, None);
    until("the observer's connection is the only one", || {
        stat(&mut observer, "connections") == "connections 1"
    });
}
