//! Sites: real programs that form one group over real servers.

use std::process::Output;

use support::member::Member;
use support::{Timer, number};

use crate::group::{TTL_S, eventually, found, founded, msend, run, start};
use crate::raw::Raw;
use crate::servers::{LONG, Servers};

#[test]
fn members_of_two_sites_get_each_others_messages_in_one_order() {
    let Some(servers) = founded(1) else { return };
    let (oslo, cairo) = (start(&servers, "oslo"), start(&servers, "cairo"));
    let (mut ann, mut bob) = (oslo.join("ann", "acks=1"), cairo.join("bob", "acks=1"));
    let mut eve = cairo.join("eve", "acks=1");
    for round in 0..20 {
        let (first, second) = (format!("a{round}"), format!("b{round}"));
        let seq = ann.msend(&first);
        assert_eq!(bob.msend(&second), seq + 1, "one order for both sites");
        bob.socket().delivery(seq, "ann", &first);
        ann.socket().delivery(seq + 1, "bob", &second);
        eve.socket().delivery(seq, "ann", &first);
        eve.socket().delivery(seq + 1, "bob", &second);
        eve.socket().ack(seq + 1);
    }
    for site in [&oslo, &cairo] {
        let mut client = site.client();
        for id in ["ann", "bob", "eve"] {
            client.until_member(id, |line| line.contains(" online "));
        }
        // The cursor of a member comes to the other site a little later.
        client.until_member("eve", |line| number(line, "acked") == 40);
    }
    ann.check("deregister", "OK deregister");
    let mut client = cairo.client();
    let timer = Timer::start(LONG);
    while client.member("ann").is_some() {
        assert!(timer.left().is_some(), "ann is still a member at the other site");
    }
}

#[test]
fn a_member_that_comes_back_at_another_site_leaves_the_first_one_and_loses_nothing() {
    let Some(servers) = founded(1) else { return };
    let (oslo, cairo) = (start(&servers, "oslo"), start(&servers, "cairo"));
    let (mut ann, mut bob) = (oslo.join("ann", "acks=1"), oslo.join("bob", "acks=1"));
    ann.msend("one");
    bob.socket().delivery(1, "ann", "one");
    eventually("cairo has read the message", || cairo.client().stat("next_seq") == 2);
    let mut moved = Member::come_back(&cairo, "bob", &format!("acks=1 since={}:1", bob.epoch()));
    let address = format!("taken over by 127.0.0.1:{}", moved.listener.port());
    bob.take_socket().expect_bye(&address);
    ann.msend("two");
    moved.socket().delivery(2, "ann", "two");
    moved.msend("from cairo");
    ann.socket().delivery(3, "bob", "from cairo");
    bob.refused("msend old", 409);
    for site in [&oslo, &cairo] {
        site.client().until_member("bob", |line| line.contains(" online "));
    }
}

#[test]
fn the_members_of_a_killed_site_go_on_at_another_one() {
    let Some(servers) = founded(1) else { return };
    let (oslo, cairo) = (start(&servers, "oslo"), start(&servers, "cairo"));
    let (mut ann, mut bob) = (oslo.join("ann", "acks=1"), cairo.join("bob", "acks=1"));
    for round in 1..=10 {
        ann.msend(&format!("t{round}"));
        bob.socket().delivery(round, "ann", &format!("t{round}"));
    }
    oslo.kill();
    bob.msend("ann is away");
    let mut back = Member::come_back(&cairo, "ann", &format!("acks=1 since={}:0", bob.epoch()));
    assert_eq!(number(&back.reply, "missed"), 1, "{}", back.reply);
    back.socket().delivery(11, "bob", "ann is away");
    back.msend("from cairo");
    bob.socket().delivery(12, "ann", "from cairo");
    let oslo = oslo.start_again();
    let mut again = Member::come_back(&oslo, "ann", "acks=1");
    again.msend("from oslo");
    bob.socket().delivery(13, "ann", "from oslo");
}

#[test]
fn a_process_with_the_name_of_a_living_site_is_refused() {
    let Some(servers) = founded(1) else { return };
    let oslo = start(&servers, "oslo");
    let output = run(&servers, &[], TTL_S, "oslo");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("another process serves as site oslo"), "{text}");
    let mut ann = oslo.join("ann", "acks=1");
    ann.msend("the first one still serves");
}

#[test]
fn a_site_serves_only_a_group_that_is_founded_with_its_settings() {
    let Some(servers) = Servers::start(1, "") else { return };
    let says = |output: &Output, code: i32, part: &str| {
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains(part), "{text}");
    };
    says(&run(&servers, &[], TTL_S, "oslo"), 1, "does not exist");
    found(&servers);
    says(&run(&servers, &["--found"], TTL_S, "founder"), 1, "exists");
    says(&run(&servers, &[], TTL_S + 1, "oslo"), 2, "ttl 600 s");
    let checked = run(&servers, &["--check"], TTL_S, "oslo");
    assert!(checked.status.success(), "{checked:?}");
}

#[test]
fn a_leader_of_the_engine_is_killed_while_two_sites_send() {
    let Some(mut servers) = founded(3) else { return };
    let (oslo, cairo) = (start(&servers, "oslo"), start(&servers, "cairo"));
    let (mut ann, mut bob) = (oslo.join("ann", "acks=1"), cairo.join("bob", "acks=1"));
    let mut eve = oslo.join("eve", "acks=1");
    let mut expected = Vec::new();
    for round in 0..60 {
        if round == 20 {
            let state = Raw::connect(&servers.all[0]).api("INFO", "");
            let leader = state["cluster"]["leader"].as_str().unwrap().to_owned();
            servers.named(&leader).kill();
        }
        let (member, id) = if round % 2 == 0 { (&mut ann, "ann") } else { (&mut bob, "bob") };
        let text = format!("t{round}");
        let seq = msend(member, &text);
        expected.push((seq, id, text));
    }
    assert!(expected.is_sorted(), "numbers rise");
    let mut last = 0;
    for (seq, id, text) in &expected {
        assert_eq!(*seq, last + 1, "nothing that was refused stands between");
        eve.socket().delivery(*seq, id, text);
        last = *seq;
    }
}
