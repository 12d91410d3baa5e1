//! The journal with owners that are keys: restarts, and `--inspect`.

use std::path::Path;

use support::coordinator::{Coordinator, inspect};
use support::participant::until;
use support::tls::{Identity, TlsPeer};

use super::TlsCoordinator;

fn ask(coordinator: &Coordinator, ip: &str, identity: &Identity, request: &str) -> String {
    let socket = coordinator.client_from(ip).stream.try_clone().unwrap();
    TlsPeer::connect_over(socket, Some(identity)).unwrap().ask(request)
}

/// Returns the owners of the ids, as `--inspect` shows them.
fn owners(data_dir: &Path) -> Vec<String> {
    let output = inspect(data_dir);
    assert!(output.status.success(), "{output:?}");
    let report = String::from_utf8(output.stdout).unwrap();
    assert!(report.contains("\nissues 0\n"), "{report}");
    let members = report.lines().filter(|line| line.contains(" owner="));
    let owner = |line: &str| {
        let (id, owner) = (line.split(' ').next()?, line.split(" owner=").last()?);
        Some(format!("{id} {owner}"))
    };
    members.filter_map(owner).collect()
}

/// Each start writes the members into a new segment, so a second restart reads what the first one
/// has written.
#[test]
fn an_id_belongs_to_its_key_after_restarts_and_at_every_address() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let first = TlsCoordinator::start(&[&format!("data_dir={}", data_dir.display())]);
    let [alice, bob] = ["alice", "bob"].map(Identity::new);
    let _alice = first.here("alice", &alice);
    let _bob = first.here("bob", &bob);
    assert!(first.connect(&alice).ask("alice#msend kept#-").starts_with("OK msend seq=1"));
    let expected = [format!("alice {}", alice.name()), format!("bob {}", bob.name())];
    assert_eq!(owners(&data_dir), expected, "while it runs");
    first.kill();
    assert_eq!(owners(&data_dir), expected);
    let mut last: Option<Coordinator> = None;
    for ends_in_good_order in [true, false] {
        let next = last.as_ref().unwrap_or(&first.coordinator).start_again();
        let refused = "ERR 403 id: belongs to another client";
        for ip in ["127.0.0.1", "127.0.0.2"] {
            for request in ["alice#reconnect here#-", "alice#register here#-", "alice#msend x#-"] {
                let reply = ask(&next, ip, &bob, request);
                assert!(reply.starts_with(refused), "{request}: {reply}");
            }
        }
        let mut back = TlsPeer::connect(next.address, Some(&bob));
        assert!(back.ask("bob#reconnect here#-").starts_with("OK reconnect "));
        let reply = ask(&next, "127.0.0.3", &alice, "alice#reconnect here#-");
        assert!(reply.starts_with("OK reconnect "), "{reply}");
        if ends_in_good_order {
            next.terminate();
            assert!(next.wait().success());
        } else {
            next.kill();
        }
        assert_eq!(owners(&data_dir), expected);
        last = Some(next);
    }
}

/// A coordinator without TLS gets TLS, with the same journal.
#[test]
fn an_id_of_an_address_belongs_to_the_first_key_that_goes_on_with_it_there() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let option = format!("data_dir={}", data_dir.display());
    let plain = Coordinator::start(60, &[&option]);
    drop(plain.join("alice", ""));
    assert_eq!(owners(&data_dir), ["alice 127.0.0.1"]);
    plain.terminate();
    assert!(plain.wait().success());
    let encrypted = TlsCoordinator::start(&[&option]);
    let [alice, eve] = ["alice", "eve"].map(Identity::new);
    let reconnect = "alice#reconnect here#-";
    let refused = "ERR 403 id: ";
    let reply = ask(&encrypted, "127.0.0.2", &eve, reconnect);
    assert!(reply.starts_with(refused), "another address: {reply}");
    let reply = ask(&encrypted, "127.0.0.1", &alice, reconnect);
    assert!(reply.starts_with("OK reconnect "), "{reply}");
    let expected = [format!("alice {}", alice.name())];
    let check = |coordinator: &Coordinator| {
        let reply = ask(coordinator, "127.0.0.1", &eve, reconnect);
        assert!(reply.starts_with(refused), "another key: {reply}");
        // A return is written down with the cursors, a moment later.
        until("the key is written down", || owners(&data_dir) == expected);
        let reply = ask(coordinator, "127.0.0.2", &alice, reconnect);
        assert!(reply.starts_with("OK reconnect "), "{reply}");
        coordinator.kill();
    };
    check(&encrypted);
    check(&encrypted.start_again());
}
