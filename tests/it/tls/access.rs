//! The access file with keys and secrets: guesses, and a key that is removed.

use std::fs;

use support::tls::{Identity, TlsPeer};
use support::transcript::lock;

use super::{TlsCoordinator, expect_text, listener};

/// A coordinator with an access file.
fn with_access(rules: &str) -> TlsCoordinator {
    TlsCoordinator::start_with(&[], |folder| {
        let access = folder.path().join("access.txt");
        fs::write(&access, rules).unwrap();
        vec![format!("access={}", access.display())]
    })
}

const SECRET: &str = "0f1e2d3c4b5a69780f1e2d3c4b5a6978";
/// `printf %s SECRET | sha256sum`
const NAME_OF_SECRET: &str = "2e7167ba54a6c33deb427acb737f5fde216e88d8608b1e74d7ab20e90e7d166b";

#[test]
fn guessed_secrets_get_the_same_answer_whatever_is_right_in_them() {
    let rules = format!("* secret=sha256:{NAME_OF_SECRET}\nguest anyone\n");
    let coordinator = with_access(&rules);
    let (alice, eve) = (Identity::new("alice"), Identity::new("eve"));
    let mut alice_here = coordinator.connect(&alice);
    let register = |id: &str, secret: &str| format!("{id}#register here secret={secret}#-");
    assert!(alice_here.ask(&register("alice", SECRET)).starts_with("OK register "));
    let mut guesses: Vec<String> = (0..SECRET.len())
        .map(|wrong| {
            let other = |digit| if digit == '0' { '1' } else { '0' };
            let digits = SECRET.chars().enumerate();
            digits.map(|(at, digit)| if at == wrong { other(digit) } else { digit }).collect()
        })
        .collect();
    // The name of the secret is in the access file, and may be known.
    let (first_half, second_half) = NAME_OF_SECRET.split_at(32);
    guesses.extend([first_half, second_half, &"0".repeat(32)].map(str::to_owned));
    let mut guesser = coordinator.connect(&eve);
    let expected = format!(
        "ERR 401 secret: not valid, from {}: ask the operator for another invitation",
        eve.name()
    );
    for guess in &guesses {
        // An id that is free, one of another key, and one with a line of its own.
        for id in ["free", "alice"] {
            assert_eq!(guesser.ask(&register(id, guess)), expected, "{guess}");
        }
    }
    for (bad, what) in [(SECRET.split_at(1).1, "shorter"), (&*SECRET.to_uppercase(), "upper case")]
    {
        let reply = guesser.ask(&register("free", bad));
        assert!(reply.starts_with("ERR 400 option secret"), "{what}: {reply}");
    }
    // The secret of an invitation is of no use for an id that belongs to another key.
    assert!(guesser.ask(&register("alice", SECRET)).starts_with("ERR 403 id: "));
    let mut observer = coordinator.connect(&alice);
    assert_eq!(observer.ask("alice#members#-"), "OK members 1");
    coordinator.terminate();
    coordinator.wait();
    let log = String::from_utf8(lock(&coordinator.transcript.stderr).clone()).unwrap();
    for secret in [SECRET, guesses[0].as_str()] {
        assert!(!log.contains(secret), "{log}");
    }
}

/// Both kinds of message sockets, a second id of the same key, and the other members.
#[test]
fn a_key_that_is_removed_from_the_access_file_ends_exactly_its_members() {
    let [alice, bob, eve] = ["alice", "bob", "eve"].map(Identity::new);
    let rules = |keys: &[&Identity]| -> String {
        keys.iter().map(|identity| format!("* key={}\n", identity.name())).collect()
    };
    let coordinator = with_access(&rules(&[&alice, &bob, &eve]));
    let mut alice_here = coordinator.here("alice", &alice);
    let mut bob_here = coordinator.here("bob", &bob);
    let mut commands = coordinator.connect(&bob);
    let (listener, address) = listener();
    commands.say(&format!("bob-2#register {} acks=1#-", address.port()));
    let mut bob_listening = TlsPeer::accept(&listener, &bob).unwrap();
    commands.expect_start("OK register ");
    let mut eve_here = coordinator.here("eve", &eve);
    fs::write(coordinator.folder().join("access.txt"), rules(&[&alice, &eve])).unwrap();
    assert!(commands.ask("bob#msend before#-").starts_with("OK msend "), "until the SIGHUP");
    expect_text(&mut bob_listening, "bob", "before");
    coordinator.hang_up();
    coordinator.until_said("2 lines; 2 members were set offline");
    assert_eq!(bob_listening.line(), "bye#access revoked");
    for ended in [&mut bob_here, &mut bob_listening] {
        assert!(ended.read_line().is_ok_and(|line| line.is_none()), "the end");
    }
    for request in
        ["msend x", "send 1 x", "reconnect here", "register here", "members", "deregister"]
    {
        for connection in [&mut commands, &mut coordinator.connect(&bob)] {
            let reply = connection.ask(&format!("bob#{request}#-"));
            assert!(reply.starts_with("ERR 401 key: no line of the access file lets"), "{reply}");
        }
    }
    let mut sends = coordinator.connect(&alice);
    assert!(sends.ask("alice#msend after#-").starts_with("OK msend "));
    for text in ["before", "after"] {
        let sender = if text == "before" { "bob" } else { "alice" };
        expect_text(&mut eve_here, sender, text);
    }
    expect_text(&mut alice_here, "bob", "before");
}

/// The operator exchanges the file of `tls`: participants that know both keys stay members.
#[test]
fn a_new_key_of_the_coordinator_counts_for_new_connections_and_open_ones_go_on() {
    let coordinator = TlsCoordinator::start(&[]);
    let alice = Identity::new("alice");
    let shown = || TlsPeer::connect(coordinator.address, None).peer_certificate().unwrap();
    let mut here = coordinator.here("alice", &alice);
    let mut commands = coordinator.connect(&alice);
    assert_eq!(shown(), coordinator.identity.certificate());
    let next = Identity::new("coordinator");
    next.write(&coordinator.folder().join("coordinator.keys"));
    assert_eq!(shown(), coordinator.identity.certificate(), "nobody has asked for the change");
    coordinator.hang_up();
    coordinator.until_said(&format!("files read again: TLS, key {}", next.name()));
    assert_eq!(shown(), next.certificate());
    assert_eq!(commands.ask("alice#msend hello#-"), "OK msend seq=1");
    let mut bob = coordinator.here("bob", &Identity::new("bob"));
    assert_eq!(commands.ask("alice#msend to bob#-"), "OK msend seq=2");
    expect_text(&mut bob, "alice", "to bob");
    // A connect-back shows the new key, too.
    let (listener, address) = listener();
    commands.say(&format!("alice#reconnect {}#-", address.port()));
    let messages = TlsPeer::accept(&listener, &alice).unwrap();
    commands.expect_start("OK reconnect ");
    assert_eq!(messages.peer_certificate().unwrap(), next.certificate());
    assert!(here.read_line().is_ok_and(|line| line.is_none()), "taken over");
}
