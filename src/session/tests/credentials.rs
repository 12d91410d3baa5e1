//! Participants with TLS: the secret of the invitation, the own key, and peers with other keys.

use super::*;
use crate::limits::{RETRY_MS_HIGHEST, RETRY_MS_LOWEST};
use crate::protocol::{KeyName, Secret};

const SECRET: &str = "00112233445566778899aabbccddeeff";
const UNKNOWN: &str = "ERR 401 secret: missing, and sha256:07 does not own this id: register";
const WRONG: &str = "ERR 401 secret: not valid, from sha256:07: ask the operator";

fn with_secret(change: impl FnOnce(&mut Settings)) -> Harness {
    Harness::with(|settings| {
        let secret = Secret::parse(SECRET);
        settings.credentials = JoinCredentials { key: Some(KeyName([7; 32])), secret };
        change(settings);
    })
}

fn register(way: &str) -> String {
    let ip = if way.starts_with("here") { "-" } else { "10.0.0.2" };
    format!("send 1 me#register {way} secret={SECRET}#{ip}")
}

#[test]
fn only_a_register_brings_the_secret() {
    let mut harness = with_secret(|_| ());
    harness.user("reconnect 9001");
    harness.listening(9001);
    harness.dialed(1);
    harness.expect(&["listen 9001", "dial 1", "send 1 me#reconnect 9001 acks=1 nonce=1#10.0.0.2"]);
    harness.reply(1, "ERR 404 not a member: register first");
    harness.forget();
    harness.user("register 9001 last=5");
    harness.listening(9001);
    harness.expect(&["listen 9001", &register("9001 acks=1 nonce=2 last=5")]);
    harness.reply(1, WRONG);
    harness.expect(&[&format!("show {WRONG}"), "close listener"]);
}

#[test]
fn a_join_with_a_new_key_registers_with_the_secret() {
    for (refusal, way) in
        [(UNKNOWN, "join 9001"), ("ERR 404 not a member: register first", "join 9001")]
    {
        let mut harness = with_secret(|_| ());
        harness.user(way);
        harness.listening(9001);
        harness.dialed(1);
        harness.forget();
        harness.reply(1, refusal);
        harness.expect(&[&register("9001 acks=1 nonce=1")]);
        harness.reply(1, OK_REGISTER);
        harness.expect(&[&format!("show {OK_REGISTER}")]);
        harness.hello(7);
        assert_eq!(harness.state(), SessionState::Online);
    }
}

#[test]
fn a_wrong_secret_is_reported_once_and_tried_again() {
    let mut harness = with_secret(|settings| settings.is_passive = true);
    harness.user("join");
    harness.dialed(1);
    harness.forget();
    for attempt in 0..3 {
        harness.reply(1, UNKNOWN);
        harness.expect(&[&register("here acks=1")]);
        harness.reply(1, WRONG);
        let shown: Vec<String> = harness.effects.drain(..).map(brief).collect();
        assert_eq!(shown.iter().any(|line| line.contains(WRONG)), attempt == 0, "{shown:?}");
        assert!(!shown.concat().contains(SECRET), "{shown:?}");
        harness.wait_for_deadline();
        harness.expect(&["send 1 me#reconnect here acks=1#-"]);
    }
}

/// The operator mends the access file meanwhile.
#[test]
fn a_service_with_a_wrong_secret_asks_after_the_longest_pauses_until_it_is_let_in() {
    let mut harness = with_secret(|settings| {
        settings.is_passive = true;
        settings.stays_after_input = true;
    });
    harness.user("join");
    harness.dialed(1);
    for _ in 0..3 {
        harness.reply(1, UNKNOWN);
        harness.reply(1, WRONG);
        let before = harness.now;
        harness.wait_for_deadline();
        let pause_ms = harness.now - before;
        assert!((RETRY_MS_HIGHEST / 2..=RETRY_MS_HIGHEST).contains(&pause_ms), "{pause_ms}");
    }
    harness.forget();
    harness.reply(1, UNKNOWN);
    harness.reply(1, OK_REGISTER);
    assert_eq!(harness.state(), SessionState::Online);
}

/// The `reconnect` of a new key is refused in the course of things.
#[test]
fn a_registration_with_the_secret_makes_the_next_pauses_no_longer() {
    let mut harness = with_secret(|settings| settings.is_passive = true);
    harness.user("join");
    harness.dialed(1);
    harness.reply(1, UNKNOWN);
    harness.reply(1, OK_REGISTER);
    harness.written(1);
    let before = harness.now;
    harness.message_socket_closed(MessageSocket::upgraded(CommandSocket(1)).0);
    harness.wait_for_deadline();
    assert!(harness.now - before <= 2 * RETRY_MS_LOWEST, "{}", harness.now - before);
}

/// The key is removed from the access file while the visit is online.
#[test]
fn a_visit_that_has_registered_with_the_secret_names_the_member_that_stays() {
    let mut harness = with_secret(|settings| {
        settings.visit = VisitKind::Receives;
        settings.is_passive = true;
    });
    harness.user("join");
    harness.dialed(1);
    harness.reply(1, UNKNOWN);
    harness.reply(1, OK_REGISTER);
    harness.written(1);
    harness.message(MessageSocket::upgraded(CommandSocket(1)).0, "bye#access revoked");
    harness.wait_for_deadline();
    harness.dialed(2);
    harness.reply(2, UNKNOWN);
    harness.forget();
    harness.reply(2, WRONG);
    harness.expect(&[&format!("show error: register: {WRONG}"), "send 2 me#deregister#-"]);
    harness.reply(2, UNKNOWN);
    harness.expect(&[&format!("show error: deregister: {UNKNOWN}"), "exit 1"]);
}

#[test]
fn without_a_secret_a_401_is_the_end_of_the_attempt() {
    let mut harness = Harness::new();
    harness.user("join 9001");
    harness.listening(9001);
    harness.dialed(1);
    harness.forget();
    harness.reply(1, UNKNOWN);
    let shown: Vec<String> = harness.effects.drain(..).map(brief).collect();
    assert!(shown.iter().any(|line| line.contains(UNKNOWN)), "{shown:?}");
    assert!(matches!(harness.state(), SessionState::Paused { .. }));
}

#[test]
fn a_visit_with_a_new_key_joins_to_send_and_deregisters() {
    let mut harness = with_secret(|settings| {
        settings.visit = VisitKind::SendsOnly;
        settings.is_passive = true;
    });
    harness.user("msend hi");
    harness.dialed(1);
    harness.forget();
    harness.reply(1, UNKNOWN);
    harness.expect(&["send 1 me#reconnect here acks=1#-"]);
    harness.reply(1, UNKNOWN);
    harness.expect(&[&register("here acks=1")]);
    harness.reply(1, OK_REGISTER);
    harness.expect(&[
        &format!("show {OK_REGISTER}"),
        "upgrade 1",
        "append * new epoch 00000000000000aa",
        "dial 2",
    ]);
    harness.written(1);
    harness.dialed(2);
    harness.expect(&["send 2 me#msend hi#-"]);
    harness.reply(2, "OK msend seq=1");
    harness.user("quit");
    harness.expect(&["show OK msend seq=1", "send 2 me#deregister#-"]);
}

#[test]
fn a_connection_with_another_key_is_reported_with_the_key() {
    let mut harness = with_secret(|_| ());
    harness.user("register 9001");
    harness.listening(9001);
    harness.dialed(1);
    harness.accepted(1);
    harness.accepted(2);
    harness.forget();
    let key = KeyName([0xab; 32]);
    for (socket, key) in [(1, Some(key)), (2, None), (3, None)] {
        harness.input(SessionInput::Untrusted { socket: MessageSocket(socket), key });
    }
    let dropped = "report a connection from 10.0.0.1 to the listener was dropped: ";
    let failed = "its TLS handshake failed";
    harness.expect(&[
        &format!("{dropped}it shows the key {key}, which is none of the coordinator's"),
        &format!("{dropped}{failed}"),
    ]);
    for socket in [3, 4] {
        harness.accepted(socket);
        harness.input(SessionInput::Untrusted { socket: MessageSocket(socket), key: None });
    }
    harness.expect(&[]);
    harness.now += 10_000;
    harness.accepted(5);
    harness.forget();
    harness.input(SessionInput::Untrusted { socket: MessageSocket(5), key: None });
    harness.expect(&[&format!("{dropped}{failed} (2 more since the last report)")]);
}

#[test]
fn the_status_names_the_own_key() {
    let mut harness = with_secret(|_| ());
    harness.user("status");
    let status = harness.effects.drain(..).map(brief).collect::<String>();
    let key = KeyName([7; 32]);
    assert!(status.contains(&format!("\nsecurity TLS, own key {key}\nport none\n")), "{status}");
    assert!(!status.contains(SECRET), "{status}");
}

#[test]
fn an_id_of_another_key_is_not_taken_for_one_of_another_address() {
    let refusal = "ERR 403 id: belongs to another client, not to sha256:07: use another id";
    let mut harness = with_secret(|settings| settings.is_passive = true);
    harness.user("join");
    harness.dialed(1);
    harness.forget();
    harness.reply(1, refusal);
    let shown: Vec<String> = harness.effects.drain(..).map(brief).collect();
    assert!(shown.iter().any(|line| line.contains(refusal)), "{shown:?}");
}
