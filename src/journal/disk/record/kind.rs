//! Kinds of records, as stored in their headers.

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
}

impl RecordKind {
    pub(super) fn of(byte: u8) -> Option<Self> {
        // In the order of the numbers, from 1 on.
        const ALL: [RecordKind; 14] = [
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
        ];
        ALL.get(usize::from(byte.checked_sub(1)?)).copied()
    }
}
