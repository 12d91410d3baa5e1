//! Delivery: written bytes, acknowledgements and expiry, the cursors that follow from them, and the
//! end of a message socket.

use super::ids::LinkId;
use super::{ChangeKind, Group, OfflineCause};
use crate::facts::JournalPosition;
use crate::protocol::{Bye, Seq};
use crate::time::Millis;

impl Group {
    pub(super) fn on_wrote(&mut self, link: LinkId, bytes: usize) {
        let Some((slot, outbound)) = self.links.open_mut(link) else { return };
        let Some(member) = self.members.at(slot) else { return };
        let deliveries = outbound.wrote(bytes, &self.history, member.own());
        let gone = outbound.skip_missing(&self.history, member.own());
        let acked = (!outbound.acks).then(|| outbound.sent());
        self.stats.gaps = self.stats.gaps.saturating_add(u64::from(gone > 0));
        self.stats.deliveries_out = self.stats.deliveries_out.saturating_add(deliveries);
        self.stats.bytes_out = self.stats.bytes_out.saturating_add(bytes as u64);
        if let Some(acked) = acked {
            self.apply_acked(slot, acked);
        }
    }

    /// Allows all messages up to `through` to be sent.
    pub(super) fn on_committed(&mut self, through: JournalPosition, now: Millis) {
        self.commit(through);
        self.expire(now); // A message that expired before its commit is never sent.
    }

    pub(super) fn on_acknowledged(&mut self, link: LinkId, seq: Seq) {
        let Some((slot, outbound)) = self.links.open_mut(link) else { return };
        let Some(member) = self.members.at(slot) else { return };
        if !outbound.acks || seq <= member.acked() {
            return;
        }
        if outbound.acknowledge(seq) {
            self.apply_acked(slot, seq);
        } else {
            self.on_link_end(link, OfflineCause::BadAck);
        }
    }

    /// Ends a message socket: its member goes offline and keeps its cursor.
    pub(super) fn on_link_end(&mut self, link: LinkId, cause: OfflineCause) {
        let Some((slot, _)) = self.links.open(link) else {
            return self.on_connect_back_end(link, &cause);
        };
        self.stats.record_end(&cause);
        self.close_link(slot, cause.bye());
        if let Some(member) = self.members.at(slot) {
            let (id, address) = (member.id.clone(), member.address);
            self.report_change(id, ChangeKind::Offline { address, cause });
        }
    }

    /// Returns the last bytes of a message socket at a shutdown of the coordinator.
    #[must_use]
    pub fn shutdown_bytes(&self, link: LinkId) -> Box<[u8]> {
        let open = self.links.open(link);
        open.map_or_else(Box::default, |(_, outbound)| outbound.closing_bytes(Bye::ShuttingDown))
    }

    /// Ends a turn. With a time to live of 0, all messages of the turn expire now.
    pub(super) fn on_delivered(&mut self) {
        if self.delivers_once() {
            self.expire_before(self.history.released().next());
        }
        self.history.trim();
    }

    /// Drops expired messages. An uncommitted message does not expire: after a failure it may turn
    /// out never to have been accepted.
    pub(super) fn expire(&mut self, now: Millis) {
        if !self.delivers_once() {
            let front = self.history.unexpired(now);
            self.expire_before(front.min(self.history.released().next()));
        }
    }

    fn expire_before(&mut self, front: Seq) {
        if front > self.history.front() {
            let expired = front.before().above(self.find_needed().before());
            self.stats.expired = self.stats.expired.saturating_add(expired);
            self.drop_messages_before(front);
        }
    }

    /// Drops messages before `front`. Cursors below skip them, with a gap if the member has acks.
    pub(super) fn drop_messages_before(&mut self, front: Seq) {
        self.history.drop_before(front);
        let mut moved = Vec::new();
        for (slot, outbound) in self.links.all_open_mut() {
            let Some(member) = self.members.at(slot) else { continue };
            if outbound.reaches(front) {
                continue;
            }
            if outbound.skip_missing(&self.history, member.own()) > 0 {
                self.stats.gaps = self.stats.gaps.saturating_add(1);
            }
            if !outbound.acks {
                moved.push((slot, outbound.sent()));
            }
        }
        moved.into_iter().for_each(|(slot, acked)| self.apply_acked(slot, acked));
    }

    /// Returns [`Recorded::needed`](crate::facts::Recorded::needed), in constant time if the lowest
    /// cursor has not moved.
    pub(super) fn find_needed(&mut self) -> Seq {
        let lowest = self.members.find_lowest_acked();
        self.needed_above(lowest)
    }

    pub(super) fn needed_above(&self, lowest: Option<Seq>) -> Seq {
        lowest.unwrap_or(self.history.last()).next().max(self.history.front())
    }
}
