//! The inputs and effects of a [`Session`](super::Session).

use std::net::{IpAddr, SocketAddr};

use super::{DroppedConnection, LogEntry, Notice, OutboxEntry, TextOutcome};
use crate::protocol::{KeyName, Seq};

/// Number of a command socket. The session gives a new number with each [`SessionEffect::Dial`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandSocket(pub u64);

/// Number of a message socket. The shell gives a connection to the listener a number that it never
/// uses twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageSocket(pub u64);

impl MessageSocket {
    /// Bit in the numbers of message sockets that were command sockets.
    const UPGRADED: u64 = 1 << 63;

    /// Returns the message socket that a command socket becomes.
    #[must_use]
    pub const fn upgraded(CommandSocket(number): CommandSocket) -> Self {
        Self(number | Self::UPGRADED)
    }
}

/// An event. Events of sockets that are no longer in use are ignored.
#[derive(Clone, Copy, Debug)]
pub enum SessionInput<'a> {
    /// A line of the user, without its line feed.
    UserLine(&'a [u8]),
    /// The user wrote a line of more than `max` bytes, which was dropped.
    UserLineTooLong {
        /// Most bytes of a line.
        max: usize,
    },
    /// The user's input has ended.
    EndOfInput,
    /// The program shall shut down: a signal, or Ctrl-C.
    Stop,
    /// A command socket is connected.
    Dialed {
        /// The command socket.
        socket: CommandSocket,
        /// Local address of the socket.
        ip: IpAddr,
        /// Remote address of the socket.
        coordinator: SocketAddr,
    },
    /// A command socket could not be connected.
    DialFailed {
        /// The command socket.
        socket: CommandSocket,
        /// Failed call, and the error of the operating system.
        reason: &'a str,
    },
    /// A line came in on a command socket.
    ReplyLine {
        /// The command socket.
        socket: CommandSocket,
        /// The line without its line feed.
        line: &'a [u8],
    },
    /// A command socket ended.
    CommandSocketClosed {
        /// The command socket.
        socket: CommandSocket,
        /// Reason of the end.
        reason: &'a str,
        /// Number of bytes at the end of the requests that the operating system has not taken.
        unsent: usize,
    },
    /// The listener is open.
    Listening {
        /// Port of the listener.
        port: u16,
        /// 128 random bits, secret and never used before.
        nonce: u128,
    },
    /// The listener could not be opened.
    ListenFailed {
        /// Error of the operating system.
        reason: &'a str,
    },
    /// The listener has accepted a connection.
    Accepted {
        /// Number of the connection.
        socket: MessageSocket,
        /// Remote address of the connection.
        peer: IpAddr,
    },
    /// A line came in on a message socket, or on an accepted connection.
    MessageLine {
        socket: MessageSocket,
        /// The line without its line feed.
        line: &'a [u8],
    },
    /// An accepted connection ended, because TLS shows that it is not the coordinator's.
    Untrusted {
        socket: MessageSocket,
        /// The key that the peer has shown; `None` if the handshake has failed.
        key: Option<KeyName>,
    },
    /// A message socket or an accepted connection ended, or brought a line above the limit.
    MessageSocketClosed {
        socket: MessageSocket,
        /// Reason of the end.
        reason: &'a str,
    },
    /// The oldest unwritten log entries are written now.
    LogWritten {
        /// Number of entries.
        entries: usize,
    },
    /// Entries could not be written. The shell keeps them for [`SessionEffect::RetryLog`].
    LogFailed {
        /// Error of the operating system.
        reason: &'a str,
    },
    /// The messages of [`SessionEffect::ReadLast`] are shown, or could not be read.
    LastRead {
        /// Error, as text.
        failure: Option<&'a str>,
    },
    /// The oldest unwritten entries of the outbox file are written now.
    OutboxWritten {
        /// Number of entries.
        entries: usize,
    },
    /// Entries of the outbox file could not be written. The shell keeps them for
    /// [`SessionEffect::RetryOutbox`].
    OutboxFailed {
        /// Error of the operating system.
        reason: &'a str,
    },
    /// Time has passed.
    Tick,
}

/// An action for the shell. The shell carries out all effects in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionEffect {
    /// Connect a command socket to a coordinator.
    Dial {
        /// Number of the new socket.
        socket: CommandSocket,
        /// Position of the coordinator in [`Settings::coordinators`](super::Settings), from 0.
        coordinator: usize,
    },
    /// Close a command socket, or stop connecting it.
    CloseCommandSocket {
        /// The command socket.
        socket: CommandSocket,
    },
    /// Write a request.
    Send {
        /// The command socket.
        socket: CommandSocket,
        /// The line with its line feed.
        line: Box<str>,
    },
    /// Open the listener. [`SessionInput::Listening`] or [`SessionInput::ListenFailed`] follows.
    Listen {
        /// Port of the listener; 0: any free port.
        port: u16,
    },
    /// Close the listener. Accepted connections stay open.
    CloseListener,
    /// Make a command socket the message socket [`MessageSocket::upgraded`]. The bytes that were
    /// read from it and not used are lines of messages.
    Upgrade {
        /// The command socket.
        socket: CommandSocket,
    },
    /// Close a message socket, or a connection that has sent no hello.
    CloseMessageSocket { socket: MessageSocket },
    /// Send an acknowledgement. It replaces an earlier one that is not written yet.
    Ack {
        /// The message socket.
        socket: MessageSocket,
        /// Last number that is acknowledged.
        seq: Seq,
    },
    /// Append an entry to the message log, and show it.
    Append(LogEntry),
    /// Try again to write the entries that could not be written.
    RetryLog,
    /// Read the last messages of the message log, show them, and report it with
    /// [`SessionInput::LastRead`].
    ReadLast {
        /// Number of messages.
        count: usize,
    },
    /// Append an entry to the outbox file.
    Store(OutboxEntry),
    /// Try again to write the entries of the outbox file that could not be written.
    RetryOutbox,
    /// Log a warning about dropped connections.
    Report(DroppedConnection),
    /// The outcome of a text is known. [`Session::last_order`](super::Session::last_order) gives
    /// the position of a text.
    TextDone {
        /// Position of the text among the requests of the user.
        order: u64,
        /// Outcome of the text.
        outcome: TextOutcome,
    },
    /// Show a notice to the user.
    Show(Notice),
    /// Exit the program. This is the last effect.
    Exit {
        /// 0, or 1 if a command failed or was not finished.
        code: u8,
    },
}
