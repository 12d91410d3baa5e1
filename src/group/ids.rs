//! What things are called: small numbers that are not to be mixed up.

use std::fmt;

/// Names a command socket; the group only hands it back with the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnId(pub usize);

/// Names a connect-back and the message socket that comes of it; never means another one later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinkId {
    slot: u32,
    serial: u32,
}

impl LinkId {
    pub(super) fn new(slot: usize, serial: u32) -> Self {
        debug_assert!(u32::try_from(slot).is_ok(), "links are bounded far below that");
        Self { slot: u32::try_from(slot).unwrap_or(u32::MAX), serial }
    }

    pub(super) fn slot(self) -> usize {
        self.slot as usize
    }

    pub(super) fn serial(self) -> u32 {
        self.serial
    }
}

impl fmt::Display for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.slot, self.serial)
    }
}

/// Where a member stands in the table; used again after it has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct MemberSlot(u32);

impl MemberSlot {
    pub(super) fn new(slot: usize) -> Self {
        debug_assert!(u32::try_from(slot).is_ok(), "members are bounded far below that");
        Self(u32::try_from(slot).unwrap_or(u32::MAX))
    }

    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}
