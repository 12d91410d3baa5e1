//! Members that are away for too long, and what keeps the backlog full, in the simple coordinator.

use groupcast::group::Rules;
use groupcast::limits::Overflow;

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
        let due = self.members.iter().filter(|(id, member)| {
            let is_away =
                member.link.is_none() && member.reconnecting.is_none() && !self.here.returns(id);
            is_away && !member.presence.is_online && is_due(member.presence.since)
        });
        for id in due.map(|(id, _)| id.clone()).collect::<Vec<String>>() {
            self.record_peak(&id);
            self.members.remove(&id);
            self.register_fact(&id, None);
            self.cover(CoveragePoint::MemberForgotten);
        }
    }

    /// Takes the settings of a changed config file.
    pub(crate) fn take_rules(&mut self, rules: &Rules) {
        self.ttl_grew |= rules.ttl_ms > self.rules.ttl_ms;
        self.switch_announcements(rules.presence_delay_ms.is_some());
        let access = self.rules.access.take();
        self.rules = Rules { access, ..rules.clone() };
    }

    /// Other settings are in force from now on.
    pub(crate) fn rules_changed(&mut self, rules: &Rules, now: u64) {
        let (before, front) = (self.rules.ttl_ms, self.front);
        let Rules { line_bytes_max, listening, .. } = self.rules;
        self.take_rules(&Rules { line_bytes_max, listening, ..rules.clone() });
        self.expire(now);
        if self.front > front {
            self.cover(CoveragePoint::ExpiredByReload);
        }
        if self.rules.ttl_ms > before && front > 1 {
            self.cover(CoveragePoint::TtlMadeLonger);
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

    /// Makes room for a line of so many bytes, or refuses it.
    pub(crate) fn make_room(&mut self, bytes: u64) -> Result<(), u16> {
        if self.is_crowded(bytes) {
            self.cover(CoveragePoint::SenderHeldNothingUp);
        }
        match self.room_for(bytes) {
            Ok(front) if front > self.front => {
                self.front = front;
                self.cover(CoveragePoint::OldestDropped);
            }
            Ok(_) => (),
            Err(holders) => {
                self.holders = holders;
                self.cover(CoveragePoint::BacklogFull);
                return Err(507);
            }
        }
        Ok(())
    }

    /// Returns true if a line of so many bytes has room only as some members may not receive.
    fn is_crowded(&self, bytes: u64) -> bool {
        let muted = self.members.values().filter(|member| !member.receives);
        let Some(lowest) = muted.map(|member| member.muted_after).min() else { return false };
        let messages = (self.front.max(lowest + 1)..=self.life().last())
            .map(|seq| self.life().message(seq).line.len() as u64);
        messages.sum::<u64>() + bytes > self.rules.backlog_bytes_max && self.room_for(bytes).is_ok()
    }

    /// Returns the first number that stays if a line of so many bytes is accepted, or all forms in
    /// which a refusal may name the cause.
    pub(crate) fn room_for(&self, bytes: u64) -> Result<u64, Vec<String>> {
        let last = self.life().last();
        let lowest = self.members.values().map(|member| member.acked).min().unwrap_or(last);
        let mut oldest = self.front.max(lowest + 1);
        let kept = |from: u64| -> u64 {
            let kept = (from..=last).map(|seq| self.life().message(seq));
            let kept = kept.filter(|message| !message.is_lost);
            kept.map(|message| message.line.len() as u64).sum::<u64>() + bytes
        };
        if kept(oldest) <= self.rules.backlog_bytes_max {
            return Ok(self.front);
        }
        if self.rules.overflow == Overflow::Reject {
            return Err(self.holders(kept(oldest) - bytes));
        }
        while kept(oldest) > self.rules.backlog_bytes_max {
            oldest += 1;
        }
        if oldest > self.life().released + 1 {
            return Err(vec![" the newest messages wait for the disk: ".to_owned()]);
        }
        Ok(oldest)
    }

    /// Returns all forms in which a refusal may name the cause of a full backlog: the members that
    /// need the oldest message, and the bytes kept for them.
    fn holders(&self, bytes: u64) -> Vec<String> {
        let lowest = self.members.values().map(|member| member.acked).min();
        let holders = self.members.iter().filter(|(_, member)| Some(member.acked) == lowest);
        holders.map(|(id, _)| format!(" {id} has not acked {bytes} bytes: ")).collect()
    }
}
