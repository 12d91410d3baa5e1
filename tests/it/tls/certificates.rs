//! Certificates of a company's CA that end, and CAs that change, while their members are online.

use std::path::PathBuf;
use std::time::Duration;

use groupcast::net::Clock;
use support::coordinator::{Coordinator, Environment};
#[cfg(all(target_os = "linux", target_env = "gnu"))]
use support::preload::Preload;
use support::tls::{Ca, Identity, TlsPeer};
use tempfile::TempDir;

use super::{expect_text, listener};

#[cfg(all(target_os = "linux", target_env = "gnu"))]
const YEAR_MS: i64 = 365 * 86_400_000;

/// A coordinator with the CA of a company, and an access file.
struct Company {
    coordinator: Coordinator,
    ca: Ca,
    folder: TempDir,
}

impl Company {
    fn start(rules: &str) -> Self {
        Self::start_with(rules, Environment::new())
    }

    fn start_with(rules: &str, environment: Environment) -> Self {
        let (folder, ca) = (tempfile::tempdir().unwrap(), Ca::new());
        let path = |name| folder.path().join(name);
        let keys = Identity::new("coordinator").write(&path("coordinator.keys"));
        std::fs::write(path("ca.pem"), ca.pem()).unwrap();
        std::fs::write(path("access.txt"), rules).unwrap();
        let named = [("tls", keys), ("ca", path("ca.pem")), ("access", path("access.txt"))];
        let options = named.map(|(key, path): (&str, PathBuf)| format!("{key}={}", path.display()));
        let options = options.each_ref().map(String::as_str);
        let coordinator = Coordinator::start_with(environment, 60, &options);
        Self { coordinator, ca, folder }
    }

    fn connect(&self, identity: &Identity) -> TlsPeer {
        TlsPeer::connect(self.coordinator.address, Some(identity))
    }

    /// Makes a member whose command socket is its message socket.
    #[track_caller]
    fn here(&self, id: &str, identity: &Identity) -> TlsPeer {
        TlsPeer::register_here(self.coordinator.address, id, identity, " acks=1")
    }

    /// Makes a member with a listener.
    #[track_caller]
    fn listening(&self, id: &str, identity: &Identity) -> (TlsPeer, TlsPeer) {
        let mut commands = self.connect(identity);
        let (listener, address) = listener();
        commands.say(&format!("{id}#register {} acks=1#-", address.port()));
        let messages = TlsPeer::accept(&listener, identity).unwrap();
        commands.expect_start("OK register ");
        (commands, messages)
    }

    /// Lets the files be read again, with new certificates of CAs and new rules.
    fn reload(&self, cas: &[&Ca], rules: &str, said: &str) {
        let all: String = cas.iter().map(|ca| ca.pem()).collect();
        std::fs::write(self.folder.path().join("ca.pem"), all).unwrap();
        std::fs::write(self.folder.path().join("access.txt"), rules).unwrap();
        self.coordinator.hang_up();
        self.coordinator.until_said(said);
    }
}

/// Returns a certificate for `id` that ends in this time.
fn ending_in(ca: &Ca, id: &str, left: Duration) -> Identity {
    let end = Duration::from_millis(Clock::start().now().unix.0) + left;
    ca.sign(&[id], |params| params.not_after = rcgen::date_time_ymd(1970, 1, 1) + end)
}

#[track_caller]
fn expect_bye(messages: &mut TlsPeer, reason: &str) {
    assert_eq!(messages.line(), format!("bye#{reason}"));
    assert!(messages.read_line().is_ok_and(|line| line.is_none()), "the end");
}

/// Both kinds of message sockets, a command socket, and members that need no certificate.
#[test]
fn a_certificate_that_ends_while_online_ends_exactly_what_needs_it() {
    let pinned = Identity::new("pinned");
    // On a slow machine the certificate may have ended before both have joined.
    for seconds in [3, 20] {
        let company = Company::start(&format!("* ca\nold key={}\nold ca\n", pinned.name()));
        let [ann, bob, old] = ["ann", "bob", "old"]
            .map(|id| ending_in(&company.ca, id, Duration::from_secs(seconds)));
        let eve = company.ca.sign(&["eve"], |_| ());
        let mut commands_of_eve = company.connect(&eve);
        let mut eve_here = company.here("eve", &eve);
        let mut pinned_here = company.connect(&pinned);
        assert!(pinned_here.ask("old#register here acks=1#-").starts_with("OK register "));
        let mut early = company.connect(&ann);
        if !early.ask("ann#register here acks=1#-").starts_with("OK register ") {
            continue;
        }
        let mut ann_here = early;
        let mut commands_of_ann = company.connect(&ann);
        let mut commands_of_old = company.connect(&old);
        let (mut commands_of_bob, mut bob_listening) = company.listening("bob", &bob);
        let reply = commands_of_ann.ask("ann#msend while valid#-");
        if !reply.starts_with("OK msend ") {
            continue;
        }
        for member in [&mut bob_listening, &mut eve_here, &mut pinned_here] {
            expect_text(member, "ann", "while valid");
        }
        assert!(commands_of_old.ask("old#members#-").starts_with("OK members 4"));
        (0..4).for_each(|_| drop(commands_of_old.line()));
        expect_bye(&mut ann_here, "certificate expired");
        expect_bye(&mut bob_listening, "certificate expired");
        company.coordinator.until_said("ann: offline: certificate expired");
        company.coordinator.until_said("bob: offline: certificate expired");
        for (commands, id) in [(&mut commands_of_ann, "ann"), (&mut commands_of_bob, "bob")] {
            for command in ["msend x", "reconnect here", "members", "disconnect"] {
                let reply = commands.ask(&format!("{id}#{command}#-"));
                assert!(reply.starts_with("ERR 401 certificate: expired"), "{command}: {reply}");
            }
        }
        let reply = commands_of_old.ask("old#msend x#-");
        assert!(reply.starts_with("ERR 401 certificate: expired"), "{reply}");
        assert!(commands_of_eve.ask("eve#msend still here#-").starts_with("OK msend "));
        expect_text(&mut pinned_here, "eve", "still here");
        // A new certificate brings the member back, with all that it missed.
        let mut back = company.connect(&company.ca.sign(&["ann"], |_| ()));
        assert!(back.ask("ann#reconnect here acks=1#-").starts_with("OK reconnect "));
        expect_text(&mut back, "eve", "still here");
        return;
    }
    panic!("the machine needs 20 s for 7 connections");
}

#[test]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn a_certificate_ends_when_the_wall_clock_is_set_forward_and_stays_ended_when_it_is_set_back() {
    let preload = Preload::with_clocks();
    let company = Company::start_with("* ca\n", preload.environment());
    let ann =
        company.ca.sign(&["ann"], |params| params.not_after = rcgen::date_time_ymd(4000, 1, 1));
    let bob = ending_in(&company.ca, "bob", Duration::from_secs(86_400));
    let (mut ann_here, mut bob_here) = (company.here("ann", &ann), company.here("bob", &bob));
    let (mut ann, mut bob) = (company.connect(&ann), company.connect(&bob));
    preload.set_wall_clock(-YEAR_MS);
    assert!(bob.ask("bob#msend one#-").starts_with("OK msend "), "it ends later");
    expect_text(&mut ann_here, "bob", "one");
    preload.set_wall_clock(YEAR_MS);
    expect_bye(&mut bob_here, "certificate expired");
    assert!(bob.ask("bob#msend two#-").starts_with("ERR 401 certificate: expired"));
    preload.set_wall_clock(0);
    company.coordinator.until_said("bob: offline: certificate expired");
    assert!(
        bob.ask("bob#msend two#-").starts_with("ERR 401 certificate: expired"),
        "this connection"
    );
    assert!(ann.ask("ann#msend three#-").starts_with("OK msend "));
}

#[test]
fn a_change_of_the_cas_closes_exactly_the_members_whose_certificates_no_longer_count() {
    let pinned = Identity::new("pinned");
    let rules = format!("* ca\npin anyone\nkey key={}\n", pinned.name());
    let company = Company::start(&rules);
    let (next, third) = (Ca::new(), Ca::new());
    company.reload(&[&company.ca, &next], &rules, "; 0 members were set offline");
    let [ann, bob, key] = [(&company.ca, "ann"), (&next, "bob"), (&company.ca, "key")]
        .map(|(ca, id)| ca.sign(&[id], |_| ()));
    let pin = third.sign(&["pin"], |_| ());
    let (mut ann_here, mut bob_here) = (company.here("ann", &ann), company.here("bob", &bob));
    let (_, mut amy_listening) = company.listening("amy", &company.ca.sign(&["amy"], |_| ()));
    let mut pin_here = company.here("pin", &pin);
    let mut key_here = company.here("key", &pinned);
    let [mut ann, mut bob, mut pin, mut key] = [ann, bob, pin, key].map(|it| company.connect(&it));
    // The CA of ann and amy goes, and a CA comes whose certificate is shown already.
    let new_rules = format!("* ca\nkey key={}\n", pinned.name());
    company.reload(&[&next, &third], &new_rules, "; 2 members were set offline");
    expect_bye(&mut ann_here, "access revoked");
    expect_bye(&mut amy_listening, "access revoked");
    company.coordinator.until_said("ann: offline: access revoked");
    company.coordinator.until_said("amy: offline: access revoked");
    assert!(ann.ask("ann#msend x#-").starts_with("ERR 401 certificate: of another CA "));
    assert!(key.ask("key#msend x#-").starts_with("ERR 401 key: "));
    assert!(bob.ask("bob#msend from bob#-").starts_with("OK msend "));
    assert!(pin.ask("pin#msend from pin#-").starts_with("OK msend "));
    for (member, sender) in [(&mut pin_here, "bob"), (&mut key_here, "bob"), (&mut bob_here, "pin")]
    {
        expect_text(member, sender, &format!("from {sender}"));
    }
    // A fault changes nothing.
    std::fs::write(company.folder.path().join("ca.pem"), "").unwrap();
    company.coordinator.hang_up();
    company.coordinator.until_said("SIGHUP: nothing was changed: ");
    assert!(bob.ask("bob#msend again#-").starts_with("OK msend "));
}
