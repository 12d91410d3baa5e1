//! What is to be written down of a group's decisions, so that it can be what it was.

use std::net::SocketAddr;

use super::names::MemberSlot;
use super::{Effect, Group};
use crate::protocol::{Epoch, Seq};
use crate::time::Millis;

/// One decision. Applied again in the same order they make the same group; expiry is not among
/// them, as it follows from the time, nor is who was online, as no socket outlives the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A member is new, or has come back from somewhere, or stands where a snapshot found it.
    Member(Standpoint),
    /// A member is one no more.
    Deregistered {
        /// Which.
        id: Box<str>,
    },
    /// A message was accepted: [`Group::lines`] has it.
    Accepted {
        /// Which.
        seq: Seq,
    },
}

/// All that is to be known of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standpoint {
    /// Its id.
    pub id: Box<str>,
    /// Where it was connected to last.
    pub address: SocketAddr,
    /// The last number before it was registered.
    pub registered_at: Seq,
    /// Its place.
    pub place: Seq,
    /// Its own numbers above that: the first and the last of each run, lowest first.
    pub own: Box<[(Seq, Seq)]>,
}

impl Group {
    /// The life of the numbers.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The kept lines above `after`, each with its number and when it was accepted.
    pub fn lines(&self, after: Seq) -> impl Iterator<Item = (Seq, &[u8], Millis)> {
        self.history.lines(after)
    }

    /// Where all members stand, in the order of their ids.
    pub fn standpoints(&self) -> impl Iterator<Item = Standpoint> {
        self.members.sorted().map(|member| member.standpoint())
    }

    /// Whether an id is a member.
    #[must_use]
    pub fn is_member(&self, id: &str) -> bool {
        self.members.find(id).is_some()
    }

    /// Whether a place has moved since the last [`Group::take_moves`].
    #[must_use]
    pub fn has_moves(&self) -> bool {
        !self.moved.is_empty()
    }

    /// The members whose places have moved since the last call, and where to.
    pub fn take_moves(&mut self) -> impl Iterator<Item = (&str, Seq)> {
        let moved = std::mem::take(&mut self.moved);
        for &slot in &moved {
            if let Some(member) = self.members.at_mut(slot) {
                member.has_moved = false;
            }
        }
        let members = &self.members;
        moved.into_iter().filter_map(|slot| {
            let member = members.at(slot)?;
            Some((&*member.id, member.place()))
        })
    }

    pub(super) fn record(&mut self, fact: Fact) {
        if self.rules.is_journaled {
            self.effects.push_back(Effect::Record(fact));
        }
    }

    pub(super) fn record_member(&mut self, slot: MemberSlot) {
        if let Some(member) = self.members.at(slot) {
            self.record(Fact::Member(member.standpoint()));
        }
    }

    /// A member's place may have moved: to be written down once a turn, however often it did.
    pub(super) fn note_move(&mut self, slot: MemberSlot) {
        if !self.rules.is_journaled {
            return;
        }
        if let Some(member) = self.members.at_mut(slot)
            && !member.has_moved
        {
            member.has_moved = true;
            self.moved.push(slot);
        }
    }
}
