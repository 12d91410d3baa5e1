//! State of the members in numbers, for the metrics and the status page.

use std::net::SocketAddr;

use super::Group;
use crate::protocol::Seq;
use crate::time::Millis;

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
            is_online: member.link.is_some(),
            address: member.address,
            since_ms: now.since(member.presence.since()),
            pending,
            pending_bytes: match pending {
                0 => 0,
                _ => state.history.bytes_from(member.acked().next().max(state.history.front())),
            },
            lag_ms: oldest.map_or(0, |accepted| now.since(accepted)),
        }
    })
}

/// Returns the member for which the most messages wait, and their number. The first one in byte
/// order, if there are several. `None` if no message waits for a member.
#[must_use]
pub fn deepest_member(group: &Group) -> Option<(&str, u64)> {
    let state = &group.state;
    let all = state.members.sorted().map(|member| (&*member.id, member.pending(&state.history)));
    all.filter(|(_, pending)| *pending > 0)
        .reduce(|deepest, other| if other.1 > deepest.1 { other } else { deepest })
}

/// Returns the time at which a kept message was accepted.
#[must_use]
pub fn accepted_at(group: &Group, seq: Seq) -> Option<Millis> {
    group.state.history.accepted_at(seq)
}
