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
            assert!(member.place() <= self.history.last(), "a place is a number given out");
            assert!(member.registered_at <= member.place(), "nothing from before registration");
            for link in [member.link, member.returning].into_iter().flatten() {
                assert!(self.links.at(link).is_some(), "a member's link is a link");
                links = links.saturating_add(1);
            }
            if let Some((slot, outlet)) = member.link.and_then(|link| self.links.open(link)) {
                assert_eq!(self.members.find(&member.id), Some(slot), "and is its own");
                assert!(member.place() <= outlet.sent(), "what counts as delivered was sent");
                assert!(outlet.reaches(self.history.front()), "lost is never offered");
            }
        }
        let known = self.members.known_lowest().map(|(_, place)| place);
        assert!(known.is_none() || known == self.members.lowest_place(), "nobody is lower");
        let counted = self.members.sorted().filter(|it| Network::of(it.address.ip()).is_some());
        let entering = self.entering.values().filter_map(|link| self.links.at(*link));
        let entering = entering.filter(|link| link.counts_at_its_address()).count();
        let counted = counted.count().saturating_add(entering);
        assert_eq!(counted, self.members.per_address.total(), "each is counted at its address");
        assert!(self.members.is_away_in_order(), "whoever is away is known to be");
        let links = links.saturating_add(self.entering.len());
        assert_eq!(links, self.links.len(), "every link belongs to somebody");
    }
}
