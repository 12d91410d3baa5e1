//! Presence in a group of several sites, and members that are forgotten.

use support::Timer;
use support::member::Member;

use crate::group::{found_with, start_with};
use crate::servers::{LONG, Servers};

const PRESENCE: &[&str] = &["presence=yes", "presence_delay=0.1"];

/// Reads the next announcement.
#[track_caller]
fn announced(member: &mut Member, expected: &str) {
    let line = member.socket().line_within(Timer::start(LONG)).unwrap();
    assert_eq!(line.rsplit('#').next(), Some(expected), "{line}");
}

#[test]
fn the_members_of_a_killed_site_are_announced_by_another_one_and_forgotten() {
    let Some(servers) = Servers::start(1, "") else { return };
    found_with(&servers, PRESENCE);
    let options = [PRESENCE, &["forget_after=1"]].concat();
    let oslo = start_with(&servers, "oslo", &options);
    let cairo = start_with(&servers, "cairo", &options);
    let mut ann = oslo.join("ann", "acks=1");
    announced(&mut ann, "ann registered");
    let bob = cairo.join("bob", "acks=1");
    announced(&mut ann, "bob registered");
    let mut operator = oslo.client();
    operator.until_member("bob", |line| line.contains(" online "));
    cairo.kill();
    announced(&mut ann, "bob offline");
    announced(&mut ann, "bob deregistered");
    assert_eq!(operator.member("bob"), None);
    drop(bob);
}

#[test]
fn a_site_announces_its_own_members_once() {
    let Some(servers) = Servers::start(1, "") else { return };
    found_with(&servers, PRESENCE);
    let oslo = start_with(&servers, "oslo", PRESENCE);
    let cairo = start_with(&servers, "cairo", PRESENCE);
    let mut ann = oslo.join("ann", "acks=1");
    announced(&mut ann, "ann registered");
    let mut bob = cairo.join("bob", "acks=1");
    announced(&mut ann, "bob registered");
    announced(&mut bob, "bob registered");
    bob.check("disconnect", "OK disconnect");
    announced(&mut ann, "bob offline");
    let since = format!("acks=1 since={}:2", bob.epoch());
    let mut moved = Member::come_back(&oslo, "bob", &since);
    announced(&mut ann, "bob online");
    announced(&mut moved, "bob offline");
    announced(&mut moved, "bob online");
    moved.check("deregister", "OK deregister");
    announced(&mut ann, "bob deregistered");
}
