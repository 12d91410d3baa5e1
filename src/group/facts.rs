//! What is to be written down of a group's decisions, so that it can be what it was.

use std::net::SocketAddr;

use super::ids::MemberSlot;
use super::members::UnrecordedChange;
use super::{Effect, Group};
use crate::protocol::{Epoch, Seq};
use crate::time::Millis;

/// One decision. Applied again in the same order they make the same group; expiry is not among
/// them, as it follows from the time, nor is who was online, as no socket outlives the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A member is new.
    Member(MemberState),
    /// A member has come back: it may have gone back, and needs what stands above this place. That
    /// is written down with its next [`CursorUpdate`].
    Reconnected {
        /// Its place.
        acked: Seq,
    },
    /// A member is one no more.
    Deregistered {
        /// Which.
        id: Box<str>,
    },
    /// The numbers begin another life; the last one given out stays.
    NewEpoch {
        /// Which.
        epoch: Epoch,
    },
    /// A message was accepted: [`Group::lines`] has it.
    Accepted {
        /// Which.
        seq: Seq,
    },
}

/// All that is to be known of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberState {
    /// Its id.
    pub id: Box<str>,
    /// Where it was connected to last.
    pub address: SocketAddr,
    /// The last number before it was registered.
    pub registered_at: Seq,
    /// Its place.
    pub acked: Seq,
    /// Its own numbers above that, and those below it of messages that are kept: the first and the
    /// last of each run, lowest first.
    pub own: Box<[(Seq, Seq)]>,
}

/// A member whose place is to be written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CursorUpdate<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its place.
    pub acked: Seq,
    /// If it has come back: its address, and the last number before it was registered.
    pub reconnected: Option<(SocketAddr, Seq)>,
}

impl Group {
    /// The life of the numbers.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epochs.current()
    }

    /// The life of the numbers behind all that was decided: that of [`Group::epoch`], or the one
    /// that begins as soon as it is written down.
    #[must_use]
    pub fn decided_epoch(&self) -> Epoch {
        self.epochs.decided()
    }

    /// The kept lines above `after`, each with its number and when it was accepted.
    pub fn lines(&self, after: Seq) -> impl Iterator<Item = (Seq, &[u8], Millis)> {
        self.history.lines(after)
    }

    /// Where all members stand, in the order of their ids.
    pub fn member_states(&self) -> impl Iterator<Item = MemberState> {
        self.members.sorted().map(|member| member.member_state())
    }

    /// Whether an id is a member.
    #[must_use]
    pub fn is_member(&self, id: &str) -> bool {
        self.members.find(id).is_some()
    }

    /// Returns true if a member has moved or come back since the last
    /// [`Group::take_cursor_updates`].
    #[must_use]
    pub fn has_cursor_updates(&self) -> bool {
        !self.changed_cursors.is_empty()
    }

    /// The members that have moved or come back since the last call, each once.
    pub fn take_cursor_updates(&mut self, mut put: impl FnMut(CursorUpdate<'_>)) {
        for slot in std::mem::take(&mut self.changed_cursors) {
            let Some(member) = self.members.at_mut(slot) else { continue };
            let unrecorded = std::mem::replace(&mut member.unrecorded, UnrecordedChange::Nothing);
            let reconnected = match unrecorded {
                UnrecordedChange::Nothing => continue, // Another member was given the slot.
                UnrecordedChange::Acked => None,
                UnrecordedChange::Reconnected => Some((member.address, member.registered_at)),
            };
            put(CursorUpdate { id: &member.id, acked: member.acked(), reconnected });
        }
    }

    pub(super) fn record(&mut self, fact: Fact) {
        if self.rules.is_journaled {
            self.effects.push_back(Effect::Record(fact));
        }
    }

    pub(super) fn record_member(&mut self, slot: MemberSlot) {
        if let Some(member) = self.members.at(slot) {
            self.record(Fact::Member(member.member_state()));
        }
    }

    /// A member's place may have moved: that is written down once, however often it did.
    pub(super) fn mark_cursor_changed(&mut self, slot: MemberSlot) {
        self.mark_unrecorded(slot, UnrecordedChange::Acked);
    }

    /// A member has come back: that is written down once, however often it did.
    pub(super) fn mark_reconnected(&mut self, slot: MemberSlot) {
        self.mark_unrecorded(slot, UnrecordedChange::Reconnected);
        if let Some(acked) = self.members.at(slot).map(|member| member.acked()) {
            self.record(Fact::Reconnected { acked });
        }
    }

    fn mark_unrecorded(&mut self, slot: MemberSlot, what: UnrecordedChange) {
        if !self.rules.is_journaled {
            return;
        }
        let Some(member) = self.members.at_mut(slot) else { return };
        match (member.unrecorded, what) {
            (UnrecordedChange::Nothing, _) => {
                member.unrecorded = what;
                self.changed_cursors.push(slot);
            }
            (UnrecordedChange::Acked, UnrecordedChange::Reconnected) => member.unrecorded = what,
            (UnrecordedChange::Acked | UnrecordedChange::Reconnected, _) => (),
        }
    }
}
