//! Kinds of records, as stored in their headers.

/// Kind of a record, with the number of the [`super::Record`] of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum RecordKind {
    Epoch = 1,
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
}

impl RecordKind {
    pub(super) fn of(byte: u8) -> Option<Self> {
        const ALL: [RecordKind; 11] = [
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
        ];
        ALL.into_iter().find(|kind| *kind as u8 == byte)
    }
}
