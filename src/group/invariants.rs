//! Invariants of a group, checked by tests after every input.

use std::collections::BTreeSet;

use super::links::Link;
use super::recorded::RecordedState;
use super::registration::Registration;
use super::{Group, Network};
use crate::protocol::PeerName;

/// Checks all invariants of a group.
pub(super) fn check(group: &Group) {
    let (RecordedState { members, history, announcements, epochs, .. }, links) =
        (&group.state, &group.links);
    let mut linked = 0_usize;
    for member in members.sorted() {
        assert!(member.acked() <= history.last(), "a cursor is a seq that was given out");
        let Registration { at, start } = member.registration;
        assert!(start <= member.acked(), "a cursor is not before the start");
        assert!(start <= at, "no member starts after its registration");
        for link in [member.link, member.reconnecting].into_iter().flatten() {
            assert!(links.at(link).is_some(), "a member's link exists");
            linked = linked.saturating_add(1);
        }
        if let Some((slot, outbound)) = member.link.and_then(|link| links.open(link)) {
            assert_eq!(
                members.find(&member.id),
                Some(slot),
                "a message socket belongs to its member"
            );
            assert!(member.acked() <= outbound.sent(), "delivered messages were sent");
            assert!(outbound.reaches(history.front()), "a dropped message is never sent");
            assert!(member.access.receives || outbound.is_mute(), "only a right to receive counts");
        }
    }
    let known = members.known_lowest().map(|(_, acked)| acked);
    assert!(
        known.is_none() || known == members.lowest_acked(),
        "the known lowest cursor is the lowest"
    );
    let counted = members.sorted().filter(|it| Network::of(it.address.ip()).is_some());
    let registering = links.registering.values().filter_map(|link| links.at(*link));
    let registering = registering.filter(|link| link.is_counted()).count();
    let counted = counted.count().saturating_add(registering);
    assert_eq!(counted, members.per_address.total(), "each member is counted at its address");
    let registering = links.registering.iter().filter_map(|(id, link)| match links.at(*link)? {
        Link::Connecting(connect_back) => Some((connect_back.owner, &**id)),
        Link::Open { .. } => None,
    });
    let owned = members.sorted().map(|member| (member.access.owner, &*member.id));
    let owned: BTreeSet<(PeerName, &str)> = owned.chain(registering).collect();
    assert!(members.owned.all().eq(owned), "each id is counted for its owner");
    assert!(members.is_offline_in_order(), "the list of offline members is complete");
    let ids = members.sorted().map(|member| &*member.id);
    assert!(announcements.is_in_order(ids), "the list of due announcements is complete");
    let is_connecting = |link| matches!(links.at(link), Some(Link::Connecting(_)));
    assert!(epochs.deferred().all(is_connecting), "a connect-back that has ended is not deferred");
    let linked = linked.saturating_add(links.registering.len());
    assert_eq!(linked, links.len(), "every link has a member or a registration");
}
