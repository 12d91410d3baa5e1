//! Sites as their operators see them: lists, metrics, status, and what a site reads again.

use support::member::Member;

use crate::group::{founded, start};

#[test]
fn members_names_the_site_of_each_member_at_all_sites() {
    let Some(servers) = founded(1) else { return };
    let (oslo, cairo) = (start(&servers, "oslo"), start(&servers, "cairo"));
    let (ann, bob) = (oslo.join("ann", "acks=1"), cairo.join("bob", "acks=1"));
    for site in [&oslo, &cairo] {
        let mut client = site.client();
        client.until_member("ann", |line| line.ends_with(" site=oslo"));
        client.until_member("bob", |line| line.ends_with(" site=cairo"));
    }
    let _moved = Member::come_back(&cairo, "ann", "acks=1");
    for site in [&oslo, &cairo] {
        site.client().until_member("ann", |line| line.ends_with(" site=cairo"));
    }
    drop((ann, bob));
    cairo.terminate();
    cairo.wait();
    let line = oslo.client().until_member("bob", |line| line.contains(" offline "));
    assert!(line.ends_with(" site=cairo"), "the last site of bob: {line}");
    // A site that begins later knows the sites of all members.
    let quito = start(&servers, "quito");
    quito.client().until_member("ann", |line| line.ends_with(" site=cairo"));
}
