//! Ids of members by their owners, for the limit `ids`.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ptr;
use std::sync::Arc;

use super::AccessTable;
use super::deciding::RulesNumber;
use crate::protocol::PeerName;

/// Ids of all members, and of registrations under way, by their owners. An id counts once.
#[derive(Debug, Default)]
pub struct OwnedIds {
    /// An id is here twice if a fact of another coordinator makes a member of an id that registers
    /// here.
    ids: Multiset<(PeerName, Box<str>)>,
    /// Rules that tell the `counts` apart. `None` if nothing is counted.
    table: Option<Arc<AccessTable>>,
    /// Owners, as often as they have an id that these rules decide about.
    counts: Multiset<(PeerName, RulesNumber)>,
}

/// Values, each with the number of times that it was added.
#[derive(Debug)]
struct Multiset<T>(BTreeMap<T, usize>);

impl<T> Default for Multiset<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Ord> Multiset<T> {
    /// Adds a value. Returns true for the first one.
    fn add(&mut self, value: T) -> bool {
        let count = self.0.entry(value).or_default();
        *count = count.saturating_add(1);
        *count == 1
    }

    /// Removes a value once. Returns true for the last one.
    fn remove(&mut self, value: T) -> bool {
        let Entry::Occupied(mut entry) = self.0.entry(value) else { return false };
        let left = entry.get().saturating_sub(1);
        if left > 0 {
            *entry.get_mut() = left;
        } else {
            entry.remove();
        }
        left == 0
    }
}

impl OwnedIds {
    /// Counts the ids by these rules from now on. Linear in the ids.
    pub fn count_by(&mut self, table: Arc<AccessTable>) {
        let mut counts = Multiset::default();
        for (owner, id) in self.all() {
            counts.add((owner, table.number_of(id)));
        }
        (self.table, self.counts) = (Some(table), counts);
    }

    /// Adds an id.
    pub fn add(&mut self, owner: PeerName, id: &str) {
        if self.ids.add((owner, id.into()))
            && let Some(table) = &self.table
        {
            self.counts.add((owner, table.number_of(id)));
        }
    }

    /// Removes an id. An id that was added twice stays until it is removed twice.
    pub fn remove(&mut self, owner: PeerName, id: &str) {
        if self.ids.remove((owner, id.into()))
            && let Some(table) = &self.table
        {
            self.counts.remove((owner, table.number_of(id)));
        }
    }

    /// Returns the number of ids of an owner that the same rules of `table` decide about. These
    /// must be the rules of the last [`OwnedIds::count_by`].
    pub(super) fn count(&self, table: &AccessTable, owner: PeerName, rules: RulesNumber) -> usize {
        let is_counted = self.table.as_ref().is_some_and(|counted| ptr::eq(&**counted, table));
        debug_assert!(is_counted, "the ids are counted by the rules that decide");
        self.counts.0.get(&(owner, rules)).copied().unwrap_or_default()
    }

    /// Returns the ids of an owner, in byte order.
    pub fn of(&self, owner: PeerName) -> impl Iterator<Item = &str> {
        let all = self.ids.0.range((owner, Box::default())..).map(|(key, _)| key);
        all.take_while(move |(other, _)| *other == owner).map(|(_, id)| &**id)
    }

    /// Returns all ids with their owners.
    pub fn all(&self) -> impl Iterator<Item = (PeerName, &str)> {
        self.ids.0.keys().map(|(owner, id)| (*owner, &**id))
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
