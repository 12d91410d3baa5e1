//! Homes: the site of each member, and its current visit there.

use std::collections::BTreeMap;

use super::names::{MemberVisit, SiteName};
use crate::protocol::Seq;

/// Site of a member, and its visit there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    /// Site at which the member was last.
    pub site: SiteName,
    /// Visit that counts now.
    pub visit: MemberVisit,
    /// True until the member goes, or its site.
    pub is_online: bool,
    /// Cursor as the list tells it. The member's own site may know a higher one.
    pub acked: Seq,
}

/// Homes of all members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Homes(BTreeMap<Box<str>, Home>);

impl Homes {
    /// Returns the home of a member.
    #[must_use]
    pub fn of(&self, id: &str) -> Option<&Home> {
        self.0.get(id)
    }

    /// Returns all homes, in the order of the ids.
    pub fn all(&self) -> impl Iterator<Item = (&str, &Home)> {
        self.0.iter().map(|(id, home)| (&**id, home))
    }

    /// Returns true if this is the member's current visit.
    #[must_use]
    pub fn is_current(&self, id: &str, visit: MemberVisit) -> bool {
        self.0.get(id).is_some_and(|home| home.visit == visit)
    }

    pub(super) fn set(&mut self, id: &str, home: Home) {
        match self.0.get_mut(id) {
            Some(known) => *known = home,
            None => drop(self.0.insert(id.into(), home)),
        }
    }

    pub(super) fn remove(&mut self, id: &str) {
        self.0.remove(id);
    }

    pub(super) fn set_offline(&mut self, id: &str) {
        if let Some(home) = self.0.get_mut(id) {
            home.is_online = false;
        }
    }

    pub(super) fn raise_acked(&mut self, id: &str, acked: Seq) {
        if let Some(home) = self.0.get_mut(id) {
            home.acked = home.acked.max(acked);
        }
    }

    /// Marks all members at a site as offline. Returns their ids.
    pub(super) fn end_visits(&mut self, site: &SiteName) -> Vec<Box<str>> {
        let at_site = self.0.iter_mut().filter(|(_, home)| home.is_online && home.site == *site);
        let ended = at_site.map(|(id, home)| {
            home.is_online = false;
            id.clone()
        });
        ended.collect()
    }
}
