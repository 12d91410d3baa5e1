//! Members that are away for too long, and what keeps the backlog full, in the simple coordinator.

use crate::coverage::CoveragePoint;
use crate::model::Model;

/// A member is online or offline, since this time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Presence {
    pub(crate) is_online: bool,
    pub(crate) since: u64,
}

impl Model {
    /// Every turn: members that were offline for too long are members no more.
    pub(crate) fn tick(&mut self, now: u64) {
        let after = self.rules.forget_after_ms;
        if after == 0 || self.is_failing || self.is_full {
            return;
        }
        let is_due = |since: u64| since + after <= now;
        let due = self.members.iter().filter(|(_, member)| {
            let is_away = member.link.is_none() && member.reconnecting.is_none();
            is_away && !member.presence.is_online && is_due(member.presence.since)
        });
        for id in due.map(|(id, _)| id.clone()).collect::<Vec<String>>() {
            self.record_peak(&id);
            self.members.remove(&id);
            self.register_fact(&id, None);
            self.cover(CoveragePoint::MemberForgotten);
        }
    }

    /// Marks each member with a message socket as online, and the others as offline, after every
    /// input.
    pub(crate) fn update_offline(&mut self, now: u64) {
        for member in self.members.values_mut() {
            let is_online = member.link.is_some();
            if is_online != member.presence.is_online {
                member.presence = Presence { is_online, since: now };
            }
        }
    }

    /// Returns all forms in which a refusal may name the cause of a full backlog: the members that
    /// need the oldest message, and the bytes kept for them.
    pub(crate) fn holders(&self, bytes: u64) -> Vec<String> {
        let lowest = self.members.values().map(|member| member.acked).min();
        let holders = self.members.iter().filter(|(_, member)| Some(member.acked) == lowest);
        holders.map(|(id, _)| format!(" {id} has not acked {bytes} bytes: ")).collect()
    }
}
