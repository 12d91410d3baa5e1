//! Kinds of records, as stored in their headers.

/// Kind of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum RecordKind {
    /// [`super::Record::Epoch`].
    Epoch = 1,
    /// [`super::Record::Member`].
    Member = 2,
    /// [`super::Record::Deregistered`].
    Deregistered = 3,
    /// [`super::Record::Accepted`].
    Accepted = 4,
    /// [`super::Record::Acked`].
    Acked = 5,
    /// [`super::Record::Clock`].
    Clock = 6,
    /// [`super::Record::Continued`].
    Continued = 7,
    /// [`super::Record::Closed`].
    Closed = 8,
    /// [`super::Record::Own`].
    Own = 9,
    /// [`super::Record::Durable`].
    Durable = 10,
    /// [`super::Record::NewEpoch`].
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
