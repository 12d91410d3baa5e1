//! Lines of text for the user: replies, notices and errors, escaped for a terminal.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::bye_text::{TAKEN_OVER, fmt_bye, fmt_went_back};
use super::members_table::{MembersTableHead, MembersTableRow};
use super::user_command::{Ask, BadCommand, UserCommand};
use super::{HereHint, LeftCoordinator, NextAttempt, NoPast, NotSent, OutboxNotice, Status};
use super::{WaitingCount, WaitingLimits};
use crate::limits::{DIAL_TIMEOUT_MS, REPLY_TIMEOUT_MS};
use crate::protocol::Seq;
use crate::text::{self, Counted};

/// A line for the user. A reply is shown unchanged. An event begins with `* `, an error with
/// `error: `.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A reply line of the coordinator to a command of the user.
    Reply(Box<str>),
    /// A line of `members`, behind the first one.
    Member {
        /// The line.
        line: Box<str>,
        /// True for `who`, which shows the line as a row of a table.
        is_table: bool,
    },
    /// The line above the rows of `who`.
    MembersTableHead,
    /// A line of the user that is no valid command.
    BadCommand(BadCommand),
    /// A command failed before a reply came.
    Failed {
        /// Name of the command.
        command: &'static str,
        /// Reason of the failure.
        why: Reason,
    },
    /// The reply to a request was lost. The request may have been carried out, and is not sent
    /// again.
    Unanswered {
        /// Name of the command.
        command: &'static str,
        /// Text of an `msend`.
        text: Option<Box<str>>,
    },
    /// A request was given up before it was sent.
    NotSent {
        /// Name of the command.
        command: &'static str,
        /// Text of an `msend`.
        text: Option<Box<str>>,
        /// Reason why it was not sent.
        why: NotSent,
    },
    /// Requests wait until they can be sent.
    Waiting {
        /// The coordinator's reply, if it takes no message for now. Otherwise the participant is
        /// not online.
        refused: Option<Box<str>>,
        /// Limits of waiting.
        limits: WaitingLimits,
    },
    /// Requests wait because the coordinator takes texts at a limited rate: its reply.
    RateLimited(Box<str>),
    /// A line about the outbox.
    Outbox(OutboxNotice),
    /// Requests that waited are sent.
    SendingWaiting(WaitingCount),
    /// The operating system has picked a port for the listener.
    Listening {
        /// Port of the listener.
        port: u16,
    },
    /// The coordinator's name resolves to an address for the first time, or to a new address. Of
    /// several coordinators: another one serves this participant.
    Connected {
        /// Coordinator as the user names it.
        name: Box<str>,
        /// Address at which the coordinator was reached.
        address: SocketAddr,
    },
    /// The message socket broke.
    MessageSocketLost {
        /// Reason of the failure.
        why: Reason,
    },
    /// Another program with this id has taken over. It listens at this address.
    TakenOver(SocketAddr),
    /// The command socket broke.
    CommandSocketLost {
        /// Reason of the failure.
        why: Reason,
    },
    /// An automatic reconnect follows.
    Paused(NextAttempt),
    /// The next coordinator is used.
    FailedOver(Box<LeftCoordinator>),
    /// An attempt to become online failed, and another attempt follows.
    TryFailed {
        /// Name of the command that was tried.
        command: &'static str,
        /// Reason of the failure.
        why: Reason,
        next: NextAttempt,
    },
    /// The coordinator cannot connect to this participant: another way may work.
    UseHere(HereHint),
    /// The coordinator does not know this id, so the session registers.
    Forgotten,
    /// The session registers without the `last=` of the user.
    NoPast(NoPast),
    /// An automatic reconnect succeeded.
    Reconnected {
        /// The coordinator's reply.
        reply: Box<str>,
    },
    /// An automatic reconnect ended in a new registration.
    RegisteredAgain {
        /// The coordinator's reply.
        reply: Box<str>,
    },
    /// The next number of the coordinator, and the last number taken in the same epoch. The next
    /// number should be above the last one, and is not.
    NumbersWentBack(Seq, Seq),
    /// The message log cannot be written.
    LogFailed {
        /// Error of the operating system.
        reason: Box<str>,
    },
    /// The message log can be written again.
    LogRecovered,
    /// The answer to `status`. It is in a box, because each effect has room for a notice.
    Status(Box<Status>),
    /// The answer to `help`.
    Help,
    /// A signal came before these commands of the user were finished.
    Unfinished {
        /// Number of commands.
        commands: usize,
    },
    /// The session exits without waiting any longer.
    Abandoned {
        /// Number of entries of the message log that are not written, and not acknowledged.
        unwritten: usize,
        /// Number of requests without a reply.
        unanswered: usize,
    },
}

/// Reason of a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Error of the operating system.
    System(Box<str>),
    /// The coordinator's reply, from `ERR` on.
    Refused(Box<str>),
    /// The coordinator is older than `here`. Its reply, from `ERR` on.
    HereUnknown(Box<str>),
    /// The id is registered from another address than this participant's.
    IdElsewhere {
        /// Id of this participant.
        id: Box<str>,
        /// Address of this participant.
        ip: IpAddr,
        /// The coordinator's reply, from `ERR` on.
        line: Box<str>,
    },
    /// The listener could not be opened.
    NoListener {
        /// Port of the listener.
        port: u16,
        /// Error of the operating system.
        reason: Box<str>,
    },
    /// The command socket could not be connected in time.
    DialTimeout {
        /// Coordinator as the user names it.
        coordinator: Box<str>,
    },
    /// No reply came in time.
    NoReply {
        /// Coordinator as the user names it.
        coordinator: Box<str>,
    },
    /// The coordinator sent `OK`, and no hello in time.
    NoHello,
    /// The message log cannot write its entries.
    LogFailed,
    /// The outbox file cannot be written.
    OutboxFailed,
    /// A line on the command socket is no reply, or not a reply to the oldest request.
    BadReply,
    /// A line on the message socket is neither a message nor a gap.
    BadMessage,
    /// The coordinator's reason for closing the message socket.
    Bye(Box<str>),
}

impl Notice {
    pub(super) fn unanswered(ask: &Ask) -> Self {
        Self::Unanswered { command: ask.word(), text: ask.text() }
    }

    pub(super) fn not_sent(ask: &Ask, why: NotSent) -> Self {
        Self::NotSent { command: ask.word(), text: ask.text(), why }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Member { line, is_table: true } => MembersTableRow(line).fmt(f),
            Self::Reply(line) | Self::Member { line, .. } => text::for_terminal(line).fmt(f),
            Self::MembersTableHead => MembersTableHead.fmt(f),
            Self::BadCommand(bad) => write!(f, "error: {bad}"),
            Self::Failed { command, why } => write!(f, "error: {command}: {why}"),
            Self::Unanswered { command, text } => {
                let outcome = match text {
                    None => "the command may or may not have been carried out",
                    Some(_) => "the message may or may not be accepted, and is not sent again",
                };
                write!(f, "error: {command}: the reply is lost: {outcome}")?;
                QuotedText(text).fmt(f)
            }
            Self::NotSent { command, text, why } => {
                write!(f, "error: {command}: not sent: {why}{}", QuotedText(text))
            }
            Self::Waiting { refused, limits } => fmt_waiting(refused.as_deref(), *limits, f),
            Self::RateLimited(line) => fmt_rate_limited(line, f),
            Self::Outbox(notice) => notice.fmt(f),
            Self::SendingWaiting(waiting) => write!(f, "* sending {waiting} that waited"),
            Self::Listening { port } => write!(f, "* listening on port {port}"),
            Self::Connected { name, address } => fmt_connected(name, *address, f),
            Self::MessageSocketLost { why } => write!(f, "* message socket lost: {why}"),
            Self::TakenOver(by) => write!(f, "* taken over by {by}: {TAKEN_OVER}"),
            Self::CommandSocketLost { why } => write!(f, "* command socket lost: {why}"),
            Self::Paused(next) => next.fmt_reconnect(f),
            Self::FailedOver(left) => left.fmt(f),
            Self::TryFailed { command, why, next } => next.fmt_after(command, why, f),
            Self::Forgotten => {
                f.write_str("* the coordinator does not know this participant: registering")
            }
            Self::UseHere(hint) => hint.fmt(f),
            Self::NoPast(why) => why.fmt(f),
            Self::Reconnected { reply } => {
                write!(f, "* reconnected: {}", text::for_terminal(reply))
            }
            Self::RegisteredAgain { reply } => {
                let reply = text::for_terminal(reply);
                write!(f, "* registered as a new member, messages may have been missed: {reply}")
            }
            Self::NumbersWentBack(next, last) => fmt_went_back(*next, *last, f),
            Self::LogFailed { reason } => write!(f, "error: message log: {reason}; {NOT_ACKED}"),
            Self::LogRecovered => f.write_str("* message log: it can be written again"),
            Self::Status(status) => status.fmt(f),
            Self::Help => UserCommand::fmt_help(f),
            Self::Unfinished { commands } => {
                let commands = Counted(*commands, "command was", "commands were");
                write!(f, "error: quit: {commands} not finished")
            }
            Self::Abandoned { unwritten, unanswered } => fmt_left(*unwritten, *unanswered, f),
        }
    }
}

/// Writes what the end of a session has left, without zeros.
fn fmt_left(unwritten: usize, unanswered: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let entries = Counted(unwritten, "log entry was", "log entries were");
    let requests = Counted(unanswered, "request", "requests");
    match (unwritten, unanswered) {
        (1.., 0) => write!(f, "error: quit: {entries} not written"),
        (0, _) => write!(f, "error: quit: {requests} got no reply"),
        (1.., 1..) => write!(f, "error: quit: {entries} not written, {requests} got no reply"),
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(text) | Self::Refused(text) => text::for_terminal(text).fmt(f),
            Self::IdElsewhere { id, ip, line } => write!(
                f,
                "{id} is registered from another address, and the address of this participant is \
                 {ip} now: have the operator send {id}#deregister#127.0.0.1 on the coordinator's \
                 machine, or start the coordinator with allow_foreign_ip=yes: {}",
                text::for_terminal(line)
            ),
            Self::HereUnknown(line) => write!(
                f,
                "the coordinator is older than 'here': update it, or join at a port, without \
                 --passive: {}",
                text::for_terminal(line)
            ),
            Self::NoListener { port, reason } => {
                write!(f, "cannot listen on port {port}: {}", text::for_terminal(reason))
            }
            Self::DialTimeout { coordinator } => {
                let seconds = DIAL_TIMEOUT_MS.div_euclid(1000);
                write!(f, "no answer from {coordinator} in {seconds} s")
            }
            Self::NoReply { coordinator } => {
                let seconds = REPLY_TIMEOUT_MS.div_euclid(1000);
                write!(f, "no reply from {coordinator} in {seconds} s")
            }
            Self::NoHello => f.write_str("the coordinator confirmed, but sent no hello in time"),
            Self::LogFailed => f.write_str("the message log cannot be written"),
            Self::OutboxFailed => f.write_str("the outbox cannot be written"),
            Self::BadReply => {
                f.write_str("the coordinator sent a line that is not a reply: check its port")
            }
            Self::BadMessage => f.write_str("the coordinator sent a line that is not a message"),
            Self::Bye(reason) => fmt_bye(reason, f),
        }
    }
}

impl fmt::Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany { waiting, limits } => {
                let verb = if waiting.number == 1 { "waits" } else { "wait" };
                let WaitingLimits { number, bytes, .. } = limits;
                write!(f, "{waiting} {verb} already (at most {number}, {bytes} bytes)")
            }
            Self::NotAccepted(limits) => {
                let time = limits.time();
                write!(f, "waited {time}: the coordinator did not accept it in that time")
            }
            Self::NotStored => f.write_str("the outbox cannot be written"),
            Self::Unreachable(why) => why.fmt(f),
            Self::Left => f.write_str("you asked to go offline"),
            Self::Quit => f.write_str("the participant shuts down"),
        }
    }
}

/// Writes the coordinator, and its address if it has a name.
fn fmt_connected(name: &str, address: SocketAddr, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "* connected to {name}")?;
    if *address.to_string() == *name { Ok(()) } else { write!(f, " at {address}") }
}

/// Writes that messages wait, and why: the coordinator's reply, or no connection.
fn fmt_waiting(
    refused: Option<&str>,
    limits: WaitingLimits,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let time = limits.time();
    match refused {
        None => write!(f, "* not online: messages wait up to {time} {WAITING}"),
        Some(line) => {
            let line = text::for_terminal(line);
            write!(f, "* {line}: messages wait up to {time} and are sent again")
        }
    }
}

/// Writes that messages wait, because they come faster than the coordinator allows.
fn fmt_rate_limited(line: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "* {}: messages wait and are sent at this rate", text::for_terminal(line))
}

/// Writes `: ` and the text, if there is a text.
struct QuotedText<'a>(&'a Option<Box<str>>);

impl fmt::Display for QuotedText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(text) => write!(f, ": {}", text::for_terminal(text)),
            None => Ok(()),
        }
    }
}

const NOT_ACKED: &str = "until it can be written, messages are not acknowledged";
const WAITING: &str = "and are sent when online again";

/// Shows milliseconds as seconds: `1.3 s`.
pub(super) struct Seconds(pub(super) u64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = self.0.div_ceil(100);
        write!(f, "{}.{} s", tenths / 10, tenths % 10)
    }
}
