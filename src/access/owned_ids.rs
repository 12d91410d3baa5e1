//! Ids of members by their owners, for the limit `ids`.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::protocol::PeerName;

/// Ids of all members, and of registrations under way, by their owners. An id counts once.
#[derive(Debug, Default)]
pub struct OwnedIds {
    /// Number of members and of registrations under way: a fact of another coordinator can make a
    /// member of an id that registers here.
    ids: BTreeMap<(PeerName, Box<str>), u32>,
}

impl OwnedIds {
    /// Adds an id.
    pub fn add(&mut self, owner: PeerName, id: &str) {
        let count = self.ids.entry((owner, id.into())).or_default();
        *count = count.saturating_add(1);
    }

    /// Removes an id. An id that was added twice stays until it is removed twice.
    pub fn remove(&mut self, owner: PeerName, id: &str) {
        if let Entry::Occupied(mut entry) = self.ids.entry((owner, id.into())) {
            match entry.get().checked_sub(1).filter(|left| *left > 0) {
                Some(left) => *entry.get_mut() = left,
                None => {
                    entry.remove();
                }
            }
        }
    }

    /// Returns the ids of an owner, in byte order.
    pub fn of(&self, owner: PeerName) -> impl Iterator<Item = &str> {
        let all = self.ids.range((owner, Box::default())..).map(|(key, _)| key);
        all.take_while(move |(other, _)| *other == owner).map(|(_, id)| &**id)
    }

    /// Returns all ids with their owners.
    pub fn all(&self) -> impl Iterator<Item = (PeerName, &str)> {
        self.ids.keys().map(|(owner, id)| (*owner, &**id))
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
        ids.remove(owners[2], "id-1");
        assert_eq!(ids.of(owners[2]).collect::<Vec<_>>(), ["id-0"]);
        assert_eq!(ids.of(owners[3]).count(), 3);
        for owner in owners {
            for id in 0..3 {
                ids.remove(owner, &format!("id-{id}"));
                ids.remove(owner, &format!("id-{id}"));
            }
        }
        assert_eq!(ids.all().count(), 0);
    }

    /// The facts of another coordinator can make a member of an id that registers here, and end it.
    #[test]
    fn an_id_of_a_member_and_of_a_registration_is_one_id_until_both_have_ended() {
        let (mut ids, owner) = (OwnedIds::default(), PeerName::Key(KeyName([0; 32])));
        ids.add(owner, "ann");
        ids.add(owner, "ann");
        assert_eq!(ids.of(owner).collect::<Vec<_>>(), ["ann"]);
        ids.remove(owner, "ann");
        assert_eq!(ids.of(owner).collect::<Vec<_>>(), ["ann"]);
        ids.remove(owner, "ann");
        assert_eq!(ids.all().count(), 0);
    }
}
