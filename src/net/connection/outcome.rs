//! Outcomes of reads and writes on a connection.

/// Reason why [`Connection::fill`](super::Connection::fill) stopped, with the number of bytes that
/// it read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// The stream is empty. An edge reports the next bytes.
    Drained(usize),
    /// More bytes may be there, and no edge will report them. Read again in the next turn.
    Yielded(usize),
    /// The peer closed its side. All bytes that it sent are in the input.
    Eof(usize),
}

impl Fill {
    /// Returns the number of bytes that were read.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::Drained(bytes) | Self::Yielded(bytes) | Self::Eof(bytes) => bytes,
        }
    }
}

/// Reason why [`Connection::flush`](super::Connection::flush) stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// All bytes are written.
    Empty,
    /// The socket buffer is full. An edge reports when it has room.
    Blocked,
    /// More bytes are due, and no edge will report this. Write again in the next turn.
    Yielded,
}
