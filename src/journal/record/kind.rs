//! Kinds of records, as a byte of their header says.

/// Kind of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// [`super::Record::Epoch`].
    Epoch = 1,
    /// [`super::Record::Member`].
    Member = 2,
    /// [`super::Record::Deregistered`].
    Deregistered = 3,
    /// [`super::Record::Accepted`].
    Accepted = 4,
    /// [`super::Record::Place`].
    Place = 5,
    /// [`super::Record::Clock`].
    Clock = 6,
    /// [`super::Record::Continued`].
    Continued = 7,
    /// [`super::Record::Closed`].
    Closed = 8,
    /// [`super::Record::Own`].
    Own = 9,
    /// [`super::Record::Safe`].
    Safe = 10,
    /// [`super::Record::NewEpoch`].
    NewEpoch = 11,
}

impl Kind {
    pub(super) fn of(byte: u8) -> Option<Self> {
        const ALL: [Kind; 11] = [
            Kind::Epoch,
            Kind::Member,
            Kind::Deregistered,
            Kind::Accepted,
            Kind::Place,
            Kind::Clock,
            Kind::Continued,
            Kind::Closed,
            Kind::Own,
            Kind::Safe,
            Kind::NewEpoch,
        ];
        ALL.into_iter().find(|kind| *kind as u8 == byte)
    }
}
