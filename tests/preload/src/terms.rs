//! What the library and the tests that preload it say to each other: words of a page.
//!
//! ```text
//!   0       1     2     3      4     5                  16
//!   action  kind  call  errno  part  how often it was   calls of each kind
//! ```

/// What calls are told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u64)]
pub(crate) enum Kind {
    Open,
    Create,
    MakeDirectory,
    Lock,
    List,
    State,
    Read,
    Write,
    Truncate,
    Sync,
    SyncDirectory,
    Rename,
    Remove,
    Close,
    Socket,
    Bind,
    Listen,
    Accept,
    Connect,
    Receive,
    Send,
    Shutdown,
    CloseSocket,
    Option,
    Watch,
    Say,
    /// Each that changes a file or a directory, or makes that safe, beside its own kind.
    AnyChange,
}

/// What is done at a call; those of them that say `From` do it at all that follow, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u64)]
pub(crate) enum Action {
    None,
    KillBefore,
    KillAfter,
    /// After a part of it.
    KillWithin,
    FailOnce,
    FailFrom,
    /// A part is transferred, and the call answers so.
    ShortOnce,
    ShortFrom,
}

impl Action {
    pub(crate) const ALL: [Self; 8] = [
        Self::None,
        Self::KillBefore,
        Self::KillAfter,
        Self::KillWithin,
        Self::FailOnce,
        Self::FailFrom,
        Self::ShortOnce,
        Self::ShortFrom,
    ];
}

/// Where the counts begin.
pub(crate) const COUNTS: usize = 16;
/// Words of the page.
pub(crate) const WORDS: usize = COUNTS + Kind::AnyChange as usize + 1;
