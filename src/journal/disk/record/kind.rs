//! Kinds of records, as stored in their headers.

use super::Record;
use crate::facts::MemberState;
use crate::protocol::PeerName;

/// Kind of a record, with its number in the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum RecordKind {
    Epoch = 1,
    /// A member whose owner is the IP of its address. No longer written.
    Member = 2,
    Deregistered = 3,
    Accepted = 4,
    Acked = 5,
    Clock = 6,
    Continued = 7,
    Closed = 8,
    Own = 9,
    Durable = 10,
    NewEpoch = 11,
    OwnedMember = 12,
    /// A member with the number of its last `send`.
    PublishingMember = 13,
    /// A message with the number that its sender gave to it.
    Sent = 14,
    /// A member that gets messages from before its registration.
    StartedMember = 15,
    /// State of an id that was announced last.
    Announced = 16,
    /// A member that belongs to a key.
    KeyedMember = 17,
    /// End of the messages that expired before the time to live became longer.
    Expired = 18,
}

impl RecordKind {
    pub(super) fn of(byte: u8) -> Option<Self> {
        // In the order of the numbers, from 1 on.
        const ALL: [RecordKind; 18] = [
            RecordKind::Epoch,
            RecordKind::Member,
            RecordKind::Deregistered,
            RecordKind::Accepted,
            RecordKind::Acked,
            RecordKind::Clock,
            RecordKind::Continued,
            RecordKind::Closed,
            RecordKind::Own,
            RecordKind::Durable,
            RecordKind::NewEpoch,
            RecordKind::OwnedMember,
            RecordKind::PublishingMember,
            RecordKind::Sent,
            RecordKind::StartedMember,
            RecordKind::Announced,
            RecordKind::KeyedMember,
            RecordKind::Expired,
        ];
        ALL.get(usize::from(byte.checked_sub(1)?)).copied()
    }

    /// Returns true if the snapshot at the start of a segment is complete at the first record of
    /// this kind. `repeats` is [`SegmentHeader::repeats`](super::super::SegmentHeader::repeats).
    pub(in crate::journal::disk) const fn ends_snapshot(self, repeats: bool) -> bool {
        match self {
            Self::Epoch
            | Self::Member
            | Self::OwnedMember
            | Self::PublishingMember
            | Self::StartedMember
            | Self::KeyedMember
            | Self::Own
            | Self::Announced
            | Self::Expired => false,
            Self::Clock | Self::Accepted | Self::Acked | Self::Deregistered => !repeats,
            Self::Durable | Self::NewEpoch | Self::Continued | Self::Closed | Self::Sent => true,
        }
    }
}

impl Record<'_> {
    /// Returns the kind with which the record is written.
    pub(in crate::journal::disk) const fn kind(&self) -> RecordKind {
        match self {
            Self::Epoch { .. } => RecordKind::Epoch,
            Self::Member(MemberState { owner: PeerName::Key(_), .. }) => RecordKind::KeyedMember,
            Self::Member(state) if state.start.as_u64() < state.registered_at.as_u64() => {
                RecordKind::StartedMember
            }
            Self::Member(state) if state.published > 0 => RecordKind::PublishingMember,
            Self::Member(_) => RecordKind::OwnedMember,
            Self::Own { .. } => RecordKind::Own,
            Self::Announced { .. } => RecordKind::Announced,
            Self::Deregistered { .. } => RecordKind::Deregistered,
            Self::Accepted { number: None, .. } => RecordKind::Accepted,
            Self::Accepted { number: Some(_), .. } => RecordKind::Sent,
            Self::Acked { .. } => RecordKind::Acked,
            Self::Clock { .. } => RecordKind::Clock,
            Self::Durable { .. } => RecordKind::Durable,
            Self::NewEpoch { .. } => RecordKind::NewEpoch,
            Self::Expired { .. } => RecordKind::Expired,
            Self::Continued => RecordKind::Continued,
            Self::Closed => RecordKind::Closed,
        }
    }
}
