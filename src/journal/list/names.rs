//! Names in the list: positions, sites, their lives, and the visits of members.

use std::fmt;

use crate::protocol::is_id;

/// Sequence of an entry in the stream. 0 is the position before the first entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListPosition(pub u64);

impl ListPosition {
    /// Position before the first entry.
    pub const ZERO: Self = Self(0);

    /// Returns the next position.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Returns the position before.
    #[must_use]
    pub const fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl fmt::Display for ListPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Name of a site, unique among the sites of a group. It has the form of an id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SiteName(Box<str>);

impl SiteName {
    /// Returns the name; `None` if `name` has not the form of an id.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        is_id(name).then(|| Self(name.into()))
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SiteName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One run of the process of a site.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Life {
    /// Last entry that the process had applied when it proposed this life.
    pub began: ListPosition,
    /// Random bits, because two processes may begin at one position.
    pub random: u64,
}

/// Stay of a member at a site: the place of the record that brought the member there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct MemberVisit {
    /// Entry of the record.
    pub position: ListPosition,
    /// Index of the record in its batch.
    pub index: u32,
}
