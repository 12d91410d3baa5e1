//! Facts: the decisions that a journal stores, and the cursors that still have to be recorded.

use std::net::SocketAddr;

use super::ids::MemberSlot;
use super::members::UnrecordedChange;
use super::{Effect, Group};
use crate::protocol::{Epoch, Seq};
use crate::time::Millis;

/// A decision. The same facts in the same order make the same group. Expiry is not a fact: it
/// follows from the time. Being online is not a fact either: no socket outlives the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A new member.
    Member(MemberState),
    /// A member came back. Its cursor may have gone back, so the messages after `acked` must be
    /// kept. The next [`CursorUpdate`] records the member.
    Reconnected {
        /// Cursor of the member.
        acked: Seq,
    },
    /// An id ceased to be a member.
    Deregistered {
        /// Id of the former member.
        id: Box<str>,
    },
    /// A new epoch begins. The last seq stays.
    NewEpoch {
        /// The new epoch.
        epoch: Epoch,
    },
    /// A message was accepted. [`Group::lines`] returns its line.
    Accepted {
        /// Seq of the message.
        seq: Seq,
    },
}

/// State of a member, as a snapshot stores it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberState {
    /// Id of the member.
    pub id: Box<str>,
    /// Address of the last connect-back.
    pub address: SocketAddr,
    /// Last seq before the registration.
    pub registered_at: Seq,
    /// Last seq that counts as delivered.
    pub acked: Seq,
    /// Ranges of own seqs: all above `acked`, and those of kept messages below. First and last of
    /// each range, lowest first.
    pub own: Box<[(Seq, Seq)]>,
}

/// A member whose cursor must be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CursorUpdate<'a> {
    /// Id of the member.
    pub id: &'a str,
    /// Last seq that counts as delivered.
    pub acked: Seq,
    /// After a reconnect: the address, and the last seq before the registration.
    pub reconnected: Option<(SocketAddr, Seq)>,
}

impl Group {
    /// Returns the current epoch.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epochs.current()
    }

    /// Returns the newest epoch, even if it is not committed yet. See [`Group::epoch`].
    #[must_use]
    pub fn decided_epoch(&self) -> Epoch {
        self.epochs.decided()
    }

    /// Returns the kept lines after `after`, each with its seq and acceptance time.
    pub fn lines(&self, after: Seq) -> impl Iterator<Item = (Seq, &[u8], Millis)> {
        self.history.lines(after)
    }

    /// Returns the states of all members, in the order of their ids.
    pub fn member_states(&self) -> impl Iterator<Item = MemberState> {
        self.members.sorted().map(|member| member.member_state())
    }

    /// Returns true if the id is a member.
    #[must_use]
    pub fn is_member(&self, id: &str) -> bool {
        self.members.find(id).is_some()
    }

    /// Returns true if a cursor has moved or a member has come back since the last
    /// [`Group::take_cursor_updates`].
    #[must_use]
    pub fn has_cursor_updates(&self) -> bool {
        !self.changed_cursors.is_empty()
    }

    /// Passes each member whose cursor moved, or that came back, since the last call to `put`,
    /// once.
    pub fn take_cursor_updates(&mut self, mut put: impl FnMut(CursorUpdate<'_>)) {
        for slot in std::mem::take(&mut self.changed_cursors) {
            let Some(member) = self.members.at_mut(slot) else { continue };
            let unrecorded = std::mem::replace(&mut member.unrecorded, UnrecordedChange::Nothing);
            let reconnected = match unrecorded {
                UnrecordedChange::Nothing => continue, // The slot belongs to another member now.
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

    /// Marks a cursor to be recorded, once for any number of moves.
    pub(super) fn mark_cursor_changed(&mut self, slot: MemberSlot) {
        self.mark_unrecorded(slot, UnrecordedChange::Acked);
    }

    /// Records that a member came back, and marks its cursor to be recorded.
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
