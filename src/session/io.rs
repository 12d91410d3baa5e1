//! What can happen to a session, and what it wants done.

use std::net::{IpAddr, SocketAddr};

use super::{DroppedConnection, LogEntry, Notice};
use crate::protocol::Seq;

/// A command socket, numbered by the session when it asks for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandSocket(pub u64);

/// A connection that came in at the listener, numbered by the shell; never the same number twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageSocket(pub u64);

/// Everything that can happen. What concerns a socket that is no longer in use is ignored.
#[derive(Clone, Copy, Debug)]
pub enum SessionInput<'a> {
    /// The user wrote a line; here it is without its end.
    UserLine(&'a [u8]),
    /// The user wrote a line of more than `max` bytes, which was not kept.
    UserLineTooLong {
        /// The limit.
        max: usize,
    },
    /// The user will write no more.
    EndOfInput,
    /// Somebody wants the program to end: a signal, or a key that stands for one.
    Stop,
    /// A command socket is connected.
    Dialed {
        /// Which.
        socket: CommandSocket,
        /// Its address on this side.
        ip: IpAddr,
        /// Its address on the coordinator's side.
        coordinator: SocketAddr,
    },
    /// A command socket could not be connected.
    DialFailed {
        /// Which.
        socket: CommandSocket,
        /// The call that failed, and the operating system's words.
        reason: &'a str,
    },
    /// A line came in on a command socket.
    ReplyLine {
        /// Which.
        socket: CommandSocket,
        /// The line without its end.
        line: &'a [u8],
    },
    /// A command socket ended.
    CommandSocketClosed {
        /// Which.
        socket: CommandSocket,
        /// How.
        reason: &'a str,
        /// Last bytes of the requests that the operating system has not taken.
        unsent: usize,
    },
    /// The listener is there.
    Listening {
        /// Where.
        port: u16,
        /// 128 bits that nobody can guess, never used before.
        nonce: u128,
    },
    /// There is no listener.
    ListenFailed {
        /// The operating system's words.
        reason: &'a str,
    },
    /// A connection came in at the listener.
    Accepted {
        /// Its number.
        socket: MessageSocket,
        /// Where from.
        peer: IpAddr,
    },
    /// A line came in on such a connection.
    MessageLine {
        /// Which.
        socket: MessageSocket,
        /// The line without its end.
        line: &'a [u8],
    },
    /// Such a connection ended, or brought a line that is longer than it may be.
    MessageSocketClosed {
        /// Which.
        socket: MessageSocket,
        /// How.
        reason: &'a str,
    },
    /// The oldest entries that were not yet written are written.
    LogWritten {
        /// How many.
        entries: usize,
    },
    /// Entries could not be written. The shell keeps them for [`SessionEffect::RetryLog`].
    LogFailed {
        /// The operating system's words.
        reason: &'a str,
    },
    /// Time has passed.
    Tick,
}

/// Everything that a session can want, to be carried out in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionEffect {
    /// Connect a command socket to the coordinator.
    Dial {
        /// Its number.
        socket: CommandSocket,
    },
    /// Close a command socket, or stop connecting it.
    CloseCommandSocket {
        /// Which.
        socket: CommandSocket,
    },
    /// Write a request.
    Send {
        /// Where.
        socket: CommandSocket,
        /// The line and its LF.
        line: Box<str>,
    },
    /// Listen, to be answered by [`SessionInput::Listening`] or [`SessionInput::ListenFailed`].
    Listen {
        /// Where; 0 leaves it to the operating system.
        port: u16,
    },
    /// Listen no more. Connections that came in stay.
    CloseListener,
    /// Close a connection that came in.
    CloseMessageSocket {
        /// Which.
        socket: MessageSocket,
    },
    /// Acknowledge. A later one stands for an earlier one that is not yet written.
    Ack {
        /// On which connection.
        socket: MessageSocket,
        /// Up to where.
        seq: Seq,
    },
    /// Put an entry at the end of the message log, and show it.
    Append(LogEntry),
    /// Try to write what could not be written.
    RetryLog,
    /// Warn of connections that were dropped.
    Report(DroppedConnection),
    /// Tell the user.
    Show(Notice),
    /// End the program. Nothing comes after it.
    Exit {
        /// 0, or 1 if a command failed or something was left undone.
        code: u8,
    },
}
