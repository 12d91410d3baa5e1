//! Backups of the list, and what sites and members have after a restore.

use rustix::process::Signal;
use serde_json::{Value, json};
use support::member::Member;

use crate::group::{founded, msend, start};
use crate::raw::Raw;
use crate::servers::{Server, Servers};

/// Subject of the pieces of a backup.
const PIECES: &str = "raw.backup";

/// A backup as JetStream gives it to a client: what `nats stream backup` writes into a folder.
struct StreamBackup {
    /// Config and state of the stream.
    described: Value,
    pieces: Vec<Vec<u8>>,
}

impl StreamBackup {
    fn take(servers: &Servers) -> Self {
        let mut raw = Raw::connect(&servers.all[0]);
        raw.send(format!("SUB {PIECES} 2\r\n").as_bytes());
        let described = raw.api("SNAPSHOT", &json!({ "deliver_subject": PIECES }).to_string());
        let mut pieces = Vec::new();
        loop {
            let (subject, piece) = raw.message();
            assert_eq!(subject, PIECES);
            if piece.is_empty() {
                return Self { described, pieces };
            }
            pieces.push(piece);
        }
    }

    /// Makes the stream again, which must not be there.
    fn restore(&self, servers: &Servers) {
        let mut raw = Raw::connect(&servers.all[0]);
        let Value::Object(described) = &self.described else { unreachable!() };
        let what = json!({ "config": described["config"], "state": described["state"] });
        let begun = raw.api("RESTORE", &what.to_string());
        let subject = begun["deliver_subject"].as_str().unwrap();
        for piece in &self.pieces {
            raw.publish(subject, piece);
            let (_, answer) = raw.message();
            assert_eq!(String::from_utf8_lossy(&answer), "");
        }
        let restored = raw.ask(subject, b"");
        assert!(restored.get("error").is_none(), "{restored}");
        assert_eq!(restored["config"]["name"], "GC_g");
    }
}

/// Texts before the backup and after it are sent and taken, the sites end, and `restore` puts the
/// list back.
fn check(backup: impl FnOnce(&mut Servers) -> Box<dyn FnOnce(&mut Servers)>) {
    let Some(mut servers) = founded(3) else { return };
    let sites = [start(&servers, "oslo"), start(&servers, "cairo")];
    let (mut ann, mut bob) = (sites[0].join("ann", "acks=1"), sites[1].join("bob", "acks=1"));
    for seq in 1..=5 {
        assert_eq!(ann.msend(&format!("t{seq}")), seq);
        bob.socket().delivery(seq, "ann", &format!("t{seq}"));
    }
    bob.socket().ack(3);
    sites[0].client().until_member("bob", |line| line.contains(" acked=3 "));
    let restore = backup(&mut servers);
    let seq = msend(&mut ann, "after the backup");
    bob.socket().delivery(seq, "ann", "after the backup");
    for site in &sites {
        site.terminate();
        assert_eq!(site.wait().code(), Some(0));
    }
    restore(&mut servers);
    let old = bob.epoch().to_owned();
    let oslo = sites[0].start_again_with(&["--new-epoch"]);
    // It need not wait, as one does whose name was in use at the time of the backup.
    let lima = start(&servers, "lima");
    let mut back = Member::come_back(&lima, "bob", &format!("acks=1 since={old}:6"));
    assert_ne!(back.epoch(), old, "everybody is told that messages may be missing");
    for seq in 4..=5 {
        back.socket().delivery(seq, "ann", &format!("t{seq}"));
    }
    let mut ann = Member::come_back(&oslo, "ann", "acks=1");
    assert_eq!(ann.epoch(), back.epoch());
    assert_eq!(ann.msend("again"), 6);
    back.socket().delivery(6, "ann", "again");
}

#[test]
fn a_backup_that_servers_give_while_sites_run_brings_the_group_back() {
    check(|servers| {
        let backup = StreamBackup::take(servers);
        Box::new(move |servers| {
            Raw::connect(&servers.all[0]).api("DELETE", "");
            backup.restore(servers);
        })
    });
}

#[test]
fn copies_of_the_stores_of_stopped_servers_bring_the_group_back() {
    fn stop(servers: &mut Servers) {
        servers.all.iter_mut().for_each(|server| server.end(Signal::TERM));
    }
    check(|servers| {
        stop(servers);
        let kept: Vec<_> = (0..servers.all.len()).map(|index| servers.keep(index)).collect();
        servers.all.iter_mut().for_each(Server::restart);
        Box::new(move |servers| {
            stop(servers);
            kept.iter().enumerate().for_each(|(index, kept)| servers.put_back(index, kept));
            servers.all.iter_mut().for_each(Server::restart);
        })
    });
}
