//! What must hold in a group whatever has happened to it.

use super::{Group, Network};

impl Group {
    /// What must hold whatever happened, linear in the members: for tests, after every input. What
    /// costs next to nothing is looked at by [`Group::handle`] itself in debug builds.
    ///
    /// # Panics
    ///
    /// If it does not: that is a bug here.
    pub fn check(&self) {
        let mut links = 0_usize;
        for member in self.members.sorted() {
            assert!(member.acked() <= self.history.last(), "a place is a number given out");
            assert!(member.registered_at <= member.acked(), "nothing from before registration");
            for link in [member.link, member.reconnecting].into_iter().flatten() {
                assert!(self.links.at(link).is_some(), "a member's link is a link");
                links = links.saturating_add(1);
            }
            if let Some((slot, outbound)) = member.link.and_then(|link| self.links.open(link)) {
                assert_eq!(self.members.find(&member.id), Some(slot), "and is its own");
                assert!(member.acked() <= outbound.sent(), "what counts as delivered was sent");
                assert!(outbound.reaches(self.history.front()), "lost is never offered");
            }
        }
        let known = self.members.known_lowest().map(|(_, acked)| acked);
        assert!(known.is_none() || known == self.members.lowest_acked(), "nobody is lower");
        let counted = self.members.sorted().filter(|it| Network::of(it.address.ip()).is_some());
        let registering = self.registering.values().filter_map(|link| self.links.at(*link));
        let registering = registering.filter(|link| link.is_counted()).count();
        let counted = counted.count().saturating_add(registering);
        assert_eq!(counted, self.members.per_address.total(), "each is counted at its address");
        assert!(self.members.is_offline_in_order(), "whoever is away is known to be");
        let links = links.saturating_add(self.registering.len());
        assert_eq!(links, self.links.len(), "every link belongs to somebody");
    }
}
