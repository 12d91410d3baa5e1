//! A group of one coordinator goes on as a group of sites.

use std::process::Command;

use support::coordinator::Coordinator;
use support::member::Member;
use support::{number, program};

use crate::group::{TTL_S, options, start, start_with};
use crate::servers::Servers;

/// Imports the journal of a coordinator; returns what the program says.
fn import(servers: &Servers, coordinator: &Coordinator) -> Result<String, String> {
    import_with(servers, coordinator, &[])
}

fn import_with(
    servers: &Servers,
    coordinator: &Coordinator,
    more: &[&str],
) -> Result<String, String> {
    let config = servers.directory.path().join("founder.txt");
    let (lines, more) = (options(servers, "founder").join("\n"), more.join("\n"));
    std::fs::write(&config, format!("0\n{TTL_S}\n{lines}\n{more}\n")).unwrap();
    let output = Command::new(program("site"))
        .arg("--found")
        .arg("--import")
        .arg(coordinator.data_dir())
        .arg(&config)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(text(&output.stderr)),
    }
}

#[test]
fn members_come_back_to_a_site_and_get_what_they_missed_exactly_once() {
    let Some(servers) = Servers::start(1, "") else { return };
    let one = Coordinator::start_with_data_dir(TTL_S, &["allow_foreign_ip=yes"]);
    let (mut ann, mut bob) = (one.join("ann", "acks=1"), one.join("bob", "acks=1"));
    let (mut eve, mut guest) = (one.join("eve", "acks=1"), one.join("guest", "acks=1"));
    for round in 1..=10 {
        ann.msend(&format!("t{round}"));
        bob.socket().delivery(round, "ann", &format!("t{round}"));
    }
    bob.socket().ack(10);
    bob.until_acked(10);
    bob.disconnect();
    guest.msend("from a guest");
    guest.check("deregister", "OK deregister");
    eve.command.say("eve#send 1 numbered#127.0.0.1");
    eve.command.expect("OK send 1 seq=12");
    ann.msend("last");
    eve.socket().delivery(1, "ann", "t1");
    eve.socket().ack(1);
    eve.until_acked(1);
    drop(eve);
    one.client().until_member("eve", |line| line.contains(" offline "));
    let epoch = ann.epoch();
    let refused = import(&servers, &one).unwrap_err();
    assert!(refused.contains("in use") || refused.contains("another"), "{refused}");
    one.terminate();
    one.wait();
    let said = import(&servers, &one).unwrap();
    assert_eq!(said, "group g is founded with 3 members and 13 messages: start its sites\n");

    let (oslo, cairo) = (start(&servers, "oslo"), start(&servers, "cairo"));
    let mut bob = Member::come_back(&cairo, "bob", &format!("acks=1 since={epoch}:10"));
    assert_eq!(bob.epoch(), epoch, "the numbers go on");
    assert_eq!(number(&bob.reply, "missed"), 3, "{}", bob.reply);
    bob.socket().delivery(11, "guest", "from a guest");
    bob.socket().delivery(12, "eve", "numbered");
    bob.socket().delivery(13, "ann", "last");
    // Without `since` the cursor of the group counts.
    let mut eve = Member::come_back(&oslo, "eve", "acks=1");
    assert_eq!(number(&eve.reply, "published"), 1, "{}", eve.reply);
    for round in 2..=10 {
        eve.socket().delivery(round, "ann", &format!("t{round}"));
    }
    eve.socket().delivery(11, "guest", "from a guest");
    eve.socket().delivery(13, "ann", "last");
    let mut ann = Member::come_back(&oslo, "ann", &format!("acks=1 since={epoch}:13"));
    assert_eq!(ann.msend("from oslo"), 14);
    bob.socket().delivery(14, "ann", "from oslo");
    eve.socket().delivery(14, "ann", "from oslo");
    assert!(oslo.client().member("guest").is_none(), "guest has left");
    // A second import finds the group.
    assert!(import(&servers, &one).unwrap_err().contains("exists"));
}

#[test]
fn announcements_keep_their_numbers_and_their_members_keep_their_states() {
    let Some(servers) = Servers::start(1, "") else { return };
    let presence = ["presence=yes", "presence_delay=0.1"];
    let one = Coordinator::start_with_data_dir(TTL_S, &[&presence[..], &["keep=100"]].concat());
    let (mut ann, mut bob) = (one.join("ann", "acks=1"), one.join("bob", "acks=1"));
    ann.socket().delivery(1, "@", "ann registered");
    ann.socket().delivery(2, "@", "bob registered");
    ann.msend("one");
    bob.socket().delivery(2, "@", "bob registered");
    bob.socket().delivery(3, "ann", "one");
    bob.disconnect();
    ann.socket().delivery(4, "@", "bob offline");
    let mut eve = one.join("eve", "acks=1");
    eve.socket().delivery(5, "@", "eve registered");
    ann.socket().delivery(5, "@", "eve registered");
    eve.msend("from eve");
    eve.check("deregister", "OK deregister");
    ann.socket().delivery(6, "eve", "from eve");
    ann.socket().delivery(7, "@", "eve deregistered");
    ann.msend("two");
    ann.socket().ack(7);
    ann.until_acked(8);
    let epoch = ann.epoch().to_owned();
    one.terminate();
    one.wait();
    let said = import_with(&servers, &one, &presence).unwrap();
    assert_eq!(said, "group g is founded with 2 members and 8 messages: start its sites\n");
    // Ann, who was online, is back before she would be announced as offline.
    let oslo = start_with(&servers, "oslo", &["presence=yes", "presence_delay=5"]);
    let mut ann = Member::come_back(&oslo, "ann", &format!("acks=1 since={epoch}:8"));
    let mut bob = Member::come_back(&oslo, "bob", &format!("acks=1 since={epoch}:0"));
    let expected = [
        ("@", "ann registered"),
        ("@", "bob registered"),
        ("ann", "one"),
        ("@", "bob offline"),
        ("@", "eve registered"),
        ("eve", "from eve"),
        ("@", "eve deregistered"),
        ("ann", "two"),
        ("@", "bob online"),
    ];
    for (seq, (sender, text)) in (1..).zip(expected) {
        bob.socket().delivery(seq, sender, text);
    }
    // Nothing else is announced.
    ann.socket().delivery(9, "@", "bob online");
    assert_eq!(ann.msend("three"), 10);
    bob.socket().delivery(10, "ann", "three");
}

#[test]
fn a_journal_without_a_good_end_is_not_imported() {
    let Some(servers) = Servers::start(1, "") else { return };
    let one = Coordinator::start_with_data_dir(TTL_S, &[]);
    one.join("ann", "acks=1").msend("one");
    one.kill();
    let refused = import(&servers, &one).unwrap_err();
    assert!(refused.contains("did not end in good order"), "{refused}");
}
