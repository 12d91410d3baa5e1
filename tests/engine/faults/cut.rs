//! A network that is cut between a site and the engine. It needs root and `ip`.

use std::thread;

use support::netns::{Cable, Machine, Way};

use crate::group::{founded_at, later, msend, send_undecided, start};

#[test]
fn a_site_that_is_cut_off_refuses_what_it_cannot_propose_and_misses_nothing() {
    thread::scope(|scope| {
        for (net, way) in (40..).zip([Way::Both, Way::ToLeft, Way::ToRight]) {
            scope.spawn(move || cut_off(net, way));
        }
    });
}

/// The engine, cairo and bob are on the left, oslo and ann on the right.
fn cut_off(net: u8, way: Way) {
    let (Some(left), Some(right)) = (Machine::new(), Machine::new()) else { return };
    let cable = Cable::lay(&left, &right, net);
    let Some(servers) = left.within(|| founded_at(cable.left_ip())) else { return };
    let cairo = left.within(|| start(&servers, "cairo"));
    let oslo = right.within(|| start(&servers, "oslo"));
    let mut bob = left.within(|| cairo.join("bob", "acks=1"));
    let mut ann = right.within(|| oslo.join("ann", "acks=1"));
    assert_eq!(ann.msend("one"), 1);
    bob.socket().delivery(1, "ann", "one");
    let mut other = right.within(|| oslo.client());
    cable.cut(way);
    send_undecided(&mut ann, &mut other);
    // Entries that go out to the engine are stored, even if nothing comes back.
    let mut expected: Vec<(u64, &str, String)> = Vec::new();
    let seq = bob.msend("two");
    assert!(seq == 2 || seq == 3 && way == Way::ToRight, "{way:?}: {seq}");
    expected.push((seq, "bob", "two".to_owned()));
    cable.mend();
    let undecided = later(&mut ann);
    match undecided.strip_prefix("OK msend seq=") {
        Some(seq) => expected.push((seq.parse().unwrap(), "ann", "undecided".to_owned())),
        None => assert!(undecided.starts_with("ERR 506"), "{way:?}: {undecided}"),
    }
    for round in 0..10 {
        let text = format!("t{round}");
        let (member, id) = if round % 2 == 0 { (&mut ann, "ann") } else { (&mut bob, "bob") };
        expected.push((msend(member, &text), id, text));
    }
    expected.sort_unstable();
    for ((seq, sender, text), number) in expected.iter().zip(2..) {
        assert_eq!(*seq, number, "{way:?}: nothing that was refused stands between");
        let member = if *sender == "ann" { &mut bob } else { &mut ann };
        member.socket().delivery(*seq, sender, text);
    }
}
