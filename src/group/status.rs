//! State of the members in numbers, for the metrics and the status page.

use std::net::SocketAddr;

use super::{Group, LinkId};
use crate::protocol::Seq;

/// State of a member in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberStatus<'a> {
    /// Id of the member.
    pub id: &'a str,
    /// True if the member has a message socket.
    pub is_online: bool,
    /// Address of the last connect-back.
    pub address: SocketAddr,
    /// Milliseconds since the member became online or offline.
    pub since_ms: u64,
    /// Number of kept messages of others after the cursor.
    pub pending: u64,
    /// Encoded bytes from the oldest one of these messages to the newest message.
    pub pending_bytes: u64,
    /// Age of the oldest one of these messages in milliseconds; 0 if there is none.
    pub lag_ms: u64,
    /// Site of the member; `None` if there is one coordinator only.
    #[cfg(feature = "engine")]
    pub site: Option<&'a str>,
}

/// Returns the states of the members whose ids come after `id`, in byte order of the ids.
pub fn member_statuses<'a>(
    group: &'a Group,
    id: Option<&str>,
) -> impl Iterator<Item = MemberStatus<'a>> {
    let Group { ref state, now, .. } = *group;
    state.members.sorted_after(id).map(move |member| {
        let pending = member.pending(&state.history);
        let oldest = member.oldest_pending(&state.history);
        MemberStatus {
            id: &member.id,
            is_online: member.is_online(),
            address: member.address,
            since_ms: now.since(member.presence.since()),
            pending,
            pending_bytes: match pending {
                0 => 0,
                _ => state.history.bytes_from(member.acked().next().max(state.history.front())),
            },
            lag_ms: oldest.map_or(0, |accepted| now.since(accepted)),
            #[cfg(feature = "engine")]
            site: super::site_of(group, &member.id),
        }
    })
}

/// Members for which messages wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WaitingMembers<'a> {
    /// Number of these members.
    pub members: usize,
    /// The member for which the most messages wait, and their number. The first one in byte order,
    /// if there are several.
    pub deepest: Option<(&'a str, u64)>,
}

/// Returns the members for which messages wait. Linear in all members.
#[must_use]
pub fn waiting_members(group: &Group) -> WaitingMembers<'_> {
    let state = &group.state;
    let mut waiting = WaitingMembers::default();
    for member in state.members.sorted() {
        let pending = member.pending(&state.history);
        waiting.members = waiting.members.saturating_add(usize::from(pending > 0));
        if pending > waiting.deepest.map_or(0, |(_, most)| most) {
            waiting.deepest = Some((&member.id, pending));
        }
    }
    waiting
}

/// Returns the time since a message was accepted that is written to a message socket now. `None` if
/// it was accepted before the socket was there: then the time says how long the member was away.
#[must_use]
pub fn written_after(group: &Group, link: LinkId, seq: Seq) -> Option<u64> {
    let is_new = group.links.last_before(link).is_some_and(|last| last < seq);
    let accepted = group.state.history.accepted_at(seq).filter(|_| is_new)?;
    Some(group.now.since(accepted))
}

/// Returns the time since a message was accepted that a member acknowledges now. `None` if the
/// acknowledgement moves no cursor, or the message was accepted before the socket was there.
#[must_use]
pub fn acked_after(group: &Group, link: LinkId, seq: Seq) -> Option<u64> {
    let (slot, outbound) = group.links.open(link)?;
    let member = group.state.members.at(slot)?;
    let moves_cursor = outbound.acks && seq > member.acked() && outbound.was_sent(seq);
    written_after(group, link, seq).filter(|_| moves_cursor)
}
