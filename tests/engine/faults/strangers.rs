//! A stream that others write, empty or replace while sites run.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use groupcast::journal::{SharedRules, SiteName, founding};
use groupcast::protocol::Epoch;
use groupcast::time::UnixMillis;
use support::member::Member;
use xxhash_rust::xxh3::xxh3_64;

use crate::group::{TTL_S, eventually, found, founded, run, start, stderr_of};
use crate::raw::{Raw, until_snapshot};

/// A batch that founds a group, as another program writes it.
fn founding_batch() -> Vec<u8> {
    let rules = SharedRules {
        ttl_ms: TTL_S * 1000,
        members_max: 10_000,
        drops_oldest: false,
        announces: false,
    };
    founding(SiteName::parse("stranger").unwrap(), rules, Epoch::new(7), UnixMillis(1))
}

/// A batch of a later program.
fn later_batch() -> Vec<u8> {
    let mut batch = founding_batch();
    batch.truncate(batch.len() - 8);
    batch[2] += 1;
    let checksum = xxh3_64(&batch).to_le_bytes();
    batch.extend_from_slice(&checksum);
    batch
}

#[test]
fn entries_of_strangers_change_nothing_at_any_site() {
    let Some(servers) = founded(1) else { return };
    let (oslo, cairo) = (start(&servers, "oslo"), start(&servers, "cairo"));
    let (mut ann, mut bob) = (oslo.join("ann", "acks=1"), cairo.join("bob", "acks=1"));
    let mut stranger = Raw::connect(&servers.all[0]);
    let entries = [&b""[..], b"hello", b"gc", &[0xff; 1000], &founding_batch()];
    for (round, entry) in (1..).zip(entries) {
        for subject in ["groupcast.g.log", "groupcast.g.snap"] {
            assert!(stranger.ask(subject, entry)["seq"].is_u64());
        }
        assert_eq!(ann.msend(&format!("t{round}")), round);
        bob.socket().delivery(round, "ann", &format!("t{round}"));
    }
    for site in [&oslo, &cairo] {
        let reported = || stderr_of(site).matches(" does not count: ").count();
        eventually("each is reported", || reported() >= 5);
        assert_eq!(reported(), 5);
    }
    // A start reads over them, too.
    oslo.terminate();
    assert_eq!(oslo.wait().code(), Some(0));
    let oslo = oslo.start_again();
    let mut eve = oslo.join("eve", "acks=1");
    assert_eq!(bob.msend("last"), 6);
    eve.socket().delivery(6, "bob", "last");
}

#[test]
fn copies_of_batches_that_come_late_change_nothing() {
    let Some(servers) = founded(1) else { return };
    let (oslo, cairo) = (start(&servers, "oslo"), start(&servers, "cairo"));
    let (mut ann, mut bob) = (oslo.join("ann", "acks=1"), cairo.join("bob", "acks=1"));
    let mut raw = Raw::connect(&servers.all[0]);
    for round in 1..=10 {
        // These texts have no numbers of their sender, by which a copy could be told.
        assert_eq!(ann.msend(&format!("t{round}")), round);
        bob.socket().delivery(round, "ann", &format!("t{round}"));
        let last = raw.api("INFO", "")["state"]["last_seq"].as_u64().unwrap();
        for position in (last - 2..=last).rev() {
            let entry = raw.api("MSG.GET", &format!("{{\"seq\":{position}}}"));
            let (subject, data) = (&entry["message"]["subject"], &entry["message"]["data"]);
            let data = STANDARD.decode(data.as_str().unwrap()).unwrap();
            assert!(raw.ask(subject.as_str().unwrap(), data)["seq"].is_u64());
        }
    }
    assert_eq!(bob.msend("last"), 11);
    ann.socket().delivery(11, "bob", "last");
}

#[test]
fn sites_end_when_a_later_program_writes_and_say_that_they_must_be_upgraded() {
    let Some(servers) = founded(1) else { return };
    let oslo = start(&servers, "oslo");
    let mut ann = oslo.join("ann", "acks=1");
    ann.msend("before");
    Raw::connect(&servers.all[0]).ask("groupcast.g.log", later_batch());
    assert_eq!(oslo.wait().code(), Some(1));
    let expected = "another site writes batches of version 2, which this program cannot read: \
                    upgrade this site";
    let started = run(&servers, &[], TTL_S, "cairo");
    assert_eq!(started.status.code(), Some(1));
    for text in [stderr_of(&oslo), String::from_utf8(started.stderr).unwrap()] {
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn running_sites_go_on_over_a_purge_by_hand_and_a_start_says_what_is_missing() {
    let Some(servers) = founded(1) else { return };
    let (oslo, cairo) = (start(&servers, "oslo"), start(&servers, "cairo"));
    let (mut ann, mut bob) = (oslo.join("ann", "acks=1"), cairo.join("bob", "acks=1"));
    for seq in 1..=20 {
        ann.msend(&format!("t{seq}"));
    }
    bob.socket().delivery(1, "ann", "t1");
    Raw::connect(&servers.all[0]).api("PURGE", "");
    for seq in 2..=20 {
        bob.socket().delivery(seq, "ann", &format!("t{seq}"));
    }
    assert_eq!(bob.msend("after"), 21);
    ann.socket().delivery(21, "bob", "after");
    let output = run(&servers, &[], TTL_S, "lima");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains(" is gone, and no whole snapshot follows it: "), "{text}");
    assert_eq!(ann.msend("the others still serve"), 22);
}

#[test]
fn a_start_goes_over_an_entry_that_was_removed_by_hand_and_tells_everybody() {
    let Some(servers) = founded(1) else { return };
    let (oslo, quito) = (start(&servers, "oslo"), start(&servers, "quito"));
    let mut ann = quito.join("ann", "acks=1");
    assert_eq!(ann.msend("before"), 1);
    let mut raw = Raw::connect(&servers.all[0]);
    let first = until_snapshot(&mut raw, 0);
    // The site that has the lowest name now makes the next one.
    oslo.terminate();
    assert_eq!(oslo.wait().code(), Some(0));
    until_snapshot(&mut raw, first);
    raw.api("PURGE", r#"{"filter":"groupcast.g.snap","keep":1}"#);
    let old_epoch = ann.epoch().to_owned();
    let cairo = start(&servers, "cairo");
    let mut bob = cairo.join("bob", "acks=1");
    assert_ne!(bob.epoch(), old_epoch, "something may be missing");
    let said = stderr_of(&cairo);
    let expected = format!("entry {first} was removed before this site read it: reading the list");
    assert!(said.contains(&expected), "{said}");
    let mut ann = Member::come_back(&quito, "ann", "acks=1");
    assert_eq!(ann.epoch(), bob.epoch());
    assert_eq!(ann.msend("after"), 2);
    bob.socket().delivery(2, "ann", "after");
    // The next start goes over it, too, and nobody needs to be told again.
    cairo.terminate();
    assert_eq!(cairo.wait().code(), Some(0));
    let cairo = cairo.start_again();
    assert_eq!(cairo.client().stats()["epoch"], bob.epoch());
    let inspected = run(&servers, &["--inspect"], TTL_S, "cairo");
    let report = String::from_utf8(inspected.stdout).unwrap();
    assert!(report.contains("\nlast 2\n"), "{report} {:?}", inspected.stderr);
}

#[test]
fn sites_end_when_their_stream_is_deleted_or_made_again() {
    for is_made_again in [false, true] {
        let Some(servers) = founded(1) else { return };
        let (oslo, cairo) = (start(&servers, "oslo"), start(&servers, "cairo"));
        let mut ann = oslo.join("ann", "acks=1");
        ann.msend("before");
        Raw::connect(&servers.all[0]).api("DELETE", "");
        if is_made_again {
            found(&servers);
        }
        for site in [oslo, cairo] {
            assert_eq!(site.wait().code(), Some(1), "the stream of the group is gone");
            let text = stderr_of(&site);
            assert!(text.contains("ERROR") && text.contains("the stream of the group"), "{text}");
        }
    }
}
