//! A member: id, address and cursor of one registered participant.

use std::net::SocketAddr;

use super::access::MemberAccess;
use super::history::{BlockSerial, History};
use super::ids::LinkId;
use super::presence::Presence;
use super::ranges::{SeqRange, SeqRanges};
use super::registration::Registration;
use super::sends::SendNumbers;
use crate::facts::MemberState;
use crate::protocol::{PeerName, Seq};
use crate::time::Millis;

/// A registered participant.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) id: Box<str>,
    pub(super) access: MemberAccess,
    /// Address of the last connect-back.
    pub(super) address: SocketAddr,
    pub(super) registration: Registration,
    /// Last seq that counts as delivered.
    acked: Seq,
    /// Seqs of the member's own messages.
    own: SeqRanges,
    pub(super) block: BlockSerial,
    /// Message socket: the member is online if there is one.
    pub(super) link: Option<LinkId>,
    /// Connect-back of a `reconnect` under way.
    pub(super) reconnecting: Option<LinkId>,
    /// True if its deregistration was proposed because of `forget_after`.
    pub(super) is_leaving: bool,
    /// Numbers of its `send` requests.
    pub(super) sends: SendNumbers,
    pub(super) presence: Presence,
}

impl Member {
    /// Creates a member that is online since `at`, and whose cursor is at its start in `block`.
    pub(super) fn new(
        id: Box<str>,
        owner: PeerName,
        address: SocketAddr,
        registration: Registration,
        block: BlockSerial,
        at: Millis,
    ) -> Self {
        Self {
            id,
            access: MemberAccess::new(owner),
            address,
            registration,
            acked: registration.start,
            own: SeqRanges::default(),
            block,
            link: None,
            reconnecting: None,
            is_leaving: false,
            sends: SendNumbers::default(),
            presence: Presence::Online { since: at },
        }
    }

    pub(super) fn state(&self, history: &History) -> MemberState<'_> {
        let Self { ref id, ref access, address, registration, sends, .. } = *self;
        let Registration { at: registered_at, start } = registration;
        let (owner, published) = (access.owner, sends.published());
        let acked = self.shown_acked(history);
        MemberState { id, owner, address, registered_at, start, acked, published }
    }

    /// Restores the seqs of a recorded member.
    pub(super) fn restore(&mut self, state: &MemberState<'_>, history: &mut History) {
        self.registration = Registration::of(state).within(history.last());
        // The deregistration of an earlier member of this id may be damaged.
        self.own.forget_through(self.registration.at);
        self.move_cursor(state.acked, history);
    }

    /// Moves the cursor to `acked`, or to the end of the own range right after it. The messages up
    /// to the cursor may be missing. Returns false if the cursor stays.
    pub(super) fn move_cursor(&mut self, acked: Seq, history: &mut History) -> bool {
        let acked = acked.min(history.last()).max(self.registration.start);
        if acked >= self.acked {
            self.advance(acked, history)
        } else {
            self.set_acked(acked, history);
            true
        }
    }

    /// Adds a message of the member itself, the newest one.
    pub(super) fn add_own(&mut self, seq: Seq) {
        self.own.push(seq);
    }

    /// Moves the cursor over the newest message, which is the member's own, if it comes next.
    #[inline]
    pub(super) fn pass_own(&mut self, seq: Seq, history: &mut History) -> bool {
        if self.acked.next() != seq {
            return false;
        }
        self.acked = seq;
        self.change_block(history);
        true
    }

    /// Ends the restoration. Until then no own seq is forgotten: a later record may move the cursor
    /// back below the kept messages.
    pub(super) fn finish_restore(&mut self, history: &History) {
        self.trim_own(history);
    }

    /// Restores recorded own ranges. The messages themselves may be missing.
    pub(super) fn restore_own(&mut self, ranges: Vec<(Seq, Seq)>, history: &mut History) {
        let highest = history.last();
        let within = |(first, last): (Seq, Seq)| SeqRange { first, last: last.min(highest) };
        let ranges = ranges.into_iter().map(within);
        self.own.add(ranges.filter(|range| range.first <= range.last).collect());
        self.advance(self.acked, history);
    }

    /// Returns true if no request or proposal of the member is under way.
    pub(super) fn is_at_rest(&self) -> bool {
        self.reconnecting.is_none() && !self.is_leaving
    }

    /// Returns true if the member has a message socket, here or at another site.
    pub(super) fn is_online(&self) -> bool {
        #[cfg(feature = "engine")]
        if let Presence::Elsewhere { is_online, .. } = self.presence {
            return is_online;
        }
        self.link.is_some()
    }

    pub(super) fn acked(&self) -> Seq {
        self.acked
    }

    /// Returns the cursor for others: a member that may not receive has passed all messages.
    pub(super) fn shown_acked(&self, history: &History) -> Seq {
        if self.access.receives { self.acked } else { history.last() }
    }

    pub(super) fn own(&self) -> &SeqRanges {
        &self.own
    }

    /// Moves the cursor forward to `acked`, and over the own seqs right after it. Returns false if
    /// the cursor stays.
    #[inline]
    fn advance(&mut self, acked: Seq, history: &mut History) -> bool {
        let acked = self.own.skip(acked.max(self.acked));
        if acked == self.acked {
            return false;
        }
        self.acked = acked;
        self.change_block(history);
        true
    }

    /// Enters the block of the next line, if the cursor has left its block.
    #[inline]
    fn change_block(&mut self, history: &mut History) {
        if history.is_past(self.block, self.acked) {
            history.leave(self.block);
            self.block = history.enter(self.acked);
        }
    }

    /// Returns the cursor of a member that returns and names `taken` as its last seq.
    ///
    /// If `taken` is below the cursor, the cursor goes back. The member then gets the kept messages
    /// after `taken` again, but none from before its start.
    pub(super) fn resumption(&self, taken: Seq, history: &History) -> Seq {
        let oldest = history.front().before().min(self.acked);
        taken.max(self.registration.start).max(oldest)
    }

    /// Moves the cursor of a member that returns.
    pub(super) fn resume_at(&mut self, acked: Seq, history: &mut History) {
        let acked = acked.min(history.last()).max(self.registration.start);
        if acked < self.acked {
            self.own.go_back(self.acked, history.own_horizon().next(), history.lost());
            self.set_acked(acked, history);
        } else if self.advance(acked, history) {
            self.trim_own(history);
        }
    }

    /// Sets the cursor to `acked`, or to the end of the own range right after it.
    fn set_acked(&mut self, acked: Seq, history: &mut History) {
        self.acked = self.own.skip(acked);
        history.leave(self.block);
        self.block = history.enter(self.acked);
    }

    /// Forgets own seqs at or below the cursor whose messages are not kept.
    #[inline]
    pub(super) fn trim_own(&mut self, history: &History) {
        if self.own.is_empty() {
            return;
        }
        self.own.forget_through(self.acked.min(history.own_horizon()));
    }

    /// Returns the number of kept messages of others after the cursor.
    pub(super) fn pending(&self, history: &History) -> u64 {
        history.others(self.shown_acked(history), &self.own)
    }

    /// Returns the acceptance time of the oldest one of these messages.
    pub(super) fn oldest_pending(&self, history: &History) -> Option<Millis> {
        history.oldest_other(self.shown_acked(history), &self.own)
    }
}
