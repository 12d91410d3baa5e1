//! Messages that are kept for newcomers only.

use super::*;

const KEEP: u64 = 12;

/// A journal in which no member but alice is left, and newcomers may get messages.
fn fixture() -> RetentionFixture {
    let mut fixture = RetentionFixture::with_keep(KEEP);
    fixture.ask(&["bob#deregister"]);
    fixture
}

/// Returns the reply to a registration of bob that asks for `last` messages. Bob leaves again.
fn registered(fixture: &mut RetentionFixture, last: u64) -> String {
    let line = format!("bob#register 9001 acks=1 last={last}");
    let mut replies = fixture.ask(&[&line, "bob#deregister"]);
    replies.remove(0)
}

#[test]
fn messages_for_newcomers_stay_on_the_disk_until_newer_ones_push_them_out() {
    let mut fixture = fixture();
    for _ in 0..6 {
        fixture.fill();
        let last = fixture.opened.state.last().as_u64();
        let on_disk: Vec<u64> =
            segments(fixture.directory.path()).into_values().flatten().collect();
        let missing = (last - last.min(KEEP) + 1..=last).find(|seq| !on_disk.contains(seq));
        assert_eq!(missing, None, "{on_disk:?}");
    }
    let serials = fixture.serials();
    assert!(serials[0] > 1 && serials.len() > 2, "older segments are removed: {serials:?}");
    let mut fixture = fixture.start_again();
    let next = fixture.opened.state.last().as_u64() + 1;
    for (last, given) in [(0, 0), (1, 1), (KEEP, KEEP), (2 * KEEP, KEEP)] {
        let reply = registered(&mut fixture, last);
        assert!(reply.contains(&format!(" next={} ", next - given)), "{reply}");
        assert!(reply.ends_with(&format!(" last={given}")), "{reply}");
    }
}

#[test]
fn a_segment_without_later_messages_stays_for_newcomers_until_its_messages_expire() {
    let mut fixture = fixture();
    fixture.ask(&["alice#msend a", "alice#msend b"]);
    while fixture.newest() < 5 {
        registered(&mut fixture, 0);
    }
    (0..10).for_each(|_| drop(fixture.ask(&[])));
    assert_eq!(fixture.serials(), [1, 2, 3, 4, 5]);
    let mut fixture = fixture.start_again();
    let reply = registered(&mut fixture, 9);
    assert!(reply.ends_with(" last=2"), "{reply}");
    fixture.now += 60_001;
    (0..10).for_each(|_| drop(fixture.ask(&[])));
    assert_eq!(fixture.serials(), [6]);
}

#[test]
fn messages_for_newcomers_have_their_ages_after_a_start() {
    let mut fixture = fixture();
    (0..6).for_each(|_| drop(fixture.ask(&["alice#msend text"])));
    let third = fixture.opened.state.lines(Seq::new(2)).next().unwrap().2;
    let mut fixture = fixture.start_again();
    fixture.now = third.as_u64() + 60_000 - 1;
    let reply = registered(&mut fixture, 9);
    assert!(reply.contains(" next=3 ") && reply.ends_with(" last=4"), "{reply}");
    let reply = registered(&mut fixture, 9);
    assert!(reply.contains(" next=4 ") && reply.ends_with(" last=3"), "{reply}");
}

#[test]
fn a_newcomer_that_has_not_acknowledged_gets_its_past_after_a_start() {
    let mut fixture = fixture();
    fixture.fill();
    let last = fixture.opened.state.last().as_u64();
    fixture.ask(&["bob#register 9001 acks=1 last=3"]);
    (0..4).for_each(|_| fixture.fill()); // More than newcomers may get.
    let start = Seq::new(last - 3);
    let bob = |fixture: &RetentionFixture| {
        let bob = fixture.opened.state.member_state("bob").unwrap();
        (bob.start, bob.acked, bob.registered_at)
    };
    assert_eq!(bob(&fixture), (start, start, Seq::new(last)));
    let mut fixture = fixture.start_again().start_again();
    assert_eq!(bob(&fixture), (start, start, Seq::new(last)));
    let missed = fixture.opened.state.last().above(start);
    let reply = fixture.bob_has(0);
    assert!(reply.contains(&format!(" missed={missed} expired=0 ")), "{reply}");
}
