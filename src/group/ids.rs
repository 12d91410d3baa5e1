//! Ids of command sockets, links and members.

use std::fmt;

/// Id of a command socket. The group returns it with the reply and does not use it otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnId(pub usize);

/// Id of a connect-back and of its message socket. No other link ever has the same id.
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

/// Waits for a proposed fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ticket {
    /// A request waits for its reply.
    Request(ConnId),
    /// A connect-back has succeeded, and its request waits for its reply.
    Link(LinkId),
    /// No request waits: the member was offline for `forget_after`.
    Forgotten,
    /// No request waits.
    Nobody,
}

/// Index of a member in the table. After the member is removed, another one can get it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
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
