//! Constants shared by the library and the tests that preload it: words of the shared page, and
//! kinds of trace records.

/// Kind of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u64)]
pub enum Kind {
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
    /// Every call that changes a file or a directory, or syncs one, in addition to its own kind.
    AnyChange,
}

/// Action at a call. Those whose names contain `From` apply to all later calls, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u64)]
pub enum Action {
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
    /// The call does not begin before another action is asked for.
    HangFrom,
}

impl Action {
    pub const ALL: [Self; 9] = [
        Self::None,
        Self::KillBefore,
        Self::KillAfter,
        Self::KillWithin,
        Self::FailOnce,
        Self::FailFrom,
        Self::ShortOnce,
        Self::ShortFrom,
        Self::HangFrom,
    ];
}

/// Index of the action, see [`Action`].
pub const ACTION: usize = 0;
/// Index of the [`Kind`] of the call.
pub const KIND: usize = 1;
/// Index of the number of the call among its kind, from 1.
pub const CALL: usize = 2;
/// Index of the error number.
pub const ERRNO: usize = 3;
/// Index of the part of the call that is done, in 256ths.
pub const PART: usize = 4;
/// Index of the number of times that the action was done.
pub const FIRED: usize = 5;
/// Index of the milliseconds that the machine has slept.
pub const SLEPT_MS: usize = 6;
/// Index of the milliseconds by which the wall clock is ahead; negative if it is behind.
pub const WALL_SET_MS: usize = 7;
/// Index of the first counter of calls; one for each kind.
pub const COUNTS: usize = 16;
/// Number of words of the page.
pub const WORDS: usize = COUNTS + Kind::AnyChange as usize + 1;

/// Operation of a trace record; the byte is a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Operation {
    Begin = b'B',
    Create = b'C',
    MakeDirectory = b'D',
    Write = b'W',
    Truncate = b'T',
    Rename = b'R',
    Remove = b'U',
    Sync = b'S',
    Send = b'O',
    Receive = b'I',
    Say = b'P',
}
