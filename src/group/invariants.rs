//! Invariants of a group, checked by tests after every input.

use super::{Group, Network};

impl Group {
    /// Checks all invariants. Linear in the members. [`Group::handle`] checks the cheap ones itself
    /// in debug builds.
    ///
    /// # Panics
    ///
    /// If an invariant is broken: a bug in the group.
    pub fn check(&self) {
        let mut links = 0_usize;
        for member in self.members.sorted() {
            assert!(member.acked() <= self.history.last(), "a cursor is a seq that was given out");
            assert!(
                member.registered_at <= member.acked(),
                "a cursor is not before the registration"
            );
            for link in [member.link, member.reconnecting].into_iter().flatten() {
                assert!(self.links.at(link).is_some(), "a member's link exists");
                links = links.saturating_add(1);
            }
            if let Some((slot, outbound)) = member.link.and_then(|link| self.links.open(link)) {
                assert_eq!(
                    self.members.find(&member.id),
                    Some(slot),
                    "a message socket belongs to its member"
                );
                assert!(member.acked() <= outbound.sent(), "delivered messages were sent");
                assert!(outbound.reaches(self.history.front()), "a dropped message is never sent");
            }
        }
        let known = self.members.known_lowest().map(|(_, acked)| acked);
        assert!(
            known.is_none() || known == self.members.lowest_acked(),
            "the known lowest cursor is the lowest"
        );
        let counted = self.members.sorted().filter(|it| Network::of(it.address.ip()).is_some());
        let registering = self.links.registering.values().filter_map(|link| self.links.at(*link));
        let registering = registering.filter(|link| link.is_counted()).count();
        let counted = counted.count().saturating_add(registering);
        assert_eq!(
            counted,
            self.members.per_address.total(),
            "each member is counted at its address"
        );
        assert!(self.members.is_offline_in_order(), "the list of offline members is complete");
        let links = links.saturating_add(self.links.registering.len());
        assert_eq!(links, self.links.len(), "every link has a member or a registration");
    }
}
