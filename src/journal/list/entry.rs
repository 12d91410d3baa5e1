//! An entry of the list, as the engine passes it.

use super::names::ListPosition;
use crate::time::UnixMillis;

/// Kind of an entry: the subject under which it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum EntryKind {
    /// Entry that is a batch.
    Log = 0,
    /// A piece of a snapshot.
    Snapshot = 1,
}

/// One entry of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListEntry<'a> {
    /// Position of the entry.
    pub position: ListPosition,
    /// Time at which the engine stored the entry. All servers of the engine have the same one.
    pub stored: UnixMillis,
    /// Kind of the entry.
    pub kind: EntryKind,
    /// Bytes of the entry.
    pub bytes: &'a [u8],
}
