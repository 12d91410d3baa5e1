//! Access rules, keys and CAs that differ between the sites of a group.

use std::fs;
use std::path::PathBuf;

use support::coordinator::Coordinator;
use support::member::Member;
use support::tls::{Ca, Identity, TlsPeer};
use tempfile::TempDir;

use crate::group::{eventually, founded, start_with};
use crate::servers::Servers;

/// A site with files of its own.
struct Guarded {
    site: Coordinator,
    folder: TempDir,
}

impl Guarded {
    /// Starts a site with an access file.
    fn start(servers: &Servers, name: &str, rules: &str) -> Self {
        Self::start_with_files(servers, name, &[("access", rules)])
    }

    /// Starts a site with TLS, the certificate of a CA, and an access file.
    fn start_with_ca(servers: &Servers, name: &str, ca: &Ca, rules: &str) -> Self {
        let keys = Identity::new(name).pem();
        let files = [("tls", &*keys), ("ca", &*ca.pem()), ("access", rules)];
        Self::start_with_files(servers, name, &files)
    }

    fn start_with_files(servers: &Servers, name: &str, files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |(key, text): &(&str, &str)| {
            let path: PathBuf = folder.path().join(key);
            support::tls::write_private(&path, text);
            format!("{key}={}", path.display())
        };
        let options: Vec<String> = files.iter().map(write).collect();
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        Self { site: start_with(servers, name, &options), folder }
    }

    /// Replaces the file of a key, and waits until it was read again.
    #[track_caller]
    fn reload(&self, key: &str, text: &str, said: &str) {
        fs::write(self.folder.path().join(key), text).unwrap();
        self.site.hang_up();
        self.site.until_said(said);
    }

    fn connect(&self, identity: &Identity) -> TlsPeer {
        TlsPeer::connect(self.site.address, Some(identity))
    }

    /// Makes a member whose command socket is its message socket.
    #[track_caller]
    fn here(&self, id: &str, identity: &Identity) -> TlsPeer {
        TlsPeer::register_here(self.site.address, id, identity, " acks=1")
    }

    /// Waits until this site knows that a member is online. The id of the client is a member, too.
    #[track_caller]
    fn until_member(&self, id: &str, client: &Identity) {
        let mut peer = self.connect(client);
        eventually("the member is known here", || {
            let count = peer.ask("bob#members#-").rsplit(' ').next().unwrap().parse().unwrap();
            let lines: Vec<String> = (0..count).map(|_: u32| peer.line()).collect();
            lines.iter().any(|line| line.starts_with(&format!("{id} online ")))
        });
    }

    /// Asks in a connection of its own.
    fn ask(&self, identity: &Identity, request: &str) -> String {
        self.connect(identity).ask(request)
    }
}

#[test]
fn rules_that_differ_count_at_the_site_where_a_member_is_and_reach_no_other_site() {
    let Some(servers) = founded(1) else { return };
    let oslo = Guarded::start(&servers, "oslo", "* anyone\n");
    let cairo = Guarded::start(&servers, "cairo", "bob anyone\nobserver anyone\n");
    let (mut ann, mut bob) = (oslo.site.join("ann", "acks=1"), cairo.site.join("bob", "acks=1"));
    let talk = |ann: &mut Member, bob: &mut Member, seq: u64| {
        assert_eq!((ann.msend("to bob"), bob.msend("to ann")), (seq, seq + 1));
        bob.socket().delivery(seq, "ann", "to bob");
        ann.socket().delivery(seq + 1, "bob", "to ann");
    };
    talk(&mut ann, &mut bob, 1);
    let mut client = cairo.site.client();
    for command in ["reconnect here", "register here", "msend x", "deregister", "disconnect"] {
        let part = "address: no line of the access file lets";
        client.refused(&format!("ann#{command}#127.0.0.1"), 401, part);
    }
    // Other rules of cairo do not end a member of oslo.
    let rules = "bob anyone\neve anyone\nobserver anyone\n";
    cairo.reload("access", rules, "3 lines; 0 members were set offline");
    talk(&mut ann, &mut bob, 3);
    ann.socket().ack(4);
    client.until_member("ann", |line| line.contains(" acked=4 "));
    oslo.reload("access", "bob anyone\n", "1 line; 1 member was set offline");
    ann.take_socket().expect_bye("access revoked");
    client.until_member("ann", |line| line.contains(" offline ") && line.ends_with(" site=oslo"));
    bob.msend("while away");
    // The messages that wait for her stay at cairo, although its rules do not know her.
    cairo.reload("access", "bob anyone\nobserver anyone\n", "2 lines; 0 members were set offline");
    cairo.reload("access", "* anyone\n", "1 line; 0 members were set offline");
    let mut back = Member::come_back(&cairo.site, "ann", "acks=1");
    back.socket().delivery(5, "bob", "while away");
    // The rules of oslo no longer count for her.
    oslo.reload("access", "eve anyone\n", "1 line; 0 members were set offline");
    talk(&mut back, &mut bob, 6);
}

#[test]
fn an_id_belongs_at_all_sites_to_the_key_that_registered_it_at_one() {
    let Some(servers) = founded(1) else { return };
    let ca = Ca::new();
    let [oslo, cairo] =
        ["oslo", "cairo"].map(|name| Guarded::start_with_ca(&servers, name, &ca, "* anyone\n"));
    let (own, other) = (Identity::new("ann"), Identity::new("another"));
    let mut ann = oslo.here("ann", &own);
    cairo.until_member("ann", &own);
    for command in ["register here", "reconnect here", "msend x", "deregister"] {
        let reply = cairo.ask(&other, &format!("ann#{command}#-"));
        assert!(reply.starts_with("ERR 403 id: "), "{command}: {reply}");
    }
    let reply = cairo.ask(&own, "ann#msend x#-");
    assert!(reply.starts_with("ERR 409 "), "the id is at oslo: {reply}");
    let mut back = cairo.connect(&own);
    assert!(back.ask("ann#reconnect here acks=1#-").starts_with("OK reconnect "));
    assert!(ann.line().starts_with("bye#taken over by "));
}

#[test]
fn another_ca_at_one_site_ends_the_members_of_this_site_only() {
    let Some(servers) = founded(1) else { return };
    let (old, new) = (Ca::new(), Ca::new());
    let [oslo, cairo] =
        ["oslo", "cairo"].map(|name| Guarded::start_with_ca(&servers, name, &old, "* ca\n"));
    let [ann, bob] = ["ann", "bob"].map(|id| old.sign(&[id], |_| ()));
    let (mut ann_here, mut bob_here) = (oslo.here("ann", &ann), cairo.here("bob", &bob));
    cairo.until_member("ann", &bob);
    cairo.reload("ca", &new.pem(), "1 member was set offline");
    assert_eq!(bob_here.line(), "bye#access revoked");
    let unknown = "ERR 401 certificate: ";
    for (id, identity) in [("ann", &ann), ("bob", &bob)] {
        let reply = cairo.ask(identity, &format!("{id}#reconnect here#-"));
        assert!(reply.starts_with(unknown), "{reply}");
    }
    assert!(oslo.ask(&ann, "ann#msend she is still at oslo#-").starts_with("OK msend seq=1"));
    // The old certificate of bob is good at oslo, and a new one at cairo.
    let mut bob_at_oslo = oslo.connect(&bob);
    assert!(bob_at_oslo.ask("bob#reconnect here acks=1#-").starts_with("OK reconnect "));
    let line = bob_at_oslo.line();
    assert!(line.starts_with("1#ann#") && line.ends_with("#she is still at oslo"), "{line}");
    oslo.reload("ca", &new.pem(), "2 members were set offline");
    for ended in [&mut ann_here, &mut bob_at_oslo] {
        assert_eq!(ended.line(), "bye#access revoked");
    }
    let renewed = new.sign(&["bob"], |_| ());
    let reply = cairo.ask(&renewed, "bob#reconnect here acks=1#-");
    assert!(reply.starts_with("OK reconnect "), "{reply}");
}
