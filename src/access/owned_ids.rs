//! Ids of members by their owners, for the limit `ids`.

use std::collections::BTreeSet;

use crate::protocol::PeerName;

/// Ids of all members, and of registrations under way, by their owners.
#[derive(Debug, Default)]
pub struct OwnedIds {
    ids: BTreeSet<(PeerName, Box<str>)>,
}

impl OwnedIds {
    /// Adds an id.
    pub fn add(&mut self, owner: PeerName, id: &str) {
        self.ids.insert((owner, id.into()));
    }

    /// Removes an id.
    pub fn remove(&mut self, owner: PeerName, id: &str) {
        self.ids.remove(&(owner, id.into()));
    }

    /// Returns the ids of an owner, in byte order.
    pub fn of(&self, owner: PeerName) -> impl Iterator<Item = &str> {
        let all = self.ids.range((owner, Box::default())..);
        all.take_while(move |(other, _)| *other == owner).map(|(_, id)| &**id)
    }

    /// Returns all ids with their owners.
    pub fn all(&self) -> impl Iterator<Item = (PeerName, &str)> {
        self.ids.iter().map(|(owner, id)| (*owner, &**id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::KeyName;

    #[test]
    fn the_ids_of_an_owner_are_found_and_no_others() {
        let mut ids = OwnedIds::default();
        let owners = [
            PeerName::Address([10, 0, 0, 1].into()),
            PeerName::Address([10, 0, 0, 2].into()),
            PeerName::Key(KeyName([0; 32])),
            PeerName::Key(KeyName([1; 32])),
        ];
        for (number, owner) in owners.into_iter().enumerate() {
            for id in 0..number {
                ids.add(owner, &format!("id-{id}"));
                ids.add(owner, &format!("id-{id}"));
            }
        }
        for (number, owner) in owners.into_iter().enumerate() {
            let expected: Vec<String> = (0..number).map(|id| format!("id-{id}")).collect();
            assert_eq!(ids.of(owner).collect::<Vec<_>>(), expected, "{owner}");
        }
        ids.remove(owners[2], "id-1");
        assert_eq!(ids.of(owners[2]).collect::<Vec<_>>(), ["id-0"]);
        assert_eq!(ids.of(owners[3]).count(), 3);
        for owner in owners {
            for id in 0..3 {
                ids.remove(owner, &format!("id-{id}"));
            }
        }
        assert_eq!(ids.all().count(), 0);
    }
}
