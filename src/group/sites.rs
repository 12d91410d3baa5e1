//! Several sites that form one group: members that are at other sites.

use super::Group;
use super::ids::Ticket;
use crate::facts::{MemberSite, Replicated};
use crate::protocol::Seq;
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
}

/// Notes that a member is at this site, or at another one.
pub(super) fn locate(group: &mut Group, id: &str, site: MemberSite) {
    let Some(slot) = group.state.members.find(id) else { return };
    let now = group.now;
    group.state.members.locate(slot, site, now);
    group.state.announcements.joined(id, site != MemberSite::Here);
    group.state.update_announcement(id);
}
