//! Several sites that form one group: members that are at other sites.

use super::Group;
use super::apply::withdraw;
use super::backlog::{drop_oldest, full_backlog, refuse_full};
use super::ids::{MemberSlot, Ticket};
use crate::facts::{Fact, MemberSite, Replicated};
use crate::limits::Overflow;
use crate::protocol::{BacklogHolder, Seq};
use crate::time::Millis;

impl Replicated for Group {
    fn start_of_newcomer(&self, past: u64, now: Millis) -> Seq {
        self.state.history.start_of_newcomer(past, now)
    }

    fn is_online_here(&self, id: &str) -> bool {
        self.state.members.of(id).is_some_and(|member| member.link.is_some())
    }

    fn is_timed(ticket: Ticket) -> bool {
        match ticket {
            Ticket::Forgotten => true,
            Ticket::Request(_) | Ticket::Link(_) | Ticket::Nobody => false,
        }
    }

    fn is_full(&mut self) -> bool {
        self.rules.overflow == Overflow::Reject && full_backlog(self, 1).is_some()
    }

    fn refuse_full(&mut self, fact: Fact<'_>, ticket: Ticket) {
        let holder = full_backlog(self, 1).unwrap_or(BacklogHolder::Journal);
        let refusal = refuse_full(self, holder, self.now);
        withdraw(self, fact, ticket, refusal);
    }

    fn drop_excess(&mut self) {
        if self.rules.overflow == Overflow::DropOldest {
            drop_oldest(self, 0, self.now);
        }
    }
}

/// Notes that a member is at this site, or at another one.
pub(super) fn locate(group: &mut Group, id: &str, name: &str, site: MemberSite) {
    let Some(slot) = group.state.members.find(id) else { return };
    let now = group.now;
    group.state.members.locate(slot, (name, site), now);
    group.state.announcements.joined(id, site != MemberSite::Here);
    group.state.update_announcement(id);
}

/// Returns the name of the site of a member; `None` if there is one coordinator only.
#[must_use]
pub fn site_of<'a>(group: &'a Group, id: &str) -> Option<&'a str> {
    let members = &group.state.members;
    members.site_names.of(members.find(id)?)
}

/// Names of the sites of the members. A name stays until the process ends, and a group has at most
/// `SITES_MAX` of them.
#[derive(Debug, Default)]
pub(super) struct SiteNames {
    names: Vec<Box<str>>,
    /// Index of the name of each member's site, by the index of its slot. The next member of a slot
    /// is located before anybody asks.
    by_slot: Vec<Option<usize>>,
}

impl SiteNames {
    /// Keeps the name of the site of a member.
    pub(super) fn set(&mut self, slot: MemberSlot, name: &str) {
        let known = self.names.iter().position(|known| **known == *name);
        let found = known.unwrap_or_else(|| {
            self.names.push(name.into());
            self.names.len().saturating_sub(1)
        });
        let index = slot.index();
        if self.by_slot.len() <= index {
            self.by_slot.resize(index.saturating_add(1), None);
        }
        if let Some(known) = self.by_slot.get_mut(index) {
            *known = Some(found);
        }
    }

    fn of(&self, slot: MemberSlot) -> Option<&str> {
        let found = (*self.by_slot.get(slot.index())?)?;
        self.names.get(found).map(|name| &**name)
    }
}
