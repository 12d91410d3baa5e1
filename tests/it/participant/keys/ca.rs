//! Participants that trust a CA and a name, and coordinators with certificates of a CA.

use super::*;
use support::tls::{Ca, Identity};

const NAME: &str = "groupcast.example.org";

/// A coordinator with this certificate, and a participant that trusts `ca` and [`NAME`].
struct CaGroup {
    coordinator: Coordinator,
    home: Home,
    directory: tempfile::TempDir,
}

impl CaGroup {
    fn new(ca: &Ca, of_coordinator: &Identity, own: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = |name| directory.path().join(name);
        fs::write(path("ca.pem"), ca.pem()).unwrap();
        fs::write(path("access.txt"), "* ca\n").unwrap();
        let keys = of_coordinator.write(&path("coordinator.keys"));
        let named = [("tls", keys), ("ca", path("ca.pem")), ("access", path("access.txt"))];
        let options = named.map(|(key, path): (&str, PathBuf)| format!("{key}={}", path.display()));
        let coordinator = Coordinator::start(60, &options.each_ref().map(String::as_str));
        let home = Home::new("alice", coordinator.address);
        let trust = format!("ca={} name={NAME}\n{own}", path("ca.pem").display());
        write_private(&path("alice.keys"), &trust);
        Self { coordinator, home, directory }
    }

    fn start(&self, options: &[&str]) -> Running {
        let keys = self.directory.path().join("alice.keys");
        let options = [options, &["--keys", keys.to_str().unwrap()]].concat();
        Running::start(self.home.command_as_is(&options))
    }
}

#[test]
fn a_participant_and_a_coordinator_know_each_other_by_their_ca() {
    let ca = Ca::new();
    let own = ca.sign(&["alice"], |_| ()).pem();
    let group = CaGroup::new(&ca, &ca.sign(&["other.example.org", NAME], |_| ()), &own);
    for way in [&["-i", "--join"][..], &["-i", "--join", "--passive"]] {
        let mut alice = group.start(way);
        alice.expect(" epoch=");
        alice.write("msend hello\n");
        alice.expect("OK msend seq=");
        alice.write("status\nquit\n");
        alice.expect("security TLS, own key sha256:");
        assert_eq!(alice.wait(), Some(0), "{}", alice.said);
        check_secrets(&alice.said);
    }
    // The same certificate is of no use for another id.
    let mut other = group.start(&["--id", "bob", "--no-log", "-e", "register here"]);
    other.expect("ERR 403 certificate: does not name this id: use the id that the one of sha256:");
    assert_eq!(other.wait(), Some(1), "{}", other.said);
}

#[test]
fn a_coordinator_that_the_ca_does_not_name_gets_no_request() {
    let (ca, foreign) = (Ca::new(), Ca::new());
    let own = ca.sign(&["alice"], |_| ()).pem();
    let old = |params: &mut rcgen::CertificateParams| {
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    };
    let new = |params: &mut rcgen::CertificateParams| {
        params.not_before = rcgen::date_time_ymd(3000, 1, 1);
    };
    for (shown, fault) in [
        (ca.sign(&["other.example.org"], |_| ()), "it is for another name"),
        (ca.sign(&["example.org"], |_| ()), "it is for another name"),
        (foreign.sign(&[NAME], |_| ()), "no known CA signed it"),
        (ca.sign(&[NAME], old), "it has expired"),
        (ca.sign(&[NAME], new), "it is not valid yet"),
        (Identity::new(NAME), "no known CA signed it"),
    ] {
        let group = CaGroup::new(&ca, &shown, &own);
        let mut alice = group.start(&["-f", "--join", "-vvv"]);
        alice.expect(&format!("its certificate: {fault}; expected one of "));
        alice.expect(&format!("ca.pem for {NAME}; nothing was sent; ask the operator"));
        alice.expect("trying again in ");
        alice.signal(Signal::TERM);
        assert_eq!(alice.wait(), Some(0), "{}", alice.said);
        assert_eq!(alice.said.matches(fault).count(), 1, "said once: {}", alice.said);
        assert!(!alice.said.contains(" epoch="), "{}", alice.said);
        let mut lines = group.start(&["--send", "x", "--timeout", "1"]);
        assert_eq!(lines.wait(), Some(3), "the time is over: {}", lines.said);
        group.coordinator.terminate();
        group.coordinator.wait();
    }
}
