//! What the library and the tests that preload it say to each other: words of a page, and what the
//! records of a trace are about.

/// What calls are told apart by.
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
    /// Each that changes a file or a directory, or makes that safe, beside its own kind.
    AnyChange,
}

/// What is done at a call; those of them that say `From` do it at all that follow, too.
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

/// What is done, see [`Action`].
pub const ACTION: usize = 0;
/// At a call of this [`Kind`].
pub const KIND: usize = 1;
/// At which of them, from 1.
pub const CALL: usize = 2;
/// With what it fails.
pub const ERRNO: usize = 3;
/// How much of it is done, of 256.
pub const PART: usize = 4;
/// How often it was done.
pub const FIRED: usize = 5;
/// Milliseconds that the machine has slept.
pub const SLEPT_MS: usize = 6;
/// Milliseconds that its wall clock is ahead, or behind as a negative number.
pub const WALL_SET_MS: usize = 7;
/// Where the calls of each kind are counted.
pub const COUNTS: usize = 16;
/// Words of the page.
pub const WORDS: usize = COUNTS + Kind::AnyChange as usize + 1;

/// What a program did, or what became of its files; as a byte it is the letter.
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
}
