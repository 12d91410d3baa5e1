//! The bound of the backlog at a site: other sites accept messages, too.

use super::sites::ReadingSite;
use super::*;
use crate::group::{ConnId, Effect};

const BACKLOG_BYTES_MAX: u64 = 60;
const TEXT: &str = "twenty bytes of text";

/// A serving site, and the visit of bob, whose messages ann needs. Both are at another site.
fn serving(overflow: Overflow) -> (ReadingSite, MemberVisit) {
    let rules = Rules { backlog_bytes_max: BACKLOG_BYTES_MAX, overflow, ..rules() };
    let mut site = ReadingSite::serving(rules);
    let enter = |id| ListRecord::Enter { owner: of_ip(), address: address(), start: Seq::ZERO, id };
    put(&mut site, 1, &[ListRecord::Life]);
    put(&mut site, 2, &[enter("ann"), enter("bob")]);
    let visit = site.journal.list().homes().of("bob").unwrap().visit;
    (site, visit)
}

fn put(site: &mut ReadingSite, number: u64, records: &[ListRecord<'_>]) {
    let entry = encode(&header("cairo", number, site.journal.list()), records);
    site.read(&entry);
}

fn say(visit: MemberVisit) -> ListRecord<'static> {
    ListRecord::Say { visit: Some(visit), number: None, id: "bob", text: Text::from(TEXT) }
}

/// Returns the clients that were refused because the backlog is full.
fn refused(site: &mut ReadingSite) -> Vec<usize> {
    let effects = std::iter::from_fn(|| site.group.poll_effect());
    let replies = effects.filter_map(|effect| {
        let Effect::Reply { to, reply, .. } = effect else { return None };
        Some((to.0, reply.to_string()))
    });
    let refused = replies.filter(|(_, reply)| reply.starts_with("ERR 507 backlog full"));
    refused.map(|(conn, _)| conn).collect()
}

#[test]
fn texts_that_wait_are_refused_while_the_backlog_is_full_and_other_proposals_are_not() {
    let (mut site, visit) = serving(Overflow::Reject);
    let acked = ListRecord::Acked { visit, acked: Seq::new(1), id: "bob" };
    let before = of_ip();
    let leave = ListRecord::Leave { before, visit, is_forgotten: false, id: "eve" };
    let request = |conn| Some(Ticket::Request(ConnId(conn)));
    let propose = |site: &mut ReadingSite| {
        let proposals = &mut site.journal.proposals;
        proposals.add(&say(visit), request(1));
        proposals.add(&acked, None);
        proposals.add(&leave, request(2));
        proposals.add(&say(visit), request(1));
        // The replies to a client keep their order.
        proposals.add(&say(visit), request(2));
    };
    propose(&mut site);
    let batch = site.commit();
    assert_eq!(ListBatch::read(&batch).unwrap().records().count(), 5, "there is room");
    site.read(&batch);
    assert!(refused(&mut site).is_empty());
    assert!(site.group.gauges().history_bytes >= BACKLOG_BYTES_MAX, "{:?}", site.group.gauges());
    propose(&mut site);
    let batch = site.commit();
    let records: Vec<_> = ListBatch::read(&batch).unwrap().records().collect();
    assert_eq!(records, [acked, leave, say(visit)]);
    assert_eq!(refused(&mut site), [1, 1]);
    assert_eq!(site.journal.waiting_bytes(), 0);
}

#[test]
fn the_oldest_messages_are_dropped_though_another_site_has_accepted_the_newest() {
    let (mut site, visit) = serving(Overflow::DropOldest);
    for number in 3..20 {
        put(&mut site, number, &[say(visit)]);
        let held = site.group.gauges().history_bytes;
        assert!(held <= BACKLOG_BYTES_MAX, "{held} bytes after batch {number}");
    }
    assert!(site.group.gauges().history_messages > 0);
    assert_eq!(site.group.stats().dropped, 17 - site.group.gauges().history_messages);
}
